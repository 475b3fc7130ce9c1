/* SPDX-License-Identifier: MIT
 *
 * handler: what runs when a signal is delivered. All of it is signal context.
 */
#ifndef SIGREC_HANDLER_H
#define SIGREC_HANDLER_H

#include <signal.h>
#include <stdint.h>

/* Interpreter context, once: before any signal is taken (install.h, passive.h). */
void handler_start(void);

/* The sa_sigaction of signals that are only recorded. That of registered ones has no name
 * here: registry.h. */
void handler_on_recorded(int signum, siginfo_t *info, void *context);

/* The intake thread, tid, has taken this one of a registered signal: counts and records it, and
 * puts it into the signal's backlog. Whoever calls this trips. */
void handler_take(int signum, siginfo_t *info, uint64_t now_ns, uint32_t tid);

/* Any context. When the last signal was taken, by monotonic_ns. */
uint64_t handler_last_ns(void);

#endif
