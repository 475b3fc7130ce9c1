/* SPDX-License-Identifier: MIT
 *
 * event: one delivered signal, as 64 bytes that fill one cache line.
 *
 * `struct event` is the plain form, built on the stack. `struct slot` is the
 * shared form: word 0 is the sequence (ring.h), words 1 to 7 are the payload,
 * as relaxed atomics, so that a reader that loses a race reads garbage that
 * the sequence tells it to throw away, and not undefined behaviour.
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_EVENT_H
#define SIGREC_EVENT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SIGREC_NSIG 65 /* signal numbers 1..64; index 0 is unused */

#define EVENT_WORDS 7

struct event {
    uint64_t monotonic_ns; /* CLOCK_MONOTONIC */
    uint64_t ordinal;      /* how many of this signal came before it in this process */
    uint32_t signo;
    int32_t code;    /* si_code */
    int32_t pid;     /* si_pid */
    uint32_t uid;    /* si_uid */
    uint64_t datum;  /* si_value, si_addr or si_band: si_code says which */
    uint32_t tid;    /* the thread that took it */
    int32_t error;   /* si_errno */
    int32_t detail;  /* si_status, si_overrun or si_fd: si_code says which */
    int32_t timerid; /* si_timerid */
};

/* The word of a payload that holds signo (low half) and si_code. */
#define EVENT_TAG 2

struct slot {
    _Alignas(64) _Atomic uint64_t sequence;
    _Atomic uint64_t word[EVENT_WORDS];
};

_Static_assert(sizeof(struct event) == 8 * EVENT_WORDS, "event is 7 words");
_Static_assert(sizeof(struct slot) == 64, "slot is one cache line");

/* event_from_siginfo() for a signal that no process sent by kill(2), sigqueue(3) or raise(3). */
void event_from_other(struct event *event, int signum, const siginfo_t *info);

/* Whether a process sent it by kill(2), sigqueue(3) or raise(3). */
static inline bool event_was_sent(int32_t code) {
#ifdef SI_TKILL /* Linux's */
    if (code == SI_TKILL)
        return true;
#endif
    return code == SI_USER || code == SI_QUEUE;
}

/* Copies what si_code and the signal number define, and zero for the rest:
 * the other members of siginfo_t's union are not ours to read. Leaves
 * monotonic_ns, ordinal and tid alone. See sigaction(2). */
static inline void event_from_siginfo(struct event *event, int signum, const siginfo_t *info) {
    if (!event_was_sent(info->si_code)) {
        event_from_other(event, signum, info);
        return;
    }
    event->signo = (uint32_t)signum;
    event->code = info->si_code;
    event->pid = info->si_pid;
    event->uid = info->si_uid;
    /* kill(2) and tgkill(2) carry no value. */
    event->datum = info->si_code == SI_QUEUE ? (uint64_t)(uintptr_t)info->si_value.sival_ptr : 0;
    event->error = info->si_errno;
    event->detail = 0;
    event->timerid = 0;
}

/* Writes to, and reads from, a slot's payload; no ordering of their own. */
void event_store(struct slot *slot, const struct event *event);
void event_load(const struct slot *slot, struct event *event);

#endif
