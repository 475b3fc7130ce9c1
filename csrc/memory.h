/* SPDX-License-Identifier: MIT
 *
 * memory: private pages that a forked child finds all zero (madvise(2),
 * MADV_WIPEONFORK, Linux 4.14). What the core must not share with a child,
 * from the child's first instruction on, lives in such pages.
 */
#ifndef SIGREC_MEMORY_H
#define SIGREC_MEMORY_H

#include <stddef.h>

/* Interpreter context. NULL, with errno set, when there is no memory. Where
 * the kernel cannot wipe, process.c clears in the child after fork. */
void *memory_wiped(size_t size);

#endif
