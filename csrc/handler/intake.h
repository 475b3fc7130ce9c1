/* SPDX-License-Identifier: MIT
 *
 * intake: a thread that takes a signal in the place of its handlers, while it comes fast. The
 * program's own threads are then not interrupted for each. What it takes goes through the same
 * ledger, history and queue (handler.h). Which threads have lent a signal, and when they get it
 * back, is the subject of borrow.h.
 *
 * It waits for nothing but signals and a futex, has all signals blocked but SIGBUS, and
 * runs none of the program's code. The thread is started at the first flood; a fork ends it, in
 * the parent and for the child, until the next flood.
 *
 * It has a table of file descriptors of its own, with a signalfd(2) in it, of which it reads many
 * real-time signals by one system call. In the program's table, the program might close that, and
 * open something else by the same number.
 */
#ifndef SIGREC_INTAKE_H
#define SIGREC_INTAKE_H

#include "events/signals.h"

/* Interpreter context, idempotent. 0 or an errno. */
int intake_start(void);

/* Interpreter context. Whether the thread may take this signal in a flood. moderation_ns: between
 * two batches of a real-time signal, at least; limit: how many may wait in its backlog. */
void intake_set(int signum, bool may, uint64_t moderation_ns, uint64_t limit);

/* Interpreter context, in any thread: starts the intake thread, if there was a flood without it. */
void intake_begin(void);

/* Signal context, in the main thread, when a kick arrives. The intake thread may have taken signals
 * that were unregistered meanwhile: passes them on. */
void intake_pass_on(void);

/* Any context. The dispositions of these signals are about to change; until borrow_go_on nothing is
 * borrowed. What the thread has left in the kernel for a while is taken first, as what came to the
 * handler that was there then. A tenth of a second at most for each. */
void intake_before_change(uint64_t signals);

/* Any context. Gives all signals back, and ends the thread, for
 * which it waits a tenth of a second at most. */
void intake_end(void);

struct intake_counts {
    uint64_t taken;    /* by the intake thread, of this signal */
    uint64_t switches; /* how often the intake thread began to take this signal */
    uint64_t bytes;    /* of its backlog now */
    uint64_t naps;     /* of the intake thread, for all signals together */
    uint64_t kicks;    /* of the main thread or of lending threads, for all signals together */
};
void intake_count(int signum, struct intake_counts *counts);

#endif
