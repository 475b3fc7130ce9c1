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

/* Any context. When the last signal was taken, by monotonic_ns. */
uint64_t handler_last_ns(void);

#endif
