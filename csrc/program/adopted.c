/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/adopted.h"

#include "events/event.h"
#include "ground/memory.h"

#include <string.h>

#define ADOPTED_LEVELS 4

_Atomic uint64_t adopted_signals;

#define ADOPTED_LOOKS 100 /* at what another thread is changing */

/* What the program had before each adopted handler, the newest last. Who would change this while
 * another thread does leaves it as it is. */
static struct adopted {
    atomic_uint version, count; /* version: odd while it is being changed */
    struct sigaction before[ADOPTED_LEVELS];
} adopted_stacks[SIGREC_NSIG] SELDOM;

static bool begin_adopted_change(struct adopted *adopted) {
    unsigned version = atomic_load(&adopted->version);
    return !(version & 1) &&
           atomic_compare_exchange_strong(&adopted->version, &version, version + 1);
}

static void end_adopted_change(struct adopted *adopted) { atomic_fetch_add(&adopted->version, 1); }

void adopted_push(int signum, const struct sigaction *before) {
    struct adopted *adopted = &adopted_stacks[signum];
    if (!begin_adopted_change(adopted))
        return;
    unsigned count = atomic_load_explicit(&adopted->count, memory_order_relaxed);
    if (count == ADOPTED_LEVELS) { /* the oldest is forgotten */
        memmove(&adopted->before[0], &adopted->before[1], (ADOPTED_LEVELS - 1) * sizeof *before);
        count--;
    }
    adopted->before[count] = *before;
    atomic_store_explicit(&adopted->count, count + 1, memory_order_relaxed);
    end_adopted_change(adopted);
    atomic_fetch_or(&adopted_signals, signal_bit(signum));
}

bool adopted_pop(int signum, struct sigaction *before) {
    struct adopted *adopted = &adopted_stacks[signum];
    if (!adopted_any(signum) || !begin_adopted_change(adopted))
        return false;
    unsigned count = atomic_load_explicit(&adopted->count, memory_order_relaxed);
    if (count) {
        *before = adopted->before[count - 1];
        atomic_store_explicit(&adopted->count, count - 1, memory_order_relaxed);
    }
    end_adopted_change(adopted);
    return count > 0;
}

/* Whoever looks never fails for who changes it: a handler would be passed over. If that is the code
 * that this handler has interrupted, what it has not changed yet is read, and is whole. */
bool adopted_beneath(int signum, unsigned level, struct sigaction *before) {
    const struct adopted *adopted = &adopted_stacks[signum];
    bool found = false;
    if (!adopted_any(signum))
        return false;
    for (int looks = 0; looks < ADOPTED_LOOKS; looks++) {
        unsigned version = atomic_load(&adopted->version), count = atomic_load(&adopted->count);
        found = level < count;
        if (found)
            *before = adopted->before[count - 1 - level];
        if (!(version & 1) && atomic_load(&adopted->version) == version)
            break;
    }
    return found;
}
