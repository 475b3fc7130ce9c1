/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/notes.h"

#include "events/keep.h"

static void keep_note_at(const struct notes *to, uint64_t slot, const struct event *change) {
    site_copy(change->uid, to->sites);
    keep_event(&to->changes[slot], 2 * change->ordinal, change);
}

void notes_keep(const struct notes *to, uint64_t row, const struct event *change) {
    keep_note_at(to, notes_slot(to, row, change->ordinal), change);
}

bool notes_is_first(_Atomic uint64_t *ordinals) {
    uint64_t none = 0;
    return atomic_compare_exchange_strong_explicit(ordinals, &none, 1, memory_order_relaxed,
                                                   memory_order_relaxed);
}

void notes_fold(const struct notes *from, const struct notes *to) {
    for (uint64_t slot = 0; slot < to->rows * to->each; slot++) {
        struct event change;
        if (keep_read(&from->changes[slot], &change))
            keep_note_at(to, slot, &change);
    }
}
