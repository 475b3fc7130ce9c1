/* SPDX-License-Identifier: MIT
 *
 * kick: getting the main thread out of a blocking call.
 *
 * Python runs handlers in the main thread, but the kernel may give a signal to
 * another one, while the main thread is asleep in a call that nothing then
 * interrupts. It gets a signal of its own: SIGURG, or else SIGWINCH, which are
 * ignored by default, so that none of these that comes late, even after exec, does
 * harm. It goes to the thread, not to the process, so that no signal of a socket or
 * terminal merges into it, and only while the program has no use for that signal
 * itself: signal(7).
 *
 * Nor does the main thread see at once, in a loop of Python and before CPython
 * 3.13, what another thread has tripped. The kick's handler says so there.
 *
 * The main thread itself may leave signals for later, where there are very many,
 * and then go on sleeping in the call that was interrupted: PEP 475 has looked
 * for signals already. So a timer kicks it until all are handled; where the kernel
 * has no room for one (RLIMIT_SIGPENDING), a thread.
 */
#ifndef SIGREC_KICK_H
#define SIGREC_KICK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The si_code of a kick: no kernel's, and no C library's. */
#define KICK_CODE (-1936286310)

/* Interpreter context, once. What a kick does where it arrives, in the main
 * thread; over: that none may come any more, in any thread. It is async-signal-safe. */
void kick_start(void (*arrived)(int over));

/* Signal context, in another thread than the main one. False: no kick was sent, as where both
 * signals have another use. System calls: rt_sigaction, rt_tgsigqueueinfo. */
bool kick_main(int32_t pid);

/* Any context: the thread, whose handler then gives back what it has lent (borrow.h). False:
 * there is no such thread. */
bool kick_thread(int32_t pid, int32_t tid);

/* Any context. Whether there is no such thread, as far as may be asked. Nothing is sent. */
bool kick_misses(int32_t pid, int32_t tid);

/* Any context. Whether there is a signal for kicks. */
bool kick_possible(void);

/* Interpreter context, in the main thread. Makes the timer of kick_again: in a flood
 * there may be no room for it. */
void kick_prepare(void);

/* Interpreter context, in the main thread: kicked each millisecond from now on,
 * until kick_rest(), since what waits will be handled when it comes out of a
 * call, and it may go back into one. False: it cannot be, both signals have
 * another use, or it blocks ours. kick_rest costs nothing where kick_again was not called. */
bool kick_again(void);
void kick_rest(void);

/* Any context. Whether kicks come, to the main thread of this process. */
bool kick_runs(void);

/* Whether kicks may come by this signal. */
static inline bool kick_may_use(int signum) { return signum == SIGURG || signum == SIGWINCH; }

/* Any context, before another disposition is set and after that: a kick that came then would be
 * the program's. True: kicks may come by this signal, those that do have ended, and kick_go_on has
 * to follow. */
bool kick_pause(int signum);
void kick_go_on(void);

/* Any context, before the calling thread blocks a signal of kicks (KICK_SIGNALS in borrow.h): if it
 * is the main thread, what waits for one does not wait any longer. */
void kick_blocked(void);

/* Interpreter context. A signal that is not pending any more may be on its way to the main
 * thread's handler: the kernel has given it to that thread, which may have lost its processor
 * since, and nothing shows that. So this kicks the main thread, whose handlers block the kick, and
 * waits until that arrives. A thread that sleeps is at no such moment, and is not kicked. False:
 * most_ns have passed. System calls: gettid, openat, read, close, nanosleep, and kick_main's. */
bool kick_settle(int32_t pid, uint64_t most_ns);

/* Any context. Was this signal sent by kick_main or kick_again? */
bool kick_is_sent(int signum, const siginfo_t *info);
static inline bool kick_sent(int signum, const siginfo_t *info) {
    return (info->si_code == KICK_CODE || info->si_code == SI_TIMER) && kick_is_sent(signum, info);
}

/* Signal context. It was, and it arrived at the handler of signals: handler.c. */
void kick_arrived(void);

/* Any context. Is it what kick_main put there, where the program has the default? */
bool kick_is(const struct sigaction *action);

#endif
