/* SPDX-License-Identifier: MIT
 * Kicking the main thread: it comes out of its call, and SIGURG stays the program's. */
#define _GNU_SOURCE
#include "handler/kick.h"

#include "check.h"
#include "ground/proc.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "handler/registry.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int sets;           /* of SIGURG */
static void (*race)(void); /* done once, right after a look at SIGURG */

/* In the place of the C library's. */
int sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    static int (*real)(int, const struct sigaction *, struct sigaction *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    int result = real(signum, next, previous);
    if (signum == SIGURG && next)
        sets++;
    if (signum == SIGURG && !next && race) {
        void (*once)(void) = race;
        race = NULL;
        once();
    }
    return result;
}

static int threads; /* made */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    threads++;
    return real(thread, attributes, start, argument);
}

static int timers; /* made */

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer) {
    static int (*real)(clockid_t, struct sigevent *, timer_t *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "timer_create");
    int result = real(clock, event, timer);
    timers += result == 0;
    return result;
}

static int naps;

int nanosleep(const struct timespec *time, struct timespec *rest) {
    naps++;
    return clock_nanosleep(CLOCK_MONOTONIC, 0, time, rest) ? -1 : 0;
}

static int pipes[2];
static _Atomic int ended;

/* Until the main thread has come out of its call, since it may not be in it yet. */
static void *kicks(void *times) {
    for (int n = 0; times ? n < *(int *)times : !ended; n++) {
        errno = 42;
        kick_main(getpid());
        CHECK_EQ(errno, 42);
        usleep(1000);
    }
    if (times)
        CHECK_EQ(write(pipes[1], "x", 1), 1);
    return NULL;
}

static ssize_t read_while_kicked(int *times) {
    pthread_t thread;
    char byte;
    ended = 0;
    CHECK_EQ(pthread_create(&thread, NULL, kicks, times), 0);
    ssize_t result = read(pipes[0], &byte, 1);
    int error = errno;
    ended = 1;
    pthread_join(thread, NULL);
    errno = error;
    return result;
}

static _Atomic int arrivals, arrived_elsewhere, overs;
static void on_arrival(int over) {
    overs += over;
    arrivals++;
    arrived_elsewhere += (pid_t)syscall(SYS_gettid) != getpid();
}

static void the_main_thread_comes_out_of_its_call(void) {
    CHECK_EQ(read_while_kicked(NULL), -1);
    CHECK_EQ(errno, EINTR);
    CHECK(arrivals > 0);
    CHECK_EQ(arrived_elsewhere, 0);
}

static void not_where_no_fork_hook_has_been(void) {
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kick_main(0); /* a child that no fork hook has seen yet */
    sigpending(&pending);
    CHECK_EQ(sigismember(&pending, SIGURG), 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void it_is_told_from_others(void) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int once = 1;
    do {
        CHECK_EQ(read_while_kicked(&once), 1);
        CHECK_EQ(sigwaitinfo(&set, &info), SIGURG);
    } while (LOST(&info));
    CHECK_EQ(info.si_code, KICK_CODE);
    CHECK_EQ(info.si_pid, getpid());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void it_comes_on(int times) {
    char byte;
    while (times--) {
        CHECK_EQ(read(pipes[0], &byte, 1), -1);
        CHECK_EQ(errno, EINTR);
    }
}

static void until_it_rests(void) {
    CHECK(kick_again());
    CHECK(kick_again());
    it_comes_on(3);
    kick_rest();
    kick_rest();
    sigset_t set;
    struct timespec moment = {0, 20000000};
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK_EQ(sigtimedwait(&set, NULL, &moment), -1); /* no more */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The kernel has no room for a timer, as in a flood: RLIMIT_SIGPENDING. */
static void where_there_is_no_timer_by_a_thread(void) {
    struct rlimit before, none;
    CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    pid_t pid = fork(); /* in a process that has no timer yet */
    if (pid == 0) {
        alarm(60);
        none = (struct rlimit){0, before.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
        for (int n = 0; n < 20; n++) { /* also one that has only just been told to rest */
            char byte;
            CHECK(kick_again());
            CHECK_EQ(read(pipes[0], &byte, 1), -1);
            CHECK_EQ(errno, EINTR);
            kick_rest();
        }
        CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &before), 0);
        until_it_rests(); /* by a timer again */
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void a_timer_that_was_made_before_is_there(void) {
    struct rlimit before, none;
    CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    while (!timers) /* another process may have taken the room for it */
        kick_prepare();
    none = (struct rlimit){0, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    threads = 0;
    CHECK(kick_again());
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), -1);
    kick_rest();
    CHECK_EQ(threads, 0);
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &before), 0);
}

static void a_thread_that_has_ended_is_missed(void) {
    CHECK(!kick_misses(getpid(), getpid()));
    errno = 42;
    CHECK(kick_misses(getpid(), getppid())); /* which is none of ours */
    CHECK_EQ(errno, 42);
}

static void not_where_it_is_blocked(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK(!kick_again());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void in_a_forked_child_by_its_own_timer(void) {
    CHECK(kick_again());
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        kick_rest(); /* its parent's goes on */
        until_it_rests();
        _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) != pid)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), -1);
    kick_rest();
}

static void a_prepared_signal_finds_the_default_below(void) {
    struct sigaction beneath;
    CHECK_EQ(sigaction(SIGURG, NULL, &beneath), 0);
    CHECK(kick_is(&beneath));
    CHECK_EQ(install_prepare(SIGURG, 64), 0);
    CHECK_EQ(install_handler(SIGURG, false), 0);
    registry_release(SIGURG);
    CHECK(install_restore(SIGURG, true));
    CHECK_EQ(sigaction(SIGURG, NULL, &beneath), 0);
    CHECK(beneath.sa_handler == SIG_DFL);
}

static uint64_t delivered(int signum) { return process_recording()->ledger[signum].delivered; }

/* Takes what was queued, of SIGURG. True: one of it had lost its siginfo. */
static bool drain(void) {
    struct event event;
    bool lost = false;
    for (enum queue_item item; (item = queue_next(registry_queue(SIGURG), &event)) != QUEUE_NONE;) {
        lost = lost || (item == QUEUE_EVENT && event.code == SI_USER && event.pid == 0);
        queue_take(registry_queue(SIGURG), item);
    }
    return lost;
}

/* Ours is on its way while the program begins to have a use for SIGURG. */
static void what_is_on_its_way_is_not_counted(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int timer = 0; timer < 2;) {
        uint64_t before = delivered(SIGURG);
        if (timer) {
            pthread_sigmask(SIG_UNBLOCK, &set, NULL);
            CHECK(kick_again());
            pthread_sigmask(SIG_BLOCK, &set, NULL);
            do
                sigpending(&set);
            while (sigismember(&set, SIGURG) == 0);
        } else {
            int once = 1;
            CHECK_EQ(read_while_kicked(&once), 1);
        }
        CHECK_EQ(install_prepare(SIGURG, 64), 0);
        CHECK_EQ(install_handler(SIGURG, false), 0);
        int arrivals_before = arrivals;
        sigemptyset(&set);
        sigaddset(&set, SIGURG);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        bool lost = drain(); /* and cannot be told: another process floods */
        /* Since Linux 6.13 what a timer had sent before it was stopped does not come any more. */
        CHECK(lost || timer || arrivals > arrivals_before);
        CHECK_EQ(delivered(SIGURG) - before, lost);
        raise(SIGURG);
        CHECK_EQ(delivered(SIGURG) - before, lost + 1);
        drain();
        kick_rest();
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        registry_release(SIGURG);
        CHECK(install_restore(SIGURG, true));
        timer += !lost;
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static _Atomic int urgent;
static void on_urgent(int signum) {
    (void)signum;
    urgent++;
}

static void never_where_the_program_uses_it(void) {
    struct sigaction action, now;
    int times = 20;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_urgent;
    CHECK_EQ(sigaction(SIGURG, &action, NULL), 0);
    sets = 0;
    CHECK_EQ(read_while_kicked(NULL), -1); /* by SIGWINCH */
    CHECK(kick_again());
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), -1);
    CHECK(kick_pause(SIGURG)); /* which is not the one that kicks */
    CHECK_EQ(read(pipes[0], &byte, 1), -1);
    kick_go_on();
    kick_rest();
    CHECK_EQ(sigaction(SIGWINCH, &action, NULL), 0);
    CHECK_EQ(read_while_kicked(&times), 1);
    CHECK(!kick_again());
    CHECK_EQ(sets, 0); /* not even for a moment */
    CHECK_EQ(urgent, 0);
    CHECK_EQ(sigaction(SIGURG, NULL, &now), 0);
    CHECK(now.sa_handler == on_urgent);

    action.sa_handler = SIG_DFL;
    CHECK_EQ(sigaction(SIGURG, &action, NULL), 0);
    if (install_record(SIGURG, true) != 0)
        return; /* not on this platform */
    uint64_t before = delivered(SIGURG);
    CHECK_EQ(read_while_kicked(&times), 1);
    CHECK_EQ(delivered(SIGURG), before);
    passive_stop(SIGURG);
    CHECK_EQ(read_while_kicked(NULL), -1);
}

/* It is left to the kernel, as it is ignored. */
static void also_while_the_signal_is_recorded(void) {
    CHECK(kick_again());
    int overs_before = overs;
    if (install_record(SIGURG, false) != 0)
        return;                        /* not on this platform */
    CHECK_EQ(overs, overs_before + 1); /* it might have another handler now */
    CHECK(kick_again());
    it_comes_on(3);
    install_refresh_modes();
    it_comes_on(3);
    passive_stop(SIGURG);
    it_comes_on(3);
    kick_rest();
}

/* By a call that we do not see, the program has given it back its default meanwhile. */
static void again_where_it_was_ignored(void) {
    struct timespec while_the_timer_would_kick = {0, 5000000};
    CHECK(kick_again());
    signal(SIGURG, SIG_DFL);
    nanosleep(&while_the_timer_would_kick, NULL);
    CHECK(kick_again());
    it_comes_on(3);
    kick_rest();
}

/* By siginterrupt(3), which changes the flags of what it finds. */
static void and_ends_the_call_whatever_the_program_wants(void) {
    CHECK(kick_again());
    kick_rest();
    struct sigaction action;
    CHECK_EQ(sigaction(SIGURG, NULL, &action), 0);
    action.sa_flags |= SA_RESTART;
    CHECK_EQ(sigaction(SIGURG, &action, NULL), 0);
    CHECK(kick_again());
    it_comes_on(3);
    kick_rest();
}

/* As sigrec itself begins to handle its signal, which then ends no call. */
static void what_waits_for_one_is_told_when_the_signal_is_registered(void) {
    CHECK(kick_again());
    int overs_before = overs;
    CHECK_EQ(install_prepare(SIGURG, 64), 0);
    CHECK_EQ(install_handler(SIGURG, true), 0);
    CHECK_EQ(overs, overs_before + 1);
    CHECK(!kick_runs());
    registry_release(SIGURG);
    CHECK(install_restore(SIGURG, true));
}

static _Atomic int on_its_way, here, settled;

static void *settles(void *out) {
    while (!on_its_way)
        usleep(100);
    *(int *)out = kick_settle(getpid(), 60 * UINT64_C(1000000000)) ? here : -1;
    settled = 1;
    return NULL;
}

/* As from the kernel's dequeuing a signal to the end of its handler: the main thread runs, and the
 * kick is blocked. */
static void what_is_on_its_way_is_waited_for(void) {
    pthread_t thread;
    sigset_t all, before;
    int seen = 0;
    signals_but_faults(&all);
    CHECK_EQ(pthread_create(&thread, NULL, settles, &seen), 0);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    on_its_way = 1;
    struct timespec now, begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9 < 0.02 && !settled);
    here = 1;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (!settled)
        ;
    pthread_join(thread, NULL);
    CHECK_EQ(seen, 1);
}

static void *settles_at_once(void *unused) {
    char path[64], text[512] = "", *state = text;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    while (!(state = strrchr(text, ')')) || state[2] != 'S')
        CHECK(proc_read(path, text, sizeof text) > 0);
    CHECK(kick_settle(getpid(), 0));
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    return unused;
}

static void a_main_thread_that_sleeps_is_left_alone(void) {
    pthread_t thread;
    char byte;
    CHECK_EQ(pthread_create(&thread, NULL, settles_at_once, NULL), 0);
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    pthread_join(thread, NULL);
    CHECK(kick_settle(getpid(), 0)); /* in the main thread itself there is nothing to wait for */
}

static void use_it(void) { signal(SIGURG, on_urgent); }
static void register_it(void) { CHECK_EQ(install_handler(SIGURG, false), 0); }

/* Another thread begins to between our look and our setting of it. */
static void nor_where_it_just_begins_to(void) {
    struct sigaction now;
    signal(SIGURG, SIG_DFL);
    race = use_it;
    CHECK(!kick_again());
    CHECK_EQ(sigaction(SIGURG, NULL, &now), 0);
    CHECK(now.sa_handler == on_urgent);
    signal(SIGURG, SIG_DFL);
    CHECK_EQ(install_prepare(SIGURG, 64), 0);
    race = register_it;
    CHECK(!kick_again());
    CHECK(registry_in_place(SIGURG));
    registry_release(SIGURG);
    CHECK(install_restore(SIGURG, true));
}

#ifdef __linux__
/* A kick that came after that would be the program's own signal. */
static void none_comes_while_the_program_sets_a_disposition(void) {
    sigset_t pending;
    CHECK(kick_again());
    CHECK(!kick_pause(SIGUSR1));
    CHECK(kick_pause(SIGURG));
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    struct timespec while_the_timer_would_kick = {0, 5000000};
    nanosleep(&while_the_timer_would_kick, NULL);
    CHECK(kick_thread(getpid(), getpid())); /* by the other signal */
    sigpending(&pending);
    CHECK_EQ(sigismember(&pending, SIGURG), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int overs_before = overs;
    kick_go_on();
    CHECK_EQ(overs, overs_before + 1); /* what waits for the next kick need not wait */
    CHECK(kick_again());
    kick_rest();
}

static void *blocks_it(void *unused) {
    kick_blocked();
    return unused;
}

/* None would come. */
static void what_waits_for_one_is_told_before_it_is_blocked(void) {
    pthread_t thread;
    int overs_before = overs;
    CHECK(kick_again());
    CHECK_EQ(pthread_create(&thread, NULL, blocks_it, NULL), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(overs, overs_before); /* the main thread has not blocked it */
    kick_blocked();
    CHECK_EQ(overs, overs_before + 1);
    kick_rest();
    kick_blocked(); /* nothing waits */
    CHECK_EQ(overs, overs_before + 1);
}

static void sets_at_once(void) {
    naps = 0;
    CHECK(kick_pause(SIGURG));
    kick_go_on();
    CHECK_EQ(naps, 0);
}

static pid_t forked;
static void fork_here(void) {
    forked = fork();
    if (forked == 0)
        sets_at_once();
}

/* The child has nobody who will ever have sent a kick that was begun, or set a disposition. */
static void a_child_has_no_part_of_what_its_parent_has_begun(void) {
    int status;
    race = fork_here; /* while one is sent */
    kick_main(getpid());
    sets_at_once(); /* in both */
    if (forked) {
        while (waitpid(forked, &status, 0) != forked)
            CHECK_EQ(errno, EINTR); /* the child's kick, which is this process's */
        CHECK_EQ(status, 0);
        CHECK(kick_pause(SIGURG));
        forked = fork();
    }
    if (forked == 0) {
        sets = 0;
        signal(SIGURG, SIG_DFL);
        CHECK(kick_possible());
        CHECK_EQ(sets, 1); /* it is SIGURG again */
        _exit(0);
    }
    CHECK_EQ(waitpid(forked, &status, 0), forked);
    CHECK_EQ(status, 0);
    kick_go_on();
}
#endif

int main(void) {
#ifdef __linux__
    CHECK(!kick_pause(SIGURG)); /* as interposed, before anything is started */
#endif
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(process_go_private(64), 0);
    CHECK_EQ(pipe(pipes), 0);
    kick_start(on_arrival);
#ifdef __linux__
    the_main_thread_comes_out_of_its_call();
    not_where_no_fork_hook_has_been();
    it_is_told_from_others();
    where_there_is_no_timer_by_a_thread();
    a_timer_that_was_made_before_is_there();
    until_it_rests();
    what_is_on_its_way_is_waited_for();
    a_main_thread_that_sleeps_is_left_alone();
    a_thread_that_has_ended_is_missed();
    not_where_it_is_blocked();
    in_a_forked_child_by_its_own_timer();
    none_comes_while_the_program_sets_a_disposition();
    what_waits_for_one_is_told_before_it_is_blocked();
    a_child_has_no_part_of_what_its_parent_has_begun();
    also_while_the_signal_is_recorded();
    again_where_it_was_ignored();
    and_ends_the_call_whatever_the_program_wants();
    a_prepared_signal_finds_the_default_below();
    what_waits_for_one_is_told_when_the_signal_is_registered();
    what_is_on_its_way_is_not_counted();
    never_where_the_program_uses_it();
    nor_where_it_just_begins_to();
#endif
    return 0;
}
