/* SPDX-License-Identifier: MIT
 *
 * handler: what runs when a signal is delivered. All of it is signal context.
 */
#ifndef SIGREC_HANDLER_H
#define SIGREC_HANDLER_H

#include <signal.h>
#include <stdint.h>

/* Interpreter context. To be called once, before any signal is taken (install.h, passive.h). */
void handler_start(void);

/* The sa_sigaction of signals that are only recorded. Those of registered ones are known to
 * registry.h alone. */
void handler_on_recorded(int signum, siginfo_t *info, void *context);

/* Called by the intake thread, whose number is tid, for a registered signal that it has taken:
 * counts and records the signal, and puts it into its backlog. The caller trips. */
void handler_take(int signum, siginfo_t *info, uint64_t now_ns, uint32_t tid);

#endif
