/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/event.h"

#include <string.h>

static void copy_sender(struct event *event, const siginfo_t *info) {
    event->pid = info->si_pid;
    event->uid = info->si_uid;
}

static void copy_fault(struct event *event, const siginfo_t *info) {
    event->datum = (uint64_t)(uintptr_t)info->si_addr;
}

#ifdef __linux__
static void copy_poll(struct event *event, const siginfo_t *info) {
    event->datum = (uint64_t)(int64_t)info->si_band;
    event->detail = info->si_fd;
}
#endif

void event_from_other(struct event *event, int signum, const siginfo_t *info) {
    uint64_t monotonic_ns = event->monotonic_ns, ordinal = event->ordinal;
    uint32_t tid = event->tid;
    memset(event, 0, sizeof *event);
    event->monotonic_ns = monotonic_ns;
    event->ordinal = ordinal;
    event->tid = tid;
    event->signo = (uint32_t)signum;
    event->code = info->si_code;
    event->error = info->si_errno;
    if (info->si_code <= 0) { /* from user space, or a timer */
#ifdef __linux__
        if (info->si_code == SI_TIMER) {
            event->timerid = info->si_timerid;
            event->detail = info->si_overrun;
            event->datum = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
            return;
        }
        if (info->si_code == SI_SIGIO) {
            copy_poll(event, info);
            return;
        }
#endif
        copy_sender(event, info);
        event->datum = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
        return;
    }
#ifdef SI_KERNEL
    if (info->si_code == SI_KERNEL)
        return;
#endif
    switch (signum) {
    case SIGCHLD:
        copy_sender(event, info);
        event->detail = info->si_status;
        break;
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP: copy_fault(event, info); break;
#ifdef __linux__
    case SIGSYS: copy_fault(event, info); break;
    default:
        /* SIGIO, or the signal that F_SETSIG chose: fcntl(2). */
        if (info->si_code <= POLL_HUP)
            copy_poll(event, info);
#endif
    }
}

/* Word by word and unrolled, each of a signal's three stores is 14 instructions; else up to 54. */
void event_store(struct slot *slot, const struct event *event) {
#pragma GCC unroll 7 // EVENT_WORDS
    for (int i = 0; i < EVENT_WORDS; i++) {
        uint64_t word;
        memcpy(&word, (const char *)event + 8 * i, sizeof word);
        atomic_store_explicit(&slot->word[i], word, memory_order_relaxed);
    }
}

void event_load(const struct slot *slot, struct event *event) {
#pragma GCC unroll 7 // EVENT_WORDS
    for (int i = 0; i < EVENT_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
        memcpy((char *)event + 8 * i, &word, sizeof word);
    }
}
