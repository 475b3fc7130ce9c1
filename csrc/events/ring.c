/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/ring.h"

#include <stddef.h>

/* Marks in a queue slot's sequence; a sequence never grows into them.
 * ABANDONED  with 2t+1: ticket t was given up, and its producer (or an older
 *            one) may still be writing here: nobody else may.
 * EMPTY      with 2t+2: ticket t is over and has no event; the slot is free. */
#define ABANDONED (UINT64_C(1) << 63)
#define EMPTY (UINT64_C(1) << 62)
#define SEQUENCE (~(ABANDONED | EMPTY))

#define WRITING(t) (2 * (t) + 1)
#define PUBLISHED(t) (2 * (t) + 2)

/* Each failed try, of either kind, means that another producer made progress. */
#define PUSH_TRIES 4
#define OFFER_TRIES 64

__attribute__((returns_nonnull)) static struct slot *slot_of(const struct ring *ring,
                                                             uint64_t ticket) {
    return &ring->slots[ticket & (ring->capacity - 1)];
}

static void write_payload(struct slot *slot, const struct event *event) {
    /* The claim (odd sequence) becomes visible before any payload word: pairs
     * with the acquire fence in ring_read, whose reader then sees the odd
     * sequence if it saw one of these words. */
    atomic_thread_fence(memory_order_release);
    event_store(slot, event);
}

struct slot *ring_push(const struct ring *ring, const struct event *event, uint64_t *replaced) {
    *replaced = 0;
    for (int i = 0; i < PUSH_TRIES; i++) {
        uint64_t t = atomic_fetch_add_explicit(ring->head, 1, memory_order_relaxed);
        struct slot *slot = slot_of(ring, t);
        uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
        if ((seq & 1) || seq > 2 * t)
            continue; /* an older lap is still writing here, or a newer one passed us */
        /* Acquire: pairs with the release that published the event which we
         * replace, so that its tag word is the one read below. */
        if (!atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, WRITING(t),
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        if (seq)
            *replaced = atomic_load_explicit(&slot->word[EVENT_TAG], memory_order_relaxed);
        write_payload(slot, event);
        /* Release: whoever sees 2t+2 sees the whole payload. */
        atomic_store_explicit(&slot->sequence, PUBLISHED(t), memory_order_release);
        return slot;
    }
    return NULL;
}

bool ring_read(const struct ring *ring, uint64_t ticket, struct event *event) {
    struct slot *slot = slot_of(ring, ticket);
    /* Acquire: pairs with the release store that published the payload. */
    uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (seq != PUBLISHED(ticket))
        return false;
    event_load(slot, event);
    /* The payload was read before the sequence is read again: pairs with the
     * release fence in write_payload. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == seq;
}

static bool take_ticket(const struct ring *ring, uint64_t *ticket) {
    uint64_t t = atomic_load_explicit(ring->head, memory_order_relaxed);
    for (int i = 0; i < OFFER_TRIES; i++) {
        /* Acquire: pairs with the release in ring_consume; the consumer has
         * read the event of the last lap before we write over it.
         * proof: ring-tail-look */
        uint64_t tail = atomic_load_explicit(ring->tail, memory_order_acquire);
        /* Signed: a stale t may be behind tail, and then the CAS fails. */
        if ((int64_t)(t - tail) >= (int64_t)ring->capacity)
            return false;
        if (atomic_compare_exchange_weak_explicit(ring->head, &t, t + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *ticket = t;
            return true;
        }
    }
    return false;
}

bool ring_offer(const struct ring *ring, const struct event *event) {
    uint64_t t;
    if (!take_ticket(ring, &t))
        return false;
    struct slot *slot = slot_of(ring, t);
    uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    for (;;) { /* at most two turns: besides us only an abandoned producer or the consumer write
                  here */
        uint64_t claim = WRITING(t);
        if (seq > 2 * t) { /* as where it has a mark */
            if ((seq & SEQUENCE) > 2 * t)
                return false; /* the consumer gave this ticket up before we claimed it */
            claim |= seq & ABANDONED;
        }
        /* Acquire: pairs with the release of a late producer that set the slot
         * free, below: its payload stores come before ours. proof: ring-claim */
        if (atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, claim,
                                                    memory_order_acquire, memory_order_relaxed)) {
            if (claim & ABANDONED)
                return false; /* the slot is still lost; the consumer sees that at ticket t */
            break;
        }
    }
    write_payload(slot, event);
    seq = WRITING(t);
    /* Release: whoever sees 2t+2 sees the whole payload. A CAS, since the
     * consumer may have given us up. proof: ring-publish */
    if (atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, PUBLISHED(t),
                                                memory_order_release, memory_order_relaxed))
        return true;
    /* Given up. We write here no longer: set the slot free, at whatever
     * ticket it stands now. Release: our payload stores come before it, and
     * so before those of whoever claims it next. proof: ring-free */
    while (!atomic_compare_exchange_weak_explicit(&slot->sequence, &seq,
                                                  ((seq & SEQUENCE) + 1) | EMPTY,
                                                  memory_order_release, memory_order_relaxed))
        ;
    return false;
}

enum ring_peek ring_peek(const struct ring *ring, struct event *event) {
    for (;;) {
        uint64_t t = atomic_load_explicit(ring->tail, memory_order_relaxed);
        struct slot *slot = slot_of(ring, t);
        /* Acquire: pairs with the release that published. proof: ring-peek */
        uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        if (seq == PUBLISHED(t)) {
            event_load(slot, event);
            return RING_READY;
        }
        if (seq == (PUBLISHED(t) | EMPTY) || seq == (WRITING(t) | ABANDONED)) {
            ring_consume(ring);
            continue;
        }
        /* Signed: a head that we see late may be behind what we consumed. */
        uint64_t head = atomic_load_explicit(ring->head, memory_order_relaxed);
        return (int64_t)(head - t) > 0 ? RING_UNFINISHED : RING_NONE;
    }
}

void ring_consume(const struct ring *ring) {
    uint64_t t = atomic_load_explicit(ring->tail, memory_order_relaxed);
    /* Release: our reads of the slot come before any producer's next lap.
     * proof: ring-consume */
    atomic_store_explicit(ring->tail, t + 1, memory_order_release);
}

void ring_give_up(const struct ring *ring) {
    uint64_t t = atomic_load_explicit(ring->tail, memory_order_relaxed);
    struct slot *slot = slot_of(ring, t);
    uint64_t seq = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    /* A failed CAS means that a producer moved: the next ring_peek shows it. */
    if (seq == WRITING(t) || (seq & ABANDONED))
        atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, WRITING(t) | ABANDONED,
                                                memory_order_relaxed, memory_order_relaxed);
    else if ((seq & SEQUENCE) < WRITING(t)) /* a ticket taken, its slot not claimed yet */
        atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, PUBLISHED(t) | EMPTY,
                                                memory_order_relaxed, memory_order_relaxed);
}
