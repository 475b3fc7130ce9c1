/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/send.h"

#include "interpose/interpose_send.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

int send_to_process(pid_t pid, int signum, intptr_t value) {
#ifdef __APPLE__ /* has no sigqueue(3) */
    if (value)
        return ENOSYS;
    return kill(pid, signum) == 0 ? 0 : errno;
#else
    union sigval payload;
    payload.sival_ptr = (void *)value;
#ifdef __linux__
    return interpose_send_queue(pid, signum, payload) == 0 ? 0 : errno;
#else
    return sigqueue(pid, signum, payload) == 0 ? 0 : errno;
#endif
#endif
}

#ifdef __linux__

/* As sigqueue(3) fills the siginfo in; the kernel refuses to be told that it was kill(2). */
static siginfo_t queued_info(int signum, intptr_t value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signum;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)value;
    return info;
}

int send_to_thread(pid_t pid, pid_t tid, int signum, intptr_t value) {
    siginfo_t info = queued_info(signum, value);
    return interpose_send_by_number(SYS_rt_tgsigqueueinfo, pid, tid, signum, (long)&info, 0, 0) == 0
               ? 0
               : errno;
}

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424 /* the same on every architecture; Linux 5.1 */
#endif

int send_to_pidfd(int pidfd, int signum, intptr_t value) {
    siginfo_t info = queued_info(signum, value);
    return interpose_send_by_number(SYS_pidfd_send_signal, pidfd, signum, (long)&info, 0, 0, 0) == 0
               ? 0
               : errno;
}

#endif
