/* SPDX-License-Identifier: MIT
 * The handler in real processes with real signals, without Python. */
#define _GNU_SOURCE
#include "handler/handler.h"
#include "handler/install.h"

#include "check.h"
#include "ground/clock.h"
#include "handler/trip.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static _Atomic uint64_t looked, dequeued;
static _Atomic int unregistered_meanwhile; /* by another thread, right after one was dequeued */

/* In the place of the C library's: sees how often the handler looks for more
 * signals, and how many it finds. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    va_list list;
    long a[4];
    va_start(list, number);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    long result = real(number, a[0], a[1], a[2], a[3]);
    if (number == SYS_rt_sigtimedwait) {
        looked++;
        dequeued += result > 0;
        if (result > 0 && unregistered_meanwhile) {
            registry_release(unregistered_meanwhile);
            unregistered_meanwhile = 0;
        }
    }
    return result;
}

static _Atomic int trips;
static void count_trip(int signum, enum trip_from from) {
    (void)from;
    (void)signum;
    trips++;
}

static struct ledger_entry *ledger(int signum) { return &process_recording()->ledger[signum]; }

static uint64_t drain(int signum) {
    struct event e;
    enum queue_item item;
    uint64_t n = 0;
    trip_clear(&signum, 1);
    while ((item = queue_next(registry_queue(signum), &e)) != QUEUE_NONE) {
        queue_take(registry_queue(signum), item);
        n++;
    }
    process_handled(signum, n);
    return n;
}

static void take(int signum) {
    CHECK_EQ(install_prepare(signum, 1024), 0);
    CHECK_EQ(install_handler(signum, false), 0);
}

static void give_back(int signum) {
    registry_release(signum);
    CHECK(install_restore(signum, false));
}

static void refuses_what_the_kernel_refuses(void) {
    CHECK_EQ(install_prepare(SIGKILL, 16), EINVAL);
    CHECK_EQ(install_prepare(SIGSTOP, 16), EINVAL);
    CHECK_EQ(install_prepare(0, 16), EINVAL);
    CHECK_EQ(install_prepare(65, 16), EINVAL);
    CHECK_EQ(install_prepare(32, 16), EINVAL);
}

static void counts_queues_trips_once_and_keeps_errno(void) {
    take(SIGUSR1);
    trips = 0;
    for (int i = 0; i < 100; i++) {
        errno = 1234;
        raise(SIGUSR1);
        CHECK_EQ(errno, 1234);
    }
    CHECK(trips >= 1 && trips < 100);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 100);
    CHECK_EQ(ledger(SIGUSR1)->recorded, 100);
    CHECK_EQ(ledger(SIGUSR1)->queued, 100);
    CHECK_EQ(drain(SIGUSR1), 100);
    trips = 0;
    raise(SIGUSR1);
    CHECK_EQ(trips, 1);
    CHECK_EQ(drain(SIGUSR1), 1);
    give_back(SIGUSR1);
}

static void a_swallowed_trip_is_tripped_again(void) {
    take(SIGUSR1);
    trips = 0;
    raise(SIGUSR1); /* nobody drains: as if CPython had lost it */
    CHECK_EQ(trips, 1);
    struct timespec a_little = {0, (long)TRIP_AGAIN_NS + 1000000};
    nanosleep(&a_little, NULL);
    raise(SIGUSR1);
    CHECK_EQ(trips, 2);
    CHECK_EQ(drain(SIGUSR1), 2);
    give_back(SIGUSR1);
}

static void restores_flags_and_mask(void) {
    struct sigaction before, after;
    memset(&before, 0, sizeof before);
    before.sa_handler = SIG_IGN;
    before.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    sigaddset(&before.sa_mask, SIGHUP);
    CHECK(sigaction(SIGUSR2, &before, NULL) == 0);
    CHECK(sigaction(SIGUSR2, NULL, &before) == 0);
    take(SIGUSR2);
    CHECK(registry_in_place(SIGUSR2));
    give_back(SIGUSR2);
    CHECK(sigaction(SIGUSR2, NULL, &after) == 0);
    CHECK(after.sa_handler == SIG_IGN && after.sa_flags == before.sa_flags);
    CHECK(sigismember(&after.sa_mask, SIGHUP) == 1 && sigismember(&after.sa_mask, SIGINT) == 0);
    /* Someone who replaced us stays. */
    take(SIGUSR2);
    signal(SIGUSR2, SIG_DFL);
    registry_release(SIGUSR2);
    CHECK(!install_restore(SIGUSR2, false));
}

/* Sends `count` signals to us from another process. */
static pid_t send_many(int signum, int count, bool queue) {
    pid_t target = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < count;) {
            union sigval value = {.sival_int = i};
            if ((queue ? sigqueue(target, signum, value) : kill(target, signum)) == 0)
                i++;
            else if (errno != EAGAIN)
                _exit(1);
        }
        _exit(0);
    }
    return child;
}

static void await(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) != child)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
}

static void a_flood_is_exact(void) {
    int rt = SIGRTMIN + 2;
    take(rt);
    uint64_t before = ledger(rt)->delivered;
    await(send_many(rt, 200000, true));
    CHECK_EQ(ledger(rt)->delivered - before, 200000);
    CHECK_EQ(ledger(rt)->recorded + ledger(rt)->dropped, ledger(rt)->delivered);
    CHECK_EQ(ledger(rt)->queued + ledger(rt)->undetailed, ledger(rt)->delivered);
    CHECK_EQ(drain(rt), 200000);
    give_back(rt);
}

/* 1,000 of each of three are waiting: most are dequeued in the handler, with
 * few entries, and none is lost or starved. A lone one is not looked for. */
static void what_waits_is_dequeued_in_place(void) {
    sigset_t set, old;
    sigemptyset(&set);
    for (int n = 1; n <= 3; n++) {
        take(SIGRTMIN + n);
        sigaddset(&set, SIGRTMIN + n);
    }
    sigprocmask(SIG_BLOCK, &set, &old);
    uint64_t before[4];
    for (int n = 1; n <= 3; n++) {
        before[n] = ledger(SIGRTMIN + n)->delivered;
        await(send_many(SIGRTMIN + n, 1000, true));
    }
    dequeued = 0;
    errno = 1234; /* the last look finds nothing, and says so in errno */
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK_EQ(errno, 1234);
    CHECK(dequeued > 2500);
    for (int n = 1; n <= 3; n++)
        CHECK_EQ(ledger(SIGRTMIN + n)->delivered - before[n], 1000);
    looked = 0;
    for (int i = 0; i < 1000; i++)
        WITH_ROOM(raise(SIGRTMIN + 1)); /* our own: no look for more */
    CHECK_EQ(looked, 0);
    for (int n = 1; n <= 3; n++) {
        drain(SIGRTMIN + n);
        give_back(SIGRTMIN + n);
    }
}

static void blocked_signals_are_left_alone(void) {
    int flooded = SIGRTMIN + 2, blocked = SIGRTMIN + 1;
    take(flooded);
    take(blocked);
    uint64_t before = ledger(blocked)->delivered;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, blocked);
    sigprocmask(SIG_BLOCK, &set, &old);
    pid_t one = send_many(blocked, 1000, true), two = send_many(flooded, 50000, true);
    await(one);
    await(two);
    CHECK_EQ(ledger(blocked)->delivered, before);
    siginfo_t info;
    struct timespec zero = {0, 0};
    int left = 0;
    while (sigtimedwait(&set, &info, &zero) == blocked)
        left++;
    CHECK_EQ(left, 1000);
    sigprocmask(SIG_SETMASK, &old, NULL);
    drain(flooded);
    give_back(flooded);
    give_back(blocked);
}

/* sigsuspend(2) lets one in, and then the mask is the old one again. */
static void sigsuspend_takes_one(void) {
    int rt = SIGRTMIN + 2;
    take(rt);
    uint64_t before = ledger(rt)->delivered;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, rt);
    sigprocmask(SIG_BLOCK, &set, &old);
    await(send_many(rt, 10, true));
    for (uint64_t n = 1; n <= 10; n++) {
        CHECK(sigsuspend(&old) == -1 && errno == EINTR);
        CHECK_EQ(ledger(rt)->delivered - before, n);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    drain(rt);
    give_back(rt);
}

/* A fault whose signal is blocked kills at once: sigprocmask(2). */
static void the_handler_blocks_all_but_faults(void) {
    struct sigaction action;
    take(SIGUSR2);
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0);
    for (int n = 1; n < SIGREC_NSIG; n++) {
        bool fault = n == SIGSEGV || n == SIGBUS || n == SIGFPE || n == SIGILL || n == SIGTRAP ||
                     n == SIGABRT || n == SIGSYS;
        if (n != SIGKILL && n != SIGSTOP && (n < 32 || n >= SIGRTMIN)) /* those are nobody's */
            CHECK_EQ(sigismember(&action.sa_mask, n), !fault);
    }
    give_back(SIGUSR2);
}

static _Atomic int foreign;
static void foreign_handler(int signum) {
    (void)signum;
    foreign++;
}

static void a_replaced_signal_is_not_dequeued(void) {
    int flooded = SIGRTMIN + 2, theirs = SIGRTMIN + 3;
    take(flooded);
    take(theirs);
    uint64_t before = ledger(theirs)->delivered;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = foreign_handler;
    sigaction(theirs, &action, NULL);
    pid_t one = send_many(flooded, 50000, true), two = send_many(theirs, 5000, true);
    await(one);
    await(two);
    CHECK_EQ(foreign, 5000);
    CHECK_EQ(ledger(theirs)->delivered, before);
    drain(flooded);
    give_back(flooded);
    registry_release(theirs);
    signal(theirs, SIG_DFL);
}

static void passes_on_after_unregister(void) {
    signal(SIGUSR2, foreign_handler);
    take(SIGUSR2);
    struct sigaction ours;
    sigaction(SIGUSR2, NULL, &ours);
    give_back(SIGUSR2);
    sigaction(SIGUSR2, &ours, NULL); /* as someone above us does who chains to us */
    int before = foreign;
    uint64_t abandoned = ledger(SIGUSR2)->abandoned;
    raise(SIGUSR2);
    CHECK_EQ(foreign, before + 1);
    CHECK_EQ(ledger(SIGUSR2)->abandoned, abandoned + 1);
    CHECK_EQ(ledger(SIGUSR2)->delivered, ledger(SIGUSR2)->queued + ledger(SIGUSR2)->undetailed);
    CHECK_EQ(ledger(SIGUSR2)->delivered, ledger(SIGUSR2)->handled + ledger(SIGUSR2)->abandoned);
    signal(SIGUSR2, SIG_DFL);
}

/* Two libraries, which call what they found when they came. */
static struct sigaction found[2];
static char called[8];

static void library(int n, int signum, siginfo_t *info, void *context) {
    strncat(called, n ? "b" : "a", sizeof called - strlen(called) - 1);
    if (found[n].sa_flags & SA_SIGINFO)
        found[n].sa_sigaction(signum, info, context);
    else if (found[n].sa_handler != SIG_DFL)
        found[n].sa_handler(signum);
}
static void library_a(int n, siginfo_t *info, void *context) { library(0, n, info, context); }
static void library_b(int n, siginfo_t *info, void *context) { library(1, n, info, context); }

static void comes_over(int n, int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = n ? library_b : library_a;
    sigaction(signum, &action, &found[n]);
}

/* Each place calls what was found at it; the second time, what was found at the lowest. */
static void passes_on_from_place_to_place(void) {
    int before = foreign;
    signal(SIGUSR2, foreign_handler);
    for (int n = 0; n < 2; n++) {
        take(SIGUSR2);
        comes_over(n, SIGUSR2);
    }
    registry_release(SIGUSR2);
    uint64_t delivered = ledger(SIGUSR2)->delivered, abandoned = ledger(SIGUSR2)->abandoned;
    called[0] = 0;
    raise(SIGUSR2);
    CHECK(strcmp(called, "ba") == 0);
    CHECK_EQ(foreign, before + 1);
    CHECK_EQ(ledger(SIGUSR2)->delivered, delivered + 1);
    CHECK_EQ(ledger(SIGUSR2)->abandoned, abandoned + 1);
    signal(SIGUSR2, foreign_handler);
    for (int twice = 0; twice < 2; twice++) {
        take(SIGUSR2);
        comes_over(0, SIGUSR2);
    }
    comes_over(1, SIGUSR2);
    registry_release(SIGUSR2);
    called[0] = 0;
    raise(SIGUSR2);
    CHECK(strcmp(called, "baa") == 0);
    CHECK_EQ(foreign, before + 2);
    signal(SIGUSR2, SIG_DFL);
}

/* As who was given our handler by signal(2): the other registers hold whatever they do. */
static void one_argument(int signum) {
    void (*handler)(void) = (void (*)(void))found[0].sa_handler;
    ((void (*)(int, uintptr_t, uintptr_t))handler)(signum, 16, 16);
}

static void called_with_one_argument(void) {
    take(SIGUSR1);
    uint64_t delivered = ledger(SIGUSR1)->delivered;
    sigaction(SIGUSR1, NULL, &found[0]);
    signal(SIGUSR1, one_argument);
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, delivered + 1);
    CHECK_EQ(drain(SIGUSR1), 1);
    sigaction(SIGUSR1, &found[0], NULL);
    give_back(SIGUSR1);
}

/* Dequeued while it was registered, and counted when it was so no more. */
static void unregistered_while_it_is_dequeued(void) {
    int rt = SIGRTMIN + 2;
    signal(rt, foreign_handler);
    take(rt);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, rt);
    sigprocmask(SIG_BLOCK, &set, &old);
    uint64_t before = ledger(rt)->delivered, abandoned = ledger(rt)->abandoned;
    int called = foreign;
    await(send_many(rt, 10, true));
    process_self->skip = 0;
    process_self->last_ns = monotonic_ns();
    unregistered_meanwhile = rt;
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK_EQ(unregistered_meanwhile, 0);
    uint64_t handled = drain(rt);
    CHECK_EQ(ledger(rt)->delivered - before, 10);
    CHECK_EQ(ledger(rt)->abandoned - abandoned, foreign - called);
    CHECK_EQ(handled + (uint64_t)(foreign - called), 10);
    CHECK(foreign > called);
    CHECK(install_restore(rt, false));
    signal(rt, SIG_DFL);
}

/* What is beneath us, the interpreter's handler or a library's, was given back while a thread was
 * on its way to ours: by default, it would end us. */
static void on_its_way_when_it_was_given_back(void) {
    int rt = SIGRTMIN + 4; /* nobody has stood over it */
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = rt;
    for (int interpreter = 0; interpreter < 2; interpreter++) {
        signal(rt, foreign_handler);
        if (interpreter)
            install_note_interpreter(rt);
        take(rt);
        struct sigaction ours;
        sigaction(rt, NULL, &ours);
        give_back(rt);
        int before = foreign;
        ours.sa_sigaction(rt, &info, NULL);
        CHECK_EQ(foreign, before + 1);
        signal(rt, SIG_DFL);
    }
    /* And the program has set something else since. */
    for (int twice = 0; twice < 2; twice++) {
        take(rt);
        struct sigaction ours;
        sigaction(rt, NULL, &ours);
        give_back(rt);
        signal(rt, twice ? SIG_IGN : foreign_handler);
        int before = foreign;
        ours.sa_sigaction(rt, &info, NULL);
        CHECK_EQ(foreign, before + !twice);
        signal(rt, SIG_DFL);
    }
}

static void *send_to_main(void *arg) {
    pthread_t main_thread = *(pthread_t *)arg;
    for (int i = 0; i < 2000; i++)
        while (pthread_kill(main_thread, SIGRTMIN + 4) == EAGAIN)
            ;
    return NULL;
}

static void signals_of_many_threads_are_exact(void) {
    int rt = SIGRTMIN + 4;
    take(rt);
    uint64_t before = ledger(rt)->delivered;
    pthread_t self = pthread_self(), threads[16];
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, send_to_main, &self);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(ledger(rt)->delivered - before, 32000);
    CHECK_EQ(drain(rt), 32000);
    give_back(rt);
}

static void a_child_starts_from_zero_and_adopts_its_own(void) {
    take(SIGUSR1);
    raise(SIGUSR1);
    uint64_t before = ledger(SIGUSR1)->delivered;
    const struct recording *mine = process_recording();
    pid_t child = fork();
    if (child == 0) {
        CHECK(process_adopted() == NULL);
        CHECK(process_recording() != mine);
        CHECK_EQ(drain(SIGUSR1), 0);
        raise(SIGUSR1);
        raise(SIGUSR1);
        CHECK_EQ(ledger(SIGUSR1)->delivered, 2);
        CHECK_EQ(process_go_private(64), 0);
        CHECK(process_adopted());
        CHECK_EQ(ledger(SIGUSR1)->delivered, 2);
        raise(SIGUSR1);
        CHECK_EQ(ledger(SIGUSR1)->delivered, 3);
        struct event e;
        CHECK(ring_read(&process_recording()->history, 2, &e));
        CHECK_EQ(e.ordinal, 2);
        CHECK_EQ(drain(SIGUSR1), 3);
        _exit(0);
    }
    await(child);
    CHECK_EQ(ledger(SIGUSR1)->delivered, before);
    drain(SIGUSR1);
    give_back(SIGUSR1);
}

static uint32_t taken_by(int signum) {
    struct event event;
    CHECK_EQ(raise(signum), 0);
    CHECK_EQ(queue_next(registry_queue(signum), &event), QUEUE_EVENT);
    drain(signum);
    return event.tid;
}

/* It says so itself, once. */
static void *known_without_a_system_call(void *ignored) {
    uint32_t tid = (uint32_t)syscall(SYS_gettid), pid = (uint32_t)getpid();
    CHECK_EQ(taken_by(SIGUSR1), tid);
    CHECK(!process_in_main(process_pid()));
    process_is_main(); /* as if it were */
    CHECK_EQ(taken_by(SIGUSR1), pid);
    process_vforks = true; /* a vfork child may be there, and looks the same */
    CHECK_EQ(taken_by(SIGUSR1), tid);
    return ignored;
}

static void the_main_thread_is_known(void) {
    pthread_t thread;
    take(SIGUSR1);
    process_vforks = false;
    CHECK_EQ(taken_by(SIGUSR1), getpid());
    CHECK(process_in_main(process_pid()));
    CHECK_EQ(pthread_create(&thread, NULL, known_without_a_system_call, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(taken_by(SIGUSR1), getpid());
    give_back(SIGUSR1);
}

/* A vfork child has our memory, and must neither count nor swallow there. */
static void a_vfork_child_dies_as_after_exec(void) {
    take(SIGUSR1);
    uint64_t before = ledger(SIGUSR1)->delivered;
    pid_t child = vfork();
    if (child == 0) {
        kill(getpid(), SIGUSR1);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, before);
    CHECK(registry_in_place(SIGUSR1));
    give_back(SIGUSR1);
}

static _Atomic int read_context;

static void reads_its_context(int signum, siginfo_t *info, void *context) {
    sigset_t *mask = &((ucontext_t *)context)->uc_sigmask;
    CHECK(info->si_signo == signum && !sigismember(mask, signum));
    CHECK(sigaddset(mask, signum) == 0);
    read_context++;
}

/* By a thread, so that no code was interrupted. */
static void taken_when_it_was_given_back(void) {
    int signum = SIGRTMIN + 4;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = reads_its_context;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(signum, &action, NULL) == 0);
    take(signum);
    give_back(signum);
    uint64_t abandoned = ledger(signum)->abandoned;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signum;
    uint64_t ordinal;
    CHECK(!handler_take(signum, &info, monotonic_ns(), (uint32_t)getpid(), &ordinal));
    CHECK_EQ(ledger(signum)->abandoned - abandoned, 1);
    CHECK_EQ(read_context, 0);
    handler_pass_on(signum, &info, (uint32_t)getpid(), ordinal);
    CHECK_EQ(read_context, 1);
    CHECK(signal(signum, SIG_DFL) != SIG_ERR);
}

int main(void) {
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(process_go_private(1024), 0);
    trip_set(count_trip);
    refuses_what_the_kernel_refuses();
    counts_queues_trips_once_and_keeps_errno();
    a_swallowed_trip_is_tripped_again();
    restores_flags_and_mask();
    a_flood_is_exact();
    what_waits_is_dequeued_in_place();
    blocked_signals_are_left_alone();
    sigsuspend_takes_one();
    the_handler_blocks_all_but_faults();
    a_replaced_signal_is_not_dequeued();
    passes_on_after_unregister();
    passes_on_from_place_to_place();
    called_with_one_argument();
    unregistered_while_it_is_dequeued();
    on_its_way_when_it_was_given_back();
    taken_when_it_was_given_back();
    signals_of_many_threads_are_exact();
    a_child_starts_from_zero_and_adopts_its_own();
    the_main_thread_is_known();
    a_vfork_child_dies_as_after_exec();
    return 0;
}
