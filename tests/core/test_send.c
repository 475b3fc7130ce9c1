/* SPDX-License-Identifier: MIT
 * Sending with a value, and timers: what arrives, by sigtimedwait(2). */
#define _GNU_SOURCE
#include "tools/send.h"
#include "tools/timer.h"

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static siginfo_t next(int signum) {
    sigset_t set;
    siginfo_t info;
    struct timespec minute = {60, 0};
    sigemptyset(&set);
    sigaddset(&set, signum);
    CHECK_EQ(sigtimedwait(&set, &info, &minute), signum);
    return info;
}

static void to_a_process(void) {
    WITH_ROOM(send_to_process(getpid(), SIGRTMIN, -5));
    siginfo_t info = next(SIGRTMIN);
    CHECK_EQ(info.si_code, SI_QUEUE);
    CHECK_EQ((intptr_t)info.si_value.sival_ptr, -5);
    CHECK_EQ(send_to_process(getpid(), 99, 0), EINVAL);
}

static _Atomic int tid;

static void *waits(void *argument) {
    (void)argument;
    tid = (int)syscall(SYS_gettid);
    siginfo_t info = next(SIGRTMIN);
    CHECK_EQ((intptr_t)info.si_value.sival_ptr, INTPTR_MIN);
    CHECK_EQ(info.si_pid, getpid());
    return NULL;
}

static void to_a_thread(void) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, waits, NULL), 0);
    while (!tid)
        usleep(100);
    if (send_to_thread(getpid(), tid, 0, 0) == ENOSYS)
        return;
    WITH_ROOM(send_to_thread(getpid(), tid, SIGRTMIN, INTPTR_MIN));
    pthread_join(thread, NULL);
    CHECK_EQ(send_to_thread(getpid(), 4194399, SIGRTMIN, 0), ESRCH);
}

static void through_a_pidfd(void) {
    int pidfd = (int)syscall(434 /* pidfd_open(2) */, getpid(), 0);
    if (pidfd < 0)
        return;
    WITH_ROOM(send_to_pidfd(pidfd, SIGRTMIN, 7));
    CHECK_EQ((intptr_t)next(SIGRTMIN).si_value.sival_ptr, 7);
    close(pidfd);
    CHECK_EQ(send_to_pidfd(pidfd, SIGRTMIN, 7), EBADF);
}

static void timers(void) {
    struct timer timer;
    int error;
    while ((error = timer_make(&timer, CLOCK_MONOTONIC, SIGRTMIN, 0, 42)) == EAGAIN)
        ;
    if (error == ENOSYS)
        return;
    CHECK_EQ(error, 0);
    CHECK_EQ(timer_start(&timer, 1000, 1000000), 0);
    uint64_t expired = 0;
    while (expired < 20) {
        siginfo_t info = next(SIGRTMIN);
        CHECK_EQ(info.si_code, SI_TIMER);
        CHECK_EQ((intptr_t)info.si_value.sival_ptr, 42);
        expired += 1 + (uint64_t)info.si_overrun;
        usleep(3000); /* so that some come meanwhile, in one signal */
    }
    CHECK_EQ(timer_start(&timer, 0, 0), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(timer_start(&timer, 1000, 0) == ECHILD && timer_unmake(&timer) == ECHILD ? 0 : 1);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(timer_unmake(&timer), 0);
    while ((error = timer_make(&timer, 12345, SIGRTMIN, 0, 0)) == EAGAIN)
        ;
    CHECK_EQ(error, EINVAL);
    WITH_ROOM(timer_make(&timer, CLOCK_MONOTONIC, SIGRTMIN, (pid_t)syscall(SYS_gettid), 0));
    CHECK_EQ(timer_start(&timer, 1000, 0), 0);
    CHECK_EQ(next(SIGRTMIN).si_code, SI_TIMER);
    CHECK_EQ(timer_unmake(&timer), 0);
}

/* Another process of this user floods, and its queue is full for a moment. */
static struct rlimit limit;

static void *makes_room(void *nothing) {
    usleep(5000);
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    return nothing;
}

static void a_timer_waits_for_room(void) {
    struct timer timer;
    CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    struct rlimit none = {0, limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    int error = timer_make(&timer, CLOCK_MONOTONIC, SIGRTMIN, 0, 0);
    if (error == ENOSYS)
        return;
    CHECK_EQ(error, EAGAIN); /* and not for ever */
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, makes_room, NULL), 0);
    CHECK_EQ(timer_make(&timer, CLOCK_MONOTONIC, SIGRTMIN, 0, 0), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(timer_unmake(&timer), 0);
}

static void on_signal(int signum) { (void)signum; }

static void discarding(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER}, now;
    sigset_t pending;
    CHECK_EQ(sigaction(SIGRTMIN, &action, NULL), 0);
    for (int n = 0; n < 3; n++)
        WITH_ROOM(send_to_process(getpid(), SIGRTMIN, n));
    CHECK_EQ(timer_discard(SIGRTMIN), 0);
    sigpending(&pending);
    CHECK_EQ(sigismember(&pending, SIGRTMIN), 0);
    CHECK_EQ(sigaction(SIGRTMIN, NULL, &now), 0);
    CHECK(now.sa_handler == on_signal);
    CHECK_EQ(now.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
    CHECK_EQ(timer_discard(SIGKILL), EINVAL);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    to_a_process();
    to_a_thread();
    through_a_pidfd();
    timers();
    a_timer_waits_for_room();
    discarding();
    return 0;
}
