/* SPDX-License-Identifier: MIT
 *
 * recent: the newest events of each signal, where no other signal's flood can
 * push them out.
 *
 * A pool of blocks of 64 slots. A signal's first event claims a block for it,
 * for good; the event with ordinal n is then in slot n mod 64 of that block. So
 * there is no head to move, and a signal costs one write, where the ledger's
 * `last` was written before. A signal that comes when all blocks are taken has
 * only that `last`.
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_RECENT_H
#define SIGREC_RECENT_H

#include "events/event.h"

#include <stddef.h>

#define RECENT_BLOCKS 16
#define RECENT_SLOTS 64 /* in a block */

struct recent {
    struct slot *slots;
    _Atomic uint32_t *owner; /* RECENT_BLOCKS signal numbers; 0: free */
};

/* Signal context. Claims a block for the signal, and notes it in `*mine`, once;
 * returns what is noted there: the block's number, from 1; a number above
 * RECENT_BLOCKS: no block was left for the signal. */
__attribute__((noinline)) uint32_t recent_claim(const struct recent *recent, _Atomic uint32_t *mine,
                                                uint32_t signo);

/* Signal context. The slot for this event, or NULL: no block was left for its
 * signal. `*mine` is where the signal's block is remembered, 0 at first. */
static inline struct slot *recent_slot(const struct recent *recent, _Atomic uint32_t *mine,
                                       const struct event *event) {
    /* Relaxed: what orders the payload is each slot's own sequence. */
    uint32_t block = atomic_load_explicit(mine, memory_order_relaxed);
    if (!block)
        block = recent_claim(recent, mine, event->signo);
    if (block > RECENT_BLOCKS)
        return NULL;
    return &recent->slots[(uint64_t)(block - 1) * RECENT_SLOTS + event->ordinal % RECENT_SLOTS];
}

/* Interpreter context. Calls keep(context, event) for every event of the block
 * that is whole. */
void recent_each(const struct recent *recent, uint32_t block,
                 void (*keep)(void *context, const struct event *event), void *context);

#endif
