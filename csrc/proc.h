/* SPDX-License-Identifier: MIT
 *
 * proc: reads a small file of /proc in a signal handler, which may not call stdio.
 */
#ifndef SIGREC_PROC_H
#define SIGREC_PROC_H

#include <stddef.h>

/* Signal context; openat, read and close, where the program has not forbidden itself one of
 * them. Reads what one read(2) gives, and ends it with a 0. Returns its length: 0 where it
 * cannot be read. Meanwhile there is a descriptor, which another thread's close_range(2)
 * could close. Changes errno. */
size_t proc_read(const char *path, char *text, size_t size);

#endif
