/* SPDX-License-Identifier: MIT
 * The intake thread: it borrows in a flood, the program sees its own masks, and all goes back. */
#define _GNU_SOURCE
#include "handler/intake.h"

#include "check.h"
#include "ground/proc.h"
#include "handler/borrow.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/kick.h"
#include "handler/trip.h"
#include "interpose/interpose.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S (SIGRTMIN + 3)

static _Atomic int trips;
static void count_trip(int signum, enum trip_from from) {
    (void)signum, (void)from;
    trips++;
}

static uint64_t next_value; /* of the flood, by si_value */

static uint64_t drain(void) {
    struct event e;
    enum queue_item item;
    uint64_t n = 0;
    int signum = S;
    intake_begin();
    trip_clear(&signum, 1);
    while ((item = queue_next(registry_queue(S), &e)) != QUEUE_NONE) {
        if (item == QUEUE_EVENT && e.code == SI_QUEUE)
            CHECK_EQ(e.datum, next_value++);
        queue_take(registry_queue(S), item);
        n++;
    }
    process_handled(S, n);
    return n;
}

static uint64_t taken(void) {
    struct intake_counts counts;
    intake_count(S, &counts);
    return counts.taken;
}

static bool is_blocked(void) { /* as the kernel has it */
    uint64_t mask;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask) == 0);
    return mask & signal_bit(S);
}

static bool seems_blocked(void) {
    sigset_t mask;
    CHECK(borrow_mask(pthread_sigmask, SIG_BLOCK, NULL, &mask) == 0);
    return sigismember(&mask, S);
}

/* What would be waited for, for ten seconds at most. */
#define UNTIL(condition)                                                                           \
    for (int i_ = 0; !(condition); i_++) {                                                         \
        struct timespec t_ = {0, 100000};                                                          \
        drain();                                                                                   \
        nanosleep(&t_, NULL);                                                                      \
        CHECK(i_ < 100000);                                                                        \
    }

static pid_t sender;

static void flood_begins(uint64_t count) {
    pid_t us = getpid();
    next_value = 0;
    sender = fork();
    if (sender)
        return;
    for (uint64_t n = 0; n < count && getppid() == us;) {
        union sigval value = {.sival_ptr = (void *)(uintptr_t)n};
        struct timespec pause = {0, 1000};
        if (sigqueue(us, S, value) == 0)
            n++;
        if (n % 20 == 0)
            nanosleep(&pause, NULL);
    }
    _exit(0);
}

static void flood_ends(void) {
    kill(sender, SIGKILL);
    UNTIL(waitpid(sender, NULL, WNOHANG) == sender);
}

static void mid_flood(void) {
    uint64_t before = taken();
    UNTIL(taken() > before && is_blocked());
}

static void take(void) {
    sigset_t mask;
    CHECK(install_prepare(S, 16384) == 0);
    CHECK(install_handler(S, false) == 0);
    intake_set(S, true, 1000000, 1 << 20);
    borrow_note_mask();
    sigemptyset(&mask);
    CHECK(borrow_mask(pthread_sigmask, SIG_SETMASK, &mask, NULL) == 0);
}

static void give_back(void) {
    borrow_hold();
    intake_set(S, false, 0, 0);
    registry_release(S);
    drain();
    CHECK(install_restore(S, false));
    borrow_go_on();
}

static struct ledger_entry *ledger(void) { return &process_recording()->ledger[S]; }

static void all_of_a_flood_in_order_and_then_nothing_is_borrowed(void) {
    take();
    for (bool most = false; !most;) { /* the thread may get to run late */
        uint64_t before = ledger()->delivered, taken_before = taken();
        flood_begins(20000);
        int status;
        UNTIL(waitpid(sender, &status, WNOHANG) == sender);
        CHECK_EQ(status, 0);
        UNTIL(ledger()->handled - before == 20000);
        CHECK_EQ(ledger()->delivered - before, 20000);
        CHECK_EQ(ledger()->undetailed, 0);
        most = taken() - taken_before > 10000;
    }
    UNTIL(!is_blocked());
    give_back();
}

static void the_program_sees_its_own_masks(void) {
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    CHECK(!seems_blocked());
    /* As the kernel says it, who is asked for what cannot be written. */
    CHECK_EQ(borrow_mask(sigprocmask, SIG_BLOCK, NULL, (sigset_t *)(uintptr_t)64), -1);
    CHECK_EQ(errno, EFAULT);

    /* Of another signal: nothing changes. */
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    mid_flood();
    CHECK(borrow_mask(pthread_sigmask, SIG_BLOCK, &one, &old) == 0);
    CHECK(!sigismember(&old, S));
    CHECK(borrow_mask(pthread_sigmask, SIG_SETMASK, &old, NULL) == 0);

    /* Of this one: from then on nobody takes it, and it waits in the kernel. */
    sigemptyset(&one);
    sigaddset(&one, S);
    mid_flood();
    CHECK(borrow_mask(pthread_sigmask, SIG_BLOCK, &one, &old) == 0);
    CHECK(!sigismember(&old, S));
    CHECK(seems_blocked() && is_blocked());
    CHECK(borrow_withholds(S));
    uint64_t then = taken();
    struct timespec some = {0, 30000000};
    while (nanosleep(&some, &some) != 0)
        ;
    CHECK_EQ(taken(), then);
    drain();
    siginfo_t info;
    some = (struct timespec){10, 0};
    CHECK(sigtimedwait(&one, &info, &some) == S);
    CHECK_EQ((uintptr_t)info.si_value.sival_ptr, next_value++);
    CHECK(borrow_mask(pthread_sigmask, SIG_SETMASK, &old, NULL) == 0);
    CHECK(!borrow_withholds(S));
    CHECK(!seems_blocked());
    mid_flood(); /* and it goes on, in order */
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
}

static void threads_and_children_inherit_nothing(void) {
    take();
    flood_begins(UINT64_MAX);
    for (int i = 0; i < 10; i++) {
        mid_flood();
        pid_t child = fork();
        if (child == 0)
            _exit(is_blocked() || borrow_intake_tid());
        int status;
        UNTIL(waitpid(child, &status, WNOHANG) == child);
        CHECK_EQ(status, 0);
    }
    mid_flood();
    uint64_t lent = borrow_lent();
    CHECK_EQ(lent, signal_bit(S));
    borrow_hold();
    CHECK(!is_blocked());
    CHECK_EQ(borrow_lent(), 0);
    borrow_go_on();
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
}

/* A handler has forked while something was held back, and so the child ends what it never began. */
static void a_child_of_a_handler_has_nothing_held_back(void) {
    take();
    borrow_hold();
    pid_t child = fork();
    borrow_go_on();
    if (child == 0) {
        next_value = 0;
        for (uint64_t n = 0; !is_blocked(); n++) {
            union sigval value = {.sival_ptr = (void *)(uintptr_t)n};
            while (sigqueue(getpid(), S, value) != 0)
                usleep(100);
            drain();
            CHECK(n < 1000000);
        }
        _exit(0);
    }
    int status;
    UNTIL(waitpid(child, &status, WNOHANG) == child);
    CHECK_EQ(status, 0);
    give_back();
}

static void *begins(void *lent) {
    CHECK(is_blocked());
    borrow_begin_thread(*(uint64_t *)lent);
    CHECK(!is_blocked());
    return NULL;
}

static void a_new_thread_gives_back_what_it_inherited(void) {
    uint64_t lent = signal_bit(S);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, S);
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    CHECK(pthread_create(&thread, NULL, begins, &lent) == 0);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* No other thread could take what is sent to this one alone. */
static void raised_it_comes_at_once(void) {
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    UNTIL((borrow_send_to_thread(S), !is_blocked())); /* it may be borrowed anew 5 ms later */
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
}

/* Between a cancellation in another thread and the kick. */
static void what_has_not_gone_back_yet_is_not_shown_either(void) {
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    sigset_t none, kick;
    sigemptyset(&none);
    signals_but_faults(&kick);
    sigdelset(&kick, S);
    for (;;) { /* no kick comes meanwhile; it may have come before */
        CHECK(pthread_sigmask(SIG_BLOCK, &kick, NULL) == 0);
        if (is_blocked())
            break;
        CHECK(pthread_sigmask(SIG_UNBLOCK, &kick, NULL) == 0);
        mid_flood();
    }
    intake_set(S, false, 0, 0);
    CHECK(is_blocked() && !seems_blocked());
    CHECK_EQ(borrow_lent(), signal_bit(S));
    CHECK(borrow_mask(pthread_sigmask, SIG_SETMASK, &none, NULL) == 0);
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
}

/* An old mask was put back, which had what was borrowed then. */
static void a_mask_of_then_does_not_stay(void) {
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    flood_ends();
    UNTIL(!is_blocked());
    drain();
    uint64_t bit = signal_bit(S), before = ledger()->handled;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, sizeof bit) == 0);
    WITH_ROOM(kill(getpid(), S));
    UNTIL(ledger()->handled > before);
    CHECK(!is_blocked());
    give_back();
}

/* Not under a filter, as in a container. */
static bool may_read_many(void) {
    char text[4096];
    const char *seccomp =
        proc_read("/proc/self/status", text, sizeof text) ? proc_after(text, "\nSeccomp:") : NULL;
    return seccomp && *seccomp == '0';
}

/* As the intake thread's own table has it: one signalfd, which reads this signal. */
static bool reads_many(void) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/fdinfo/0", (int)borrow_intake_tid());
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *mask = strstr(text, "sigmask:");
    return !may_read_many() || (mask && strtoull(mask + 8, NULL, 16) == signal_bit(S));
}

#define FORGED (-77)

/* Whoever reads many at once is told the same of each as rt_sigtimedwait(2) tells. */
static void each_kind_of_siginfo_is_whole(void) {
    uint64_t value = UINT64_C(0xfedcba9876543210), seen[4] = {0};
    uint64_t taken_before = taken();
    next_value = value;
    int ends[2], timerid = -1, signum = S;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = S};
    event.sigev_value.sival_ptr = &timer;
    struct itimerspec soon = {.it_value = {0, 1}};
    siginfo_t forged = {.si_code = FORGED};
    forged.si_pid = 4711;
    forged.si_uid = 815;
    forged.si_value.sival_ptr = &forged;
    CHECK(pipe(ends) == 0);
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_SETSIG, S) == 0);
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    take();
    WITH_ROOM(timer_create(CLOCK_MONOTONIC, &event, &timer));
    for (bool enough = false; !enough || !reads_many();) {
        struct event e;
        enum queue_item item;
        for (int i = 0; i < 3; i++) {
            WITH_ROOM(sigqueue(getpid(), S, (union sigval){.sival_ptr = (void *)value++}));
            WITH_ROOM(kill(getpid(), S));
            WITH_ROOM(syscall(SYS_rt_sigqueueinfo, getpid(), S, &forged));
        }
        CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
        CHECK(write(ends[1], "", 1) == 1 && read(ends[0], &e, 1) == 1);
        intake_begin();
        trip_clear(&signum, 1);
        while ((item = queue_next(registry_queue(S), &e)) != QUEUE_NONE) {
            queue_take(registry_queue(S), item);
            process_handled(S, 1);
            if (item != QUEUE_EVENT)
                continue;
            if (e.code == SI_QUEUE) {
                CHECK(e.pid == getpid() && e.uid == getuid() && e.datum == next_value++);
                seen[0]++;
            } else if (e.code == SI_USER) {
                CHECK(e.pid == getpid() && e.uid == getuid() && e.datum == 0);
            } else if (e.code == FORGED) {
                CHECK(e.pid == 4711 && e.uid == 815 && e.datum == (uintptr_t)&forged);
                seen[1]++;
            } else if (e.code == SI_TIMER) {
                timerid = timerid < 0 ? e.timerid : timerid;
                CHECK(e.timerid == timerid && e.datum == (uintptr_t)&timer && e.pid == 0);
                seen[2]++;
            } else if (e.code == POLL_IN) {
                CHECK(e.detail == ends[0] && (e.datum & POLLIN));
                seen[3]++;
            } else {
                CHECK_EQ(e.code, SI_KERNEL); /* of O_ASYNC, where there was no room for more */
            }
        }
        enough = taken() - taken_before > 1000;
        for (int i = 0; i < 4; i++)
            enough = enough && seen[i] > 100;
    }
    CHECK(timer_delete(timer) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    UNTIL(!is_blocked());
    give_back();
}

/* Which ends as the process closes the queue, in whichever table of descriptors. */
static void a_message_queue_still_notifies(void) {
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    char name[64];
    snprintf(name, sizeof name, "/sigrec-test-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    if (queue == (mqd_t)-1)
        return; /* not in this kernel */
    CHECK(mq_unlink(name) == 0 && mq_notify(queue, &none) == 0);
    intake_end();
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
    CHECK(mq_notify(queue, &none) == -1 && errno == EBUSY);
    CHECK(mq_close(queue) == 0);
    intake_end();
}

static int to_write = -1;
static _Atomic int passed_on;
static void writes(int signum) {
    (void)signum;
    CHECK_EQ(syscall(SYS_gettid), getpid());
    CHECK_EQ(write(to_write, "", 1), 1);
    passed_on++;
}

static void on_kick(int over) {
    (void)over;
    intake_pass_on();
}

/* Where a registration ended while the intake thread did not get to run, which has no pipe. */
static void the_main_thread_passes_on_what_came_too_late(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    to_write = ends[1];
    kick_start(on_kick);
    CHECK(signal(S, writes) != SIG_ERR);
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    uint64_t before = ledger()->abandoned;
    registry_release(S);
    UNTIL(passed_on);
    flood_ends();
    UNTIL(!is_blocked());
    give_back();
    UNTIL((uint64_t)passed_on == ledger()->abandoned - before);
    close(ends[0]);
    close(ends[1]);
    CHECK(signal(S, SIG_DFL) != SIG_ERR);
    kick_start(NULL);
}

/* --- without the thread: what that does is done here, step by step ------------------------- */

static bool kick(int32_t tid) { return kick_thread(process_pid(), tid); }

static void raise_fast(void) {
    for (int i = 0; i < 100 && !borrow_owned(); i++)
        raise(S);
}

static void lend(void) {
    UNTIL((raise_fast(), borrow_owned())); /* 5 ms after the last hold at the earliest */
    CHECK(is_blocked());
}

static void *hold_a_moment(void *ignored) {
    borrow_hold();
    borrow_go_on();
    return ignored;
}

static int flooded(int how, const sigset_t *set, sigset_t *old) {
    raise_fast();
    return pthread_sigmask(how, set, old);
}

static int kicked_before(int how, const sigset_t *set, sigset_t *old) {
    borrow_give_back(signal_bit(S));
    CHECK_EQ(borrow_kick(kick), 1);
    return pthread_sigmask(how, set, old);
}

static int kicked(int how, const sigset_t *set, sigset_t *old) {
    int result = pthread_sigmask(how, set, old);
    borrow_give_back(signal_bit(S));
    CHECK_EQ(borrow_kick(kick), 1);
    return result;
}

static void who_has_lent_what_is_taken_away_is_kicked(void) {
    pthread_t thread;
    lend();
    while (borrow_was_taken_away())
        ;
    CHECK(pthread_create(&thread, NULL, hold_a_moment, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(!borrow_owned() && is_blocked());
    CHECK(borrow_was_taken_away() && !borrow_was_taken_away());
    CHECK_EQ(borrow_kick(kick), 1);
    CHECK(!is_blocked());
}

/* Not the least of what its handlers do within makes the program's own wish void. */
static void a_mask_is_changed_as_a_whole(void) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, S);
    lend(); /* it may be borrowed now */
    borrow_give_back(signal_bit(S));
    CHECK_EQ(borrow_kick(kick), 1);
    CHECK(borrow_mask(flooded, SIG_BLOCK, &one, NULL) == 0);
    CHECK(!borrow_owned() && !borrow_lent());
    CHECK_EQ(borrow_kick(kick), 0);
    CHECK(is_blocked());
    CHECK(borrow_mask(pthread_sigmask, SIG_UNBLOCK, &one, NULL) == 0);
    lend();
    sigset_t another;
    sigemptyset(&another);
    sigaddset(&another, SIGUSR2);
    CHECK(borrow_mask(kicked_before, SIG_UNBLOCK, &another, NULL) == 0);
    CHECK(!is_blocked()); /* though no other kick comes */
    lend();
    CHECK(borrow_mask(kicked, SIG_BLOCK, &one, NULL) == 0);
    CHECK(is_blocked() && !borrow_lent());
    CHECK_EQ(borrow_kick(kick), 0);
    CHECK(is_blocked());
    CHECK(borrow_mask(pthread_sigmask, SIG_UNBLOCK, &one, NULL) == 0);
    CHECK(!is_blocked());
    lend();
    CHECK(borrow_mask(pthread_sigmask, SIG_BLOCK, &one, NULL) == 0);
    CHECK(!borrow_owned()); /* or it would be taken for a while yet */
    CHECK(borrow_mask(pthread_sigmask, SIG_UNBLOCK, &one, NULL) == 0);
}

/* While a thread is made, which inherits it. */
static void a_kept_mask_stays_as_it_is(void) {
    lend();
    CHECK(borrow_keep_mask());
    borrow_give_back(signal_bit(S));
    CHECK_EQ(borrow_kick(kick), 1);
    CHECK(is_blocked() && borrow_lent());
    borrow_let_mask_go();
    CHECK(!is_blocked());
    CHECK(borrow_keep_mask());
    raise_fast();
    CHECK(!is_blocked());
    borrow_let_mask_go();
}

/* Before it looks at what it inherited. `is_anothers`: not NULL, it is as if a thread had lent it
 * that has ended and had this tid. */
static void *lends_first(void *is_anothers) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, S);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
    WITH_ROOM(raise(S));
    CHECK(is_blocked());
    if (is_anothers)
        CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
    borrow_begin_thread(0);
    CHECK_EQ(borrow_lent(), is_anothers ? 0 : signal_bit(S));
    borrow_give_back(signal_bit(S));
    borrow_kick(kick);
    CHECK(!is_blocked());
    return NULL;
}

static void a_new_thread_lends(void *is_anothers) {
    pthread_t thread;
    lend();
    CHECK(pthread_create(&thread, NULL, lends_first, is_anothers) == 0);
    pthread_join(thread, NULL);
    CHECK(!is_blocked());
}

static void what_a_new_thread_has_lent_is_noted(void) {
    a_new_thread_lends(NULL);
    a_new_thread_lends("");
}

/* Said to be taken, and then forbidden: it is not. */
static void what_is_blocked_is_not_taken_up(void) {
    lend();
    CHECK_EQ(borrow_take_up(), signal_bit(S));
    borrow_put_down();
    borrow_hold();
    CHECK_EQ(borrow_take_up(), 0);
    borrow_go_on();
    CHECK(!is_blocked());
}

/* --- it ends late, as it may on a busy machine --------------------------------------------- */

/* A child that keeps the intake thread from running until a byte comes. False: ptrace(2) is
 * refused, by an emulator or a container. */
static bool halt_server(int commands[2], pid_t *child) {
    int answers[2];
    char done = 0;
    CHECK(pipe(commands) == 0 && pipe(answers) == 0);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* where Yama is, a child may not else */
    int32_t tid = borrow_intake_tid();
    *child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); /* without fork's hooks */
    if (*child == 0) {
        close(commands[1]);
        done = ptrace(PTRACE_SEIZE, tid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0 &&
               waitpid(tid, NULL, __WALL) == tid;
        if (write(answers[1], &done, 1) == 1 && done)
            done = read(commands[0], &done, 1) >= 0;
        _exit(0); /* it goes on */
    }
    close(commands[0]);
    close(answers[1]);
    CHECK(read(answers[0], &done, 1) == 1);
    close(answers[0]);
    return done;
}

static void what_is_lent_while_it_ends_late_goes_back(void) {
    int commands[2];
    pid_t child;
    take();
    flood_begins(UINT64_MAX);
    mid_flood();
    flood_ends();
    UNTIL(!is_blocked());
    if (halt_server(commands, &child)) {
        borrow_hold();
        intake_end();
        borrow_go_on();
        CHECK(borrow_intake_tid());
        lend();
    }
    close(commands[1]);
    UNTIL(waitpid(child, NULL, WNOHANG) == child);
    UNTIL(!is_blocked());
    give_back();
}

/* --- a disposition changes while the intake thread naps -------------------------------------- */

static void *program; /* whose calls are seen: program.c */

static void *named(const char *name) {
    void *found = dlsym(program, name);
    CHECK(found);
    return found;
}

static void by_sigaction(void) {
    int (*call)(int, const struct sigaction *, struct sigaction *);
    *(void **)&call = named("by_call");
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    CHECK(call(S, &by_default, NULL) == 0);
}

static void by_name(const char *name) {
    void (*(*call)(int, void (*)(int)))(int);
    *(void **)&call = named(name);
    CHECK(call(S, SIG_DFL) != SIG_ERR);
}

static void by_signal(void) { by_name("by_signal"); }
static void by_sigset(void) { by_name("by_sigset"); }

static void by_sigignore(void) {
    int (*call)(int);
    *(void **)&call = named("by_sigignore");
    CHECK(call(S) == 0);
}

static void within(int signum) {
    (void)signum;
    by_sigaction();
}

static void in_a_handler(void) {
    struct sigaction all;
    memset(&all, 0, sizeof all);
    all.sa_handler = within;
    sigfillset(&all.sa_mask);
    CHECK(sigaction(SIGUSR1, &all, NULL) == 0);
    raise(SIGUSR1);
}

static void *elsewhere(void *blocks) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, S);
    CHECK(pthread_sigmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL) == 0);
    by_sigaction();
    return NULL;
}

static void in_thread(void *blocks) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, elsewhere, blocks) == 0);
    pthread_join(thread, NULL);
}

static void in_another_thread(void) { in_thread(NULL); }
static void in_one_that_blocks_it(void) { in_thread(""); }

/* Sent before, it was for the handler: by default it would end the process now. */
static void what_was_left_comes_first(void (*change)(void)) {
    struct sigaction ours;
    CHECK(sigaction(S, NULL, &ours) == 0);
    lend();
    drain();
    uint64_t before = ledger()->delivered;
    for (intptr_t i = 0; i < 100; i++)
        WITH_ROOM(sigqueue(getpid(), S, (union sigval){.sival_ptr = (void *)i}));
    CHECK_EQ(ledger()->delivered, before); /* in the kernel, for the intake thread */
    change();
    CHECK_EQ(ledger()->delivered - before, 100);
    next_value = 0;
    CHECK_EQ(drain(), 100);
    CHECK(sigaction(S, &ours, NULL) == 0);
    if (is_blocked()) { /* by the mask that a handler puts back: within its millisecond */
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, S);
        CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
    }
}

static void a_disposition_changes(void) {
    static void (*const changes[])(void) = {
        by_sigaction, by_signal,         by_sigignore,         by_sigset,
        in_a_handler, in_another_thread, in_one_that_blocks_it};
    CHECK(interpose_install());
    take();
    borrow_intake_runs(INT32_MAX, 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        what_was_left_comes_first(changes[i]);
    borrow_intake_runs(0, 0);
    give_back();
}

static void step_by_step(void) {
    take();
    CHECK(kick_possible());
    borrow_intake_runs(INT32_MAX, 0);
    who_has_lent_what_is_taken_away_is_kicked();
    a_mask_is_changed_as_a_whole();
    a_kept_mask_stays_as_it_is();
    what_a_new_thread_has_lent_is_noted();
    what_is_blocked_is_not_taken_up();
    borrow_intake_runs(0, 0);
    give_back();
}

int main(int argc, char **argv) {
    program = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    prctl(PR_SET_NAME, "Seccomp: 2"); /* a name that looks like a filter: the thread inherits it */
    trip_set(count_trip);
    CHECK(process_start() == 0);
    CHECK(process_go_private(1024) == 0);
    handler_start();
    kick_start(NULL);
    CHECK(intake_start() == 0);
    step_by_step();
    all_of_a_flood_in_order_and_then_nothing_is_borrowed();
    the_program_sees_its_own_masks();
    threads_and_children_inherit_nothing();
    a_child_of_a_handler_has_nothing_held_back();
    a_new_thread_gives_back_what_it_inherited();
    raised_it_comes_at_once();
    what_has_not_gone_back_yet_is_not_shown_either();
    a_mask_of_then_does_not_stay();
    a_message_queue_still_notifies();
    each_kind_of_siginfo_is_whole();
    the_main_thread_passes_on_what_came_too_late();
    what_is_lent_while_it_ends_late_goes_back();
    intake_end();
    CHECK_EQ(borrow_intake_tid(), 0);
    if (program)
        a_disposition_changes();
    return 0;
}
