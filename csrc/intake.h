/* SPDX-License-Identifier: MIT
 *
 * intake: a thread that takes a signal in the place of its handlers, while it comes fast. The
 * program's own threads are then not interrupted for each. What it takes goes through the same
 * ledger, history and queue (handler.h); from whom the signal is borrowed, and who gets it back
 * when, is borrow.h.
 *
 * It waits for nothing but signals and a futex, has all signals blocked but the faults, and
 * runs none of the program's code. There is none until the first flood, and none after a fork,
 * in parent or child, until the next one.
 */
#ifndef SIGREC_INTAKE_H
#define SIGREC_INTAKE_H

#include "signals.h"

/* Interpreter context, idempotent. 0 or an errno. */
int intake_start(void);

/* Interpreter context. The signal is borrowed in a flood from now on, or not any more.
 * moderation_ns: of a real-time signal, at most one batch each; limit: of its backlog. */
void intake_set(int signum, bool may, uint64_t moderation_ns, uint64_t limit);

/* Interpreter context, in any thread: runs the thread, if there was a flood without it. */
void intake_begin(void);

/* Any context but signal context. Gives back, and ends the thread. */
void intake_end(void);

struct intake_counts {
    uint64_t taken;    /* by the thread, of this signal */
    uint64_t switches; /* to the thread */
    uint64_t bytes;    /* of its backlog now */
    uint64_t naps;     /* of the thread, for all signals, as the next */
    uint64_t kicks;    /* of the main thread, or of one that had lent */
};
void intake_count(int signum, struct intake_counts *counts);

#endif
