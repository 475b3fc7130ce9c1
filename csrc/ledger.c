/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ledger.h"

/* Claims the slot for `seq`, unless it is held or holds something newer:
 * never waits. A reader checks the sequence before and after, as in ring.c. */
static void keep(struct slot *slot, uint64_t seq, const struct event *event) {
    uint64_t old = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    if ((old & 1) || old > seq)
        return;
    if (!atomic_compare_exchange_strong_explicit(&slot->sequence, &old, seq + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return;
    /* The claim is visible before any payload word; see ring.c. */
    atomic_thread_fence(memory_order_release);
    event_store(slot, event);
    /* Release: whoever sees the even sequence sees the whole payload. */
    atomic_store_explicit(&slot->sequence, seq + 2, memory_order_release);
}

void ledger_keep(struct ledger_entry *entry, const struct event *event) {
    if (atomic_load_explicit(&entry->first.sequence, memory_order_relaxed) == 0)
        keep(&entry->first, 0, event);
    keep(&entry->last, 2 * event->ordinal, event);
}

static void fold(_Atomic uint64_t *from, _Atomic uint64_t *to) {
    if (ledger_get(from))
        ledger_add(to, atomic_exchange_explicit(from, 0, memory_order_relaxed));
}

void ledger_fold(struct ledger_entry *from, struct ledger_entry *to) {
    fold(&from->delivered, &to->delivered);
    fold(&from->recorded, &to->recorded);
    fold(&from->dropped, &to->dropped);
    fold(&from->overwritten, &to->overwritten);
    fold(&from->queued, &to->queued);
    fold(&from->undetailed, &to->undetailed);
    fold(&from->handled, &to->handled);
    fold(&from->abandoned, &to->abandoned);
    fold(&from->overruns, &to->overruns);
    fold(&from->unattributed, &to->unattributed);
    struct slot *kept[] = {&from->first, &from->last};
    for (int i = 0; i < 2; i++) {
        struct event event;
        uint64_t seq = atomic_load_explicit(&kept[i]->sequence, memory_order_acquire);
        if (seq == 0 || (seq & 1))
            continue;
        event_load(kept[i], &event);
        /* Pairs with the release fence in keep(). */
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&kept[i]->sequence, memory_order_relaxed) == seq)
            ledger_keep(to, &event);
    }
}
