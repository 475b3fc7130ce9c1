/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/trip.h"

#include "recording/process.h"

static _Atomic(void (*)(int, enum trip_from)) trip_function;

void trip_set(void (*function)(int signum, enum trip_from from)) {
    /* Relaxed: what a trip calls is code. */
    atomic_store_explicit(&trip_function, function, memory_order_relaxed);
}

static void call_trip(int signum, uint32_t tid) {
    void (*function)(int, enum trip_from) =
        atomic_load_explicit(&trip_function, memory_order_relaxed);
    if (function)
        function(signum, !tid                             ? TRIP_FROM_INTAKE
                         : tid == (uint32_t)process_pid() ? TRIP_FROM_MAIN
                                                          : TRIP_FROM_THREAD);
}

/* One is outstanding, since `then`. Counted before the flag changes, and when the
 * call is made: a dispatcher that takes this flag back, or that is called for this
 * trip, sees that it was made again. */
static void make_trip_again(int signum, uint64_t then, uint64_t now_ns, uint32_t tid) {
    struct process *self = process_self;
    atomic_fetch_add(&self->again_begun[signum], 1);
    if (atomic_compare_exchange_strong(&self->trip_ns[signum], &then, now_ns))
        call_trip(signum, tid); /* else another thread is doing it, or dispatch has come */
    atomic_fetch_add(&self->again_done[signum], 1);
}

void trip(int signum, uint64_t now_ns, uint32_t tid) {
    _Atomic uint64_t *trip_flag = &process_self->trip_ns[signum];
    uint64_t then = atomic_load_explicit(trip_flag, memory_order_relaxed);
    /* Release: whoever takes this trip back sees our work. Whoever took the trip before it back
     * need not: this trip is made after that. proof: trip-made */
    if (then == 0 && atomic_compare_exchange_strong_explicit(
                         trip_flag, &then, now_ns, memory_order_release, memory_order_relaxed)) {
        call_trip(signum, tid);
        return;
    }
    /* Store-load, both ways, with trip_take and trip_clear: either we see the flag
     * cleared here, or the dispatcher sees our work there. */
    atomic_thread_fence(memory_order_seq_cst);
    then = atomic_load_explicit(trip_flag, memory_order_relaxed);
    if (then != 0) {
        if ((int64_t)(now_ns - then) >= (int64_t)TRIP_AGAIN_NS)
            make_trip_again(signum, then, now_ns, tid);
        return;
    }
    if (atomic_compare_exchange_strong_explicit(trip_flag, &then, now_ns, memory_order_relaxed,
                                                memory_order_relaxed))
        call_trip(signum, tid); /* else another thread is doing it */
}

void trip_again(int signum, uint64_t now_ns, uint32_t tid) {
    uint64_t then = atomic_load_explicit(&process_self->trip_ns[signum], memory_order_relaxed);
    if (then)
        make_trip_again(signum, then, now_ns, tid);
    else
        trip(signum, now_ns, tid);
}

enum trip_call trip_take(int signum, uint64_t *since, uint32_t *again) {
    struct process *self = process_self;
    *again = 0;
    uint64_t then = atomic_exchange_explicit(&self->trip_ns[signum], 0, memory_order_relaxed);
    /* Store-load: see trip(). proof: trip-look */
    atomic_thread_fence(memory_order_seq_cst);
    if (!then)
        return TRIP_NOT_OURS;
    *since = then;
    uint32_t begun = atomic_load(&self->again_begun[signum]);
    if (begun == self->again_seen[signum])
        return TRIP_OURS;
    *again = begun - self->again_seen[signum];
    self->again_seen[signum] = begun;
    return TRIP_OR_TWO;
}

bool trip_is_out(int signum) { return atomic_load(&process_self->trip_ns[signum]) != 0; }

bool trip_settled(int signum) {
    uint32_t done = atomic_load(&process_self->again_done[signum]);
    return done == atomic_load(&process_self->again_begun[signum]);
}

void trip_clear(const int *signums, int count) {
    for (int i = 0; i < count; i++)
        atomic_store_explicit(&process_self->trip_ns[signums[i]], 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* see trip() */
}
