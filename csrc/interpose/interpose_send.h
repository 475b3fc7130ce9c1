/* SPDX-License-Identifier: MIT
 *
 * interpose_send: while signals are recorded, the program calls these functions instead of those
 * of the C library that send signals or wait for children. Each calls the original. A signal is
 * written down before it is sent, and the result afterwards; what wait(2) has told is written down,
 * too (sent.h). The functions that change the process's group are here as well, since a signal that
 * is sent to a group names no process.
 *
 * Not interposed, and so not seen, are calls in statically linked code, system calls that are made
 * without syscall(2), and calls that the C library makes itself. So the pids of the children of
 * system(3) and popen(3) are not known, nor what posix_spawn does.
 */
#ifndef SIGREC_INTERPOSE_SEND_H
#define SIGREC_INTERPOSE_SEND_H

#include "interpose/got.h"

#include <signal.h>

/* Any context. Whether the system call of that number sends a signal. */
bool interpose_send_is(long number);

/* Any context. Makes that system call, as syscall(2) would, and writes it down. */
long interpose_send_by_number(long number, long a, long b, long c, long d, long e, long f);

/* Any context. sigqueue(3), written down as a call of the program's own. */
int interpose_send_queue(pid_t pid, int signum, const union sigval value);

/* Interpreter context. Adds these functions to those that got_patch() installs. */
void interpose_send(void);

#endif
