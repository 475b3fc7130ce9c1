/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/sent.h"

#include "ground/clock.h"

#include <string.h>

#define RESULT_WORD (EVENT_WORDS - 1) /* detail and timerid */

/* Those that a process is ended or stopped with: they have a ring of their own,
 * so that one SIGKILL is not lost behind a million of SIGUSR1. */
static bool ends_or_stops(uint32_t signo) {
    return signo == SIGKILL || signo == SIGTERM || signo == SIGINT || signo == SIGHUP ||
           signo == SIGQUIT || signo == SIGABRT || signo == SIGSTOP;
}

struct sent_call sent_begin(const struct recording *recording, struct event *event) {
    struct sent_call call;
    uint64_t ignored, words[EVENT_WORDS];
    event->monotonic_ns = monotonic_ns();
    event->ordinal = ledger_add(&recording->ledger[event->signo].sent, 1);
    event->detail = SENT_UNKNOWN;
    event->timerid = (int32_t)event->ordinal;
    memcpy(words, event, sizeof words);
    call.unknown_result = words[RESULT_WORD];
    call.written[0] = ring_push(&recording->sent, event, &ignored);
    call.written[1] =
        ends_or_stops(event->signo) ? ring_push(&recording->endings, event, &ignored) : NULL;
    return call;
}

void sent_end(const struct sent_call *call, int error) {
    int32_t half[2];
    memcpy(half, &call->unknown_result, sizeof half);
    half[0] = error; /* detail is the first of the two: event.h */
    uint64_t known;
    memcpy(&known, half, sizeof known);
    for (int i = 0; i < 2; i++) {
        uint64_t unknown = call->unknown_result;
        /* One word, and only while it says what we wrote: a newer event has another
         * ordinal there. So a reader sees the old word or the new one, and both are true. */
        if (call->written[i])
            atomic_compare_exchange_strong_explicit(&call->written[i]->word[RESULT_WORD], &unknown,
                                                    known, memory_order_relaxed,
                                                    memory_order_relaxed);
    }
}

bool sent_to_others(const struct recording *recording, int32_t pid) {
    const struct ring *ring = &recording->endings;
    uint64_t head = atomic_load_explicit(ring->head, memory_order_relaxed);
    struct event sent;
    for (uint64_t left = head < ring->capacity ? head : ring->capacity; left; left--)
        if (ring_read(ring, head - left, &sent) && sent.pid != pid &&
            (sent.detail == 0 || sent.detail == SENT_UNKNOWN))
            return true;
    return false;
}

void sent_child(const struct recording *recording, int32_t pid, int code, int status) {
    struct event event;
    uint64_t ignored;
    memset(&event, 0, sizeof event);
    event.monotonic_ns = monotonic_ns();
    event.signo = SIGCHLD;
    event.code = code;
    event.pid = pid;
    event.detail = status;
    ring_push(&recording->children, &event, &ignored);
}
