/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "timer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc has no name for it: timer_create(2) */
#endif

int timer_make(struct timer *timer, int clock, int signum, pid_t tid, intptr_t value) {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
    event.sigev_signo = signum;
    event.sigev_value.sival_ptr = (void *)value;
    if (tid)
        event.sigev_notify_thread_id = tid;
    timer_t handle;
    if (timer_create((clockid_t)clock, &event, &handle) != 0)
        return errno;
    timer->handle = (void *)handle;
    timer->pid = getpid();
    return 0;
}

int timer_start(const struct timer *timer, uint64_t first_ns, uint64_t interval_ns) {
    struct itimerspec when;
    when.it_value.tv_sec = (time_t)(first_ns / 1000000000);
    when.it_value.tv_nsec = (long)(first_ns % 1000000000);
    when.it_interval.tv_sec = (time_t)(interval_ns / 1000000000);
    when.it_interval.tv_nsec = (long)(interval_ns % 1000000000);
    if (timer->pid != getpid())
        return ECHILD;
    return timer_settime((timer_t)timer->handle, 0, &when, NULL) == 0 ? 0 : errno;
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
