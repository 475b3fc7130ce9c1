/* SPDX-License-Identifier: MIT
 *
 * signals: sets of signal numbers, which of them are faults, and what each does by default.
 */
#ifndef SIGREC_SIGNALS_H
#define SIGREC_SIGNALS_H

#include "events/event.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The bit of a signal in a set of signals, of 64 bits as the kernel's sigset_t. */
static inline uint64_t signal_bit(int signum) { return UINT64_C(1) << (signum - 1); }

/* The lowest signal number in a set that is not empty. */
static inline int signal_lowest(uint64_t set) { return __builtin_ctzll(set) + 1; }

/* A fault: a signal that a thread brings upon itself. Blocked, it kills at once, even where
 * someone would repair the fault: sigprocmask(2). */
static inline bool signal_is_fault(int signum) {
    return signum == SIGSEGV || signum == SIGBUS || signum == SIGFPE || signum == SIGILL ||
           signum == SIGABRT || signum == SIGTRAP || signum == SIGSYS;
}

/* People and service managers send these to end a process. */
static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/* What the default action of a signal does: it ends the process, it stops the process, or the
 * process stays as it is. */
enum signal_default { SIGNAL_ENDS, SIGNAL_STOPS, SIGNAL_STAYS };

/* As in signal(7), "Standard signals". SIGCONT's default action is to continue the process, which
 * the kernel has done when the signal is generated; nothing is left to do. */
static inline enum signal_default signal_default(int signum) {
    switch (signum) {
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return SIGNAL_STOPS;
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH: return SIGNAL_STAYS;
    default: return SIGNAL_ENDS;
    }
}

/* Any context. All that may be blocked: every signal but the faults. */
static inline void signals_but_faults(sigset_t *set) {
    sigfillset(set);
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (signal_is_fault(signum))
            sigdelset(set, signum);
}

#endif
