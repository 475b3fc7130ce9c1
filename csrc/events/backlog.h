/* SPDX-License-Identifier: MIT
 *
 * backlog: events of one signal that wait, as many as there is memory for. The intake thread
 * puts them in, or a signal handler, if nobody else is just at it; one thread takes. A handler
 * waits for nobody, and nothing is allocated but by mmap(2).
 *
 * Memory comes in chunks, and a chunk goes back as soon as all that was in it is taken.
 * Events that differ in nothing but in time and value, and that follow one another, are a run:
 * 16 bytes each, behind a header of 64.
 *
 * The struct is to be in wiped memory (memory.h), and a forked child has none of the chunks:
 * there it is empty.
 */
#ifndef SIGREC_BACKLOG_H
#define SIGREC_BACKLOG_H

#include "events/event.h"

#include <stdbool.h>
#include <stddef.h>

#define BACKLOG_CHUNK 65536 /* bytes */

struct backlog_chunk;
struct backlog_run;

struct backlog {
    /* For whoever puts into the backlog. */
    struct backlog_chunk *last;
    struct backlog_run *open;
    _Atomic uint32_t putting; /* a thread puts just now */
    _Atomic(struct backlog_chunk *) first;
    _Atomic uint64_t put;
    _Atomic uint64_t chunks;
    /* For whoever takes from the backlog. */
    _Alignas(64) struct backlog_chunk *chunk;
    struct backlog_run *run;
    uint64_t at; /* in the run */
    _Atomic uint64_t taken;
};

/* False: `limit` wait already, or there is no memory. In a thread of ours: waits for a handler
 * that is at it, and that waits for nobody. */
bool backlog_put(struct backlog *backlog, const struct event *event, uint64_t limit);

/* Signal context; mmap(2) and madvise(2). False: as above, or somebody is at it. */
bool backlog_try_put(struct backlog *backlog, const struct event *event, uint64_t limit);

/* For whoever takes. False: the backlog was never used, as where no intake thread runs. */
static inline bool backlog_is_used(const struct backlog *backlog) {
    return atomic_load(&backlog->first) != NULL;
}

/* For whoever takes. False: the backlog is empty. */
bool backlog_peek(struct backlog *backlog, struct event *event);
void backlog_take(struct backlog *backlog); /* what was seen last */

/* Any context. */
uint64_t backlog_length(const struct backlog *backlog);
uint64_t backlog_bytes(const struct backlog *backlog);

#endif
