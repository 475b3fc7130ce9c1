/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "guard.h"

#include "handler.h"
#include "process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

static struct sigaction before; /* written while SIGBUS has another handler than on_bus */

/* A fault comes again by itself; one that was sent, or that the kernel found on
 * its own (BUS_MCEERR_AO: sigaction(2)), is sent again, as it was. */
static bool comes_again(const siginfo_t *info) {
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

static void on_bus(int signum, siginfo_t *info, void *context) {
    (void)context;
    if (guard_repair(signum, info))
        return;
    int saved_errno = errno;
    sigaction(SIGBUS, &before, NULL);
    if (!comes_again(info))
        syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), syscall(SYS_gettid), SIGBUS, info);
    errno = saved_errno;
}

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_bus;
}

void guard_start(void) {
    struct sigaction now, action;
    if (sigaction(SIGBUS, NULL, &now) != 0 || is_ours(&now) ||
        ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler_on_signal))
        return;
    before = now;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    handler_mask(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

bool guard_repair(int signum, const siginfo_t *info) {
    if (signum != SIGBUS || info->si_code != BUS_ADRERR)
        return false;
    struct recording *own = (struct recording *)process_adopted();
    return own && recording_repair(own, info->si_addr, handler_recount);
}

void guard_look_beneath(struct sigaction *action) {
    if (is_ours(action))
        *action = before;
}

#else

void guard_start(void) {}
bool guard_repair(int signum, const siginfo_t *info) { return (void)signum, (void)info, false; }
void guard_look_beneath(struct sigaction *action) { (void)action; }

#endif
