/* SPDX-License-Identifier: MIT
 *
 * memory: private pages that a forked child finds all zero (madvise(2),
 * MADV_WIPEONFORK, Linux 4.14). What the core must not share with a child,
 * from the child's first instruction on, lives in such pages.
 *
 * Where the kernel cannot wipe, fork(3) does: pthread_atfork(3). Signals are blocked
 * meanwhile, so that none finds in the child what is its parent's. A child that is
 * made without these hooks, by clone(2) or
 * _Fork(3), cannot be told from its parent then.
 */
#ifndef SIGREC_MEMORY_H
#define SIGREC_MEMORY_H

#include <stddef.h>

/* Of a static variable that is large, and of which a short program touches nothing, or only the
 * beginning: apart from the others, which so share a few pages. Each page that is touched takes
 * a microsecond or two, of a program that lives for some hundred. */
#ifdef __ELF__
#define SELDOM __attribute__((section(".bss.seldom")))
/* Of a variable that a forked child writes as it begins: these together, for the same reason. */
#define FORKED __attribute__((section(".bss.forked")))
#else
#define SELDOM
#define FORKED
#endif

/* Interpreter context. Pages that a forked child finds zero. NULL, with errno set: no memory. */
void *memory_wiped(size_t size);

/* Interpreter context. Unmaps such pages. */
void memory_free(void *start, size_t size);

/* Signal context. Moves the pages elsewhere by mremap(2), where nothing in a child points to
 * them. The kernel still wipes them. */
void memory_leave(const void *start);

#endif
