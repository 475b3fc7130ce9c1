/* SPDX-License-Identifier: MIT
 *
 * interpose_send: the functions that a program calls in the place of the C library's own, where
 * these send signals or wait for children, while its signals are recorded. Each calls the
 * original. Before a signal is sent it is written down, and after that the result; of wait(2)
 * what it told is written down (sent.h). Functions that change the process's group are here,
 * too: a signal that is sent to a group names no process.
 *
 * Not interposed, and so not seen: static code, system calls that are made
 * without syscall(2), the C library's own (the pid of system(3)'s child and of popen(3)'s;
 * posix_spawn).
 */
#ifndef SIGREC_INTERPOSE_SEND_H
#define SIGREC_INTERPOSE_SEND_H

#include "got.h"

#include <signal.h>

/* Any context. Whether a call of syscall(2) sends a signal; and that call, in its place. */
bool interpose_send_is(long number);
long interpose_send_by_number(long number, long a, long b, long c, long d, long e, long f);

/* Any context. As the program's own call, which is written down. */
int interpose_send_queue(pid_t pid, int signum, const union sigval value);

/* Interpreter context. Adds them to those that got_patch() puts in their places. */
void interpose_send(void);

#endif
