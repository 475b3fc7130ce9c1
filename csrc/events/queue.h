/* SPDX-License-Identifier: MIT
 *
 * queue: what waits for the Python handler of one registered signal. A ring
 * that refuses when full, plus the number of those that it refused: they are
 * handled all the same, without siginfo, at their place. Beside the ring, which
 * signal handlers fill, there is a backlog, which grows, for what the intake
 * thread takes; the ordinal says which of the two heads comes first.
 *
 * Everything that moves is in wiped memory: in a forked child the queue is
 * empty, since what was pending in the parent is the parent's.
 */
#ifndef SIGREC_QUEUE_H
#define SIGREC_QUEUE_H

#include "events/backlog.h"
#include "events/ring.h"

struct queue_state {
    _Alignas(64) _Atomic uint64_t head; /* producers */
    _Alignas(64) _Atomic uint64_t tail; /* consumer */
    uint64_t base;                      /* consumer: the first ordinal that can be here */
    uint64_t consumed;                  /* consumer: taken, with or without detail */
    uint64_t undetailed_taken;          /* consumer */
    bool is_put;                        /* consumer: what is next is in the backlog */
    uint64_t stuck_ns;                  /* consumer: since when the ticket below is unfinished */
    uint64_t stuck_ticket;
    _Alignas(64) _Atomic uint64_t undetailed; /* producers: refused */
    struct backlog backlog;
};

struct queue {
    struct ring ring;
    struct queue_state *state;
};

enum queue_item { QUEUE_NONE, QUEUE_EVENT, QUEUE_UNDETAILED };

/* Interpreter context. capacity: a power of two. 0 or an errno. */
int queue_make(struct queue *queue, uint64_t capacity);

/* Consumer only, while the queue is empty: the next ordinal to expect. */
void queue_start(struct queue *queue, uint64_t ordinal);

/* Signal context. False: counted as undetailed. */
bool queue_add(const struct queue *queue, const struct event *event);

/* Signal context. The same, where the backlog may grow to that: what the ring refuses goes there.
 */
bool queue_grow(const struct queue *queue, const struct event *event, uint64_t limit);

/* The intake thread: to the backlog. */
bool queue_put(const struct queue *queue, const struct event *event, uint64_t limit);

/* Signal context. How many signals wait, or nearly, while others add and take. */
uint64_t queue_length(const struct queue *queue);

/* Any context. How much was queued until now; and, below,
 * whether the consumer has taken all of that. */
struct queue_position {
    uint64_t head;
    uint64_t undetailed;
    uint64_t put;
};
struct queue_position queue_now(const struct queue *queue);

/* Consumer, or whoever holds what the consumer holds while it takes. */
bool queue_passed(const struct queue *queue, struct queue_position position);

/* Any context. Whether queue_next would find anything. */
bool queue_waits(const struct queue *queue);

/* Consumer only. True: queue_next would find nothing. A cheap look. */
static inline bool queue_is_empty(const struct queue *queue) {
    const struct queue_state *state = queue->state;
    return atomic_load_explicit(&state->head, memory_order_relaxed) ==
               atomic_load_explicit(&state->tail, memory_order_relaxed) &&
           atomic_load_explicit(&state->undetailed, memory_order_relaxed) ==
               state->undetailed_taken &&
           !backlog_is_used(&state->backlog);
}

/* Consumer only. What is next; it stays in the queue until queue_take(), to which the caller
 * passes what this returned last. */
enum queue_item queue_next(const struct queue *queue, struct event *event);
void queue_take(const struct queue *queue, enum queue_item item);

#endif
