/* SPDX-License-Identifier: MIT
 *
 * handler: the sigaction handler, and its installation.
 */
#ifndef SIGREC_HANDLER_H
#define SIGREC_HANDLER_H

#include "ledger.h"
#include "queue.h"

/* Interpreter context: makes the signal's dispatch queue, if it has none yet
 * (it is never freed), and remembers the disposition as the one to restore.
 * Call it before anything else changes the disposition. 0 or an errno: EINVAL
 * for what the kernel or the C library refuses. */
int handler_prepare(int signum, uint64_t queue_capacity);

/* Interpreter context: takes the signal. restart: blocking calls go on
 * (SA_RESTART), where no thread needs to come out of one to handle it. 0 or an
 * errno. */
int handler_install(int signum, bool restart);

/* Interpreter context: stops queueing; from here on the handler only counts
 * and passes on. */
void handler_release(int signum);

/* Interpreter context: puts back what handler_prepare found. `force`: even
 * where the handler in place is not ours. False: it was not, and stays. */
bool handler_restore(int signum, bool force);

/* Any context. Is the signal registered, and our handler the one in place? */
bool handler_in_place(int signum);

/* Any context. Is the signal registered? Someone may have replaced us. */
bool handler_is_registered(int signum);

/* Interpreter context. The interpreter is about to set a handler of its own for
 * this registered signal, on our behalf and through standin.h; ours stays in
 * place, or what other threads take meanwhile would not be counted. 0: no more. */
void handler_keep(int signum);

/* Any context. Is it kept? Then this is the disposition beneath ours. */
bool handler_keeps(int signum, const struct sigaction *next);

/* Any context. Someone replaced us, knowingly or not: the signal is no longer
 * registered, as far as the handler goes. */
void handler_replaced(int signum);

/* Interpreter context. The disposition without us: what is in place, or what
 * was, where our handler is. 0 or -1 with errno, as sigaction(2). */
int handler_beneath(int signum, struct sigaction *action);

/* Interpreter context. Brings the recording's modes up to date. */
void handler_refresh_modes(void);

/* The handler itself, and the mask that it runs with where no handler of the
 * program's own says otherwise. */
void handler_on_signal(int signum, siginfo_t *info, void *context);
void handler_mask(sigset_t *mask);

/* Signal context. The ledger, as far as it can be told from private memory: how
 * many were taken, and how many of them wait. */
void handler_recount(struct ledger_entry *ledger);

/* NULL where the signal was never prepared. */
struct queue *handler_queue(int signum);

#endif
