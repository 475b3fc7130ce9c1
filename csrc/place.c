/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "place.h"

#include <string.h>

#define PROBES 16

static struct place places[PLACE_ENTRIES]; /* open-addressed */

/* FNV-1a. Two places with one key would be taken for the same: of 256, never. */
static uint64_t key_of(const char *text, size_t length, uint32_t line) {
    uint64_t key = UINT64_C(0xcbf29ce484222325) ^ line;
    for (size_t i = 0; i < length; i++)
        key = (key ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return key ? key : 1;
}

static void write_place(struct place *place, const char *text, size_t length, uint32_t line) {
    uint64_t words[PLACE_TEXT / 8] = {0};
    memcpy(words, text, length);
    for (size_t i = 0; i < PLACE_TEXT / 8; i++)
        atomic_store_explicit(&place->text[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&place->line, line, memory_order_relaxed);
    /* Release: whoever sees it whole sees all of it. proof: place-whole */
    atomic_store_explicit(&place->whole, 1, memory_order_release);
}

uint32_t place_number(const char *text, size_t length, uint32_t line) {
    size_t cut = length > PLACE_TEXT ? length - PLACE_TEXT : 0;
    text += cut;
    length -= cut;
    uint64_t key = key_of(text, length, line);
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t n = (uint32_t)((key + i) % PLACE_ENTRIES);
        uint64_t now = 0;
        if (atomic_compare_exchange_strong_explicit(&places[n].key, &now, key, memory_order_relaxed,
                                                    memory_order_relaxed))
            write_place(&places[n], text, length, line);
        else if (now != key)
            continue;
        /* Acquire: pairs with the release in write_place(), of another thread. proof: place-look */
        return atomic_load_explicit(&places[n].whole, memory_order_acquire) ? n + 1 : 0;
    }
    return 0;
}

void place_copy(uint32_t number, struct place *table) {
    if (number == 0 || number > PLACE_ENTRIES)
        return;
    const struct place *from = &places[number - 1];
    struct place *to = &table[number - 1];
    if (atomic_load_explicit(&to->whole, memory_order_relaxed))
        return;
    /* Whoever else is at it writes the same. */
    for (size_t i = 0; i < PLACE_TEXT / 8; i++)
        atomic_store_explicit(&to->text[i],
                              atomic_load_explicit(&from->text[i], memory_order_relaxed),
                              memory_order_relaxed);
    atomic_store_explicit(&to->line, atomic_load_explicit(&from->line, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&to->key, atomic_load_explicit(&from->key, memory_order_relaxed),
                          memory_order_relaxed);
    /* Release: a reader that sees it whole sees all of it. proof: place-copied */
    atomic_store_explicit(&to->whole, 1, memory_order_release);
}
