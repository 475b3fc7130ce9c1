/* SPDX-License-Identifier: MIT
 *
 * interpose_mask: while signals are recorded, the program calls these functions instead of those
 * of the C library that change a thread's signal mask. Each calls the original, and writes down
 * which signals were blocked or unblocked, and by which call site (mask.h).
 *
 * Not seen are raw system calls, calls that the C library makes itself, the mask that a handler has
 * while it runs, the mask of sigsuspend(2), ppoll(2) and the like while they wait, and a mask that
 * siglongjmp(3) or setcontext(3) restores.
 */
#ifndef SIGREC_INTERPOSE_MASK_H
#define SIGREC_INTERPOSE_MASK_H

#include "interpose/got.h"
#include "program/mask.h"

#include <signal.h>

/* Any context. sigprocmask(2), written down as a call that the program made at `caller`. For
 * functions of ours that replace one that changes the mask itself, such as sigset(3). */
int interpose_mask_change(int how, const sigset_t *set, sigset_t *old, const void *caller);

/* Interpreter context. Adds these functions to those that got_patch() installs. */
void interpose_mask(void);

#endif
