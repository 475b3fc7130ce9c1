/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kick.h"

#include "passive.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#define AGAIN_NS 1000000

/* A handler, so that calls return EINTR. A real SIGURG has its default: nothing;
 * but see ready(). */
static void nothing(int signum, siginfo_t *info, void *context) {
    if (registry_has(signum))
        registry_deliver(signum, info, context);
}

bool kick_is(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == nothing;
}

#ifdef __linux__

static bool ready(void) {
    struct sigaction now;
    if (sigaction(SIGURG, NULL, &now) != 0)
        return false;
    if (kick_is(&now))
        return true;
    if (now.sa_handler != SIG_DFL || passive_records(SIGURG))
        return false;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = nothing;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK; /* not SA_RESTART: the call is to end */
    if (sigaction(SIGURG, &action, &now) != 0)
        return false;
    if (now.sa_handler == SIG_DFL || kick_is(&now))
        return true;
    /* Between our look and this, another thread began to have a use for it. */
    sigaction(SIGURG, &now, NULL);
    return false;
}

void kick_main(int32_t pid, uint32_t tid) {
    if (!pid || (uint32_t)pid == tid)
        return;
    int saved_errno = errno;
    if (ready()) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        info.si_signo = SIGURG;
        info.si_code = KICK_CODE;
        info.si_pid = pid;
        info.si_uid = getuid();
        syscall(SYS_rt_tgsigqueueinfo, (long)pid, (long)pid, SIGURG, &info);
    }
    errno = saved_errno;
}

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc has no name for it: timer_create(2) */
#endif

/* The main thread's own. A forked child inherits no timers: fork(2). */
static struct {
    timer_t timer;
    int32_t pid; /* whose timer it is */
    bool running;
} again;

bool kick_sent(int signum, const siginfo_t *info) {
    return signum == SIGURG && (info->si_code == KICK_CODE ||
                                (info->si_code == SI_TIMER && info->si_value.sival_ptr == &again));
}

static bool set_again(long every_ns) {
    struct itimerspec when = {{0, every_ns}, {0, every_ns}};
    return timer_settime(again.timer, 0, &when, NULL) == 0;
}

bool kick_again(void) {
    int32_t pid = (int32_t)getpid();
    if (!ready())
        return false;
    if (again.pid != pid) {
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGURG;
        event.sigev_value.sival_ptr = &again; /* kick_sent */
        event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
        if (timer_create(CLOCK_MONOTONIC, &event, &again.timer) != 0)
            return false;
        again.pid = pid;
        again.running = false;
    }
    if (!again.running)
        again.running = set_again(AGAIN_NS);
    return again.running;
}

void kick_rest(void) {
    if (again.running) {
        again.running = false;
        if (again.pid == (int32_t)getpid())
            set_again(0);
    }
}

#endif
