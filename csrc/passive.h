/* SPDX-License-Identifier: MIT
 *
 * passive: recording signals whose handling is the program's own.
 *
 * Our handler has the signal's place in the kernel, and after it has recorded the
 * signal, the signal takes the course that it would have taken without us: the default
 * action, or the program's handler. The program sees its own disposition when it asks
 * for one (action.h), and what it sets is kept there: its calls of sigaction(2) and
 * the like reach our functions (interpose.h).
 *
 * Ignored signals, by SIG_IGN or by default, are left to the kernel unless the
 * user named them: a handler, even one with SA_RESTART, makes poll(2), select(2)
 * and others return EINTR (signal(7)), and is not inherited through exec, as
 * SIG_IGN is.
 */
#ifndef SIGREC_PASSIVE_H
#define SIGREC_PASSIVE_H

#include "disposition.h"
#include "registry.h"

/* Interpreter context. Begins to record the signal, or goes on. even_ignored: whether it is
 * recorded also while the program ignores it. program: its disposition now, used where
 * recording begins; found: what the kernel had then, which another thread may have set
 * meanwhile. 0 or an errno. */
int passive_record(int signum, bool even_ignored, const struct sigaction *program,
                   struct sigaction *found);

/* Interpreter context. The kernel has again what the program set. */
void passive_stop(int signum);

/* Any context. */
bool passive_records(int signum);

/* Any context. Whether any signal is recorded. */
bool passive_any(void);

/* Any context. sigaction(2), as the program means it. */
int passive_sigaction(int signum, const struct sigaction *next, struct sigaction *previous);

/* Any context. As passive_sigaction(); *changed: it changed the disposition of a recorded
 * signal, and not that of a vfork child. */
int passive_change(int signum, const struct sigaction *next, struct sigaction *previous,
                   bool *changed);

/* Any context, but not in a vfork child. The program has set this for the signal, from that
 * call site (site.h): if the signal is recorded, that is written down. */
void passive_note(int signum, enum disposition_how how, const struct sigaction *action,
                  uint32_t site);

/* Any context. Gives the kernel what it should have for this signal now. */
void passive_apply(int signum);

/* Any context. Notes in a new recording, which has noted of none how it is handled, how this signal
 * is: the kernel knows. */
void passive_note_mode(int signum);

/* Any context. The recorded signals that the program ignores by SIG_IGN; *known: all that are
 * recorded. */
uint64_t passive_ignored(uint64_t *known);

/* Any context. execve(2) resets handlers and keeps what is ignored: before it,
 * the kernel gets back what the program ignores, and after it failed, ours. */
void passive_before_exec(void);
void passive_exec_failed(void);

/* Any context. This process, by that pid, goes on as PID 1 of its namespace would: no
 * default action of a signal that was sent to it ends or stops it (kill(2), notes). */
void passive_as_init(int32_t pid);

/* Signal context. Whether the program ignores it, by SIG_IGN. */
bool passive_ignores(int signum);

/* Signal context. Whether the signal's course is to end the process. */
bool passive_ends(int signum);

/* Signal context. Whether the signal's course is to stop the process; and from when on a SIGCONT
 * that comes is noted, by whichever thread takes it, until that ends. */
bool passive_stops(int signum);
struct passive_stop {
    struct sigaction before; /* SIGCONT's */
    uint64_t taken;
    uint32_t continued;
    bool noted, waits;
};
void passive_stop_begins(struct passive_stop *stop);
void passive_stop_ends(struct passive_stop *stop);

/* Signal context. Whether the program has a handler for it. */
bool passive_handled(int signum);

/* Signal context, before the signal is counted. The handler of a fault gave up: it set the
 * default action, and raised it again or returned to it. That is no further signal: it takes
 * the default action under the ordinal that it had, and the result is true. */
bool passive_fault_again(int signum, const siginfo_t *info, void *context);

/* Any context. Whether it is the action that SIGCONT has, for a millisecond at most, while a
 * thread is about to stop. */
bool passive_is_note(const struct sigaction *action);

/* Signal context, now and then: what was thought to end the process did not. */
void passive_goes_on(uint64_t now_ns);

/* Signal context: the default action of a signal, recorded or not, and then the
 * disposition is again as it was. */
void passive_default(int signum, const siginfo_t *info, void *context, uint32_t tid,
                     uint64_t ordinal);

/* Signal context, the last thing that our handler does, with errno as it was when the signal
 * came: the signal takes its course. False: the signal has just become a registered one, and
 * is to be handled as such. stop: of a stop signal, what was begun for it. */
bool passive_course(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                    struct passive_stop *stop);

#endif
