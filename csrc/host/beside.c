/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/beside.h"

#include "ground/clock.h"
#include "ground/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>

int beside_subreaper(int on) {
    int was = -1;
    if (prctl(PR_GET_CHILD_SUBREAPER, &was, 0, 0, 0) != 0)
        return -1;
    if (was != on && prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)on, 0, 0, 0) != 0)
        return -1;
    return was;
}

static bool program_catches(pid_t pid, int signum) {
    char path[40], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    proc_read(path, text, sizeof text);
    return proc_mask(text, "\nSigCgt:") >> (signum - 1) & 1;
}

/* With its sender and its value: the kernel lets a process write these, as of a sigqueue(3). */
static void pass_on_signal(pid_t program, int signum, const siginfo_t *info) {
    siginfo_t passed_on;
    memset(&passed_on, 0, sizeof passed_on);
    passed_on.si_signo = signum;
    passed_on.si_code = SI_QUEUE;
    if (info->si_code <= 0) {
        passed_on.si_pid = info->si_pid;
        passed_on.si_uid = info->si_uid;
    }
    if (info->si_code == SI_QUEUE)
        passed_on.si_value = info->si_value;
    int tries = 0;
    while (syscall(SYS_rt_sigqueueinfo, program, signum, &passed_on) != 0)
        if (errno != EAGAIN || !clock_wait_for_room(&tries)) {
            kill(program, signum); /* without its value */
            return;
        }
}

/* Whether the program has ended; it stays a zombie, for whoever asks how. */
static bool reap_children(pid_t program) {
    for (;;) {
        siginfo_t ended;
        ended.si_pid = 0;
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid <= 0)
            return false;
        if (ended.si_pid == program)
            return true;
        waitpid(ended.si_pid, NULL, WNOHANG);
    }
}

/* PID 1 is not stopped by a key, and here no shell is there to continue what is. */
static void continue_stopped(pid_t program) {
    siginfo_t stopped;
    stopped.si_pid = 0;
    if (waitid(P_PID, (id_t)program, &stopped, WSTOPPED | WNOHANG) == 0 &&
        stopped.si_pid == program && stopped.si_status == SIGTSTP)
        kill(getpgid(program) == program ? -program : program, SIGCONT);
}

bool beside_as_init(pid_t program, uint64_t timeout_ns) {
    sigset_t all;
    sigfillset(&all);
    uint64_t until = monotonic_ns() + timeout_ns;
    for (;;) {
        if (reap_children(program))
            return true;
        continue_stopped(program);
        uint64_t now = monotonic_ns();
        if (now >= until)
            return false;
        struct timespec rest = clock_timespec(until - now);
        siginfo_t info;
        int signum = sigtimedwait(&all, &info, &rest);
        if (signum > 0 && signum != SIGCHLD && program_catches(program, signum))
            pass_on_signal(program, signum, &info);
    }
}
#endif
