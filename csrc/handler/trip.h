/* SPDX-License-Identifier: MIT
 *
 * trip: telling the interpreter that there is something to dispatch.
 *
 * At most one trip for each signal is outstanding: a trip for each signal
 * would fill the program's wakeup fd. The flag is the time of the trip. It is
 * a hint: CPython can lose a trip, so one that dispatch has not answered for
 * TRIP_AGAIN_NS counts for nothing.
 *
 * The interpreter calls its handler of a signal for our trips, and also where
 * someone simulates the signal (PyErr_SetInterruptEx, which `_thread.interrupt_main`
 * is) or where its own C handler took one. Which of these a call is for, is told
 * by the flag, which that call alone takes back: as long as it is set a call is
 * still owed to us, and while it is set nobody trips, so that no second call comes.
 * Where a trip had to be made again, two may have been merged into one call, or a
 * second one may still come.
 */
#ifndef SIGREC_TRIP_H
#define SIGREC_TRIP_H

#include <stdbool.h>
#include <stdint.h>

#define TRIP_AGAIN_NS UINT64_C(10000000)

enum trip_from {
    TRIP_FROM_MAIN,
    TRIP_FROM_THREAD,
    TRIP_FROM_INTAKE, /* which has none of the program's file descriptors: intake.h */
};

/* Sets what a trip calls, in the thread that makes it. The function must be
 * async-signal-safe, as PyErr_SetInterruptEx is. */
void trip_set(void (*function)(int signum, enum trip_from from));

/* Signal context, after the work was made visible. tid: of this thread; 0: the intake thread. */
void trip(int signum, uint64_t now_ns, uint32_t tid);

/* Any context: trips again, though a trip is outstanding, which may be lost. */
void trip_again(int signum, uint64_t now_ns, uint32_t tid);

/* What the interpreter has called us for, and nobody else. */
enum trip_call {
    TRIP_NOT_OURS, /* there was no trip */
    TRIP_OURS,
    TRIP_OR_TWO, /* other calls may come for the same */
};

/* Interpreter context, called by the interpreter for this signal, and before looking
 * for work: takes the trip back. since: when it was made; as it was, where none was. again:
 * how many other calls may come for it. */
enum trip_call trip_take(int signum, uint64_t *since, uint32_t *again);

/* Interpreter context. Is a trip outstanding? */
bool trip_is_out(int signum);

/* Interpreter context. Is no thread just making a trip of this signal again? */
bool trip_settled(int signum);

/* Interpreter context, before looking for work, where the interpreter does not call. */
void trip_clear(const int *signums, int count);

#endif
