/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/queue.h"

#include "check.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
static uint64_t now_ns = SECOND;

/* In the place of the C library's: time passes when we say so. */
int clock_gettime(clockid_t clock, struct timespec *ts) {
    (void)clock;
    ts->tv_sec = (time_t)(now_ns / SECOND);
    ts->tv_nsec = (long)(now_ns % SECOND);
    return 0;
}

static struct queue queue;

static void add(uint64_t ordinal) {
    struct event e = {.ordinal = ordinal, .signo = 10};
    queue_add(&queue, &e);
}

static uint64_t take_event(void) {
    struct event e;
    CHECK(!queue_is_empty(&queue));
    CHECK_EQ(queue_next(&queue, &e), QUEUE_EVENT);
    queue_take(&queue, QUEUE_EVENT);
    return e.ordinal;
}

static void take_undetailed(int n) {
    struct event e;
    for (int i = 0; i < n; i++) {
        CHECK(!queue_is_empty(&queue));
        CHECK_EQ(queue_next(&queue, &e), QUEUE_UNDETAILED);
        queue_take(&queue, QUEUE_UNDETAILED);
    }
}

/* 4 fit, 3 do not; then 2 more fit: the 3 come after the first 4 and before
 * the last 2. */
static void undetailed_ones_come_at_their_place(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 100);
    for (uint64_t n = 100; n < 107; n++)
        add(n);
    CHECK_EQ(take_event(), 100);
    CHECK_EQ(take_event(), 101);
    add(107);
    add(108);
    CHECK_EQ(take_event(), 102);
    CHECK_EQ(take_event(), 103);
    take_undetailed(3);
    CHECK_EQ(take_event(), 107);
    CHECK_EQ(take_event(), 108);
    struct event e;
    CHECK(queue_is_empty(&queue));
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
}

static void a_child_finds_it_empty(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    for (uint64_t n = 0; n < 6; n++)
        add(n);
    pid_t child = fork();
    if (child == 0) {
        struct event e;
        CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
        add(0);
        CHECK_EQ(take_event(), 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    for (uint64_t n = 0; n < 4; n++)
        CHECK_EQ(take_event(), n);
    take_undetailed(2);
}

static void next_is_unfinished(uint64_t ticket) {
    struct event e;
    queue.state->head = ticket + 1;
    queue.ring.slots[ticket].sequence = 2 * ticket + 1;
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
}

/* Its producer counts it, one way or the other, when it is done. */
static void what_is_still_being_written_is_waited_for(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    add(0);
    CHECK_EQ(take_event(), 0);
    struct event e;
    next_is_unfinished(1);
    add(2);
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE); /* it came after */
    event_store(&queue.ring.slots[1], &(struct event){.ordinal = 1, .signo = 10});
    queue.ring.slots[1].sequence = 2 * 1 + 2;
    CHECK_EQ(take_event(), 1);
    CHECK_EQ(take_event(), 2);
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
}

/* Each has a second, however long an earlier one took. */
static void who_does_not_finish_is_given_up(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    next_is_unfinished(0);
    event_store(&queue.ring.slots[0], &(struct event){.ordinal = 0, .signo = 10});
    queue.ring.slots[0].sequence = 2;
    CHECK_EQ(take_event(), 0);
    now_ns += 10 * SECOND;
    next_is_unfinished(1);
    now_ns += SECOND / 2;
    next_is_unfinished(1);
    CHECK_EQ(queue.ring.slots[1].sequence, 2 * 1 + 1); /* still waited for */
    now_ns += SECOND;
    next_is_unfinished(1);
    CHECK(queue.ring.slots[1].sequence >> 63);
    add(1); /* the next slot, and after the one that is lost */
    CHECK_EQ(take_event(), 1);
}

/* With detail or without, in any order: what was there is passed, and no more is waited for. */
static void what_was_there_is_passed(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    CHECK(queue_passed(&queue, queue_now(&queue)));
    for (uint64_t n = 0; n < 6; n++)
        add(n);
    struct queue_position there = queue_now(&queue);
    for (uint64_t n = 0; n < 4; n++) {
        CHECK(!queue_passed(&queue, there));
        CHECK_EQ(take_event(), n);
    }
    CHECK(!queue_passed(&queue, there));
    add(6); /* what comes later is not meant */
    take_undetailed(2);
    CHECK(queue_passed(&queue, there));
    CHECK(!queue_passed(&queue, queue_now(&queue)));
    CHECK_EQ(take_event(), 6);
}

/* On a machine of weak order the consumer may see a head that is older than
 * what it took: found by tests/proof/orders. */
static void a_head_that_is_seen_late_is_not_an_unfinished_event(void) {
    struct event e;
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    add(0);
    CHECK_EQ(take_event(), 0);
    queue.state->head = 0;
    CHECK_EQ(ring_peek(&queue.ring, &e), RING_NONE);
}

int main(void) {
    undetailed_ones_come_at_their_place();
    a_child_finds_it_empty();
    what_is_still_being_written_is_waited_for();
    who_does_not_finish_is_given_up();
    what_was_there_is_passed();
    a_head_that_is_seen_late_is_not_an_unfinished_event();
    return 0;
}
