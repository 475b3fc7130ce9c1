/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/sender.h"

#include "ground/proc.h"
#include "ground/text.h"

#include <stdbool.h>
#include <string.h>

#define USED (UINT64_C(1) << 63)
#define CLAIMED (UINT64_C(1) << 48)
#define PROBES 16

static enum sender_kind sender_kind_of(const struct event *event) {
#ifdef __linux__
    if (event->code == SI_TIMER)
        return SENDER_TIMER;
    if (event->code == SI_SIGIO)
        return SENDER_KERNEL;
#endif
    if (event->code <= 0)
        return SENDER_PROCESS;
    return event->signo == SIGCHLD && event->pid ? SENDER_CHILD : SENDER_KERNEL;
}

/* The pid is the sender's own word, and not the kernel's: rt_sigqueueinfo(2). */
static bool claims_sender(const struct event *event) {
#ifdef __linux__
    return event->code < 0 && event->code != SI_TKILL;
#else
    (void)event;
    return false;
#endif
}

/* All children are one sender: a server's workers would fill the table. */
static uint64_t sender_key_of(const struct event *event) {
    enum sender_kind kind = sender_kind_of(event);
    uint64_t claimed = kind == SENDER_PROCESS && claims_sender(event) ? CLAIMED : 0;
    return USED | claimed | (uint64_t)kind << 40 | (uint64_t)event->signo << 32 |
           (kind == SENDER_PROCESS ? (uint32_t)event->pid : 0);
}

__attribute__((returns_nonnull)) static struct sender_entry *
sender_at(struct sender_entry *table, uint64_t key, uint64_t probe) {
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15); /* Knuth: 2^64 by the golden ratio */
    return &table[((hash >> 52) + probe) % SENDER_ENTRIES];
}

/* The key's entry, made if it is missing; NULL: no place. */
static __attribute__((noinline)) struct sender_entry *find_sender(struct sender_entry *table,
                                                                  uint64_t key) {
    for (uint64_t probe = 0; probe < PROBES; probe++) {
        struct sender_entry *entry = sender_at(table, key, probe);
        uint64_t seen = atomic_load_explicit(&entry->key, memory_order_relaxed);
        if (seen == key)
            return entry;
        if (seen == 0 &&
            (atomic_compare_exchange_strong_explicit(&entry->key, &seen, key, memory_order_relaxed,
                                                     memory_order_relaxed) ||
             seen == key))
            return entry;
    }
    return NULL;
}

struct sender_entry *sender_count(struct sender_entry *table, const struct event *event) {
    uint64_t key = sender_key_of(event);
    struct sender_entry *entry = sender_at(table, key, 0); /* where it mostly is */
    if (atomic_load_explicit(&entry->key, memory_order_relaxed) != key &&
        !(entry = find_sender(table, key)))
        return NULL;
    /* Relaxed, all: each is true of some recent signal, and none orders another. */
    atomic_store_explicit(&entry->last_ns, event->monotonic_ns, memory_order_relaxed);
    atomic_store_explicit(&entry->uid, event->uid, memory_order_relaxed);
    atomic_store_explicit(&entry->code, (uint32_t)event->code, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->count, 1, memory_order_relaxed);
    return entry;
}

/* Not inline: its stack frame would be set up for each signal. */
__attribute__((noinline)) void sender_name(struct sender_entry *entry, uint64_t now_ns) {
    uint64_t key = atomic_load_explicit(&entry->key, memory_order_relaxed);
    char path[32], name[17] = {0}; /* 15 characters and a newline: proc_pid_comm(5) */
    if ((key >> 40 & 0xff) != SENDER_PROCESS || !(uint32_t)key || !proc_names_ours())
        return;
    text_put(text_put_number(text_put(path, "/proc/"), (uint32_t)key), "/comm");
    size_t n = proc_read(path, name, sizeof name);
    if (!n)
        return;
    if (name[n - 1] == '\n')
        name[n - 1] = 0;
    uint64_t word[2];
    memcpy(word, name, sizeof word);
    if (word[0] != atomic_load_explicit(&entry->name[0], memory_order_relaxed) ||
        word[1] != atomic_load_explicit(&entry->name[1], memory_order_relaxed)) {
        atomic_store_explicit(&entry->since_ns, now_ns, memory_order_relaxed);
        atomic_store_explicit(&entry->name[0], word[0], memory_order_relaxed);
        atomic_store_explicit(&entry->name[1], word[1], memory_order_relaxed);
    }
    /* Release: whoever sees the time sees the name. proof: sender-name */
    atomic_store_explicit(&entry->named_ns, now_ns, memory_order_release);
}

void sender_fold(struct sender_entry *from, struct sender_entry *to) {
    for (int i = 0; i < SENDER_ENTRIES; i++) {
        uint64_t key = atomic_load_explicit(&from[i].key, memory_order_relaxed);
        uint64_t count =
            key ? atomic_exchange_explicit(&from[i].count, 0, memory_order_relaxed) : 0;
        struct sender_entry *entry = count ? find_sender(to, key) : NULL;
        if (!entry)
            continue;
        atomic_fetch_add_explicit(&entry->count, count, memory_order_relaxed);
        atomic_store_explicit(&entry->last_ns, from[i].last_ns, memory_order_relaxed);
        atomic_store_explicit(&entry->uid, from[i].uid, memory_order_relaxed);
        atomic_store_explicit(&entry->code, from[i].code, memory_order_relaxed);
        /* proof: sender-name-look */
        uint64_t named = atomic_load_explicit(&from[i].named_ns, memory_order_acquire);
        if (named > atomic_load_explicit(&entry->named_ns, memory_order_relaxed)) {
            atomic_store_explicit(&entry->name[0], from[i].name[0], memory_order_relaxed);
            atomic_store_explicit(&entry->name[1], from[i].name[1], memory_order_relaxed);
            atomic_store_explicit(&entry->since_ns, from[i].since_ns, memory_order_relaxed);
            /* proof: sender-name-moved */
            atomic_store_explicit(&entry->named_ns, named, memory_order_release);
        }
    }
}
