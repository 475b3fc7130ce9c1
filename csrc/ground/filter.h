/* SPDX-License-Identifier: MIT
 *
 * filter: which system calls the program has forbidden itself, seccomp(2).
 *
 * A sandbox is made for the system calls of the program, and our handler makes others:
 * one that ends the process would end it at a harmless signal. So when a filter is
 * installed through the C library (interpose.h), it is asked what it would do with
 * each of our calls, and a call that it would punish is not made any more. A call that
 * it would refuse with an errno may be tried: its caller can do without.
 *
 * Not seen are filters from before the first signal was taken, and those of a
 * program that makes the system call seccomp(2) by itself.
 */
#ifndef SIGREC_FILTER_H
#define SIGREC_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum filtered {
    FILTERED_GETTID,
    FILTERED_GETPID,
    FILTERED_SIGACTION,
    FILTERED_SIGPROCMASK,
    FILTERED_SIGPENDING,
    FILTERED_SIGTIMEDWAIT,
    FILTERED_QUEUE, /* rt_tgsigqueueinfo */
    FILTERED_TGKILL,
    FILTERED_KILL,
    FILTERED_FUTEX,
    FILTERED_MREMAP,
    FILTERED_OPEN, /* openat */
    FILTERED_READ,
    FILTERED_CLOSE,
    FILTERED_TIMER_CREATE,
    FILTERED_TIMER_SETTIME,
    FILTERED_STAT, /* newfstatat */
    FILTERED_UNLINK,
    FILTERED_CREATE, /* openat */
    FILTERED_RENAME, /* renameat2 */
    FILTERED_PRCTL,  /* whether it is a subreaper; and getppid: its parent's end */
    FILTERED_COUNT,
};

/* A bit for each system call that must not be made. */
extern _Atomic uint32_t filter_denied;

/* Any context. Whether the process may make that system call. */
static inline bool filter_allows(enum filtered call) {
    /* Relaxed: the thread that installs a filter notes it before. */
    return !(atomic_load_explicit(&filter_denied, memory_order_relaxed) >> call & 1);
}

/* Whether the program has installed any filter. */
extern _Atomic bool filter_added;

/* Any context. The program is about to install this filter (struct sock_fprog), or,
 * NULL, to allow itself read, write and exit alone. What was denied before. */
uint32_t filter_add(const void *program);

/* Any context. The program could not install its filter: the same is denied as before. */
void filter_undo(uint32_t denied_before);

#endif
