/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/notes.h"

#include "events/keep.h"

static void keep_note_at(const struct notes *to, uint64_t slot, const struct event *event) {
    site_copy(event->uid, to->sites);
    keep_event(&to->slots[slot], 2 * event->ordinal, event);
}

void notes_keep(const struct notes *to, uint64_t row, const struct event *event) {
    keep_note_at(to, notes_slot(to, row, event->ordinal), event);
}

bool notes_is_first(_Atomic uint64_t *ordinals) {
    uint64_t none = 0;
    return atomic_compare_exchange_strong_explicit(ordinals, &none, 1, memory_order_relaxed,
                                                   memory_order_relaxed);
}

void notes_fold(const struct notes *from, const struct notes *to) {
    for (uint64_t slot = 0; slot < to->rows * to->each; slot++) {
        struct event event;
        if (keep_read(&from->slots[slot], &event))
            keep_note_at(to, slot, &event);
    }
}
