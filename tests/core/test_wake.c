/* SPDX-License-Identifier: MIT
 * Waking the dispatcher thread: no wake-up is lost, none waits without need. */
#define _GNU_SOURCE
#include "handler/wake.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR UINT64_C(3600000000000)

static void what_was_posted_before_is_not_lost(void) {
    wake_post();
    wake_post();
    CHECK(wake_wait(HOUR)); /* once, for both */
    CHECK(!wake_wait(1000));
}

static void errno_stays(void) {
    errno = 42;
    wake_post();
    CHECK_EQ(errno, 42);
    CHECK(wake_wait(0));
}

static void a_forked_child_begins_with_nothing(void) {
    wake_post();
    pid_t pid = fork();
    if (pid == 0)
        _exit(wake_wait(0) ? 1 : 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(wake_wait(0));
}

static void handler(int signum) {
    (void)signum;
    wake_post();
}

/* A ball between two threads: each turn waits for the other's post, of which
 * one comes from a signal handler. A lost wake-up stops it for an hour; one too
 * many (of a post whose work was seen before) does not matter. */
#define TURNS 20000
static _Atomic int turn;

static void *player(void *argument) {
    (void)argument;
    for (int n = 0; n < TURNS; n++) {
        while (turn != 2 * n + 1)
            wake_wait(HOUR);
        turn = 2 * n + 2;
    }
    return NULL;
}

static void no_wake_up_is_lost(void) {
    pthread_t thread;
    signal(SIGUSR1, handler);
    CHECK_EQ(pthread_create(&thread, NULL, player, NULL), 0);
    for (int n = 0; n < TURNS; n++) {
        turn = 2 * n + 1;
        if (n % 2)
            raise(SIGUSR1);
        else
            wake_post();
        while (turn != 2 * n + 2)
            sched_yield();
    }
    pthread_join(thread, NULL);
}

static void *reads(void *argument) {
    uint64_t *rounds = argument;
    for (int n = 0; n < TURNS; n++) {
        CHECK(wake_reader_begin());
        CHECK(!wake_reader_begin()); /* there is one at a time */
        turn = 1;
        while (!wake_reader_wait(HOUR))
            ;
        CHECK(wake_reader_end());
        ++*rounds;
    }
    return NULL;
}

/* Who waits to drain for itself is woken each time, and only while it waits. */
static void a_reader_is_woken(void) {
    pthread_t thread;
    uint64_t rounds = 0;
    turn = 0;
    CHECK(!wake_reader());
    CHECK_EQ(pthread_create(&thread, NULL, reads, &rounds), 0);
    for (int n = 0; n < TURNS; n++) {
        while (!turn)
            sched_yield();
        turn = 0;
        errno = 42;
        CHECK(wake_reader());
        CHECK_EQ(errno, 42);
    }
    pthread_join(thread, NULL);
    CHECK_EQ(rounds, TURNS);
    CHECK(!wake_reader());
    CHECK(wake_reader_begin());
    CHECK(!wake_reader_wait(1000));
    CHECK(!wake_reader_end());
}

int main(void) {
    CHECK_EQ(process_start(), 0);
    handler_start();
    if (!wake_possible())
        return 0;
    what_was_posted_before_is_not_lost();
    errno_stays();
    a_forked_child_begins_with_nothing();
    no_wake_up_is_lost();
    a_reader_is_woken();
    return 0;
}
