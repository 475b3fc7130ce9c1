/* SPDX-License-Identifier: MIT
 *
 * action: the disposition of each signal as the program set it, for signals
 * whose place in the kernel our handler has taken.
 *
 * sigaction(2) is async-signal-safe, so a handler of the program may read and
 * change these while another thread does: readers never wait for a writer, and
 * writers never for each other.
 */
#ifndef SIGREC_ACTION_H
#define SIGREC_ACTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* What is kept of an action, as the kernel keeps it. */
struct action {
    void (*handler)(int signum, siginfo_t *info, void *context); /* or SIG_DFL, or SIG_IGN */
    int flags;
    uint64_t mask;
};

static inline bool action_calls(const struct action *action) {
    return (uintptr_t)action->handler > (uintptr_t)SIG_IGN; /* SIG_DFL is 0 */
}

/* Any context. Copies the action; returns its version, which no other action
 * of this signal ever has. The second one does it as sigaction(2) would. */
uint64_t action_read(int signum, struct action *action);
uint64_t action_get(int signum, struct sigaction *action);

/* Any context. Whether the action is the default one. */
bool action_is_default(int signum);

/* Any context. The version of the action now. */
uint64_t action_version(int signum);

/* Any context. Sets the action, and copies the one that it replaced. False,
 * with nothing changed: 64 threads are setting this signal's just now. */
bool action_exchange(int signum, const struct sigaction *next, struct sigaction *previous);

/* Any context. Sets the action only if its version is still that one. */
bool action_replace(int signum, uint64_t version, const struct sigaction *next);

#endif
