/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/kick.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "ground/proc.h"
#include "handler/borrow.h"
#include "handler/registry.h"
#include "handler/trip.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#define KICK_AGAIN_NS 1000000
#define PAUSE_LOOKS 50

static _Atomic(void (*)(int)) on_kick_arrival;

void kick_start(void (*arrived)(int over)) { atomic_store(&on_kick_arrival, arrived); }

static _Atomic uint32_t kick_arrivals; /* in the main thread */

static bool is_main(int32_t pid) {
#ifdef __linux__
    return filter_allows(FILTERED_GETTID) && syscall(SYS_gettid) == pid;
#else
    (void)pid;
    return false;
#endif
}

void kick_arrived(void) {
    if (is_main(process_pid()))
        atomic_fetch_add(&kick_arrivals, 1);
    void (*function)(int) = atomic_load(&on_kick_arrival);
    if (function)
        function(false);
}

/* A handler, so that calls return EINTR. A signal of this number that is not ours has its
 * default action, which is nothing; but see usable_kick_signal(). It cannot be told from ours where
 * the kernel had no room for the siginfo. */
static void on_kick(int signum, siginfo_t *info, void *context) {
    kick_arrived();
    borrow_kicked(context);
    if (registry_has(signum))
        registry_deliver(signum, info, context);
}

bool kick_is(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_kick;
}

#ifdef __linux__

static _Atomic uint32_t kick_handlers; /* how often on_kick was set */

static bool kick_signal_is_free(int signum) {
    struct sigaction now;
    if (!filter_allows(FILTERED_SIGACTION) || atomic_load(&process_self->kick_paused) == signum)
        return false;
    if (sigaction(signum, NULL, &now) != 0)
        return false;
    if (kick_is(&now) && !(now.sa_flags & SA_RESTART)) /* siginterrupt(3) adds that */
        return true;
    if (now.sa_handler != SIG_DFL && !kick_is(&now))
        return false; /* nor while it is recorded, unless that leaves it to the kernel */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_kick;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK; /* not SA_RESTART: the call is to end */
    signals_but_faults(&action.sa_mask);       /* what one within it blocked would not last */
    atomic_fetch_add(&kick_handlers, 1);       /* before others can see that it is set */
    if (sigaction(signum, &action, &now) != 0)
        return false;
    if (now.sa_handler == SIG_DFL || kick_is(&now))
        return true;
    /* Between our look and this, another thread began to have a use for the signal. */
    sigaction(signum, &now, NULL);
    return false;
}

/* The signal that the program has no use for, or 0. */
static int usable_kick_signal(void) {
    return kick_signal_is_free(SIGURG) ? SIGURG : kick_signal_is_free(SIGWINCH) ? SIGWINCH : 0;
}

bool kick_possible(void) { return filter_allows(FILTERED_QUEUE) && usable_kick_signal() != 0; }

static long send_kick_to(int32_t pid, int32_t tid, int signum) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signum;
    info.si_code = KICK_CODE;
    info.si_pid = pid;
    return syscall(SYS_rt_tgsigqueueinfo, (long)pid, (long)tid, signum, &info);
}

/* Before anything is looked at: see kick_pause. If a handler forks meanwhile, the child, which has
 * another pid, begins with none. */
static int32_t begin_to_kick(void) {
    int32_t pid = process_pid();
    atomic_fetch_add(&process_self->kick_senders, 1);
    return pid;
}

static void end_to_kick(int32_t pid) {
    if (process_pid() == pid)
        atomic_fetch_sub(&process_self->kick_senders, 1);
}

enum kicked { KICKED, KICK_MISSED, NOT_KICKED };

static enum kicked kick_it(int32_t pid, int32_t tid) {
    int32_t own = begin_to_kick();
    int signum = filter_allows(FILTERED_QUEUE) ? usable_kick_signal() : 0;
    enum kicked done = !signum                               ? NOT_KICKED
                       : send_kick_to(pid, tid, signum) == 0 ? KICKED
                       : errno == ESRCH                      ? KICK_MISSED
                                                             : NOT_KICKED;
    end_to_kick(own);
    return done;
}

bool kick_thread(int32_t pid, int32_t tid) { return kick_it(pid, tid) != KICK_MISSED; }

bool kick_misses(int32_t pid, int32_t tid) {
    int saved_errno = errno;
    bool misses = filter_allows(FILTERED_QUEUE) && send_kick_to(pid, tid, 0) != 0 && errno == ESRCH;
    errno = saved_errno;
    return misses;
}

bool kick_main(int32_t pid) {
    int saved_errno = errno;
    bool kicked = pid && kick_it(pid, pid) == KICKED;
    errno = saved_errno;
    return kicked;
}

static bool is_asleep(int32_t pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "%s/self/task/%d/stat", proc_root, (int)pid);
    const char *state = proc_read(path, text, sizeof text) ? proc_field(text, 3) : NULL;
    return state && strchr("SIZX", *state);
}

bool kick_settle(int32_t pid, uint64_t most_ns) {
    struct timespec pause = {0, 20000};
    uint32_t before = atomic_load(&kick_arrivals);
    uint64_t until = monotonic_ns() + most_ns;
    if (!filter_allows(FILTERED_GETTID) || is_main(pid) || !kick_possible() || is_asleep(pid))
        return true;
    kick_main(pid);
    while (atomic_load(&kick_arrivals) == before && !is_asleep(pid)) {
        if (monotonic_ns() >= until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Kicks of the main thread. A forked child inherits no timers, and no threads: fork(2). */
static struct {
    timer_t timer;
    int32_t pid;          /* whose timer it is */
    int signum;           /* that the timer sends */
    uint32_t handlers;    /* kick_handlers as it was when the timer was set */
    _Atomic int running;  /* kicks come, by the timer and of this signal, or by a thread; or 0 */
    _Atomic int32_t want; /* the pid that is to be kicked by a thread, or 0 */
    _Atomic int32_t has;  /* the pid whose thread that kicks runs */
} repeated_kick;

#define BY_THREAD (-1) /* repeated_kick.running */

bool kick_is_sent(int signum, const siginfo_t *info) {
    return kick_may_use(signum) &&
           (info->si_code == KICK_CODE ||
            (info->si_code == SI_TIMER && info->si_value.sival_ptr == &repeated_kick));
}

static bool set_kick_timer(timer_t timer, long every_ns) {
    struct itimerspec kick_when = {{0, every_ns}, {0, every_ns}};
    return filter_allows(FILTERED_TIMER_SETTIME) && timer_settime(timer, 0, &kick_when, NULL) == 0;
}

static bool make_kick_timer(int32_t pid, int signum) {
    if (repeated_kick.pid == pid && repeated_kick.signum == signum)
        return true;
    if (repeated_kick.pid == pid)
        timer_delete(repeated_kick.timer);
    repeated_kick.pid = 0;
    struct sigevent kick_event;
    memset(&kick_event, 0, sizeof kick_event);
    kick_event.sigev_notify = SIGEV_THREAD_ID;
    kick_event.sigev_signo = signum;
    kick_event.sigev_value.sival_ptr = &repeated_kick; /* kick_sent */
    kick_event.sigev_notify_thread_id = pid;           /* the main thread */
    if (timer_create(CLOCK_MONOTONIC, &kick_event, &repeated_kick.timer) != 0)
        return false;
    repeated_kick.pid = pid;
    repeated_kick.signum = signum;
    return true;
}

static void *kick_as_a_timer(void *argument) {
    int32_t pid = (int32_t)(intptr_t)argument;
    struct timespec pause = {0, KICK_AGAIN_NS};
    do {
        while (atomic_load(&repeated_kick.want) == pid) {
            nanosleep(&pause, NULL);
            if (atomic_load(&repeated_kick.want) == pid)
                kick_main(pid);
        }
        atomic_store(&repeated_kick.has, 0);
        /* Wanted again just now, by one who saw us here? */
    } while (atomic_load(&repeated_kick.want) == pid &&
             atomic_exchange(&repeated_kick.has, pid) != pid);
    return NULL;
}

static bool run_kick_thread(int32_t pid) {
    atomic_store(&repeated_kick.want, pid);
    if (atomic_exchange(&repeated_kick.has, pid) == pid)
        return true; /* the thread that kicks goes on */
    sigset_t all, old;
    signals_but_faults(&all); /* signals are for threads that can run Python */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, kick_as_a_timer, (void *)(intptr_t)pid);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        atomic_store(&repeated_kick.has, 0);
        return false;
    }
    pthread_detach(thread);
    return true;
}

bool kick_runs(void) {
    int running = atomic_load(&repeated_kick.running);
    int32_t pid = process_pid(); /* a child has the memory of its parent, and no more */
    return running && pid &&
           pid == (running == BY_THREAD ? atomic_load(&repeated_kick.want) : repeated_kick.pid);
}

void kick_prepare(void) {
    int32_t pid = (int32_t)getpid();
    int signum = kick_runs() ? 0 : usable_kick_signal();
    if (signum)
        make_kick_timer(pid, signum);
}

/* The main thread may make another timer meanwhile, which is not stopped. */
static void stop_kicks(int running) {
    timer_t timer = repeated_kick.timer;
    bool own = repeated_kick.pid == (int32_t)getpid();
    if (!atomic_compare_exchange_strong(&repeated_kick.running, &running, 0))
        return;
    if (running == BY_THREAD)
        atomic_store(&repeated_kick.want, 0);
    else if (own)
        set_kick_timer(timer, 0);
}

static bool is_kick_blocked(int signum) {
    sigset_t blocked;
    return pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, signum) == 1;
}

static bool run_kicks(int32_t pid, int signum) {
    /* A timer whose signal was ignored meanwhile may have ended: since Linux 6.13 it goes on when a
     * handler is set in the place of SIG_IGN, but not of the default, which ignores as well
     * (do_sigaction() in kernel/signal.c). */
    uint32_t handlers = atomic_load(&kick_handlers);
    bool same = repeated_kick.pid == pid && repeated_kick.handlers == handlers;
    if (same && atomic_load(&repeated_kick.running) == signum)
        return true;
    int running = !make_kick_timer(pid, signum) ? (run_kick_thread(pid) ? BY_THREAD : 0)
                  : set_kick_timer(repeated_kick.timer, KICK_AGAIN_NS) ? signum
                                                                       : 0;
    repeated_kick.handlers = handlers;
    atomic_store(&repeated_kick.running, running);
    /* Has kick_pause given up waiting for us meanwhile? */
    if (running > 0 && !kick_signal_is_free(signum)) {
        stop_kicks(running);
        return false;
    }
    return running != 0;
}

bool kick_again(void) {
    int32_t pid = begin_to_kick();
    int signum = usable_kick_signal();
    bool runs = signum && !is_kick_blocked(signum) && run_kicks((int32_t)getpid(), signum);
    end_to_kick(pid);
    return runs;
}

void kick_rest(void) {
    int running = atomic_load(&repeated_kick.running);
    if (!running)
        return;
    int32_t pid = begin_to_kick();
    stop_kicks(running);
    end_to_kick(pid);
}

bool kick_pause(int signum) {
    if (!process_self || !kick_may_use(signum))
        return false; /* nothing has been started that kicks */
    int saved_errno = errno;
    struct timespec pause = {0, 20000};
    atomic_store(&process_self->kick_paused, signum);
    /* A thread that sends a kick may be the one that this handler has interrupted. */
    for (int looks = 0; atomic_load(&process_self->kick_senders) && looks < PAUSE_LOOKS; looks++)
        nanosleep(&pause, NULL);
    stop_kicks(signum);
    errno = saved_errno;
    return true;
}

static void say_that_it_is_over(void) {
    void (*function)(int) = atomic_load(&on_kick_arrival);
    if (function)
        function(true);
}

void kick_go_on(void) {
    atomic_store(&process_self->kick_paused, 0);
    say_that_it_is_over();
    if (is_main(process_pid()))
        return;
    /* A kick of ours may have come to the program's handler. */
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (trip_is_out(signum)) {
            kick_main(process_pid());
            return;
        }
}

void kick_blocked(void) {
    if (kick_runs() && is_main(process_pid()))
        say_that_it_is_over();
}

#endif
