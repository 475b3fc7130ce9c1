/* SPDX-License-Identifier: MIT
 * borrow: a thread asks for its mask, and at this very instruction a signal or a kick comes to it.
 */
#define _GNU_SOURCE
#include "handler/borrow.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/intake.h"
#include "handler/kick.h"
#include "handler/trip.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S (SIGRTMIN + 3) /* another thread has lent them, and the intake thread owns them: then */
#define T (SIGRTMIN + 4) /* the next one is enough for a thread to lend it, too */
#define REFUSED 77       /* ptrace(2), by an emulator or a container */

static _Atomic int *asked; /* of both processes: it has been told its mask */

static bool is_blocked(int signum) { /* as the kernel has it */
    uint64_t mask;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask) == 0);
    return mask & signal_bit(signum);
}

static bool kick(int32_t tid) { return kick_thread(process_pid(), tid); }

/* --- who is traced ------------------------------------------------------------------------ */

static _Atomic int to_lend, lent; /* how often another thread is to lend, and has */

static void *another_thread(void *ignored) {
    for (;;) {
        struct timespec pause = {0, 20000};
        if (lent == to_lend || is_blocked(S) || is_blocked(T)) {
            nanosleep(&pause, NULL);
            continue;
        }
        for (int signum = S; signum <= T; signum++)
            while (!is_blocked(signum))
                raise(signum);
        lent++;
    }
    return ignored;
}

static void another_lends(void) {
    to_lend++;
    while (lent != to_lend)
        sched_yield();
}

static void nothing_is_lent(void) {
    borrow_give_back(~UINT64_C(0));
    while (borrow_kick(kick)) /* and a second time, once it has gone back */
        sched_yield();
    CHECK(!is_blocked(S) && !is_blocked(T));
    CHECK_EQ(borrow_lent(), 0);
}

/* Who is kicked just then has no entry any more. */
static void lends_another(void) {
    WITH_ROOM(raise(T));
    CHECK(is_blocked(T));
    borrow_give_back(signal_bit(T));
}

static void lends_nothing(void) {}

static int raised(int how, const sigset_t *set, sigset_t *old) {
    WITH_ROOM(raise(S));
    return pthread_sigmask(how, set, old);
}

static const struct way {
    void (*prepare)(void);
    borrow_mask_function set_mask;
    bool is_kicked;  /* else S comes */
    int every, last; /* instruction */
} ways[] = {
    {lends_nothing, pthread_sigmask, false, 41, 600},
    {lends_another, raised, true, 1, 160},
};

__attribute__((noreturn)) static void target(const struct way *way) {
    pthread_t thread;
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    borrow_intake_runs(INT32_MAX, 0);
    CHECK(pthread_create(&thread, NULL, another_thread, NULL) == 0);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(REFUSED);
    for (;;) {
        sigset_t mask;
        another_lends();
        way->prepare();
        syscall(SYS_tgkill, (long)getpid(), (long)getpid(), SIGSTOP); /* from here on by steps */
        CHECK(borrow_mask(way->set_mask, SIG_BLOCK, NULL, &mask) == 0);
        *asked = 1;
        CHECK(!sigismember(&mask, S) && !sigismember(&mask, T));
        nothing_is_lent();
    }
}

/* --- who traces it ------------------------------------------------------------------------ */

static pid_t child;

static int stopped_by(void) { /* 0: it was refused */
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
        return 0;
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) != SIGABRT);
    return WSTOPSIG(status);
}

/* Until it stops by that signal; what else comes to it is delivered. */
static void goes_on(int request, int signum, int until) {
    do {
        CHECK(ptrace(request, child, NULL, (void *)(intptr_t)signum) == 0);
        signum = stopped_by();
    } while (signum != until);
}

/* At each instruction that is asked for, in a round of its own. */
static void nothing_borrowed_is_shown(const struct way *way) {
    child = fork();
    if (child == 0)
        target(way);
    int signum = stopped_by(), over = !signum;
    if (signum && signum != SIGSTOP)
        goes_on(PTRACE_CONT, signum, SIGSTOP);
    for (int k = 0; k <= way->last && !over; k += way->every) {
        *asked = 0;
        for (int i = 0; i < k && !*asked; i++)
            goes_on(PTRACE_SINGLESTEP, 0, SIGTRAP);
        over = *asked;
        if (!over)
            WITH_ROOM(syscall(SYS_tgkill, child, child, way->is_kicked ? SIGURG : S));
        goes_on(PTRACE_CONT, 0, SIGSTOP);
    }
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
}

static void kicks_within(int signum) {
    (void)signum;
    borrow_give_back(~UINT64_C(0));
    CHECK_EQ(borrow_kick(kick), 1);
    CHECK_EQ(borrow_kick(kick), 1);
    CHECK(!is_blocked(S));
}

/* A handler of the program's, whose end brings the mask back that was there before it. */
static void a_kick_within_another_handler_is_not_the_last(void) {
    borrow_intake_runs(INT32_MAX, 0);
    while (!is_blocked(S))
        WITH_ROOM(raise(S));
    signal(SIGUSR1, kicks_within);
    raise(SIGUSR1);
    CHECK(is_blocked(S));
    nothing_is_lent();
    borrow_intake_runs(0, 0);
}

static void no_trip(int signum, enum trip_from from) { (void)signum, (void)from; }

int main(void) {
    asked = mmap(NULL, sizeof *asked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(asked != MAP_FAILED);
    trip_set(no_trip);
    CHECK(process_start() == 0);
    CHECK(process_go_private(1024) == 0);
    handler_start();
    kick_start(NULL);
    CHECK(intake_start() == 0);
    for (int signum = S; signum <= T; signum++) {
        CHECK(install_prepare(signum, 16384) == 0);
        CHECK(install_handler(signum, false) == 0);
        intake_set(signum, true, 0, 1 << 20);
    }
    CHECK(kick_possible());
    a_kick_within_another_handler_is_not_the_last();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        nothing_borrowed_is_shown(&ways[i]);
    return 0;
}
