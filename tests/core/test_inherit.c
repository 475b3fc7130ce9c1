/* SPDX-License-Identifier: MIT
 * What the dispatcher thread starts has the program's mask, and that thread itself only meanwhile.
 */
#define _GNU_SOURCE
#include "handler/inherit.h"

#include "check.h"
#include "events/signals.h"
#include "ground/filter.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__

static bool blocks(int signum) {
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, signum) == 1;
}

static bool is_programs(void) { return blocks(SIGUSR2) && !blocks(SIGTERM); }

static void block_all(void) {
    sigset_t all;
    signals_but_faults(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *begins(void *ignored) {
    block_all();
    inherit_begin();
    CHECK(blocks(SIGTERM));
    return ignored;
}

static void in_a_new_thread(void *(*function)(void *)) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, function, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* In the child the C library gives the stack of the dispatcher thread, and so its name, to a new
 * one. */
static void *forks(void *ignored) {
    pid_t pid = fork();
    if (pid == 0) {
        in_a_new_thread(begins);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return ignored;
}

/* Its memory is that of its parent, which stays the dispatcher thread. */
static void vforks(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        inherit_begin();
        _exit(is_programs() ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(blocks(SIGTERM));
}

static void *dispatcher(void *ignored) {
    for (int n = 0; n < 2; n++) {
        inherit_wait();
        CHECK(blocks(SIGTERM));
        errno = 42;
        inherit_begin();
        CHECK_EQ(errno, 42);
        CHECK(is_programs());
    }
    inherit_wait();
    CHECK(blocks(SIGTERM));
    in_a_new_thread(begins);
    in_a_new_thread(forks);
    vforks();
    atomic_store(&filter_denied, 1U << FILTERED_SIGPROCMASK);
    inherit_begin();
    CHECK(blocks(SIGTERM));
    atomic_store(&filter_denied, 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool right = is_programs();
        block_all();
        inherit_begin(); /* it is no dispatcher thread */
        _exit(right && blocks(SIGTERM) ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    inherit_wait();
    inherit_over();
    inherit_begin();
    CHECK(blocks(SIGTERM));
    return ignored;
}

int main(void) {
    sigset_t one;
    CHECK_EQ(process_start(), 0);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &one, NULL);
    inherit_note();
    block_all();
    in_a_new_thread(dispatcher);
    inherit_begin(); /* in another thread it does nothing */
    CHECK(blocks(SIGTERM));
    return 0;
}

#else
int main(void) { return 0; }
#endif
