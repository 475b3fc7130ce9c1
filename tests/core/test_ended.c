/* SPDX-License-Identifier: MIT
 * How another process ended: while it is a zombie, after it was waited for, and before. */
#define _GNU_SOURCE
#include "host/ended.h"

#include "check.h"
#include "ground/proc.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1024];

static pid_t begin(int *pidfd, uint64_t *ticks) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    while (pid == 0)
        pause();
    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    CHECK(*pidfd >= 0);
    *ticks = proc_start_ticks(pid, text, sizeof text);
    CHECK(*ticks > 0);
    return pid;
}

static void a_zombie(void) {
    int pidfd;
    uint64_t ticks;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    pid_t pid = begin(&pidfd, &ticks);
    CHECK_EQ(sigprocmask(SIG_UNBLOCK, &blocked, NULL), 0);
    CHECK(!ended_wait(pidfd, 1));
    CHECK(!ended_is_near(pid));
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK(ended_wait(pidfd, 60000));
    CHECK(ended_is_near(pid));
    struct ended seen = ended_look(pid, pidfd, ticks);
    CHECK_EQ(seen.seen_by, ENDED_PROC);
    CHECK_EQ(seen.code, SIGTERM);
    CHECK(seen.blocks_known);
    CHECK_EQ(seen.blocked, UINT64_C(1) << (SIGUSR2 - 1));
    pid_t other = fork();
    if (other == 0) /* by its start time the zombie is another process */
        _exit(ended_look(pid, pidfd, ticks + 1).seen_by == ENDED_PROC);
    poll(NULL, 0, 20);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    int status;
    CHECK(waitpid(other, &status, 0) == other && status == 0);
    CHECK(ended_is_near(pid));
    seen = ended_look(pid, pidfd, ticks);
    CHECK(!seen.blocks_known);
    CHECK(seen.seen_by == ENDED_PIDFD ? seen.code == SIGTERM : seen.seen_by == ENDED_UNKNOWN);
    close(pidfd);
}

static void *lives_on(void *thread) {
    (void)thread;
    pause();
    return NULL;
}

/* The process lives, and its memory with it. */
static void a_main_thread_that_ended_before_the_others(void) {
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, lives_on, NULL), 0);
        pthread_exit(NULL);
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do
        CHECK(proc_read(path, text, sizeof text) > 0);
    while (*proc_field(text, 3) != 'Z');
    CHECK(!ended_is_near(pid));
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

int main(void) {
    a_zombie();
    a_main_thread_that_ended_before_the_others();
    return 0;
}
