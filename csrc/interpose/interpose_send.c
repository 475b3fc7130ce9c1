/* SPDX-License-Identifier: MIT
 *
 * Any context: a handler may call kill(2), wait(2) and waitpid(2) (signal-safety(7)), and so
 * may a child between vfork(2) and exec. So these functions hold no lock while the original
 * runs, keep errno, allocate nothing, read no names of processes, and write nothing in a vfork
 * child, which shares our memory.
 *
 * They add these system calls: gettid outside the main thread; getpid where there may be a vfork
 * child; clock_gettime (vDSO); and openat, read and close for a SIGKILL and for what is sent
 * through a pidfd.
 */
#define _GNU_SOURCE
#include "interpose/interpose_send.h"

#include "ground/glibc.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "handler/borrow.h"
#include "handler/inherit.h"
#include "handler/passive.h"
#include "recording/process.h"
#include "recording/sent.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

/* --- sending ------------------------------------------------------------------------ */

static bool is_sending_recorded(int signum) {
    return signum > 0 && signum < SIGREC_NSIG && passive_any();
}

/* In most programs nothing is recorded, and nothing can be lent to the intake thread. */
static inline bool is_sending_ours(void) {
    return passive_any() || atomic_load_explicit(&borrow_signals, memory_order_relaxed);
}

static __attribute__((noinline)) struct sent_call note_sent(enum sent_how how, int signum,
                                                            pid_t pid, pid_t tid, uint64_t value) {
    struct sent_call call = {{NULL, NULL}, 0};
    if (how == SENT_RAISE || how == SENT_THREAD || tid)
        borrow_send_to_thread(signum);
    if (!is_sending_recorded(signum))
        return call;
    struct event sent;
    memset(&sent, 0, sizeof sent);
    if (process_writes_nothing(&sent.tid))
        return call;
    sent.signo = (uint32_t)signum;
    sent.code = (int32_t)how;
    sent.pid = pid;
    sent.uid = (uint32_t)tid;
    sent.datum = value;
    if (signum == SIGKILL) {
        char text[400];
        int saved_errno = errno;
        bool another = pid > 0 && pid != process_pid();
        sent.datum = another ? proc_start_ticks(pid, text, sizeof text) : 0;
        errno = saved_errno;
    }
    return sent_begin(process_recording(), &sent);
}

static inline __attribute__((always_inline)) struct sent_call
before_sending(enum sent_how how, int signum, pid_t pid, pid_t tid, uint64_t value) {
    return is_sending_ours() ? note_sent(how, signum, pid, tid, value)
                             : (struct sent_call){{NULL, NULL}, 0};
}

/* result: as C library functions return it: 0, or -1 with errno set. */
static int after_sending(const struct sent_call *call, int result) {
    int saved_errno = errno;
    sent_end(call, result == 0 ? 0 : saved_errno);
    errno = saved_errno;
    return result;
}

/* error: as pthread_kill(3) returns it: 0, or an error number. */
static int after_sending_by_number(const struct sent_call *call, int error) {
    sent_end(call, error);
    return error;
}

static int our_kill(pid_t pid, int signum) {
    struct sent_call call = before_sending(SENT_KILL, signum, pid, 0, 0);
    return after_sending(&call, kill(pid, signum));
}

static int our_killpg(pid_t group, int signum) {
    struct sent_call call = before_sending(SENT_KILLPG, signum, -group, 0, 0);
    return after_sending(&call, killpg(group, signum));
}

static int our_raise(int signum) {
    if (!is_sending_ours())
        return raise(signum);
    struct sent_call call = before_sending(SENT_RAISE, signum, process_pid(), 0, 0);
    int error = raise(signum);
    if (call.written[0])
        after_sending_by_number(&call, error == 0 ? 0 : errno);
    return error;
}

static void our_abort(void) {
    before_sending(SENT_RAISE, SIGABRT, process_pid(), 0, 0);
    abort();
}

static int our_pthread_kill(pthread_t thread, int signum) {
    /* There is no portable way to learn the thread's id from a pthread_t. */
    struct sent_call call = before_sending(SENT_THREAD, signum, process_pid(), 0, 0);
    return after_sending_by_number(&call, pthread_kill(thread, signum));
}

int interpose_send_queue(pid_t pid, int signum, const union sigval value) {
    struct sent_call call =
        before_sending(SENT_QUEUE, signum, pid, 0, (uint64_t)(uintptr_t)value.sival_ptr);
    return after_sending(&call, sigqueue(pid, signum, value));
}

#ifdef __GLIBC__
static int our_tgkill(pid_t pid, pid_t tid, int signum) {
    struct sent_call call = before_sending(SENT_THREAD, signum, pid, tid, 0);
    return after_sending(&call, tgkill(pid, tid, signum));
}

static int our_pthread_sigqueue(pthread_t thread, int signum, const union sigval value) {
    struct sent_call call =
        before_sending(SENT_QUEUE, signum, process_pid(), 0, (uint64_t)(uintptr_t)value.sival_ptr);
    borrow_send_to_thread(signum);
    return after_sending_by_number(&call, pthread_sigqueue(thread, signum, value));
}
#endif

/* Returns the process that the pidfd stands for, by proc_pid_fdinfo(5); 0: not known. */
static pid_t pid_of(int pidfd) {
    char path[40], text[512];
    text_put_number(text_put(path, "/proc/self/fdinfo/"), (unsigned)pidfd);
    proc_read(path, text, sizeof text);
    const char *pid = proc_names_ours() ? proc_after(text, "\nPid:") : NULL;
    return pid ? (pid_t)text_number(pid) : 0; /* a reaped process has "-1", which gives 0 */
}

static struct sent_call before_sending_to_pidfd(int pidfd, int signum) {
    int saved_errno = errno;
    bool look = pidfd >= 0 && is_sending_recorded(signum) && !process_is_vfork_child();
    pid_t pid = look ? pid_of(pidfd) : 0;
    errno = saved_errno;
    return before_sending(SENT_PIDFD, signum, pid, 0, 0);
}

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
extern int pidfd_send_signal(int, int, siginfo_t *, unsigned)
    __attribute__((weak)); /* glibc 2.36 */

static int our_pidfd_send_signal(int pidfd, int signum, siginfo_t *info, unsigned flags) {
    struct sent_call call = before_sending_to_pidfd(pidfd, signum);
    return after_sending(&call, (int)syscall(SYS_pidfd_send_signal, pidfd, signum, info, flags));
}

bool interpose_send_is(long number) {
    return number == SYS_kill || number == SYS_tkill || number == SYS_tgkill ||
           number == SYS_rt_sigqueueinfo || number == SYS_rt_tgsigqueueinfo ||
           number == SYS_pidfd_send_signal;
}

long interpose_send_by_number(long number, long a, long b, long c, long d, long e, long f) {
    struct sent_call call;
    switch (number) {
    case SYS_kill: call = before_sending(SENT_KILL, (int)b, (pid_t)a, 0, 0); break;
    case SYS_tkill: call = before_sending(SENT_THREAD, (int)b, 0, (pid_t)a, 0); break;
    case SYS_tgkill: call = before_sending(SENT_THREAD, (int)c, (pid_t)a, (pid_t)b, 0); break;
    case SYS_rt_sigqueueinfo: call = before_sending(SENT_QUEUE, (int)b, (pid_t)a, 0, 0); break;
    case SYS_rt_tgsigqueueinfo:
        call = before_sending(SENT_QUEUE, (int)c, (pid_t)a, (pid_t)b, 0);
        break;
    default: call = before_sending_to_pidfd((int)a, (int)b); break;
    }
    long result = syscall(number, a, b, c, d, e, f);
    after_sending(&call, result == 0 ? 0 : -1);
    return result;
}

/* --- what waiting tells -------------------------------------------------------------- */

/* pid 0: which child it was is not known. */
static void write_down_child(pid_t pid, const int *status) {
    if (!passive_any())
        return;
    int saved_errno = errno;
    if (!process_is_vfork_child()) {
        const struct recording *recording = process_recording();
        if (WIFEXITED(*status))
            sent_child(recording, pid, CLD_EXITED, WEXITSTATUS(*status));
        else if (WIFSIGNALED(*status))
            sent_child(recording, pid, WCOREDUMP(*status) ? CLD_DUMPED : CLD_KILLED,
                       WTERMSIG(*status));
        else if (WIFSTOPPED(*status))
            sent_child(recording, pid, CLD_STOPPED, WSTOPSIG(*status));
        else if (WIFCONTINUED(*status))
            sent_child(recording, pid, CLD_CONTINUED, SIGCONT);
    }
    errno = saved_errno;
}

static pid_t told_of_child(pid_t pid, const int *status) {
    if (pid > 0)
        write_down_child(pid, status);
    return pid;
}

/* system() and pclose() wait for a child of their own within
 * the C library, and do not tell its pid. */
static int our_system(const char *command) {
    inherit_begin();
    borrow_hold();
    int status = system(command), error = errno;
    borrow_go_on();
    errno = error;
    if (command && status != -1)
        write_down_child(0, &status);
    return status;
}

static int our_pclose(FILE *stream) {
    int status = pclose(stream);
    if (status != -1)
        write_down_child(0, &status);
    return status;
}

static pid_t our_wait(int *status) {
    int ours;
    status = status ? status : &ours;
    return told_of_child(wait(status), status);
}

static pid_t our_waitpid(pid_t pid, int *status, int options) {
    int ours;
    status = status ? status : &ours;
    return told_of_child(waitpid(pid, status, options), status);
}

static pid_t our_wait3(int *status, int options, struct rusage *usage) {
    int ours;
    status = status ? status : &ours;
    return told_of_child(wait3(status, options, usage), status);
}

static pid_t our_wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    int ours;
    status = status ? status : &ours;
    return told_of_child(wait4(pid, status, options, usage), status);
}

static int our_waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    siginfo_t child;
    child.si_pid = 0; /* which stays 0 where WNOHANG finds no child: waitid(2) */
    int result = waitid(type, id, &child, options);
    if (result != 0)
        return result;
    if (info)
        *info = child;
    if (child.si_pid > 0 && !(options & WNOWAIT) && passive_any() && !process_is_vfork_child())
        sent_child(process_recording(), child.si_pid, child.si_code, child.si_status);
    return result;
}

/* --- the process's own group ------------------------------------------------------------ */

/* The arguments of the call say which group that is; a filter may forbid to ask the kernel.
 * session 0: it is as before. */
static void joined_group(pid_t group, pid_t session) {
    if (passive_any() && !process_is_vfork_child())
        process_in_group(group, session);
}

static pid_t our_setsid(void) {
    pid_t session = setsid();
    if (session > 0)
        joined_group(session, session);
    return session;
}

static int our_setpgid(pid_t pid, pid_t group) {
    int result = setpgid(pid, group);
    pid_t own = result == 0 ? process_own_pid() : 0;
    if (own && (pid == 0 || pid == own))
        joined_group(group ? group : own, 0);
    return result;
}

static int our_setpgrp(void) { return our_setpgid(0, 0); }

void interpose_send(void) {
    INTERPOSE("kill", kill, our_kill);
    INTERPOSE("killpg", killpg, our_killpg);
    INTERPOSE("raise", raise, our_raise);
    INTERPOSE("abort", abort, our_abort);
    INTERPOSE("pthread_kill", pthread_kill, our_pthread_kill);
    INTERPOSE("sigqueue", sigqueue, interpose_send_queue);
#ifdef __GLIBC__
    INTERPOSE("tgkill", tgkill, our_tgkill);
    INTERPOSE("pthread_sigqueue", pthread_sigqueue, our_pthread_sigqueue);
#endif
    INTERPOSE("wait", wait, our_wait);
    INTERPOSE("waitpid", waitpid, our_waitpid);
    INTERPOSE("wait3", wait3, our_wait3);
    INTERPOSE("wait4", wait4, our_wait4);
    INTERPOSE("waitid", waitid, our_waitid);
    INTERPOSE("system", system, our_system);
    INTERPOSE("pclose", pclose, our_pclose);
    INTERPOSE("pidfd_send_signal", pidfd_send_signal, our_pidfd_send_signal);
    INTERPOSE("setsid", setsid, our_setsid);
    INTERPOSE("setpgid", setpgid, our_setpgid);
    INTERPOSE("setpgrp", setpgrp, our_setpgrp);
}

#endif
