/* SPDX-License-Identifier: MIT
 *
 * wake: waking the dispatcher thread, or a reader of a stream, from a signal handler.
 */
#ifndef SIGREC_WAKE_H
#define SIGREC_WAKE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a thread can be woken so on this platform: futex(2). */
bool wake_possible(void);

/* Any context, signal context too. Wakes the thread in wake_wait, or makes its
 * next one return at once. */
void wake_post(void);

/* One thread, and no other. Returns when it was woken since the last time, or
 * after timeout_ns: whether it was woken. It may also return false too early: a
 * signal, or the late FUTEX_WAKE of a post that was already taken. */
bool wake_wait(uint64_t timeout_ns);

/* In place of the dispatcher thread, one thread may be woken that waits for what it can take from
 * the queues itself: one switch of threads instead of two. */

/* Any context, signal context too. False: no reader waits. */
bool wake_reader(void);

/* From here on the calling thread waits so; false: another one does. Then it calls
 * wake_reader_wait(), which returns whether it was woken, as wake_wait() does; and in any case
 * wake_reader_end(), which returns whether it was woken at all. If so, the caller has to look into
 * the queues, or to call wake_post(). */
bool wake_reader_begin(void);
bool wake_reader_wait(uint64_t timeout_ns);
bool wake_reader_end(void);

#endif
