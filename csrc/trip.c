/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trip.h"

#include "process.h"

static _Atomic(void (*)(int, uint32_t)) trip_function;

void trip_set(void (*function)(int signum, uint32_t tid)) {
    /* Relaxed: it points to code. */
    atomic_store_explicit(&trip_function, function, memory_order_relaxed);
}

void trip(int signum, uint64_t now_ns, uint32_t tid) {
    _Atomic uint64_t *flag = &process_self->trip_ns[signum];
    /* Store-load, both ways, with trip_clear: either we see the flag cleared
     * here, or the dispatcher sees our work there. */
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t then = atomic_load_explicit(flag, memory_order_relaxed);
    if (then != 0 && (int64_t)(now_ns - then) < (int64_t)TRIP_AGAIN_NS)
        return;
    if (!atomic_compare_exchange_strong_explicit(flag, &then, now_ns, memory_order_relaxed,
                                                 memory_order_relaxed))
        return; /* another thread is doing it */
    void (*function)(int, uint32_t) = atomic_load_explicit(&trip_function, memory_order_relaxed);
    if (function)
        function(signum, tid);
}

void trip_clear(const int *signums, int count) {
    for (int i = 0; i < count; i++)
        atomic_store_explicit(&process_self->trip_ns[signums[i]], 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* see trip() */
}
