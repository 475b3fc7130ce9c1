/* SPDX-License-Identifier: MIT
 *
 * beside: a process that waits beside a program for its end, and that is PID 1 of the
 * namespace in the program's place, where the program would have been that.
 */
#ifndef SIGREC_BESIDE_H
#define SIGREC_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Any context. Whether orphans among this process's descendants become its children:
 * PR_SET_CHILD_SUBREAPER of prctl(2). Returns whether they did before; -1: not known. */
int beside_subreaper(int on);

/* Interpreter context, in PID 1, with all signals blocked and SIGCHLD not ignored. Reaps every
 * child but the program, and passes on to the program what it would have got as PID 1: the
 * signals that it catches, since the kernel keeps all others from PID 1 (kill(2), notes). Continues
 * it where a key has stopped it (SIGTSTP). True: the program has ended, and is still to be waited
 * for; false: it has not, within timeout_ns. */
bool beside_as_init(pid_t program, uint64_t timeout_ns);

#endif
