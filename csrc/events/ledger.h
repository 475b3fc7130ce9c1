/* SPDX-License-Identifier: MIT
 *
 * ledger: the counters of each signal number. Cumulative, 64-bit, never reset.
 * The names are those of the documentation; when nothing is in flight
 *
 *     delivered == recorded + dropped
 *     delivered == handled + pending + abandoned     (since registration)
 *     pending   == queued + undetailed - handled - abandoned
 *
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_LEDGER_H
#define SIGREC_LEDGER_H

#include "events/recent.h"

enum ledger_mode {
    MODE_RELEASED = 0,
    MODE_REGISTERED = 1,
    MODE_UNREGISTERED = 2,
    MODE_RECORDED = 3
};

struct ledger_entry {
    _Atomic uint64_t delivered;   /* the handler ran for it, or dequeued it */
    _Atomic uint64_t recorded;    /* its detail was written to the history */
    _Atomic uint64_t dropped;     /* its detail could not be written */
    _Atomic uint64_t overwritten; /* recorded, since replaced in the history */
    _Atomic uint64_t queued;      /* put into the dispatch queue */
    _Atomic uint64_t undetailed;  /* registered, but the dispatch queue was full */
    _Atomic uint64_t handled;     /* a Python handler was called for it */
    _Atomic uint64_t abandoned; /* still pending when its handler was unregistered, or passed on */
    _Atomic uint64_t overruns;  /* sum of si_overrun over timer signals */
    _Atomic uint32_t mode;      /* enum ledger_mode; recording_set_mode() */
    _Atomic uint32_t replaced;  /* 1: someone else took the disposition */
    _Atomic uint64_t unattributed; /* its sender found no place in the table of senders */
    _Atomic uint32_t
        recent; /* the block of its newest events, from 1; 0: none yet; UINT32_MAX: none left */
    uint32_t reserved0;
    _Atomic uint64_t sent; /* by this process, to whomever: sent.h */
    uint64_t reserved1[3];
    struct slot first; /* sequence 2 once written */
    struct slot last;  /* the newest, where the signal has no block: 2*ordinal+2 once written */
};

_Static_assert(sizeof(struct ledger_entry) == 256, "a ledger entry is 256 bytes");

static inline uint64_t ledger_add(_Atomic uint64_t *counter, uint64_t n) {
    /* Relaxed: counters order nothing; a reader adds them up at rest. */
    return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t ledger_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Signal context. Keeps the event, where it is the first or among the newest of its signal. */
void ledger_keep(struct ledger_entry *entry, const struct recent *recent,
                 const struct event *event);

/* Interpreter context. Moves all counts from one entry to another, each by an
 * atomic exchange: a producer that still adds to `from` loses nothing, since
 * the next fold moves that too. */
void ledger_fold(struct ledger_entry *from, const struct recent *from_recent,
                 struct ledger_entry *to, const struct recent *to_recent);

#endif
