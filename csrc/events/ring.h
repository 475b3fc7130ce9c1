/* SPDX-License-Identifier: MIT
 *
 * ring: a lock-free ring of events. It knows nothing of signals or files.
 *
 * One type, two ways to fill it:
 *   ring_push   overwrites the oldest: the history. Any number of readers.
 *   ring_offer  refuses when full: a dispatch queue. One consumer.
 * A ring is used in one way only, for its whole life.
 *
 * Ticket t goes to slot t mod capacity. The slot's sequence is 2t+1 while the
 * event of ticket t is being written and 2t+2 when it is published, so memory
 * that is all zero is an empty ring. A producer never waits for another one:
 * whatever it cannot have within a bounded number of tries it gives up, and
 * its caller counts that.
 */
#ifndef SIGREC_RING_H
#define SIGREC_RING_H

#include "events/event.h"

#include <stdbool.h>

struct ring {
    struct slot *slots;
    uint64_t capacity;      /* a power of two */
    _Atomic uint64_t *head; /* the next ticket */
    _Atomic uint64_t *tail; /* queue only: the next ticket to be consumed */
};

enum ring_peek { RING_NONE, RING_READY, RING_UNFINISHED };

/* Signal context. The slot that it was written to; NULL: not written, a slower
 * producer holds each slot that was tried. `*replaced` gets the tag word of the
 * event that was overwritten, or 0. */
struct slot *ring_push(const struct ring *ring, const struct event *event, uint64_t *replaced);

/* Signal context. False: not written, the queue is full (or the consumer gave
 * this ticket up in the meantime). */
bool ring_offer(const struct ring *ring, const struct event *event);

/* Any context. False: ticket is not there (not yet, or no longer). */
bool ring_read(const struct ring *ring, uint64_t ticket, struct event *event);

/* Consumer only. READY: `*event` is the oldest, still in the queue until
 * ring_consume. UNFINISHED: the oldest is still being written. */
enum ring_peek ring_peek(const struct ring *ring, struct event *event);
void ring_consume(const struct ring *ring);

/* Consumer only, after UNFINISHED for longer than any producer takes: gives
 * the ticket up, for a producer that may never come back. If it does, its
 * ring_offer returns false. Costs that slot, never the ring. */
void ring_give_up(const struct ring *ring);

#endif
