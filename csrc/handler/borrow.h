/* SPDX-License-Identifier: MIT
 *
 * borrow: in a flood a signal's handler blocks the signal in the thread that it interrupted,
 * and the intake thread (intake.h) takes it instead, until the flood is over. What is borrowed
 * is a bit of a thread's mask. This file notes which threads have lent which bits, so that each
 * gets them back, and so that the program sees its masks as if nothing were borrowed.
 *
 * A signal is taken by its handlers, or by the intake thread, and never by both: `owned` says
 * which. A thread that takes the signal away from the intake thread (it blocks the signal
 * itself, or calls fork, exec or cancel) waits a millisecond or two, until the intake thread has
 * put down what it took; the intake thread itself waits for no other.
 *
 * The program's own wish goes first. While the main thread blocks the signal it is not borrowed,
 * and its handler is not called for what was taken before.
 *
 * All of this state is wiped in a forked child: there nothing
 * is borrowed, and no intake thread runs.
 */
#ifndef SIGREC_BORROW_H
#define SIGREC_BORROW_H

#include "events/signals.h"

#include <stdatomic.h>

/* What is lent goes back by one of these: kick.h. */
#define KICK_SIGNALS (signal_bit(SIGURG) | signal_bit(SIGWINCH))

/* Interpreter context, idempotent. 0 or an errno. */
int borrow_start(void);

/* The signals that may be borrowed. */
extern _Atomic uint64_t borrow_signals;
static inline bool borrow_may(int signum) {
    return atomic_load_explicit(&borrow_signals, memory_order_relaxed) >> (signum - 1) & 1;
}

/* Interpreter context. Whether the signal may be borrowed from now on; if not, it is given back. */
void borrow_allow(int signum, bool may);

/* Signal context, after a signal that may be borrowed was queued: begins to borrow it where it
 * comes fast. context: ucontext_t. True: it is borrowed, and the handler need not dequeue. */
bool borrow_delivered(int signum, void *context, uint64_t now_ns, uint32_t tid);

/* Signal context: the handler has taken one more itself. */
void borrow_dequeued(int signum, uint64_t now_ns);

/* Signal context: the kick came to this thread, whose mask gets back the bits that it lent and
 * that the intake thread does not own any more. */
void borrow_kicked(void *context);

/* Any context. From when this returns the intake thread takes none of these. */
void borrow_release(uint64_t signals);

/* Any context. From here on nothing is borrowed in this thread or any other, until borrow_go_on:
 * for what a child inherits, and where a registration ends, so that pending signals come to the
 * handlers. Calls of the two nest. */
void borrow_hold(void);
void borrow_go_on(void);

/* Any context. A thread of this process is about to be sent the signal, which that thread alone
 * can take: where it is lent it goes back, in the calling thread at once. */
void borrow_send_to_thread(int signum);

/* Any context. Before exec(2): what is borrowed is not the next program's. Where exec fails in a
 * process that is no vfork child, borrow_go_on follows. */
void borrow_before_exec(void);

/* Any context, while nothing is borrowed. What threads have lent and not got back yet, and the
 * program does not block itself. */
uint64_t borrow_lent_by_others(void);

/* Any context. Which bits of the calling thread's mask are borrowed. */
uint64_t borrow_lent(void);

/* Any context. Before a thread is made, which inherits the mask: true, it stays as it is until
 * borrow_let_mask_go; false, nothing of it is borrowed. In the new thread: what was borrowed of it
 * is not its own. */
bool borrow_keep_mask(void);
void borrow_let_mask_go(void);
void borrow_begin_thread(uint64_t inherited);

/* Any context. pthread_sigmask(3) or sigprocmask(2), which
 * `set_mask` is, as if nothing were borrowed. */
typedef int (*borrow_mask_function)(int how, const sigset_t *set, sigset_t *old);
int borrow_mask(borrow_mask_function set_mask, int how, const sigset_t *set, sigset_t *old);

/* Interpreter context. Whether the handler in Python is to wait, as the program blocks the signal.
 */
bool borrow_withholds(int signum);

/* Interpreter context, in the thread that registers: notes what this thread blocks itself. */
void borrow_note_mask(void);

/* Interpreter context. Whether there was a flood while the intake thread did not run. */
bool borrow_is_wanted(void);

/* --- for the intake thread alone ------------------------------------------------------ */

/* The thread says that it runs, at that real-time priority (0: none); tid 0: that it ends. */
void borrow_intake_runs(int32_t tid, int priority);
int32_t borrow_intake_tid(void);

/* Any context. Wakes the intake thread. */
void borrow_wake_intake(void);

/* Sleeps until borrow_wake_intake is called, or so long. */
void borrow_intake_sleep(uint64_t timeout_ns);

/* Returns the signals that the thread owns, which it may take until it calls borrow_put_down. It
 * asks again at least every 2 ms. */
uint64_t borrow_take_up(void);

/* Since the last time somebody took a signal away from it: who lent that is to be kicked. */
bool borrow_was_taken_away(void);
void borrow_put_down(void);

/* The signals that the intake thread owns now. */
uint64_t borrow_owned(void);

/* The intake thread does not own them any more, since they have stopped coming. */
void borrow_give_back(uint64_t signals);

/* Called now and then, while the thread owns nothing. pending: signals that no thread has taken.
 * Returns whether the main thread is to be kicked: perhaps its mask is not what is noted here,
 * since siglongjmp(3) or swapcontext(3) put an old one back. */
bool borrow_is_suspect(uint64_t pending);

/* Calls kick(tid) for each thread that has lent a signal which the intake thread does not own any
 * more; kick says whether the thread still exists. Returns how many there were. */
int borrow_kick(bool (*kick)(int32_t tid));

/* How often the intake thread began to take that signal, since the process began. */
uint64_t borrow_switches(int signum);

#endif
