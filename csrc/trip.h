/* SPDX-License-Identifier: MIT
 *
 * trip: telling the interpreter that there is something to dispatch.
 *
 * At most one trip for each signal is outstanding: a trip for each signal
 * would fill the program's wakeup fd. The flag is the time of the trip. It is
 * a hint: CPython can lose a trip, so one that dispatch has not answered for
 * TRIP_AGAIN_NS counts for nothing.
 */
#ifndef SIGREC_TRIP_H
#define SIGREC_TRIP_H

#include <stdint.h>

#define TRIP_AGAIN_NS UINT64_C(10000000)

/* What a trip calls, in the thread tid: async-signal-safe (PyErr_SetInterruptEx is). */
void trip_set(void (*function)(int signum, uint32_t tid));

/* Signal context, after the work was made visible. */
void trip(int signum, uint64_t now_ns, uint32_t tid);

/* Interpreter context, before looking for work. */
void trip_clear(const int *signums, int count);

#endif
