/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "rouse.h"

#include "passive.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A handler, so that calls return EINTR. A real SIGURG has its default: nothing. */
static void nothing(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
}

bool rouse_is(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == nothing;
}

#ifdef __linux__

static bool ready(void) {
    struct sigaction now;
    if (sigaction(SIGURG, NULL, &now) != 0)
        return false;
    if (rouse_is(&now))
        return true;
    if (now.sa_handler != SIG_DFL || passive_records(SIGURG))
        return false;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = nothing;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK; /* not SA_RESTART: the call is to end */
    return sigaction(SIGURG, &action, NULL) == 0;
}

void rouse_main(int32_t pid, uint32_t tid) {
    if (!pid || (uint32_t)pid == tid)
        return;
    int saved_errno = errno;
    if (ready()) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        info.si_signo = SIGURG;
        info.si_code = ROUSE_CODE;
        info.si_pid = pid;
        info.si_uid = getuid();
        syscall(SYS_rt_tgsigqueueinfo, (long)pid, (long)pid, SIGURG, &info);
    }
    errno = saved_errno;
}

#else

void rouse_main(int32_t pid, uint32_t tid) { (void)pid, (void)tid; }

#endif
