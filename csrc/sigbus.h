/* SPDX-License-Identifier: MIT
 *
 * sigbus: the program goes on when someone truncates the file of its recording.
 *
 * A write to a page that the file does not have any more raises SIGBUS
 * (mmap(2)), which kills, for a recorder's sake. So from when a recording is
 * published, SIGBUS has a handler of ours, unless the program has one that we
 * do not see (it then goes there), and a fault inside our own mapping is
 * repaired: private memory takes the file's place, and the instruction is done
 * again. Any other SIGBUS is the program's: what it had comes back for good,
 * and the signal or the fault comes again.
 */
#ifndef SIGREC_SIGBUS_H
#define SIGREC_SIGBUS_H

#include <signal.h>
#include <stdbool.h>

/* Interpreter context. Idempotent; where SIGBUS is recorded or registered there
 * is nothing to do. */
void sigbus_start(void);

/* Signal context. Was this a fault in our own recording? Then it is repaired.
 * System calls: mremap; it reads and writes private memory only. */
bool sigbus_repair(int signum, const siginfo_t *info);

/* Any context. Where this is our handler: what was there before it. */
void sigbus_underlying(struct sigaction *action);

#endif
