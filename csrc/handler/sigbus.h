/* SPDX-License-Identifier: MIT
 *
 * sigbus: the program goes on when someone truncates the file of its recording.
 *
 * A write to a page that the file does not have any more raises SIGBUS (mmap(2)): the
 * program would die of being recorded. So while a recording is published and a signal
 * is taken for it, SIGBUS has a handler of ours, unless the program has one that we do
 * not see (it then goes there), and a fault inside our own mapping is repaired:
 * private memory takes the file's place, and the instruction is done again. Any other
 * SIGBUS is the program's: what it had comes back for good, and the signal or the
 * fault comes again.
 *
 * Where a thread blocks SIGBUS that would not help: the fault kills at once. A file system in
 * memory on which others have left no room raises it as well, for a page that was never written; so
 * before SIGBUS is blocked, and at the first signal, all pages are made, or private memory takes
 * their place (sigbus_prevent).
 *
 * When the last signal is given back, SIGBUS is given back, too. Whoever writes to the
 * recording after that (the last counts, how the process ends) takes SIGBUS again
 * meanwhile: process_guard().
 */
#ifndef SIGREC_SIGBUS_H
#define SIGREC_SIGBUS_H

#include <signal.h>
#include <stdbool.h>

/* Interpreter context, before anything else here. */
void sigbus_start(void);

/* Any context, before the recording is written to. Idempotent; where SIGBUS is recorded
 * or registered, or no recording is published, there is nothing to do. */
void sigbus_take(void);

/* Interpreter context, now and then: gives SIGBUS back, if no signal is taken any more.
 * (A thread that is still in the handler of the last one then writes unprotected.) */
void sigbus_give_back(void);

/* Any context. An ignored SIGBUS stays ignored through execve(2), which
 * would reset our handler to the default. */
void sigbus_before_exec(void);
void sigbus_exec_failed(void);

/* Signal context. Was this a fault in our own recording? Then it is repaired.
 * System calls: mremap; it reads and writes private memory only. */
bool sigbus_repair(int signum, const siginfo_t *info);

/* Any context. From here on no page of the recording is missing for want of room. System calls,
 * once: madvise, mremap. */
void sigbus_prevent(void);

/* Any context. Where `action` is our handler of SIGBUS, it becomes what was there before. */
void sigbus_underlying(struct sigaction *action);

#endif
