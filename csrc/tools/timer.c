/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/timer.h"

#include "ground/clock.h"
#include "ground/glibc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <pthread.h>
#include <sys/syscall.h>

static int create_timer(int clock, struct sigevent *event, timer_t *handle) {
    int tries = 0;
    while (timer_create((clockid_t)clock, event, handle) != 0)
        if (errno != EAGAIN || !clock_wait_for_room(&tries))
            return errno;
    return 0;
}

int timer_make(struct timer *timer, int clock, int signum, pid_t tid, intptr_t value) {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
    event.sigev_signo = signum;
    event.sigev_value.sival_ptr = (void *)value;
    if (tid)
        event.sigev_notify_thread_id = tid;
    timer_t handle;
    int error = create_timer(clock, &event, &handle);
    if (error)
        return error;
    timer->handle = (void *)handle;
    timer->pid = getpid();
    /* A timer that is set to an interval, not to a time, is not moved with the clock. */
    timer->clock = clock == CLOCK_REALTIME ? CLOCK_MONOTONIC : clock;
    return 0;
}

int timer_start(struct timer *timer, uint64_t first_ns, uint64_t interval_ns) {
    struct itimerspec when = {.it_value = clock_timespec(first_ns),
                              .it_interval = clock_timespec(interval_ns)};
    if (timer->pid != getpid())
        return ECHILD;
    timer->first_ns = clock_ns((clockid_t)timer->clock) + first_ns;
    timer->interval_ns = interval_ns;
    return timer_settime((timer_t)timer->handle, 0, &when, NULL) == 0 ? 0 : errno;
}

uint64_t timer_expired(const struct timer *timer) {
    struct itimerspec left;
    if (timer->pid != getpid() || timer->clock == CLOCK_THREAD_CPUTIME_ID ||
        timer_gettime((timer_t)timer->handle, &left) != 0 || !timer->interval_ns)
        return 0;
    /* When it will expire next is a whole number of intervals after the first time;
     * what was measured of that is off by what the calls took. */
    uint64_t next = clock_ns((clockid_t)timer->clock) +
                    (uint64_t)left.it_value.tv_sec * UINT64_C(1000000000) +
                    (uint64_t)left.it_value.tv_nsec + timer->interval_ns / 2;
    return next > timer->first_ns ? (next - timer->first_ns) / timer->interval_ns : 0;
}

/* Takes the timer's signals that are pending for the process, or for this thread. Returns how many
 * expirations they stand for. */
static uint64_t take_pending_expirations(int signum, int at_most) {
    static const struct timespec zero;
    uint64_t set = UINT64_C(1) << (signum - 1), taken = 0;
    siginfo_t info;
    while (at_most-- > 0 && syscall(SYS_rt_sigtimedwait, &set, &info, &zero, sizeof set) == signum)
        if (info.si_code == SI_TIMER)
            taken += 1 + (uint64_t)info.si_overrun;
    return taken;
}

int timer_end(const struct timer *timer, int signum, uint64_t *taken) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, signum);
    pthread_sigmask(SIG_BLOCK, &set, &before); /* or it may be delivered meanwhile */
    *taken = take_pending_expirations(signum, 1);
    int error = timer_unmake(timer);
    *taken += take_pending_expirations(signum, 1000); /* what came in between */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int timer_unmake(const struct timer *timer) {
    if (timer->pid != getpid())
        return ECHILD;
    return timer_delete((timer_t)timer->handle) == 0 ? 0 : errno;
}

#endif

int timer_discard(int signum) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    if (sigaction(signum, &ignore, &before) != 0)
        return errno;
    return sigaction(signum, &before, NULL) == 0 ? 0 : errno;
}
