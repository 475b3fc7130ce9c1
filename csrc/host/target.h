/* SPDX-License-Identifier: MIT
 *
 * target: the program that is about to be exec'ed, and whether libsigrec.so could be
 * loaded into it. Into some it cannot be, and the attempt would do harm: a program
 * that ends at once (another C library), or a message on its stderr (of another
 * machine or class; where our file cannot be read). ld.so(8), elf(5).
 */
#ifndef SIGREC_TARGET_H
#define SIGREC_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum target {
    TARGET_FINE,
    TARGET_UNREADABLE, /* also where there is no such file: exec will say so */
    TARGET_NO_ELF,     /* and no script */
    TARGET_MACHINE,    /* of another machine, or of 32 bits */
    TARGET_STATIC,
    TARGET_C_LIBRARY,  /* another than ours */
    TARGET_PRIVILEGED, /* setuid, setgid: there LD_PRELOAD is ignored */
    TARGET_SANITIZER,  /* its runtime has to come first */
    TARGET_LIBRARY,    /* our library is not readable, or not executable, from there */
};

/* Any context: openat, fstat, pread64, readlinkat and close, as raw system calls, no more than
 * a few of each. library: the path of our library, `size` bytes; NULL: that is not looked at. */
enum target target_of(const char *path, const char *library, size_t size);
enum target target_of_fd(int fd, const char *library, size_t size);

/* Any context. The path at which execvp(3) would find the program, as far as that can be seen;
 * NULL: nowhere. */
const char *target_search(const char *program, char *path, size_t room);

/* The reason in words, after "cannot be recorded: it ..."; NULL: it can be recorded. */
const char *target_reason(enum target target);

#endif
