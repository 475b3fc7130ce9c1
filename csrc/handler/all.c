/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/all.h"

#include "events/signals.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "handler/sigbus.h"

#include <signal.h>

static bool can_be_recorded(int signum) {
    bool of_the_c_library = signum >= 32 && signum < SIGRTMIN;
    return signum != SIGKILL && signum != SIGSTOP && !of_the_c_library && signum <= SIGRTMAX;
}

void all_record(bool from_start) {
    sigbus_take(); /* before the first is recorded */
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (can_be_recorded(signum) && install_record(signum, false) == 0)
            install_note_start(signum, from_start);
}

/* Nearly all signals have the default action now, so each is taken as if it had, and what it had
 * is seen by that. What comes meanwhile is pending until all have their own. */
uint64_t all_record_at_start(void) {
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    uint64_t ignored = 0;
    sigset_t all, before;
    sigbus_take();
    signals_but_faults(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int signum = 1; signum < SIGREC_NSIG; signum++) {
        struct sigaction at_start;
        if (!can_be_recorded(signum))
            continue;
        if (signum == SIGCHLD || signum == SIGBUS) { /* which children become zombies; sigbus.h */
            install_record(signum, false);
            passive_sigaction(signum, NULL, &at_start);
        } else if (passive_record(signum, false, &by_default, &at_start) != 0) {
            continue;
        } else if (at_start.sa_handler != SIG_DFL) {
            passive_sigaction(signum, &at_start, NULL);
        }
        if (at_start.sa_handler == SIG_IGN)
            ignored |= signal_bit(signum);
        if (at_start.sa_handler != SIG_DFL)
            install_note_start(signum, true);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ignored;
}

void all_stop(void) {
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (can_be_recorded(signum))
            passive_stop(signum);
}
