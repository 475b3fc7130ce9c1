/* SPDX-License-Identifier: MIT
 *
 * handler: the sigaction handler, and its installation.
 */
#ifndef SIGREC_HANDLER_H
#define SIGREC_HANDLER_H

#include "queue.h"

/* Interpreter context: makes the signal's dispatch queue, if it has none yet
 * (it is never freed), and remembers the disposition as the one to restore.
 * Call it before anything else changes the disposition. 0 or an errno: EINVAL
 * for what the kernel or the C library refuses. */
int handler_prepare(int signum, uint64_t queue_capacity);

/* Interpreter context: takes the signal. 0 or an errno. */
int handler_install(int signum);

/* Interpreter context: stops queueing; from here on the handler only counts
 * and passes on. */
void handler_release(int signum);

/* Interpreter context: puts back what handler_prepare found. `force`: even
 * where the handler in place is not ours. False: it was not, and stays. */
bool handler_restore(int signum, bool force);

/* Any context. Is our handler the one in place? */
bool handler_in_place(int signum);

/* NULL where the signal was never prepared. */
struct queue *handler_queue(int signum);

#endif
