/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static struct queue queue;

static void add(uint64_t ordinal) {
    struct event e = {.ordinal = ordinal, .signo = 10};
    queue_add(&queue, &e);
}

static uint64_t take_event(void) {
    struct event e;
    CHECK_EQ(queue_next(&queue, &e), QUEUE_EVENT);
    queue_take(&queue, QUEUE_EVENT);
    return e.ordinal;
}

static void take_undetailed(int n) {
    struct event e;
    for (int i = 0; i < n; i++) {
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

/* Its producer counts it, one way or the other, when it is done. */
static void what_is_still_being_written_is_waited_for(void) {
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    add(0);
    CHECK_EQ(take_event(), 0);
    queue.state->head++;                                        /* a ticket... */
    queue.ring.slots[1].sequence = 2 * 1 + 1;                   /* ...and its slot claimed */
    struct event e;
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
    add(2);
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE); /* it came after */
    event_store(&queue.ring.slots[1], &(struct event){.ordinal = 1, .signo = 10});
    queue.ring.slots[1].sequence = 2 * 1 + 2;
    CHECK_EQ(take_event(), 1);
    CHECK_EQ(take_event(), 2);
    CHECK_EQ(queue_next(&queue, &e), QUEUE_NONE);
}

int main(void) {
    undetailed_ones_come_at_their_place();
    a_child_finds_it_empty();
    what_is_still_being_written_is_waited_for();
    return 0;
}
