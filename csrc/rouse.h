/* SPDX-License-Identifier: MIT
 *
 * rouse: getting the main thread out of a blocking call.
 *
 * Python runs handlers in the main thread, but the kernel may give a signal to
 * another one, while the main thread is asleep in a call that nothing then
 * interrupts. It gets a signal of its own: SIGURG, which is ignored by default,
 * so that none of these that comes late, even after exec, does harm. It goes to
 * the thread, not to the process, so that no SIGURG of a socket merges into it,
 * and only while the program has no use for SIGURG itself: signal(7).
 */
#ifndef SIGREC_ROUSE_H
#define SIGREC_ROUSE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The si_code of it: no kernel's, and no C library's. */
#define ROUSE_CODE (-1936286310)

/* Signal context, in the thread tid. Does nothing in the main thread, and
 * nothing where SIGURG has another use. System calls: rt_sigaction,
 * rt_tgsigqueueinfo. */
void rouse_main(int32_t pid, uint32_t tid);

/* Any context. Is it what rouse_main put there, where the program has the default? */
bool rouse_is(const struct sigaction *action);

#endif
