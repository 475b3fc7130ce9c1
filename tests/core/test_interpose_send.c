/* SPDX-License-Identifier: MIT
 * What a program sends, and what it is told of its children, is written down
 * while its signals are recorded. argv: the library bound at once, and lazily. */
#define _GNU_SOURCE
#include "interpose/interpose_send.h"

#include "check.h"
#include "ground/proc.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "interpose/interpose.h"
#include "recording/process.h"
#include "recording/sent.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

static void *library;
static uint64_t seen, told; /* tickets of the rings that were looked at */

#define CALL(result, name, ...) ((result (*)(__VA_ARGS__))(uintptr_t)dlsym(library, name))

static struct event next_of(const struct ring *ring, uint64_t *ticket) {
    struct event e;
    CHECK_EQ(*ring->head, *ticket + 1);
    CHECK(ring_read(ring, (*ticket)++, &e));
    return e;
}

static void check_sent(int how, int signum, pid_t target, int error) {
    struct event e = next_of(&process_recording()->sent, &seen);
    CHECK_EQ(e.code, how);
    CHECK_EQ(e.signo, signum);
    CHECK_EQ(e.pid, target);
    CHECK_EQ(e.detail, error);
    CHECK_EQ(e.tid, getpid());
}

static void check_told(pid_t child, int code, int status) {
    struct event e = next_of(&process_recording()->children, &told);
    CHECK_EQ(e.pid, child);
    CHECK_EQ(e.code, code);
    CHECK_EQ(e.detail, status);
}

static pid_t sleeper(void) {
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static void what_it_sends(void) {
    pid_t child = sleeper();
    CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(child, 0), 0); /* sends nothing */
    CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(child, SIGWINCH), 0);
    check_sent(SENT_KILL, SIGWINCH, child, 0);
    errno = 4711;
    CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(1 << 30, SIGKILL), -1);
    CHECK_EQ(errno, ESRCH);
    check_sent(SENT_KILL, SIGKILL, 1 << 30, ESRCH);
    CHECK_EQ(CALL(int, "send_by_killpg", pid_t, int)(1 << 30, SIGTERM), -1);
    check_sent(SENT_KILLPG, SIGTERM, -(1 << 30), ESRCH);
    errno = 4711;
    CHECK_EQ(CALL(int, "send_by_raise", int)(SIGWINCH), 0);
    CHECK_EQ(errno, 4711);
    check_sent(SENT_RAISE, SIGWINCH, getpid(), 0);
    CHECK_EQ(CALL(int, "send_to_thread", pthread_t, int)(pthread_self(), SIGWINCH), 0);
    check_sent(SENT_THREAD, SIGWINCH, getpid(), 0);
    union sigval value = {.sival_ptr = (void *)0x4711};
    CHECK_EQ(CALL(int, "send_by_sigqueue", pid_t, int, union sigval)(child, SIGWINCH, value), 0);
    CHECK_EQ(process_recording()->sent.slots[seen % RECORDING_SENT].word[4], 0x4711);
    check_sent(SENT_QUEUE, SIGWINCH, child, 0);
    long (*by_number)(long, long, long, long) = CALL(long, "by_number", long, long, long, long);
    CHECK_EQ(by_number(SYS_tgkill, child, child, SIGWINCH), 0);
    check_sent(SENT_THREAD, SIGWINCH, child, 0);
    CHECK_EQ(by_number(SYS_getpid, 0, 0, 0), getpid()); /* any other call as ever */
#ifdef SYS_pidfd_open
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (pidfd >= 0) {
        CHECK_EQ(by_number(SYS_pidfd_send_signal, pidfd, SIGWINCH, 0), 0);
        check_sent(SENT_PIDFD, SIGWINCH, child, 0);
        CHECK_EQ(CALL(int, "send_through_pidfd", int, int)(pidfd, SIGWINCH), 0);
        check_sent(SENT_PIDFD, SIGWINCH, child, 0);
        close(pidfd);
    }
#endif
    /* Of a SIGKILL alone: when its target began. */
    CHECK_EQ(process_recording()->sent.slots[(seen - 1) % RECORDING_SENT].word[4], 0);
    char text[400];
    uint64_t began = proc_start_ticks(child, text, sizeof text);
    CHECK(began > 0);
    errno = 4711;
    CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(child, SIGKILL), 0);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(process_recording()->sent.slots[seen % RECORDING_SENT].word[4], began);
    check_sent(SENT_KILL, SIGKILL, child, 0);
    CHECK_EQ(CALL(pid_t, "wait_for", pid_t, int *, int)(child, NULL, 0), child);
    check_told(child, CLD_KILLED, SIGKILL);
}

static void what_it_is_told(void) {
    int status;
    siginfo_t info;
    pid_t child = sleeper();
    CHECK_EQ(CALL(pid_t, "wait_for", pid_t, int *, int)(child, &status, WNOHANG), 0);
    kill(child, SIGSTOP); /* our own calls are left alone */
    CHECK_EQ(CALL(pid_t, "wait_for", pid_t, int *, int)(child, &status, WUNTRACED), child);
    check_told(child, CLD_STOPPED, SIGSTOP);
    kill(child, SIGCONT);
    CHECK_EQ(CALL(pid_t, "wait_for", pid_t, int *, int)(child, &status, WCONTINUED), child);
    check_told(child, CLD_CONTINUED, SIGCONT);
    kill(child, SIGTERM);
    /* Looked at, and not yet taken: told when it is. */
    CHECK_EQ(CALL(int, "wait_by_id", pid_t, siginfo_t *, int)(child, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(CALL(int, "wait_by_id", pid_t, siginfo_t *, int)(child, &info, WEXITED), 0);
    CHECK_EQ(info.si_status, SIGTERM);
    check_told(child, CLD_KILLED, SIGTERM);
    if ((child = fork()) == 0)
        _exit(3);
    CHECK_EQ(CALL(pid_t, "wait_for", pid_t, int *, int)(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    check_told(child, CLD_EXITED, 3);
    CHECK_EQ(CALL(int, "run_by_system", const char *)("exit 4"), 4 << 8);
    check_told(0, CLD_EXITED, 4); /* whose pid is the C library's own */
    CHECK_EQ(CALL(int, "run_by_system", const char *)(NULL), 1); /* starts nothing */
    CHECK_EQ(WTERMSIG(CALL(int, "run_by_popen", const char *)("kill -9 $$")), SIGKILL);
    check_told(0, CLD_KILLED, SIGKILL);
    errno = 0;
    CHECK_EQ(CALL(int, "wait_by_id", pid_t, siginfo_t *, int)(child, &info, WEXITED), -1);
    CHECK_EQ(errno, ECHILD);
}

static void which_group_it_is_in(void) {
    pid_t child = fork();
    if (child == 0) {
        const struct owner_identity *identity = process_recording()->identity;
        CHECK_EQ(CALL(int, "to_group", pid_t, pid_t)(1 << 30, 0), -1);
        CHECK_EQ(CALL(int, "to_group", pid_t, pid_t)(0, 0), 0);
        CHECK_EQ(identity->pgid, getpid());
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    if ((child = fork()) == 0) {
        const struct owner_identity *identity = process_recording()->identity;
        CHECK_EQ(CALL(pid_t, "to_session", void)(), getpid());
        CHECK_EQ(identity->pgid, getpid());
        CHECK_EQ(identity->sid, getpid());
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void a_vfork_child_writes_nothing(void) {
#if defined(__x86_64__) && defined(__GLIBC__)
    static bool before;
    CHECK_EQ(process_vforks, before); /* nobody has made one */
    before = true;
#endif
    pid_t child = CALL(pid_t, "vfork_and_kill", pid_t, int)(getpid(), SIGWINCH);
    CHECK(process_vforks);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(*process_recording()->sent.head, seen);
}

static void a_forked_child_writes_its_own(void) {
    pid_t child = fork();
    if (child == 0) {
        seen = told = 0;
#if defined(__x86_64__) && defined(__GLIBC__)
        CHECK(!process_vforks); /* its parent's are not its own */
#endif
        CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(getppid(), SIGWINCH), 0);
        check_sent(SENT_KILL, SIGWINCH, getppid(), 0);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(*process_recording()->sent.head, seen);
}

static void nothing_is_written_while_nothing_is_recorded(void) {
    CHECK_EQ(CALL(int, "send_by_kill", pid_t, int)(getpid(), SIGWINCH), 0);
    CHECK_EQ(*process_recording()->sent.head, seen);
}

int main(int argc, char **argv) {
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(process_go_private(16), 0);
    void *libraries[2] = {NULL, NULL};
    for (int i = 1; i < argc && i <= 2; i++)
        CHECK(libraries[i - 1] = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL));
    if (!interpose_install())
        return 0; /* not on this machine */
    for (int i = 0; i < 2 && libraries[i]; i++) {
        library = libraries[i];
        CHECK_EQ(install_record(SIGUSR1, false), 0);
        what_it_sends();
        what_it_is_told();
        which_group_it_is_in();
        a_vfork_child_writes_nothing();
        a_forked_child_writes_its_own();
        passive_stop(SIGUSR1);
        nothing_is_written_while_nothing_is_recorded();
    }
    return 0;
}

#else
int main(void) { return 0; }
#endif
