/* SPDX-License-Identifier: MIT
 *
 * registry: which signals are registered, and what our handler looks like as a
 * disposition. Everything that installs, recognises or steps around our handler
 * asks here; only handler.c knows what the handler does.
 *
 * What is beneath our handler. Our handler may be installed for a signal more than once: a C
 * library installs its handler over ours and calls ours from there, and then the program
 * registers the signal again, over that of the library. So there are places, the lowest first.
 * For each place the disposition is kept that was found when our handler was installed there,
 * and it is put back when the registration ends at that place. Each place has a handler
 * function of its own, so that each library calls the place that it found; and when a library
 * removes its handler and puts ours back, the function tells which place that is. After a
 * registration has ended, a place calls the disposition that was found at it; if the kernel
 * itself calls the place, it is given up. A library whose handler is in such a chain twice has
 * ours beneath it both times, and the two would call each other for ever. So siginfo_t carries
 * a note of the places that the signal has passed, and the second time the disposition that was
 * found at the lowest place is called.
 *
 * The handler of registered signals is part of the disposition that the program has set: it is
 * in the kernel, or in action.h's table where the signal is recorded, too. That a signal is
 * recorded is not part of it, and so the handler that only records is another function: a
 * library that calls the handler that it found calls the one of
 * registered signals, and is not called back.
 */
#ifndef SIGREC_REGISTRY_H
#define SIGREC_REGISTRY_H

#include "events/ledger.h"
#include "events/queue.h"
#include "events/signals.h"

#define REGISTRY_PLACES 4

/* Indexed by signal number; static, never freed. */
extern struct registered {
    struct queue queue;
    _Atomic int places;       /* places that are used */
    _Atomic int place;        /* where our handler is, or was last */
    _Atomic bool spent;       /* the lowest, with SA_RESETHAND, was called */
    uint32_t twice;           /* bits of places: what was found calls ours */
    _Atomic uint32_t apart;   /* likewise: what was found never calls ours */
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

/* Any context. The place of an action of ours, or of such a handler; -1: it is not ours. */
int registry_place(const struct sigaction *action);
int registry_place_of(registry_handler handler);

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

/* The signal's queue; NULL where the signal was never prepared. */
struct queue *registry_queue(int signum);

#endif
