/* SPDX-License-Identifier: MIT
 *
 * passive: recording signals whose handling is the program's own.
 *
 * The kernel has our handler as the signal's disposition. After our handler has recorded
 * the signal, the signal takes the course that it would have taken without us: the default
 * action, or the program's handler. When the program asks for the disposition, it sees its
 * own, and what it sets is kept in action.h: its calls of sigaction(2) and the like reach
 * our functions (interpose.h).
 *
 * A signal that is ignored, by SIG_IGN or by default, is left to the kernel unless the
 * user named it: a handler, even one with SA_RESTART, makes poll(2), select(2) and others
 * return EINTR (signal(7)), and exec does not keep a handler, while it keeps SIG_IGN.
 */
#ifndef SIGREC_PASSIVE_H
#define SIGREC_PASSIVE_H

#include "handler/registry.h"
#include "program/disposition.h"

/* Interpreter context. Begins to record the signal, or goes on recording it. even_ignored:
 * whether the signal is recorded also while the program ignores it. program: the program's
 * disposition now, which is used where recording begins. found: receives what the kernel had at
 * that moment, which another thread may have set meanwhile. Returns 0 or an errno. */
int passive_record(int signum, bool even_ignored, const struct sigaction *program,
                   struct sigaction *found);

/* Interpreter context. Ends the recording: the kernel has again what the program set. */
void passive_stop(int signum);

/* Any context. Whether the signal is recorded. */
bool passive_records(int signum);

/* Any context. Whether any signal is recorded. */
bool passive_any(void);

/* Any context. Does what sigaction(2) does, with the disposition as the program knows it. */
int passive_sigaction(int signum, const struct sigaction *next, struct sigaction *previous);

/* Any context. Does what passive_sigaction() does. *changed: whether this changed the
 * disposition of a recorded signal, and not in a vfork child. */
int passive_change(int signum, const struct sigaction *next, struct sigaction *previous,
                   bool *changed);

/* Any context. A library that has found our handler in the kernel, before its calls reached us,
 * sets that: then *action is what the program had in its place. */
void passive_meant(int signum, struct sigaction *action);

/* Interpreter context, one caller at a time. The kernel has this action, which was set by a call
 * that did not reach us: adopted.h. From here on it is the program's. */
void passive_adopt(int signum, const struct sigaction *found);

/* Any context, but not in a vfork child. Writes down, if the signal is recorded, that the
 * program has set this action for it from that call site (site.h). */
void passive_note(int signum, enum disposition_how how, const struct sigaction *action,
                  uint32_t site);

/* Any context. Sets in the kernel the disposition that the signal should have there now. */
void passive_apply(int signum);

/* Any context. Writes the mode of this signal into a recording that is new, and so has no modes
 * yet. What the kernel has is right already, and stays. */
void passive_note_mode(int signum);

/* Any context. Returns the recorded signals that the program ignores by SIG_IGN; *known: all
 * signals that are recorded. */
uint64_t passive_ignored(uint64_t *known);

/* Any context. execve(2) resets handlers and keeps SIG_IGN. So before it the kernel gets back
 * the SIG_IGN of each signal that the program ignores, and after it has failed, our handler. */
void passive_before_exec(void);
void passive_exec_failed(void);

/* Signal context. Whether the program ignores the signal by SIG_IGN. */
bool passive_ignores(int signum);

/* Signal context. Whether the program has a handler for the signal. */
bool passive_handled(int signum);

#endif
