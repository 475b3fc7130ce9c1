/* SPDX-License-Identifier: MIT
 * The backlog: order, runs, its limit, and where its memory goes; and beside the ring of a queue.
 */
#define _GNU_SOURCE
#include "events/backlog.h"

#include "check.h"
#include "events/queue.h"
#include "ground/memory.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 1000000

static _Atomic int mapped; /* chunks */
static void *chunks[1024];
static bool no_memory;

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (no_memory)
        return errno = ENOMEM, MAP_FAILED;
    long result = syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    if (size == BACKLOG_CHUNK && result != -1)
        chunks[mapped++ % 1024] = (void *)result;
    return result == -1 ? MAP_FAILED : (void *)result;
}

int munmap(void *at, size_t size) {
    mapped -= size == BACKLOG_CHUNK;
    return (int)syscall(SYS_munmap, at, size);
}

static struct event numbered(uint64_t n) {
    return (struct event){.monotonic_ns = 7 * n,
                          .ordinal = n,
                          .signo = 40,
                          .code = -1,
                          .pid = 100,
                          .uid = 200,
                          .datum = ~n,
                          .tid = 300};
}

static struct backlog *empty(void) {
    struct backlog *backlog = memory_wiped(sizeof *backlog);
    CHECK(backlog);
    return backlog;
}

static void next_is(struct backlog *backlog, const struct event *event) {
    struct event e;
    CHECK(backlog_peek(backlog, &e));
    CHECK(memcmp(&e, event, sizeof e) == 0);
    backlog_take(backlog);
}

/* 16 bytes each, in order, and flat afterwards. */
static void a_million_wait_and_the_memory_goes_back(void) {
    struct backlog *backlog = empty();
    struct event e;
    CHECK(!backlog_peek(backlog, &e));
    CHECK_EQ(backlog_bytes(backlog), 0);
    for (uint64_t n = 0; n < MANY; n++) {
        e = numbered(n);
        CHECK(backlog_put(backlog, &e, MANY));
    }
    e = numbered(MANY);
    CHECK(!backlog_put(backlog, &e, MANY)); /* the limit */
    CHECK_EQ(backlog_length(backlog), MANY);
    CHECK(backlog_bytes(backlog) <= 16 * MANY * 101 / 100);
    for (uint64_t n = 0; n < MANY; n++) {
        e = numbered(n);
        next_is(backlog, &e);
    }
    CHECK(!backlog_peek(backlog, &e));
    CHECK_EQ(backlog_length(backlog), 0);
    CHECK_EQ(backlog_bytes(backlog), BACKLOG_CHUNK);
    CHECK_EQ(mapped, 1);
}

/* Whatever differs begins a run of its own, and comes out as it was. */
static void each_field_is_kept(void) {
    struct backlog *backlog = empty();
    struct event events[12];
    for (int i = 0; i < 12; i++) {
        events[i] = numbered((uint64_t)i);
        events[i].ordinal += i > 10; /* a gap */
    }
    events[1].code = -2;
    events[2].pid = 3;
    events[3].uid = 4;
    events[4].tid = 5;
    events[5].error = 6;
    events[6].detail = 7;
    events[7].timerid = 8;
    for (int i = 0; i < 12; i++)
        CHECK(backlog_put(backlog, &events[i], MANY));
    for (int i = 0; i < 12; i++)
        next_is(backlog, &events[i]);
}

static void without_memory_it_is_refused(void) {
    struct backlog *backlog = empty();
    struct event e = numbered(0);
    no_memory = true;
    CHECK(!backlog_put(backlog, &e, MANY));
    no_memory = false;
    CHECK(backlog_put(backlog, &e, MANY));
    next_is(backlog, &e);
}

static void a_child_has_none(void) {
    struct backlog *backlog = empty();
    int first = mapped;
    struct event e = numbered(0);
    CHECK(backlog_put(backlog, &e, MANY));
    pid_t child = fork();
    if (child == 0) {
        CHECK(!backlog_peek(backlog, &e));
        CHECK_EQ(msync(chunks[first], BACKLOG_CHUNK, MS_ASYNC), -1); /* nor the memory */
        e = numbered(5);
        CHECK(backlog_put(backlog, &e, MANY));
        next_is(backlog, &e);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    e = numbered(0);
    next_is(backlog, &e);
}

static void *puts_many(void *backlog) {
    for (uint64_t n = 0; n < MANY; n++) {
        struct event e = numbered(n);
        e.pid = (int32_t)(n / 100); /* 10,000 runs */
        while (!backlog_put(backlog, &e, 20000))
            ;
    }
    return NULL;
}

static void one_puts_and_one_takes(void) {
    struct backlog *backlog = empty();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, puts_many, backlog) == 0);
    for (uint64_t n = 0; n < MANY;) {
        struct event e;
        if (!backlog_peek(backlog, &e))
            continue;
        CHECK_EQ(e.ordinal, n);
        CHECK_EQ(e.datum, ~n);
        CHECK_EQ(e.pid, n / 100);
        backlog_take(backlog);
        n++;
    }
    pthread_join(thread, NULL);
}

/* In a queue the ordinal decides, and what was refused comes at its place. */
static void beside_the_ring_of_a_queue(void) {
    struct queue queue;
    memset(&queue, 0, sizeof queue);
    CHECK(queue_make(&queue, 4) == 0);
    queue_start(&queue, 0);
    /* Ring, backlog, refused by the backlog, by a handler where somebody is at it, or the ring
     * has no room. */
    static const char how[] = "rrbbrbxbrpgb";
    struct queue_position before = queue_now(&queue);
    for (uint64_t n = 0; how[n]; n++) {
        struct event e = numbered(n);
        queue.state->backlog.putting = how[n] == 'p';
        if (how[n] == 'r')
            CHECK(queue_add(&queue, &e));
        else if (how[n] == 'p' || how[n] == 'g')
            CHECK_EQ(queue_grow(&queue, &e, 100), how[n] == 'g');
        else
            CHECK_EQ(queue_put(&queue, &e, how[n] == 'x' ? 0 : 100), how[n] == 'b');
    }
    CHECK_EQ(queue_length(&queue), 12);
    CHECK(queue_passed(&queue, before));
    struct queue_position after = queue_now(&queue);
    for (uint64_t n = 0; how[n]; n++) {
        struct event e;
        CHECK(queue_waits(&queue));
        CHECK(!queue_is_empty(&queue));
        CHECK(!queue_passed(&queue, after));
        enum queue_item item = queue_next(&queue, &e);
        CHECK_EQ(item, how[n] == 'x' || how[n] == 'p' ? QUEUE_UNDETAILED : QUEUE_EVENT);
        if (item == QUEUE_EVENT)
            CHECK_EQ(e.ordinal, n);
        queue_take(&queue, item);
    }
    CHECK(queue_passed(&queue, after));
    CHECK(!queue_waits(&queue));
}

int main(void) {
    a_million_wait_and_the_memory_goes_back();
    each_field_is_kept();
    without_memory_it_is_refused();
    a_child_has_none();
    one_puts_and_one_takes();
    beside_the_ring_of_a_queue();
    return 0;
}
