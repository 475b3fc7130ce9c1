/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/ring.h"

#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#define CAPACITY 64
#define PRODUCERS 4
#define EACH 200000

static struct slot slots[CAPACITY];
static _Atomic uint64_t head, tail;
static struct ring history, queue;

static void reset(void) {
    memset(slots, 0, sizeof slots);
    head = tail = 0;
    history = (struct ring){slots, CAPACITY, &head, NULL};
    queue = (struct ring){slots, CAPACITY, &head, &tail};
}

/* An event whose every word follows from two numbers: a torn one shows. */
static struct event make(uint32_t producer, uint64_t n) {
    struct event e = {0};
    e.signo = producer + 1;
    e.ordinal = n;
    e.monotonic_ns = n * 3 + producer;
    e.datum = ~n;
    e.tid = (uint32_t)n;
    e.pid = (int32_t)(n + 7);
    e.timerid = (int32_t)(n ^ 0x55);
    return e;
}

static void check_whole(const struct event *e) {
    struct event expected = make(e->signo - 1, e->ordinal);
    CHECK(memcmp(e, &expected, sizeof expected) == 0);
}

static void push_overwrites_the_oldest(void) {
    reset();
    uint64_t replaced;
    struct event e;
    for (uint64_t n = 0; n < CAPACITY; n++) {
        e = make(2, n);
        CHECK(ring_push(&history, &e, &replaced));
        CHECK_EQ(replaced, 0);
    }
    e = make(1, 1000);
    CHECK(ring_push(&history, &e, &replaced));
    uint32_t signo;
    memcpy(&signo, &replaced, sizeof signo);
    CHECK_EQ(signo, 3);
    CHECK(!ring_read(&history, 0, &e));
    CHECK(ring_read(&history, 1, &e));
    CHECK_EQ(e.ordinal, 1);
    CHECK(ring_read(&history, CAPACITY, &e));
    CHECK_EQ(e.ordinal, 1000);
    CHECK(!ring_read(&history, CAPACITY + 1, &e));
}

static void push_burns_a_ticket_on_an_unfinished_slot(void) {
    reset();
    uint64_t replaced;
    struct event e = make(0, 1);
    slots[3].sequence = 2 * 3 + 1; /* a producer that never came back */
    head = CAPACITY + 3;
    CHECK(ring_push(&history, &e, &replaced));
    CHECK_EQ(head, CAPACITY + 5);
    CHECK(!ring_read(&history, CAPACITY + 3, &e));
    CHECK(ring_read(&history, CAPACITY + 4, &e));
    /* All slots held: gives up, and says so. */
    for (int i = 0; i < CAPACITY; i++)
        slots[i].sequence |= 1;
    CHECK(!ring_push(&history, &e, &replaced));
}

static void offer_refuses_when_full_and_keeps_order(void) {
    reset();
    struct event e;
    CHECK_EQ(ring_peek(&queue, &e), RING_NONE);
    for (uint64_t lap = 0; lap < 3; lap++) {
        for (uint64_t n = 0; n < CAPACITY; n++) {
            e = make(0, lap * CAPACITY + n);
            CHECK(ring_offer(&queue, &e));
        }
        CHECK(!ring_offer(&queue, &e));
        for (uint64_t n = 0; n < CAPACITY; n++) {
            CHECK_EQ(ring_peek(&queue, &e), RING_READY);
            CHECK_EQ(e.ordinal, lap * CAPACITY + n);
            ring_consume(&queue);
        }
        CHECK_EQ(ring_peek(&queue, &e), RING_NONE);
    }
}

static void an_abandoned_slot_costs_that_slot_only(void) {
    reset();
    struct event e = make(0, 0);
    CHECK(ring_offer(&queue, &e));
    /* Ticket 1 is claimed, and its producer dies. */
    head = 2;
    slots[1].sequence = 2 * 1 + 1;
    e = make(0, 2);
    CHECK(ring_offer(&queue, &e));
    CHECK_EQ(ring_peek(&queue, &e), RING_READY);
    ring_consume(&queue);
    CHECK_EQ(ring_peek(&queue, &e), RING_UNFINISHED);
    ring_give_up(&queue);
    CHECK_EQ(ring_peek(&queue, &e), RING_READY);
    CHECK_EQ(e.ordinal, 2);
    ring_consume(&queue);
    /* Five laps on, every other slot still serves; slot 1 refuses once a lap. */
    int refused = 0, got = 0;
    for (int n = 0; n < 5 * CAPACITY; n++) {
        e = make(0, 100 + (uint64_t)n);
        refused += !ring_offer(&queue, &e);
        while (ring_peek(&queue, &e) == RING_READY) {
            check_whole(&e);
            got++;
            ring_consume(&queue);
        }
    }
    CHECK_EQ(refused, 5);
    CHECK_EQ(got, 5 * CAPACITY - 5);
}

static void a_late_producer_frees_its_slot(void) {
    reset();
    struct event e = make(0, 0);
    /* As ring_offer leaves it between claim and publication... */
    head = 1;
    slots[0].sequence = 1;
    ring_give_up(&queue);
    CHECK_EQ(ring_peek(&queue, &e), RING_NONE);
    CHECK_EQ(tail, 1);
    /* ...and as it ends when it comes back: the slot is free, its ticket empty. */
    CHECK(slots[0].sequence == (UINT64_C(1) << 63 | 1));
    slots[0].sequence = 2 | UINT64_C(1) << 62;
    for (uint64_t n = 1; n <= 2 * CAPACITY; n++) {
        e = make(0, n);
        CHECK(ring_offer(&queue, &e));
        CHECK_EQ(ring_peek(&queue, &e), RING_READY);
        CHECK_EQ(e.ordinal, n);
        ring_consume(&queue);
    }
}

static void giving_up_an_unclaimed_ticket(void) {
    reset();
    struct event e;
    head = 1; /* a ticket taken, its slot not claimed yet */
    CHECK_EQ(ring_peek(&queue, &e), RING_UNFINISHED);
    ring_give_up(&queue);
    CHECK_EQ(ring_peek(&queue, &e), RING_NONE);
    for (uint64_t n = 1; n <= 2 * CAPACITY; n++) {
        e = make(0, n);
        CHECK(ring_offer(&queue, &e));
        CHECK_EQ(ring_peek(&queue, &e), RING_READY);
        ring_consume(&queue);
    }
}

static _Atomic uint64_t written, refused;
static _Atomic int running;

static void *push_many(void *arg) {
    uint32_t producer = (uint32_t)(uintptr_t)arg;
    for (uint64_t n = 0; n < EACH; n++) {
        struct event e = make(producer, n);
        uint64_t replaced;
        if (ring_push(&history, &e, &replaced))
            written++;
        else
            refused++;
    }
    running--;
    return NULL;
}

static void *offer_many(void *arg) {
    uint32_t producer = (uint32_t)(uintptr_t)arg;
    for (uint64_t n = 0; n < EACH; n++) {
        struct event e = make(producer, n);
        if (ring_offer(&queue, &e))
            written++;
        else
            refused++;
    }
    running--;
    return NULL;
}

static void start(pthread_t *threads, void *(*function)(void *), uint64_t capacity) {
    reset();
    history.capacity = capacity;
    written = refused = 0;
    running = PRODUCERS;
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        CHECK(pthread_create(&threads[i], NULL, function, (void *)i) == 0);
}

/* How many events it read while they were written over. */
static uint64_t read_while_written(void) {
    pthread_t threads[PRODUCERS];
    /* All on two slots: each is written over while it is read. */
    start(threads, push_many, 2);
    uint64_t seen = 0;
    do {
        uint64_t end = head, begin = end > 2 ? end - 2 : 0;
        for (uint64_t t = begin; t < end; t++) {
            struct event e;
            if (ring_read(&history, t, &e)) {
                check_whole(&e);
                seen++;
            }
        }
    } while (running);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(written + refused, (uint64_t)PRODUCERS * EACH);
    return seen;
}

static void readers_never_see_a_torn_event(void) {
    /* On a busy machine we may not have had our turn before it was over. */
    uint64_t seen = 0;
    for (int round = 0; round < 100 && !seen; round++)
        seen += read_while_written();
    CHECK(seen > 0);
}

static volatile uint64_t laps;

static void push_a_lap(int signum) {
    (void)signum;
    laps++;
    for (int i = 0; i < 3; i++) {
        struct event e = make(0, 3 * laps + (uint64_t)i);
        uint64_t replaced;
        CHECK(ring_push(&history, &e, &replaced));
    }
}

/* Whatever other threads do in the meantime: at some time in the middle of it. */
static void a_reader_that_is_interrupted_sees_no_torn_event(void) {
    static const struct itimerval often = {{0, 50}, {0, 50}}, never;
    reset();
    history.capacity = 2;
    push_a_lap(0);
    CHECK(signal(SIGALRM, push_a_lap) != SIG_ERR);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (laps < 500) {
        struct event e;
        uint64_t newest = head - 1;
        if (ring_read(&history, newest, &e))
            check_whole(&e);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void a_queue_hands_out_each_event_once_in_order(void) {
    pthread_t threads[PRODUCERS];
    start(threads, offer_many, CAPACITY);
    uint64_t got = 0, next[PRODUCERS] = {0};
    for (;;) {
        int last = !running;
        struct event e;
        while (ring_peek(&queue, &e) == RING_READY) {
            check_whole(&e);
            CHECK(e.ordinal >= next[e.signo - 1]);
            next[e.signo - 1] = e.ordinal + 1;
            ring_consume(&queue);
            got++;
        }
        if (last)
            break;
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(got, written);
    CHECK_EQ(written + refused, (uint64_t)PRODUCERS * EACH);
}

int main(void) {
    push_overwrites_the_oldest();
    push_burns_a_ticket_on_an_unfinished_slot();
    offer_refuses_when_full_and_keeps_order();
    an_abandoned_slot_costs_that_slot_only();
    a_late_producer_frees_its_slot();
    giving_up_an_unclaimed_ticket();
    readers_never_see_a_torn_event();
    a_reader_that_is_interrupted_sees_no_torn_event();
    a_queue_hands_out_each_event_once_in_order();
    return 0;
}
