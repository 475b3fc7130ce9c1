/* SPDX-License-Identifier: MIT
 *
 * send: a signal with a value, to a process, to one of its threads, or through
 * a pidfd, which never means another process that got the pid since.
 */
#ifndef SIGREC_SEND_H
#define SIGREC_SEND_H

#include <stdint.h>
#include <sys/types.h>

/* Any context. 0 or an errno, ENOSYS where the platform has no such call.
 * sigqueue(3), rt_tgsigqueueinfo(2), pidfd_send_signal(2). */
int send_to_process(pid_t pid, int signum, intptr_t value);
int send_to_thread(pid_t pid, pid_t tid, int signum, intptr_t value);
int send_to_pidfd(int pidfd, int signum, intptr_t value);

#endif
