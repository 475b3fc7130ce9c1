/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/all.h"

#include "events/signals.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "recording/process.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* Who wants signals recorded: from outside all of them, and the program these (bit n-1 for signal
 * n). */
static _Atomic bool all_wanted;
static _Atomic uint64_t wanted_by_program;

static bool is_wanted(int signum) {
    return atomic_load(&all_wanted) || atomic_load(&wanted_by_program) & signal_bit(signum);
}

bool all_hold(void) { return !atomic_exchange(&process_self->all_held, 1); }
void all_let_go(void) { atomic_store(&process_self->all_held, 0); }

/* An attach holds it for some milliseconds; for good only if its call has never come back: then it
 * is taken over, so that only one wait is that long. */
static void hold_in_time(void) {
    const struct timespec pause = {0, 100000};
    for (int tries = 0; !all_hold() && tries < 10000; tries++)
        nanosleep(&pause, NULL);
}

static bool can_be_recorded(int signum) {
    bool of_the_c_library = signum >= 32 && signum < SIGRTMIN;
    return signum != SIGKILL && signum != SIGSTOP && !of_the_c_library && signum <= SIGRTMAX;
}

void all_record(bool from_start) {
    sigbus_take(); /* before the first is recorded */
    atomic_store(&all_wanted, true);
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (can_be_recorded(signum) && !passive_records(signum) &&
            install_record(signum, false) == 0)
            install_note_start(signum, from_start);
}

/* Nearly all signals have the default action now, so each is taken as if it had, and what it had
 * is seen by that. What comes meanwhile is pending until all have their own. */
uint64_t all_record_at_start(void) {
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    uint64_t ignored = 0;
    sigset_t all, before;
    sigbus_take();
    atomic_store(&all_wanted, true);
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
    atomic_store(&all_wanted, false);
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (can_be_recorded(signum) && !is_wanted(signum))
            passive_stop(signum);
}

int all_record_one(int signum, bool even_ignored) {
    hold_in_time();
    int error = install_record(signum, even_ignored);
    if (!error)
        atomic_fetch_or(&wanted_by_program, signal_bit(signum));
    all_let_go();
    return error;
}

void all_stop_one(int signum) {
    hold_in_time();
    atomic_fetch_and(&wanted_by_program, ~signal_bit(signum));
    if (!is_wanted(signum))
        passive_stop(signum);
    else if (passive_records(signum))
        install_record(signum, false); /* as the others */
    all_let_go();
}
