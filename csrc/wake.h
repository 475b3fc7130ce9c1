/* SPDX-License-Identifier: MIT
 *
 * wake: waking the dispatcher thread from a signal handler.
 */
#ifndef SIGREC_WAKE_H
#define SIGREC_WAKE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether there is such a thing on this platform: futex(2). */
bool wake_possible(void);

/* Any context, signal context too. Wakes the thread in wake_wait, or makes its
 * next one return at once. */
void wake_post(void);

/* One thread, and no other. Returns when it was woken since the last time, or
 * after timeout_ns: whether it was woken. It may also return false too early: a
 * signal, or the late FUTEX_WAKE of a post that was already taken. */
bool wake_wait(uint64_t timeout_ns);

#endif
