/* SPDX-License-Identifier: MIT
 *
 * kick: getting the main thread out of a blocking call.
 *
 * Python runs handlers in the main thread, but the kernel may give a signal to
 * another one, while the main thread is asleep in a call that nothing then
 * interrupts. It gets a signal of its own: SIGURG, which is ignored by default,
 * so that none of these that comes late, even after exec, does harm. It goes to
 * the thread, not to the process, so that no SIGURG of a socket merges into it,
 * and only while the program has no use for SIGURG itself: signal(7).
 *
 * The main thread itself may leave signals for later, where there are very many,
 * and then go on sleeping in the call that was interrupted: PEP 475 has looked
 * for signals already. So a timer kicks it until all are handled.
 */
#ifndef SIGREC_KICK_H
#define SIGREC_KICK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The si_code of it: no kernel's, and no C library's. */
#define KICK_CODE (-1936286310)

/* Signal context, in the thread tid. Does nothing in the main thread, and
 * nothing where SIGURG has another use. System calls: rt_sigaction,
 * rt_tgsigqueueinfo. */
void kick_main(int32_t pid, uint32_t tid);

/* Interpreter context, in the main thread: kicked each millisecond from now on,
 * until kick_rest(), since what waits will be handled when it comes out of a
 * call, and it may go back into one. False: it cannot be, SIGURG has another use.
 * kick_rest costs nothing where kick_again was not called. */
bool kick_again(void);
void kick_rest(void);

/* Any context. Was this signal sent by kick_main or kick_again? */
bool kick_sent(int signum, const siginfo_t *info);

/* Any context. Is it what kick_main put there, where the program has the default? */
bool kick_is(const struct sigaction *action);

#endif
