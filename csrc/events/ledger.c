/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/ledger.h"

#include "events/keep.h"

void ledger_keep(struct ledger_entry *entry, const struct recent *recent,
                 const struct event *event) {
    if (atomic_load_explicit(&entry->first.sequence, memory_order_relaxed) == 0)
        keep_event(&entry->first, 0, event);
    struct slot *slot = recent_slot(recent, &entry->recent, event);
    keep_event(slot ? slot : &entry->last, 2 * event->ordinal, event);
}

static void fold_count(_Atomic uint64_t *from, _Atomic uint64_t *to) {
    if (ledger_get(from))
        ledger_add(to, atomic_exchange_explicit(from, 0, memory_order_relaxed));
}

struct ledger_to {
    struct ledger_entry *entry;
    const struct recent *recent;
};

static void keep_there(void *context, const struct event *event) {
    const struct ledger_to *to = context;
    ledger_keep(to->entry, to->recent, event);
}

void ledger_fold(struct ledger_entry *from, const struct recent *from_recent,
                 struct ledger_entry *to, const struct recent *to_recent) {
    fold_count(&from->delivered, &to->delivered);
    fold_count(&from->recorded, &to->recorded);
    fold_count(&from->dropped, &to->dropped);
    fold_count(&from->overwritten, &to->overwritten);
    fold_count(&from->queued, &to->queued);
    fold_count(&from->undetailed, &to->undetailed);
    fold_count(&from->handled, &to->handled);
    fold_count(&from->abandoned, &to->abandoned);
    fold_count(&from->overruns, &to->overruns);
    fold_count(&from->unattributed, &to->unattributed);
    fold_count(&from->sent, &to->sent);
    struct ledger_to there = {to, to_recent};
    struct event event;
    if (keep_read(&from->first, &event))
        keep_there(&there, &event);
    recent_each(from_recent, atomic_load_explicit(&from->recent, memory_order_relaxed), keep_there,
                &there);
    if (keep_read(&from->last, &event))
        keep_there(&there, &event);
}
