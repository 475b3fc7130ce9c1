/* SPDX-License-Identifier: MIT
 *
 * clock: nanoseconds as one number. clock_gettime is async-signal-safe
 * (signal-safety(7)) and, on Linux, mostly not even a system call (vdso(7)).
 */
#ifndef SIGREC_CLOCK_H
#define SIGREC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static inline struct timespec clock_timespec(uint64_t ns) {
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

static inline uint64_t monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* After EAGAIN, where a flood of another process of this user keeps the queue full (getrlimit(2),
 * RLIMIT_SIGPENDING): a millisecond before the next try. False: there were 200 already. */
static inline bool clock_wait_for_room(int *tries) {
    static const struct timespec millisecond = {0, 1000000};
    if (++*tries > 200)
        return false;
    nanosleep(&millisecond, NULL);
    return true;
}

/* monotonic_ns() as it was at the clock's last tick, for a quarter of the price; and the time from
 * one tick of the clock to the next, 0 where there are none: time(7). */
#ifdef CLOCK_MONOTONIC_COARSE
static inline uint64_t monotonic_tick_ns(void) { return clock_ns(CLOCK_MONOTONIC_COARSE); }
static inline uint64_t tick_ns(void) {
    struct timespec ts;
    return clock_getres(CLOCK_MONOTONIC_COARSE, &ts) == 0 ? (uint64_t)ts.tv_nsec : 0;
}
#else
static inline uint64_t monotonic_tick_ns(void) { return monotonic_ns(); }
static inline uint64_t tick_ns(void) { return 0; }
#endif

#endif
