/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/keep.h"

void keep_event(struct slot *slot, uint64_t place, const struct event *event) {
    uint64_t old = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    if ((old & 1) || old > place)
        return;
    /* proof: keep-claim */
    if (!atomic_compare_exchange_strong_explicit(&slot->sequence, &old, place + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return;
    /* The claim is visible before any payload word: pairs with the acquire fence
     * in keep_read; see ring.c. proof: keep-fence */
    atomic_thread_fence(memory_order_release);
    event_store(slot, event);
    /* Release: whoever sees the even sequence sees the whole payload.
     * proof: keep-publish */
    atomic_store_explicit(&slot->sequence, place + 2, memory_order_release);
}

bool keep_read(const struct slot *slot, struct event *event) {
    /* proof: keep-look */
    uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (seq == 0 || (seq & 1))
        return false;
    event_load(slot, event);
    /* Pairs with the release fence in keep_event. proof: keep-read-fence */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == seq;
}
