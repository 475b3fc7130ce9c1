/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/recent.h"

#include "events/keep.h"

#define NONE_LEFT UINT32_MAX

uint32_t recent_claim(const struct recent *recent, _Atomic uint32_t *mine, uint32_t signo) {
    uint32_t block = NONE_LEFT, nobody = 0;
    for (uint32_t b = 0; b < RECENT_BLOCKS && block == NONE_LEFT; b++) {
        nobody = 0;
        if (atomic_compare_exchange_strong_explicit(&recent->owner[b], &nobody, signo,
                                                    memory_order_relaxed, memory_order_relaxed))
            block = b + 1;
    }
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(mine, &seen, block, memory_order_relaxed,
                                                memory_order_relaxed))
        return block;
    /* Another thread, or a handler that interrupted us here, was first for this
     * signal. Nobody has written to our block: nobody else knows of it. */
    if (block != NONE_LEFT)
        atomic_store_explicit(&recent->owner[block - 1], 0, memory_order_relaxed);
    return seen;
}

void recent_each(const struct recent *recent, uint32_t block,
                 void (*keep)(void *context, const struct event *event), void *context) {
    if (block == 0 || block > RECENT_BLOCKS)
        return;
    const struct slot *slots = &recent->slots[(uint64_t)(block - 1) * RECENT_SLOTS];
    for (int i = 0; i < RECENT_SLOTS; i++) {
        struct event event;
        if (keep_read(&slots[i], &event))
            keep(context, &event);
    }
}
