/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/site.h"

#include "ground/memory.h"

#include <string.h>

/* Call sites, in the order in which they were met: most programs have few, and on one page. */
static struct site sites[SITE_ENTRIES] SELDOM;

/* FNV-1a. Two sites with one key would be taken for the same: of 256, never. */
static uint64_t site_key_of(const char *text, size_t length, uint32_t line) {
    uint64_t key = UINT64_C(0xcbf29ce484222325) ^ line;
    for (size_t i = 0; i < length; i++)
        key = (key ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return key ? key : 1;
}

static void write_site(struct site *site, const char *text, size_t length, uint32_t line) {
    uint64_t words[SITE_TEXT / 8] = {0};
    memcpy(words, text, length);
    for (size_t i = 0; i < SITE_TEXT / 8; i++)
        atomic_store_explicit(&site->text[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&site->line, line, memory_order_relaxed);
    /* Release: whoever sees it whole sees all of it. proof: site-whole */
    atomic_store_explicit(&site->whole, 1, memory_order_release);
}

uint32_t site_number(const char *text, size_t length, uint32_t line) {
    size_t cut = length > SITE_TEXT ? length - SITE_TEXT : 0;
    text += cut;
    length -= cut;
    uint64_t key = site_key_of(text, length, line);
    for (uint32_t n = 0; n < SITE_ENTRIES; n++) {
        uint64_t now = 0;
        if (atomic_compare_exchange_strong_explicit(&sites[n].key, &now, key, memory_order_relaxed,
                                                    memory_order_relaxed))
            write_site(&sites[n], text, length, line);
        else if (now != key)
            continue;
        /* Acquire: pairs with the release in write_site(), of another thread. proof: site-look */
        return atomic_load_explicit(&sites[n].whole, memory_order_acquire) ? n + 1 : 0;
    }
    return 0;
}

void site_copy(uint32_t number, struct site *table) {
    if (number == 0 || number > SITE_ENTRIES)
        return;
    const struct site *from = &sites[number - 1];
    struct site *to = &table[number - 1];
    if (atomic_load_explicit(&to->whole, memory_order_relaxed))
        return;
    /* Another thread that copies this call site writes the same. */
    for (size_t i = 0; i < SITE_TEXT / 8; i++)
        atomic_store_explicit(&to->text[i],
                              atomic_load_explicit(&from->text[i], memory_order_relaxed),
                              memory_order_relaxed);
    atomic_store_explicit(&to->line, atomic_load_explicit(&from->line, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&to->key, atomic_load_explicit(&from->key, memory_order_relaxed),
                          memory_order_relaxed);
    /* Release: a reader that sees it whole sees all of it. proof: site-copied */
    atomic_store_explicit(&to->whole, 1, memory_order_release);
}
