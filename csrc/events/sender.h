/* SPDX-License-Identifier: MIT
 *
 * sender: how many of each signal each sender sent, and the sender's name.
 *
 * A table in the recording, found by hash; entries are taken once and kept. When the
 * table is full, a new sender is not in it: the ledger counts its signals all the
 * same. The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_SENDER_H
#define SIGREC_SENDER_H

#include "events/event.h"

#define SENDER_ENTRIES 512 /* a power of two */

enum sender_kind { SENDER_PROCESS = 0, SENDER_KERNEL = 1, SENDER_TIMER = 2, SENDER_CHILD = 3 };

struct sender_entry {
    _Alignas(64) _Atomic uint64_t
        key; /* bit 63 | claimed << 48 | kind << 40 | signo << 32 | pid; 0: free */
    _Atomic uint64_t count;
    _Atomic uint64_t last_ns;  /* CLOCK_MONOTONIC of the newest */
    _Atomic uint32_t uid;      /* of the newest */
    _Atomic uint32_t code;     /* si_code of the newest */
    _Atomic uint64_t named_ns; /* when the name was read last; 0: never */
    _Atomic uint64_t name[2];  /* proc_pid_comm(5), not terminated where it fills all 16 bytes */
    _Atomic uint64_t since_ns; /* since when the name is the same: a pid is used again */
};

_Static_assert(sizeof(struct sender_entry) == 64, "a sender is 64 bytes");

/* Signal context. Counts the event to its sender; NULL: the table is full. */
struct sender_entry *sender_count(struct sender_entry *table, const struct event *event);

/* Signal context. Reads the sender's name from /proc and keeps it, if it has
 * one. Costs three system calls (5 us), and for that time a descriptor that
 * another thread's close_range(2) could close: for the few events that matter. */
void sender_name(struct sender_entry *entry, uint64_t now_ns);

/* Interpreter context. Moves the senders' counts, as ledger_fold does. */
void sender_fold(struct sender_entry *from, struct sender_entry *to);

#endif
