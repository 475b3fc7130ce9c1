/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/backlog.h"

#include <sys/mman.h>
#include <time.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

struct backlog_entry {
    uint64_t monotonic_ns;
    uint64_t datum;
};

struct backlog_run {
    struct event event;     /* the first */
    _Atomic uint32_t count; /* of those that are written */
    _Atomic uint32_t next;  /* where the next run begins in this chunk; 0: there is none yet */
    struct backlog_entry entries[];
};

struct backlog_chunk {
    _Atomic(struct backlog_chunk *) next;
    uint64_t used; /* bytes; written by whoever puts */
    char runs[];
};

_Static_assert(sizeof(struct backlog_run) == 64, "a header is 64 bytes");

#define FIRST_RUN ((uint32_t)sizeof(struct backlog_chunk))

static struct backlog_run *run_at(struct backlog_chunk *chunk, uint32_t offset) {
    return (struct backlog_run *)(void *)((char *)chunk + offset);
}

static struct backlog_chunk *new_chunk(void) {
    struct backlog_chunk *chunk =
        mmap(NULL, BACKLOG_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED)
        return NULL;
#ifdef MADV_DONTFORK
    madvise(chunk, BACKLOG_CHUNK, MADV_DONTFORK);
#endif
    chunk->used = sizeof *chunk;
    return chunk;
}

static bool run_goes_on(const struct backlog_run *run, uint32_t count, const struct event *event) {
    const struct event *first = &run->event;
    return event->ordinal == first->ordinal + count && event->code == first->code &&
           event->pid == first->pid && event->uid == first->uid && event->tid == first->tid &&
           event->error == first->error && event->detail == first->detail &&
           event->timerid == first->timerid && event->signo == first->signo;
}

static void write_run(struct backlog_chunk *chunk, struct backlog_run *run,
                      const struct event *event) {
    run->event = *event;
    run->entries[0] = (struct backlog_entry){event->monotonic_ns, event->datum};
    /* Relaxed: whoever sees the run sees this. */
    atomic_store_explicit(&run->count, 1, memory_order_relaxed);
    chunk->used += sizeof *run + sizeof *run->entries;
}

static bool begin_run(struct backlog *backlog, const struct event *event) {
    struct backlog_chunk *chunk = backlog->last;
    size_t size = sizeof(struct backlog_run) + sizeof(struct backlog_entry);
    if (chunk && chunk->used + size <= BACKLOG_CHUNK) {
        uint32_t offset = (uint32_t)chunk->used;
        struct backlog_run *before = backlog->open;
        backlog->open = run_at(chunk, offset);
        write_run(chunk, backlog->open, event);
        atomic_store(&before->next, offset);
        return true;
    }
    struct backlog_chunk *next = new_chunk();
    if (!next)
        return false;
    backlog->open = run_at(next, FIRST_RUN);
    write_run(next, backlog->open, event);
    backlog->last = next;
    atomic_fetch_add(&backlog->chunks, 1);
    /* From here on the chunk before may be gone. */
    atomic_store(chunk ? &chunk->next : &backlog->first, next);
    return true;
}

static bool put_entry(struct backlog *backlog, const struct event *event, uint64_t limit) {
    if (backlog_length(backlog) >= limit)
        return false;
    struct backlog_run *run = backlog->open;
    uint32_t count = run ? atomic_load_explicit(&run->count, memory_order_relaxed) : 0;
    if (run && run_goes_on(run, count, event) &&
        backlog->last->used + sizeof *run->entries <= BACKLOG_CHUNK) {
        run->entries[count] = (struct backlog_entry){event->monotonic_ns, event->datum};
        backlog->last->used += sizeof *run->entries;
        /* Release: whoever sees the count sees the entry. proof: backlog-count */
        atomic_store_explicit(&run->count, count + 1, memory_order_release);
    } else if (!begin_run(backlog, event)) {
        return false;
    }
    /* Only one thread at a time puts into the backlog. */
    atomic_store_explicit(&backlog->put,
                          atomic_load_explicit(&backlog->put, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return true;
}

/* Only after `putting` was taken by whoever calls this. */
static bool put_entry_and_leave(struct backlog *backlog, const struct event *event,
                                uint64_t limit) {
    bool done = put_entry(backlog, event, limit);
    /* Release: whoever puts next sees what this one has changed. proof: backlog-left */
    atomic_store_explicit(&backlog->putting, 0, memory_order_release);
    return done;
}

bool backlog_try_put(struct backlog *backlog, const struct event *event, uint64_t limit) {
    if (atomic_exchange(&backlog->putting, 1))
        return false;
    return put_entry_and_leave(backlog, event, limit);
}

bool backlog_put(struct backlog *backlog, const struct event *event, uint64_t limit) {
    struct timespec soon = {0, 20000}; /* whoever puts may need our processor to do so */
    while (atomic_exchange(&backlog->putting, 1))
        nanosleep(&soon, NULL);
    return put_entry_and_leave(backlog, event, limit);
}

/* To the next run, if all of this one is taken. False: there is none. */
static bool next_run(struct backlog *backlog) {
    struct backlog_chunk *chunk = backlog->chunk, *next = atomic_load(&chunk->next);
    uint32_t offset = atomic_load(&backlog->run->next);
    if (!offset && !next)
        return false;
    if (backlog->at < atomic_load(&backlog->run->count))
        return true; /* it was closed just now, and has one more */
    backlog->at = 0;
    if (offset) {
        backlog->run = run_at(chunk, offset);
        return true;
    }
    backlog->chunk = next;
    backlog->run = run_at(next, FIRST_RUN);
    munmap(chunk, BACKLOG_CHUNK);
    atomic_fetch_sub(&backlog->chunks, 1);
    return true;
}

bool backlog_peek(struct backlog *backlog, struct event *event) {
    if (!backlog->chunk) {
        backlog->chunk = atomic_load(&backlog->first);
        if (!backlog->chunk)
            return false;
        backlog->run = run_at(backlog->chunk, FIRST_RUN);
        backlog->at = 0;
    }
    while (backlog->at >= atomic_load(&backlog->run->count))
        if (!next_run(backlog))
            return false;
    const struct backlog_entry *entry = &backlog->run->entries[backlog->at];
    *event = backlog->run->event;
    event->ordinal += backlog->at;
    event->monotonic_ns = entry->monotonic_ns;
    event->datum = entry->datum;
    return true;
}

void backlog_take(struct backlog *backlog) {
    backlog->at++;
    atomic_fetch_add(&backlog->taken, 1);
}

uint64_t backlog_length(const struct backlog *backlog) {
    return atomic_load_explicit(&backlog->put, memory_order_relaxed) -
           atomic_load_explicit(&backlog->taken, memory_order_relaxed);
}

uint64_t backlog_bytes(const struct backlog *backlog) {
    return atomic_load_explicit(&backlog->chunks, memory_order_relaxed) * BACKLOG_CHUNK;
}
