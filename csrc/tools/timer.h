/* SPDX-License-Identifier: MIT
 *
 * timer: POSIX timers, timer_create(2), that send a signal to the process or to
 * one of its threads.
 */
#ifndef SIGREC_TIMER_H
#define SIGREC_TIMER_H

#include <stdint.h>
#include <sys/types.h>

struct timer {
    void *handle; /* the C library's timer_t */
    int32_t pid;  /* who made it: a forked child does not inherit timers */
    int clock;
    uint64_t first_ns;    /* until the first expiration, on its clock */
    uint64_t interval_ns; /* from one expiration to the next */
};

/* Interpreter context. Each 0 or an errno; ENOSYS where there are none. tid: 0
 * for the process. A timer that was made does not run yet. EAGAIN: the kernel had no room for one
 * (RLIMIT_SIGPENDING), not even 0.2 seconds later. */
int timer_make(struct timer *timer, int clock, int signum, pid_t tid, intptr_t value);

int timer_start(struct timer *timer, uint64_t first_ns, uint64_t interval_ns);
int timer_unmake(const struct timer *timer);

/* How often it has expired since its start, by its clock; 0 where that cannot be
 * told: another thread's CPU time. */
uint64_t timer_expired(const struct timer *timer);

/* Unmakes the timer, and takes the signal that it sent to the process and that no thread has
 * taken: `*taken` is how many expirations that were. (Unmade first, it would have lost what
 * the kernel counted while its signal was pending.) */
int timer_end(const struct timer *timer, int signum, uint64_t *taken);

/* Interpreter context. Throws away what the timer of that signal sent and no thread has taken,
 * also in threads that block it: the timer's signal is ignored for a moment, and an ignored
 * signal does not stay pending (POSIX, 2.4.3). */
int timer_discard(int signum);

#endif
