/* SPDX-License-Identifier: MIT
 *
 * adopted: handlers that a library has set by a call that did not reach us, as its constructor does
 * before the library's calls are redirected (got.h). We take such a handler for the program's own.
 *
 * That library found our handler in the kernel, where without us it would have found the program's.
 * So it may call ours from its own handler, or set ours again: the program's is meant. What the
 * program had before is kept here for that, the newest first,
 * since libraries may stand upon each other.
 */
#ifndef SIGREC_ADOPTED_H
#define SIGREC_ADOPTED_H

#include "events/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic uint64_t adopted_signals;

/* Any context. Whether a handler of this signal was ever adopted. */
static inline bool adopted_any(int signum) {
    return atomic_load_explicit(&adopted_signals, memory_order_relaxed) & signal_bit(signum);
}

/* Interpreter context, one caller at a time. The program had this action when a handler that is
 * adopted now was set. */
void adopted_push(int signum, const struct sigaction *before);

/* Any context. The newest of these actions, which is forgotten. False: there is none. */
bool adopted_pop(int signum, struct sigaction *before);

/* Signal context. The newest of these, at level 0, or one that is below it. False: there is none.
 */
bool adopted_beneath(int signum, unsigned level, struct sigaction *before);

#endif
