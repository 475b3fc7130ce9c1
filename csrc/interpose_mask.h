/* SPDX-License-Identifier: MIT
 *
 * interpose_mask: the functions that a program calls in the place of the C library's own, where
 * these change a thread's signal mask, while its signals are recorded. Each calls the original,
 * and writes down which signals were blocked or let in, and by which call site (mask.h).
 *
 * Not seen: raw system calls, the C library's own, the mask that a handler has while it runs, what
 * sigsuspend(2), ppoll(2) and the like have for as long as they wait, what siglongjmp(3) and
 * setcontext(3) put back.
 */
#ifndef SIGREC_INTERPOSE_MASK_H
#define SIGREC_INTERPOSE_MASK_H

#include "got.h"
#include "mask.h"

#include <signal.h>

/* Any context. sigprocmask(2), written down as a call of the program's own, from `caller`. For
 * our functions that stand in the place of one that calls sigprocmask itself, as sigset(3). */
int interpose_mask_change(int how, const sigset_t *set, sigset_t *old, const void *caller);

/* Interpreter context. Adds them to those that got_patch() puts in their places. */
void interpose_mask(void);

#endif
