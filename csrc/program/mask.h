/* SPDX-License-Identifier: MIT
 *
 * mask: which signals a thread has blocked, since when, and who made it so.
 *
 * Of each signal the newest few changes are kept (notes.h): in a row of their own those of the
 * main thread, and in another those of all others. A call that blocks or lets in nearly all
 * signals at once, as around a fork, is one change of signal 0. The event's fields mean
 *
 *   ordinal   which change of this row it is, from 0
 *   code      enum mask_how
 *   pid       1: blocked; 0: not any more
 *   uid       where the change was made: a call site (site.h); 0: not known
 *   tid       the thread; 0: not known
 *   datum     all that the thread has blocked since: bit n-1 for signal n
 *
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_MASK_H
#define SIGREC_MASK_H

#include "program/notes.h"

#include <stdbool.h>

#define MASK_SLOTS 4                /* of each row */
#define MASK_ROWS (2 * SIGREC_NSIG) /* by signal: the main thread's; then the others' */
#define MASK_ALL 50                 /* so many at once are one change of signal 0 */

enum mask_how {
    MASK_FORKED = 2,   /* the thread that forked this process had it so, since then, by them */
    MASK_THREAD = 3,   /* by pthread_sigmask(3) */
    MASK_PROCESS = 4,  /* by sigprocmask(2) */
    MASK_SYSTEM_V = 5, /* by sigset(3), sighold(3), sigrelse(3) */
};

struct mask_change {
    enum mask_how how;
    uint64_t before, after; /* sets: signal_bit() */
    uint32_t tid;
    bool is_main;
    uint32_t site;
};

/* Any context. Which signals are blocked in one of the masks only, of those that can be. */
uint64_t mask_difference(uint64_t before, uint64_t after);

/* Any context, but not in a vfork child. ordinals: MASK_ROWS, how
 * many changes this process has written. */
void mask_note(const struct notes *to, _Atomic uint64_t *ordinals,
               const struct mask_change *change);

/* Interpreter context, in a forked child that has a recording now, in its main thread: writes down
 * which signals that thread had blocked before the fork. */
void mask_inherit(const struct notes *to, _Atomic uint64_t *ordinals, uint32_t tid);

#endif
