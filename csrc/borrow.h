/* SPDX-License-Identifier: MIT
 *
 * borrow: in a flood a signal's handler blocks the signal in the thread that it interrupted,
 * and the intake thread (intake.h) takes it instead, until the flood is over. What is borrowed
 * so is a bit of a thread's mask: here is noted which threads have lent which, so that each gets
 * it back, and so that the program sees its masks as if nothing were borrowed.
 *
 * A signal is taken by its handlers, or by the intake thread, and never by both: `owned`. Who
 * takes it away from that thread (a thread that blocks the signal itself, fork, exec, cancel)
 * waits until it has put down what it took, a millisecond or two: it waits for nobody.
 *
 * The program's own wish goes first. While the main thread blocks the signal nobody borrows it,
 * and what was taken before is withheld from its handler.
 *
 * All of it is wiped in a forked child: there nothing is borrowed, and there is no thread.
 */
#ifndef SIGREC_BORROW_H
#define SIGREC_BORROW_H

#include "signals.h"

#include <stdatomic.h>

/* Interpreter context, idempotent. 0 or an errno. */
int borrow_start(void);

/* The signals that may be borrowed. */
extern _Atomic uint64_t borrow_signals;
static inline bool borrow_may(int signum) {
    return atomic_load_explicit(&borrow_signals, memory_order_relaxed) & signal_bit(signum);
}

/* Interpreter context. From now on; or no more, and given back. */
void borrow_allow(int signum, bool may);

/* Signal context, after a signal that may be borrowed was queued: begins to borrow it where it
 * comes fast. context: ucontext_t. True: who takes it need not look for more itself. */
bool borrow_delivered(int signum, void *context, uint64_t now_ns, uint32_t tid);

/* Signal context: the handler has taken one more itself. */
void borrow_dequeued(int signum, uint64_t now_ns);

/* Signal context: the kick came to this thread, and gives back what nobody owns any more. */
void borrow_kicked(void *context);

/* Any context. From when this returns the intake thread takes none of these. */
void borrow_release(uint64_t signals);

/* Any context. In this thread nothing is borrowed from here on, nor in any other, until
 * borrow_go_on: for what a child inherits, and where a signal is given back, for what is
 * pending comes to the handlers then. They nest. */
void borrow_hold(void);
void borrow_go_on(void);

/* Any context. A thread of this process is about to be sent the signal, which that thread alone
 * can take: where it is lent it goes back, in the calling thread at once. */
void borrow_send_to_thread(int signum);

/* Any context. Before exec(2): what is borrowed is not the next program's. Where exec fails in a
 * process that is no vfork child, borrow_go_on follows. */
void borrow_before_exec(void);

/* Any context. In a new thread: what it has inherited of these is not its own. */
uint64_t borrow_lent(void);
void borrow_begin_thread(uint64_t inherited);

/* Any context. pthread_sigmask(3) or sigprocmask(2), which `original` is, as if nothing were
 * borrowed. */
typedef int (*borrow_mask_function)(int how, const sigset_t *set, sigset_t *old);
int borrow_mask(borrow_mask_function original, int how, const sigset_t *set, sigset_t *old);

/* Interpreter context. Whether the signal's handler is to wait. */
bool borrow_withholds(int signum);

/* Interpreter context, in the thread that registers: what it blocks. */
void borrow_note_mask(void);

/* Interpreter context. There was a flood, and no thread. */
bool borrow_is_wanted(void);

/* --- for the intake thread alone ------------------------------------------------------ */

/* It is there, at that real-time priority (0: none), or, tid 0, not any more. */
void borrow_serve(int32_t tid, int priority);
int32_t borrow_server(void);

/* Any context. It is to look. */
void borrow_ring(void);

/* Until somebody rings, or so long. */
void borrow_sleep(uint64_t timeout_ns);

/* What it owns: it may take that until borrow_put_down, and looks again at least each 2 ms. */
uint64_t borrow_take_up(void);

/* Since the last time somebody took a signal away from it: who lent that is to be kicked. */
bool borrow_was_taken_away(void);
void borrow_put_down(void);

/* Those of these that it still owns. */
uint64_t borrow_owned(void);

/* It owns them no more, since they have stopped coming. */
void borrow_give_back(uint64_t signals);

/* Now and then, while it owns nothing; pending: those that no thread has taken. Whether the main
 * thread is to be kicked: its mask, perhaps, is not what is known here, since siglongjmp(3) or
 * swapcontext(3) put back an old one. */
bool borrow_is_suspect(uint64_t pending);

/* Threads that have lent what nobody owns: calls kick(tid), which says whether there is such a
 * thread. How many there were. */
int borrow_kick(bool (*kick)(int32_t tid));

/* Since the process began. */
uint64_t borrow_switches(int signum);

#endif
