/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/intake.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "ground/memory.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "handler/borrow.h"
#include "handler/handler.h"
#include "handler/kick.h"
#include "handler/registry.h"
#include "handler/trip.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/signalfd.h>
#include <sys/syscall.h>

#ifndef SYS_close_range /* Linux 5.9 */
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

#define LOOK_NS UINT64_C(1000000)      /* between two looks at which signals it still owns */
#define SETTLE_NS UINT64_C(100000)     /* for handlers of the signal that still run */
#define QUIET_NS UINT64_C(20000000)    /* without the signal, before it is given back */
#define KICK_NS UINT64_C(10000000)     /* between two kicks of a thread that still lends */
#define PARK_NS UINT64_C(500000000)    /* between two looks, while it owns nothing */
#define LONG_NS UINT64_C(250000000)    /* it owns a signal no longer: one sent to a thread waits */
#define RETRY_NS UINT64_C(1000000000)  /* after the intake thread could not be made */
#define BATCH 4096                     /* signals in one turn of the thread, at most */
#define TURN 64                        /* of one signal, before another has its turn */
#define TRIP_EVERY 256                 /* signals between two trips of the interpreter */
#define BURST 8                        /* batches before a nap */
#define END_LOOKS 1000                 /* at whether it has ended, of 100 us each */
#define PENDING_NS UINT64_C(100000000) /* to take what is pending, in the intake thread's place */
#define FOR_MAIN 128                   /* signals for the main thread to pass on */
#define INTAKE_STACK (256 * 1024)

static _Atomic uint64_t moderation[SIGREC_NSIG]; /* ns */

static struct intake {
    _Atomic uint64_t taken[SIGREC_NSIG];
    _Atomic uint64_t naps, kicks;
    _Atomic uint32_t beginning, ending;
    _Atomic uint64_t failed_ns;
    /* To be passed on in the main thread: in the intake thread, which has none of the program's
     * file descriptors, no handler of the program's may run. */
    _Atomic uint32_t for_main_first, for_main_end;
    struct for_main {
        siginfo_t info;
        uint64_t ordinal;
        uint32_t tid;
    } for_main[FOR_MAIN];
} *intake;

/* --- the thread -------------------------------------------------------------------------- */

struct turn {
    uint32_t tid;
    uint64_t set, before;        /* signals that the thread owns, and owned in the last turn */
    uint64_t last[SIGREC_NSIG];  /* when each came last, or began to be owned */
    uint64_t since[SIGREC_NSIG]; /* when it began to be owned */
    uint64_t kicked_ns, looked_ns;
    bool lent;            /* some thread has not got its bits back yet */
    double tokens;        /* of moderation */
    uint64_t refilled_ns; /* when tokens were added last */
    bool may_read;        /* it has a table of file descriptors of its own */
    int fd;               /* in there, of a signalfd; -1: not yet */
    uint64_t fd_set;      /* which signals that has */
    struct signalfd_siginfo read[TURN - 1];
};

static int next_of(uint64_t set, siginfo_t *info, uint64_t timeout_ns) {
    struct timespec timeout = {0, (long)timeout_ns};
    return (int)syscall(SYS_rt_sigtimedwait, &set, info, &timeout, sizeof set);
}

/* The intake thread takes one signal. True: it is to be passed on. */
static bool take_one(int signum, siginfo_t *info, uint64_t now, uint32_t tid, uint64_t *ordinal) {
    if (kick_sent(signum, info))
        return false;
    atomic_fetch_add_explicit(&intake->taken[signum], 1, memory_order_relaxed);
    return !handler_take(signum, info, now, tid, ordinal);
}

static void leave_to_main(const siginfo_t *info, uint32_t tid, uint64_t ordinal) {
    uint32_t end = atomic_load(&intake->for_main_end);
    intake->for_main[end % FOR_MAIN] = (struct for_main){*info, ordinal, tid};
    atomic_store(&intake->for_main_end, end + 1);
    if (!kick_main(process_pid()))
        intake_pass_on();
}

/* Whether each signal of a turn could be left to the main thread. */
static bool main_has_room(void) {
    return atomic_load(&intake->for_main_end) - atomic_load(&intake->for_main_first) <=
           FOR_MAIN - TURN;
}

static void take_or_leave(int signum, siginfo_t *info, uint64_t now, uint32_t tid) {
    uint64_t ordinal;
    if (take_one(signum, info, now, tid, &ordinal))
        leave_to_main(info, tid, ordinal);
}

/* A filter from before the process, which may be of a time when there was no close_range(2), and
 * end the process for it. */
static bool is_filtered(uint32_t tid) {
    char path[64], text[4096], *at = path;
    at = text_put(at, proc_root);
    at = text_put(at, "/self/task/");
    at = text_put_number(at, tid);
    text_put(at, "/status");
    const char *seccomp =
        proc_read(path, text, sizeof text) ? proc_after(text, "\nSeccomp:") : NULL;
    return !seccomp || *seccomp != '0';
}

#define UNSHARE_COPIES 64 /* descriptors: NR_OPEN_DEFAULT */

/* From here on this thread has an empty table of file descriptors, and the program's is left as it
 * is: close_range(2). The kernel copies the first descriptors all the same, and closes them. That
 * does what a child does that closes them; but for a message queue it ends mq_notify(3), which is
 * the process's. mq_getsetattr(2) fails for any other file. */
static bool has_own_table(uint32_t tid) {
    if (atomic_load(&filter_added) || is_filtered(tid))
        return false;
    for (int fd = 0; fd < UNSHARE_COPIES; fd++)
        if (syscall(SYS_mq_getsetattr, fd, NULL, NULL) == 0)
            return false;
    return syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0;
}

static bool has_signalfd(struct turn *turn, uint64_t set) {
    if (turn->fd_set == set)
        return true;
    long fd = atomic_load(&filter_added)
                  ? -1
                  : syscall(SYS_signalfd4, turn->fd, &set, sizeof set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd >= 0) {
        turn->fd = (int)fd;
        turn->fd_set = set;
    }
    turn->may_read = fd >= 0;
    return fd >= 0;
}

/* As rt_sigtimedwait(2) would have told it: which members there are is told by si_code, for the
 * kernel, too (siginfo_layout() in kernel/signal.c, for a real-time signal). */
static void as_siginfo(const struct signalfd_siginfo *from, siginfo_t *info) {
    memset(info, 0, sizeof *info);
    info->si_signo = (int)from->ssi_signo;
    info->si_errno = from->ssi_errno;
    info->si_code = from->ssi_code;
    if (from->ssi_code == SI_SIGIO || (from->ssi_code > 0 && from->ssi_code <= POLL_HUP)) {
        info->si_band = (long)from->ssi_band;
        info->si_fd = from->ssi_fd;
    } else if (from->ssi_code == SI_TIMER) {
        info->si_timerid = (int)from->ssi_tid;
        info->si_overrun = (int)from->ssi_overrun;
        info->si_value.sival_ptr = (void *)(uintptr_t)from->ssi_ptr;
    } else {
        info->si_pid = (pid_t)from->ssi_pid;
        info->si_uid = from->ssi_uid;
        if (from->ssi_code < 0 && from->ssi_code != SI_TKILL)
            info->si_value.sival_ptr = (void *)(uintptr_t)from->ssi_ptr;
    }
}

/* What else there is of that real-time signal, of which one has just come: in a flood of it most
 * of the time goes into system calls, and here many are one. Returns how many it took. */
static int take_more(struct turn *turn, int signum, uint64_t *when) {
    if (signum < SIGRTMIN || !turn->may_read || !has_signalfd(turn, signal_bit(signum)))
        return 0;
    ssize_t bytes = syscall(SYS_read, turn->fd, turn->read, sizeof turn->read);
    int count = bytes > 0 ? (int)((size_t)bytes / sizeof *turn->read) : 0;
    if (count)
        *when = monotonic_ns();
    for (int i = 0; i < count; i++) {
        siginfo_t info;
        as_siginfo(&turn->read[i], &info);
        take_or_leave(signum, &info, *when, turn->tid);
    }
    return count;
}

static bool kick_and_count(int32_t tid) {
    atomic_fetch_add_explicit(&intake->kicks, 1, memory_order_relaxed);
    return kick_thread(process_pid(), tid);
}

static void trip_all(uint64_t set, uint64_t now) {
    for (; set; set &= set - 1) {
        int signum = signal_lowest(set);
        if (!trip_is_out(signum))
            atomic_fetch_add_explicit(&intake->kicks, 1, memory_order_relaxed);
        trip(signum, now, 0);
    }
}

/* A signal whose handler has been replaced is not for sigrec to take. */
static void leave_what_is_not_ours(struct turn *turn) {
    for (uint64_t rest = turn->set; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if (!registry_in_place(signum))
            borrow_give_back(signal_bit(signum));
    }
}

/* Takes all that is pending, one after another. Returns which signals it took. */
static uint64_t take_batch(struct turn *turn, uint64_t *when) {
    siginfo_t info;
    uint64_t took = 0, resting = 0;
    int in_turn = 0, signum = next_of(turn->set, &info, LOOK_NS);
    for (int n = 0; signum > 0;) {
        uint64_t bit = signal_bit(signum);
        *when = monotonic_ns();
        take_or_leave(signum, &info, *when, turn->tid);
        int count = 1 + take_more(turn, signum, when);
        took |= bit;
        turn->last[signum] = *when;
        if (n / TRIP_EVERY != (n + count) / TRIP_EVERY)
            trip_all(took, *when);
        n += count;
        /* Each number has its turn, since the kernel gives the
         * lowest one first: see dequeue in handler.c. */
        in_turn += count;
        if (in_turn >= TURN) {
            in_turn = 0;
            resting |= bit;
        }
        if (n >= BATCH || (borrow_owned() & turn->set) != turn->set || !main_has_room())
            break;
        signum = turn->set & ~resting ? next_of(turn->set & ~resting, &info, 0) : -1;
        if (signum <= 0 && resting) {
            resting = 0;
            in_turn = 0;
            signum = next_of(turn->set, &info, 0);
        }
    }
    return took;
}

/* How long the thread may leave signals pending. The kernel keeps each real-time signal, but merges
 * standard ones: for these it is 0. */
static uint64_t nap_after(struct turn *turn, uint64_t took, uint64_t now) {
    uint64_t each = UINT64_MAX;
    for (; took; took &= took - 1) {
        int signum = signal_lowest(took);
        uint64_t own = signum < SIGRTMIN ? 0 : atomic_load(&moderation[signum]);
        each = own < each ? own : each;
    }
    if (!each || each == UINT64_MAX)
        return 0;
    turn->tokens += (double)(now - turn->refilled_ns) / (double)each;
    turn->refilled_ns = now;
    if (turn->tokens > BURST)
        turn->tokens = BURST;
    turn->tokens -= 1;
    return turn->tokens < 0 ? (uint64_t)(-turn->tokens * (double)each) : 0;
}

/* Gives back the signals that have not come for a while, and kicks the threads that lent them. */
static void give_back(struct turn *turn, uint64_t now) {
    for (uint64_t rest = turn->set; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if ((now - turn->last[signum] > QUIET_NS || now - turn->since[signum] > LONG_NS) &&
            kick_possible())
            borrow_give_back(signal_bit(signum));
    }
    bool taken_away = borrow_was_taken_away();
    uint64_t owned = borrow_owned();
    if (taken_away || owned != turn->before || (turn->lent && now - turn->kicked_ns > KICK_NS)) {
        turn->kicked_ns = now;
        turn->lent = borrow_kick(kick_and_count) > 0;
    }
    turn->before = owned;
}

static void look_around(struct turn *turn) {
    uint64_t now = monotonic_ns(), pending = 0;
    if (now - turn->looked_ns < PARK_NS)
        return;
    turn->looked_ns = now;
    syscall(SYS_rt_sigpending, &pending, sizeof pending);
    if (borrow_is_suspect(pending))
        kick_and_count(process_pid());
}

static void take_turn(struct turn *turn) {
    uint64_t now = monotonic_ns();
    turn->set = borrow_owned();
    uint64_t fresh = turn->set & ~turn->before;
    for (uint64_t rest = fresh; rest; rest &= rest - 1)
        turn->last[signal_lowest(rest)] = turn->since[signal_lowest(rest)] = now;
    give_back(turn, now);
    if (!turn->before) {
        borrow_intake_sleep(turn->lent ? KICK_NS : PARK_NS);
        look_around(turn);
        return;
    }
    if (fresh) { /* so that each handler has queued its signal, and blocked it: order holds */
        struct timespec settle = {0, SETTLE_NS};
        nanosleep(&settle, NULL);
    }
    if (!main_has_room()) {
        kick_and_count(process_pid());
        borrow_intake_sleep(LOOK_NS);
        return;
    }
    leave_what_is_not_ours(turn);
    turn->set = borrow_take_up() & turn->before;
    uint64_t when = now, took = turn->set ? take_batch(turn, &when) : 0;
    trip_all(took, when); /* before that: see kicks_are_blocked in borrow.c */
    borrow_put_down();
    uint64_t nap = nap_after(turn, took, when);
    if (nap) {
        atomic_fetch_add_explicit(&intake->naps, 1, memory_order_relaxed);
        borrow_intake_sleep(nap);
    }
}

static void *run_intake(void *priority) {
    struct turn turn;
    memset(&turn, 0, sizeof turn);
    turn.tid = (uint32_t)syscall(SYS_gettid);
    turn.tokens = BURST;
    turn.refilled_ns = monotonic_ns();
    turn.may_read = has_own_table(turn.tid);
    turn.fd = -1;
    borrow_intake_runs((int32_t)turn.tid, (int)(intptr_t)priority);
    atomic_store(&intake->beginning, 0);
    turn.lent = true; /* perhaps to the intake thread before this one */
    while (!atomic_load(&intake->ending))
        take_turn(&turn);
    borrow_intake_runs(0, 0);
    /* intake_end may have stopped waiting long ago, and threads may have lent since. */
    borrow_give_back(~UINT64_C(0));
    borrow_kick(kick_and_count);
    return NULL;
}

/* --- in place of the intake thread ------------------------------------------------------- */

/* Takes what is pending of the signal, in this thread: another thread, which lends the signal, may
 * not get to run before the disposition has changed. */
static void take_what_is_pending(int signum) {
    siginfo_t info;
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    uint64_t lent = signal_bit(signum), before, now = monotonic_ns(), until = now + PENDING_NS;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &lent, &before, sizeof lent);
    while (now < until && next_of(lent, &info, 0) == signum) {
        uint64_t ordinal;
        now = monotonic_ns();
        if (take_one(signum, &info, now, tid, &ordinal))
            handler_pass_on(signum, &info, tid, ordinal);
    }
    trip(signum, now, tid);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof lent);
}

void intake_pass_on(void) {
    if (!intake)
        return;
    uint32_t first = atomic_load(&intake->for_main_first);
    while (first != atomic_load(&intake->for_main_end)) {
        struct for_main next = intake->for_main[first % FOR_MAIN];
        /* Another one within a handler of the program's goes on here. */
        if (atomic_compare_exchange_strong(&intake->for_main_first, &first, first + 1)) {
            handler_pass_on(next.info.si_signo, &next.info, next.tid, next.ordinal);
            first = atomic_load(&intake->for_main_first);
        }
    }
}

void intake_before_change(uint64_t signals) {
    int saved_errno = errno;
    borrow_hold(); /* what this thread has lent comes now */
    for (uint64_t rest = borrow_lent_by_others() & signals; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if (registry_in_place(signum))
            take_what_is_pending(signum);
    }
    errno = saved_errno;
}

/* --- its beginning and its end ----------------------------------------------------------- */

static void before_fork(void) {
    borrow_hold();
    intake_end();
}

int intake_start(void) {
    static bool intake_hooked;
    int error = borrow_start();
    if (!error && !intake) {
        struct intake *made = memory_wiped(sizeof *made);
        if (!made)
            return errno;
        intake = made;
    }
    if (!error && !intake_hooked) {
        error = at_fork(before_fork, borrow_go_on, NULL);
        intake_hooked = !error;
    }
    return error;
}

void intake_set(int signum, bool may, uint64_t moderation_ns, uint64_t limit) {
    if (!intake)
        return;
    if (!may)
        borrow_allow(signum, false); /* first: what was just taken still needs the room */
    atomic_store(&moderation[signum], moderation_ns);
    atomic_store(&registry[signum].backlog, limit);
    if (may)
        borrow_allow(signum, true);
}

static int make_thread(int policy, int priority) {
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    struct sched_param parameters = {.sched_priority = priority};
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, INTAKE_STACK);
    if (priority) { /* above the main thread's: else that would compute, and this never run */
        pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attributes, policy);
        pthread_attr_setschedparam(&attributes, &parameters);
    }
    /* A fault that is sent, as by abort(3) elsewhere, is not for this thread, in which a handler of
     * the program's has no descriptors. SIGBUS: sigbus.h. */
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, run_intake, (void *)(intptr_t)priority);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

void intake_begin(void) {
    if (!intake || !borrow_is_wanted() || !kick_possible() || atomic_load(&filter_denied))
        return;
    uint64_t now = monotonic_ns(), failed = atomic_load(&intake->failed_ns);
    if ((failed && now - failed < RETRY_NS) || atomic_exchange(&intake->beginning, 1))
        return;
    if (borrow_intake_tid()) { /* it runs, but the main thread's priority has changed */
        atomic_store(&intake->beginning, 0);
        intake_end();
        if (borrow_intake_tid() || atomic_exchange(&intake->beginning, 1))
            return;
    }
    struct sched_param own = {0};
    int policy = sched_getscheduler(process_pid());
    bool real_time = policy == SCHED_FIFO || policy == SCHED_RR;
    int error = real_time && sched_getparam(process_pid(), &own) != 0 ? errno : 0;
    if (real_time && own.sched_priority >= sched_get_priority_max(policy))
        error = EPERM;
    atomic_store(&intake->ending, 0);
    if (!error)
        error = make_thread(policy, real_time ? own.sched_priority + 1 : 0);
    if (error) {
        atomic_store(&intake->failed_ns, now);
        atomic_store(&intake->beginning, 0);
    }
}

void intake_end(void) {
    struct timespec pause = {0, 100000};
    int saved_errno = errno;
    if (!intake)
        return;
    for (int i = 0; i < END_LOOKS && (borrow_intake_tid() || atomic_load(&intake->beginning));
         i++) {
        atomic_store(&intake->ending, 1);
        borrow_give_back(~UINT64_C(0));
        borrow_wake_intake();
        nanosleep(&pause, NULL);
    }
    borrow_give_back(~UINT64_C(0)); /* what was lent since */
    /* The intake thread has ended, and nobody else kicks the threads that still lend. */
    for (int i = 0; i < END_LOOKS / 100 && borrow_kick(kick_and_count); i++)
        nanosleep(&pause, NULL);
    errno = saved_errno;
}

void intake_count(int signum, struct intake_counts *counts) {
    memset(counts, 0, sizeof *counts);
    const struct queue *queue = registry_queue(signum);
    if (!intake || !queue)
        return;
    counts->taken = atomic_load(&intake->taken[signum]);
    counts->switches = borrow_switches(signum);
    counts->bytes = backlog_bytes(&queue->state->backlog);
    counts->naps = atomic_load(&intake->naps);
    counts->kicks = atomic_load(&intake->kicks);
}

#endif
