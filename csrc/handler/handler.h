/* SPDX-License-Identifier: MIT
 *
 * handler: what runs when a signal is delivered. All of it is signal context.
 */
#ifndef SIGREC_HANDLER_H
#define SIGREC_HANDLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Interpreter context. To be called once, before any signal is taken (install.h, passive.h). */
void handler_start(void);

/* The sa_sigaction of signals that are only recorded. Those of registered ones are known to
 * registry.h alone. */
void handler_on_recorded(int signum, siginfo_t *info, void *context);

/* Called by the intake thread, whose number is tid, for a registered signal that it has taken:
 * counts and records the signal, and puts it into its backlog. The caller trips. False: the signal
 * was unregistered just now, and is to be passed on. */
bool handler_take(int signum, siginfo_t *info, uint64_t now_ns, uint32_t tid, uint64_t *ordinal);

/* Any context: passes such a signal on to the handler beneath ours, which may need the program's
 * file descriptors. */
void handler_pass_on(int signum, siginfo_t *info, uint32_t tid, uint64_t ordinal);

#endif
