/* SPDX-License-Identifier: MIT
 * What waits beside a program, in the place of PID 1: orphans, signals, the end. */
#define _GNU_SOURCE
#include "host/beside.h"

#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS UINT64_C(1000000)

static void subreaper(void) {
    CHECK_EQ(beside_subreaper(1), 0);
    int now = 0;
    CHECK_EQ(prctl(PR_GET_CHILD_SUBREAPER, &now, 0, 0, 0), 0);
    CHECK_EQ(now, 1);
    CHECK_EQ(beside_subreaper(0), 1);
    CHECK_EQ(beside_subreaper(0), 0);
}

static int says[2];

static void on_signal(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)context;
    const int said[3] = {info->si_code, info->si_pid, (int)(intptr_t)info->si_value.sival_ptr};
    CHECK_EQ(write(says[1], said, sizeof said), sizeof said);
}

static void program(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGRTMIN, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    pid_t left = fork(); /* a child that it never waits for, and that outlives it */
    if (left == 0) {
        pause();
        _exit(0);
    }
    CHECK_EQ(write(says[1], &left, sizeof left), sizeof left);
    pause();
    _exit(7);
}

static void as_init(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    CHECK_EQ(beside_subreaper(1), 0);
    CHECK_EQ(pipe(says), 0);
    pid_t pid = fork(), left;
    if (pid == 0)
        program();
    CHECK_EQ(read(says[0], &left, sizeof left), sizeof left);
    CHECK(!beside_as_init(pid, NS));
    kill(getpid(), SIGUSR1); /* is not caught: it would end the program */
    union sigval value = {.sival_int = 5};
    WITH_ROOM(sigqueue(getpid(), SIGRTMIN, value));
    while (!beside_as_init(pid, 10 * NS))
        ;
    int said[3], status;
    CHECK_EQ(read(says[0], said, sizeof said), sizeof said);
    CHECK_EQ(said[0], SI_QUEUE);
    CHECK_EQ(said[1], getpid());
    CHECK_EQ(said[2], 5);
    CHECK(beside_as_init(pid, NS)); /* it is still there, to be asked */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 7);
    pid = fork();
    if (pid == 0) {
        while (kill(left, 0) == 0) /* until it has been reaped */
            usleep(1000);
        _exit(0);
    }
    kill(left, SIGKILL);
    while (!beside_as_init(pid, 10 * NS))
        ;
}

static void a_key_does_not_stop_it_for_good(void) {
    int looks = 1000, status;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &none, NULL);
        raise(SIGTSTP);
        _exit(8);
    }
    while (!beside_as_init(pid, 10 * NS) && looks)
        looks--;
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(looks && WEXITSTATUS(status) == 8);
}

int main(void) {
    subreaper();
    as_init();
    a_key_does_not_stop_it_for_good();
    return 0;
}
