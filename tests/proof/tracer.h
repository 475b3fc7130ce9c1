/* SPDX-License-Identifier: MIT
 *
 * What the programs share that step through another process: stepper.c, settler.c, library.c. */
#ifndef SIGREC_PROOF_TRACER_H
#define SIGREC_PROOF_TRACER_H

#include "../core/check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pid;                      /* which is traced */
static uint64_t at, stepped, injected; /* at: an instruction of the path, from 0 */

__attribute__((noreturn)) static void fail(const char *what, long value) {
    fprintf(stderr, "failed at instruction %llu of the path: %s %ld\n", (unsigned long long)at,
            what, value);
    kill(pid, SIGKILL);
    exit(1);
}

static void trace(enum __ptrace_request request, long argument) {
    CHECK(ptrace(request, pid, NULL, (void *)argument) == 0);
}

static struct user_regs_struct registers(void) {
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof r};
    CHECK(ptrace(PTRACE_GETREGSET, pid, (void *)1 /* NT_PRSTATUS */, &v) == 0);
    return r;
}

/* The signal that stopped it. */
static inline int await_stop(void) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!WIFSTOPPED(status))
        fail("the target ended, with status", status);
    return WSTOPSIG(status);
}

/* One instruction, with that signal; 0: none. */
static inline void single_step(int with) {
    trace(PTRACE_SINGLESTEP, with);
    int stop = await_stop();
    if (stop != SIGTRAP)
        fail("stopped by signal", stop);
    stepped++;
}

static uint64_t where(void) { return registers().rip; }

/* sigqueue(3) to a thread, as by `sender`. EAGAIN: other processes of this user have filled what
 * may be pending (RLIMIT_SIGPENDING). */
static void queue_to(pid_t process, pid_t tid, int signum, pid_t sender, uint64_t value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signum;
    info.si_code = SI_QUEUE;
    info.si_pid = sender;
    info.si_value.sival_ptr = (void *)(uintptr_t)value;
    while (syscall(SYS_rt_tgsigqueueinfo, process, tid, signum, &info) != 0) {
        CHECK_EQ(errno, EAGAIN);
        usleep(1000);
    }
}

/* Which of the words; it ends the program where it is none. */
static inline int which(const char *word, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    fprintf(stderr, "there is no %s here\n", word);
    exit(2);
}

#endif
