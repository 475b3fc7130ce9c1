/* SPDX-License-Identifier: MIT
 *
 * registry: which signals are registered, and what our handler looks like as a
 * disposition. Everything that installs, recognises or steps around our handler
 * asks here; only handler.c knows what the handler does.
 *
 * What is beneath us. A signal may be taken more than once: a C library puts its
 * handler over ours and calls ours from there, and then the program registers the
 * signal again, over that. So there are places, the lowest first, and what was found
 * at each when we came: that is put back when the registration ends at that place.
 * Each place has a handler of its own, so that each library calls the place that it
 * found, and it is known, too, when the library above has gone and has put ours back.
 * After we have left, a place calls what was found at it, and where the kernel calls
 * it, is given up. A library that stands twice in such a chain has ours beneath
 * it both times, and would come back for ever: siginfo_t has room to note in it which
 * places a signal has passed, and the second time what was found at the lowest is called.
 *
 * What the program has set is one thing, registered or not: our handler here is what
 * it has while a signal is registered, in the kernel, or in action.h's table where the
 * signal is recorded too. That a signal is recorded is nothing that the program has,
 * so the handler that only records is another: a library that calls what it found
 * calls the registered one, and is not called back.
 */
#ifndef SIGREC_REGISTRY_H
#define SIGREC_REGISTRY_H

#include "ledger.h"
#include "queue.h"
#include "signals.h"

#define REGISTRY_PLACES 4

/* Indexed by signal number; static, never freed. */
extern struct registered {
    struct queue queue;
    _Atomic int places;       /* that are used */
    _Atomic int place;        /* where we are, or were last */
    _Atomic bool spent;       /* the lowest was to be called once: SA_RESETHAND */
    uint32_t twice;           /* bits of places: what was found has us beneath it */
    _Atomic uint32_t apart;   /* the same: what was found there never calls us */
    _Atomic uint32_t mode;    /* enum ledger_mode */
    _Atomic uint64_t backlog; /* how many may wait beside the queue's ring; 0: none */
} registry[SIGREC_NSIG];

/* What was found at each place; written before the handler can run there. Apart from the others,
 * which are so in one page or two: a short program looks at each signal's. */
extern struct sigaction registry_found[SIGREC_NSIG][REGISTRY_PLACES];

typedef void (*registry_handler)(int signum, siginfo_t *info, void *context);

/* Interpreter context, once, before anything else here: the handlers of registered
 * signals, one for each place, and that of signals that are only recorded. */
void registry_start(const registry_handler registered[REGISTRY_PLACES], registry_handler recorded);

/* Signal context. The handler, for who stands in its place. */
void registry_deliver(int signum, siginfo_t *info, void *context);

/* Any context. Our handler as a disposition, at the place where we are; is this it. Its
 * mask holds all but the faults, where no handler of the program's own says otherwise. */
void registry_action(int signum, struct sigaction *action, int flags);
bool registry_is_ours(const struct sigaction *action);
void registry_recording_action(struct sigaction *action);
bool registry_only_records(const struct sigaction *action);

/* Any context. The place of an action of ours; -1: it is not ours. */
int registry_place(const struct sigaction *action);

/* Signal context. What to call, after we have left, in place of ours at that place. */
void registry_beneath(int signum, int place, struct sigaction *action);

/* Any context. The signals that end in our own dispatch. */
uint64_t registry_signals(void);
void registry_add(int signum);

/* Any context. Is the signal registered? Someone may have replaced us. */
bool registry_has(int signum);

/* Any context. Is the signal registered, and our handler the one in place? */
bool registry_in_place(int signum);

/* Interpreter context: stops queueing; from here on the handler only counts
 * and passes on. */
void registry_release(int signum);

/* NULL where the signal was never prepared. */
struct queue *registry_queue(int signum);

#endif
