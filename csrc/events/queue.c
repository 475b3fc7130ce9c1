/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/queue.h"

#include "ground/clock.h"
#include "ground/memory.h"

#include <errno.h>

/* No live producer takes this long between its claim and its publication
 * unless it is stopped; if it was, it counts as undetailed when it comes back. */
#define STUCK_NS UINT64_C(1000000000)

int queue_make(struct queue *queue, uint64_t capacity) {
    char *wiped = memory_wiped(sizeof(struct queue_state) + capacity * sizeof(struct slot));
    if (!wiped)
        return errno;
    queue->state = (struct queue_state *)(void *)wiped;
    queue->ring.slots = (struct slot *)(void *)(wiped + sizeof(struct queue_state));
    queue->ring.capacity = capacity;
    queue->ring.head = &queue->state->head;
    queue->ring.tail = &queue->state->tail;
    return 0;
}

void queue_start(struct queue *queue, uint64_t ordinal) {
    queue->state->base = ordinal;
    queue->state->consumed = 0;
}

static bool refused(struct queue_state *state) {
    /* Relaxed: whoever sees the number also knows of what this thread queued
     * before, since a release fence (ring.c, write_payload) came after each ticket. */
    atomic_fetch_add_explicit(&state->undetailed, 1, memory_order_relaxed);
    return false;
}

bool queue_add(const struct queue *queue, const struct event *event) {
    return ring_offer(&queue->ring, event) || refused(queue->state);
}

bool queue_grow(const struct queue *queue, const struct event *event, uint64_t limit) {
    return ring_offer(&queue->ring, event) ||
           backlog_try_put(&queue->state->backlog, event, limit) || refused(queue->state);
}

bool queue_put(const struct queue *queue, const struct event *event, uint64_t limit) {
    return backlog_put(&queue->state->backlog, event, limit) || refused(queue->state);
}

/* Order holds: who writes the oldest will trip when it is done. */
static void wait_for_producer(const struct queue *queue) {
    struct queue_state *state = queue->state;
    uint64_t oldest = atomic_load_explicit(&state->tail, memory_order_relaxed);
    if (!state->stuck_ns || state->stuck_ticket != oldest) {
        state->stuck_ns = monotonic_ns();
        state->stuck_ticket = oldest;
    } else if (monotonic_ns() - state->stuck_ns > STUCK_NS) {
        ring_give_up(&queue->ring);
    }
}

static bool peek_backlog(struct queue_state *state, struct event *event) {
    return backlog_is_used(&state->backlog) && backlog_peek(&state->backlog, event);
}

enum queue_item queue_next(const struct queue *queue, struct event *event) {
    struct queue_state *state = queue->state;
    /* Read before the rest: an event that was queued before an undetailed one
     * is then seen too, and goes first. */
    uint64_t undetailed = atomic_load_explicit(&state->undetailed, memory_order_acquire);
    bool any_undetailed = undetailed != state->undetailed_taken;
    struct event from_backlog;
    bool in_backlog = peek_backlog(state, &from_backlog);
    switch (ring_peek(&queue->ring, event)) {
    case RING_READY:
        /* The backlog is looked at again: what came before this event is there by now. */
        in_backlog = in_backlog || peek_backlog(state, &from_backlog);
        state->is_put = in_backlog && (int64_t)(from_backlog.ordinal - event->ordinal) < 0;
        break;
    case RING_UNFINISHED: wait_for_producer(queue); return QUEUE_NONE;
    case RING_NONE:
        if (!in_backlog)
            return any_undetailed ? QUEUE_UNDETAILED : QUEUE_NONE;
        state->is_put = true;
    }
    if (state->is_put)
        *event = from_backlog;
    /* The ordinal says how many of this signal came before it; those not
     * yet taken are undetailed ones, as far as there are any. */
    if (any_undetailed && (int64_t)(event->ordinal - state->base - state->consumed) > 0)
        return QUEUE_UNDETAILED;
    return QUEUE_EVENT;
}

void queue_take(const struct queue *queue, enum queue_item item) {
    struct queue_state *state = queue->state;
    state->consumed++;
    if (item != QUEUE_EVENT)
        state->undetailed_taken++;
    else if (state->is_put)
        backlog_take(&state->backlog);
    else
        ring_consume(&queue->ring);
}

bool queue_waits(const struct queue *queue) {
    const struct queue_state *state = queue->state;
    struct event ignored;
    return backlog_length(&state->backlog) ||
           atomic_load_explicit(&state->undetailed, memory_order_relaxed) !=
               state->undetailed_taken ||
           ring_peek(&queue->ring, &ignored) == RING_READY;
}

struct queue_position queue_now(const struct queue *queue) {
    const struct queue_state *state = queue->state;
    /* Relaxed: the position in the queue means what the caller knows of already. */
    struct queue_position position = {
        atomic_load_explicit(&state->head, memory_order_relaxed),
        atomic_load_explicit(&state->undetailed, memory_order_relaxed),
        atomic_load_explicit(&state->backlog.put, memory_order_relaxed),
    };
    return position;
}

bool queue_passed(const struct queue *queue, struct queue_position position) {
    const struct queue_state *state = queue->state;
    uint64_t tail = atomic_load_explicit(&state->tail, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&state->backlog.taken, memory_order_relaxed);
    /* Signed: all three only rise, and may one day begin anew. */
    return (int64_t)(tail - position.head) >= 0 && (int64_t)(taken - position.put) >= 0 &&
           (int64_t)(state->undetailed_taken - position.undetailed) >= 0;
}

uint64_t queue_length(const struct queue *queue) {
    const struct queue_state *state = queue->state;
    if (!state)
        return 0;
    uint64_t detailed = atomic_load_explicit(&state->head, memory_order_relaxed) -
                        atomic_load_explicit(&state->tail, memory_order_relaxed);
    uint64_t undetailed = atomic_load_explicit(&state->undetailed, memory_order_relaxed);
    return detailed + backlog_length(&state->backlog) + undetailed - state->undetailed_taken;
}
