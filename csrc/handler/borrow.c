/* SPDX-License-Identifier: MIT
 *
 * All of this may run in any context, signal context too. There is no lock: only a lending thread
 * itself writes its entry, also in its handlers, each word by one atomic operation. (The entry of a
 * thread that has ended is freed by borrow_kick.) System calls: gettid, futex, rt_sigaction,
 * rt_sigprocmask, sched_getscheduler, sched_getparam; getpid where there may be a vfork child; and,
 * outside of signal context, tgkill in borrow_kick.
 */
#define _GNU_SOURCE
#include "handler/borrow.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/memory.h"
#include "handler/registry.h"
#include "handler/trip.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>

_Atomic uint64_t borrow_signals;

#ifdef __linux__

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define LENDERS 64

/* A flood: so many signals, each so soon after the one before; or so many in such a time. */
#define CLOSE_NS UINT64_C(100000)
#define CLOSE_SIGNALS 8
#define WINDOW_NS UINT64_C(2000000)
#define MANY_SIGNALS 16

#define CALM_NS UINT64_C(5000000) /* after a fork or exec nothing is borrowed for so long */
#define INTAKE_PATIENCE 100       /* times a millisecond: the intake thread may not get to run */

static struct borrow {
    _Atomic uint64_t owned;     /* the signals that the intake thread owns */
    _Atomic uint64_t taking;    /* those that it may be taking just now */
    _Atomic uint32_t orphans;   /* since its last look a signal was taken away from it: the threads
                                 * that lent that are to be kicked, even if it had taken none */
    _Atomic uint32_t put_down;  /* futex: how often it has put down what it took */
    _Atomic uint32_t waiting;   /* threads that wait until it has put that down */
    _Atomic uint32_t rung;      /* futex: the intake thread is to look */
    _Atomic int32_t intake_tid; /* its tid; 0: it does not run */
    _Atomic int priority;       /* the intake thread's, if that is a real-time one */
    _Atomic uint32_t holds;
    _Atomic uint64_t calm_until;
    _Atomic uint64_t wanted;   /* signals that came fast while no intake thread ran */
    _Atomic uint64_t blocked;  /* signals that the program itself blocks in the main thread */
    _Atomic uint64_t withheld; /* of these, those whose handler waits */
    _Atomic uint64_t seen_pending, suspect;
    struct rate {
        _Atomic uint64_t last, began;
        _Atomic uint32_t close, many;
        _Atomic uint64_t switches;
    } rates[SIGREC_NSIG];
    struct lender {
        _Atomic uint64_t who;  /* the tid; 0: the entry is free. KICKS(1) or more is added while the
                                * thread changes its mask, which its handlers then leave alone */
        _Atomic uint64_t lent; /* the bits of its mask that it has lent; of a free entry 0 */
        _Atomic uint32_t looks; /* kicks since it has lent */
    } lenders[LENDERS];
} *borrow;

int borrow_start(void) {
    if (!borrow) {
        struct borrow *made = memory_wiped(sizeof *made);
        if (!made)
            return errno;
        borrow = made;
    }
    return 0;
}

#define LENDER_GONE UINT64_C(0xffffffff) /* a lender's tid, while another thread frees it */
#define KICKS(n) ((uint64_t)(n) << 32)
static uint32_t kicks_of(uint64_t who) { return (uint32_t)(who >> 32); }
static int32_t tid_of(uint64_t who) { return (int32_t)(uint32_t)who; }

static int32_t this_tid(void) { return (int32_t)syscall(SYS_gettid); }

static bool is_alive(int32_t tid) {
    return !filter_allows(FILTERED_TGKILL) ||
           syscall(SYS_tgkill, (long)process_pid(), (long)tid, 0) == 0;
}

/* Finds the thread's entry, from `one` on. It has one at most; but see begin_mask. */
static struct lender *next_lender(struct lender *one, int32_t tid) {
    for (; one < borrow->lenders + LENDERS; one++)
        if (tid_of(atomic_load_explicit(&one->who, memory_order_relaxed)) == tid)
            return one;
    return NULL;
}

static struct lender *find_lender(int32_t tid) { return next_lender(borrow->lenders, tid); }

/* NULL: there is no room for another lender. */
static struct lender *make_lender(uint64_t who) {
    for (struct lender *one = borrow->lenders; one < borrow->lenders + LENDERS; one++) {
        uint64_t nobody = 0;
        if (!atomic_load_explicit(&one->who, memory_order_relaxed) &&
            atomic_compare_exchange_strong(&one->who, &nobody, who))
            return one;
    }
    return NULL;
}

static uint64_t lent_by(int32_t tid) {
    uint64_t lent = 0;
    for (struct lender *one = find_lender(tid); one; one = next_lender(one + 1, tid))
        lent |= atomic_load(&one->lent);
    return lent;
}

/* The signals that any thread has lent. A signal that may not be borrowed any more is still among
 * them until the next kick. */
static uint64_t lent_by_all(void) {
    uint64_t lent = 0;
    for (const struct lender *one = borrow->lenders; one < borrow->lenders + LENDERS; one++)
        if (atomic_load_explicit(&one->who, memory_order_relaxed))
            lent |= atomic_load(&one->lent);
    return lent;
}

static uint64_t interrupted_mask(const void *context) {
    uint64_t mask; /* the kernel's sigset_t; only so much of ucontext_t's is written */
    memcpy(&mask, &((const ucontext_t *)context)->uc_sigmask, sizeof mask);
    return mask;
}

static void set_interrupted_mask(void *context, uint64_t mask) {
    memcpy(&((ucontext_t *)context)->uc_sigmask, &mask, sizeof mask);
}

static void unblock(uint64_t signals) {
    if (signals)
        syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &signals, NULL, sizeof signals);
}

/* --- futexes --------------------------------------------------------------------------- */

static void futex_wake(_Atomic uint32_t *futex_word) {
    int saved_errno = errno;
    syscall(SYS_futex, futex_word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    errno = saved_errno;
}

static void futex_wait(_Atomic uint32_t *futex_word, uint32_t seen, uint64_t timeout_ns) {
    struct timespec timeout = clock_timespec(timeout_ns);
    int saved_errno = errno;
    syscall(SYS_futex, futex_word, FUTEX_WAIT_PRIVATE, seen, &timeout, NULL, 0);
    errno = saved_errno;
}

void borrow_wake_intake(void) {
    if (borrow && !atomic_exchange(&borrow->rung, 1))
        futex_wake(&borrow->rung);
}

void borrow_intake_sleep(uint64_t timeout_ns) {
    if (!atomic_exchange(&borrow->rung, 0)) {
        futex_wait(&borrow->rung, 0, timeout_ns);
        atomic_store(&borrow->rung, 0);
    }
}

/* --- whose it is ------------------------------------------------------------------------ */

void borrow_intake_runs(int32_t tid, int priority) {
    atomic_store(&borrow->priority, priority);
    atomic_store(&borrow->intake_tid, tid);
    uint64_t withheld = tid ? 0 : atomic_exchange(&borrow->withheld, 0);
    for (; withheld; withheld &= withheld - 1) /* nobody else would have them handled */
        trip_again(signal_lowest(withheld), monotonic_ns(), 0);
}

int32_t borrow_intake_tid(void) { return borrow ? atomic_load(&borrow->intake_tid) : 0; }

uint64_t borrow_owned(void) { return atomic_load(&borrow->owned); }

static bool take_from_intake(uint64_t signals) {
    if (!(atomic_fetch_and(&borrow->owned, ~signals) & signals))
        return false;
    atomic_store(&borrow->orphans, 1);
    return true;
}

/* This writes `taking` first, and then looks once more: a thread that takes a signal away, or
 * forbids it, is either seen here, or sees `taking`. */
uint64_t borrow_take_up(void) {
    atomic_store(&borrow->taking, atomic_load(&borrow->owned));
    uint64_t owned = atomic_load(&borrow->taking) & atomic_load(&borrow->owned);
    owned = atomic_load(&borrow->holds) ? 0 : owned & ~atomic_load(&borrow->blocked);
    atomic_store(&borrow->taking, owned);
    return owned;
}

bool borrow_was_taken_away(void) {
    return atomic_load_explicit(&borrow->orphans, memory_order_relaxed) &&
           atomic_exchange(&borrow->orphans, 0);
}

void borrow_put_down(void) {
    atomic_store(&borrow->taking, 0);
    atomic_fetch_add(&borrow->put_down, 1);
    if (atomic_load(&borrow->waiting))
        futex_wake(&borrow->put_down);
}

void borrow_give_back(uint64_t signals) { take_from_intake(signals); }

void borrow_release(uint64_t signals) {
    if (!borrow || (!take_from_intake(signals) && !(atomic_load(&borrow->taking) & signals)))
        return;
    if (this_tid() == borrow_intake_tid())
        return;
    atomic_fetch_add(&borrow->waiting, 1);
    for (int i = 0; i < INTAKE_PATIENCE; i++) {
        uint32_t seen = atomic_load(&borrow->put_down);
        if (!(atomic_load(&borrow->taking) & signals))
            break;
        borrow_wake_intake();
        futex_wait(&borrow->put_down, seen, 1000000);
    }
    atomic_fetch_sub(&borrow->waiting, 1);
    borrow_wake_intake(); /* it kicks the threads that have lent them */
}

void borrow_allow(int signum, bool may) {
    if (!borrow)
        return;
    uint64_t bit = signal_bit(signum);
    if (may) {
        atomic_fetch_or(&borrow_signals, bit);
    } else {
        atomic_fetch_and(&borrow_signals, ~bit);
        atomic_fetch_and(&borrow->withheld, ~bit);
        borrow_release(bit);
    }
}

bool borrow_is_wanted(void) {
    return borrow && atomic_load_explicit(&borrow->wanted, memory_order_relaxed) &&
           atomic_exchange(&borrow->wanted, 0);
}

uint64_t borrow_switches(int signum) {
    return borrow ? atomic_load(&borrow->rates[signum].switches) : 0;
}

/* --- signal context ---------------------------------------------------------------------- */

static bool is_flood(int signum, uint64_t now) {
    struct rate *rate = &borrow->rates[signum];
    /* Relaxed: hints, and handlers of several threads may lose some. */
    uint64_t gap = now - atomic_load_explicit(&rate->last, memory_order_relaxed);
    atomic_store_explicit(&rate->last, now, memory_order_relaxed);
    uint32_t close = atomic_load_explicit(&rate->close, memory_order_relaxed);
    close = gap < CLOSE_NS ? close + 1 : 0;
    uint32_t many = atomic_load_explicit(&rate->many, memory_order_relaxed) + 1;
    if (now - atomic_load_explicit(&rate->began, memory_order_relaxed) > WINDOW_NS) {
        atomic_store_explicit(&rate->began, now, memory_order_relaxed);
        many = 0;
    }
    bool flood = close >= CLOSE_SIGNALS || many >= MANY_SIGNALS;
    atomic_store_explicit(&rate->close, flood ? 0 : close, memory_order_relaxed);
    atomic_store_explicit(&rate->many, flood ? 0 : many, memory_order_relaxed);
    return flood;
}

/* Whether the intake thread would get to run beside this one, which computes. */
static bool would_run(void) {
    long policy = syscall(SYS_sched_getscheduler, 0);
    if (policy != SCHED_FIFO && policy != SCHED_RR)
        return policy != 6 /* SCHED_DEADLINE */;
    struct sched_param own;
    return syscall(SYS_sched_getparam, 0, &own) == 0 &&
           own.sched_priority < atomic_load(&borrow->priority);
}

static bool may_begin(uint64_t bit, uint64_t now) {
    if (atomic_load(&borrow->holds) || now < atomic_load(&borrow->calm_until) ||
        (atomic_load(&borrow->blocked) & (bit | KICK_SIGNALS)) || atomic_load(&filter_denied))
        return false; /* what is lent goes back by a kick, and what is taken is told by one */
    if (atomic_load(&borrow->intake_tid) && would_run())
        return true;
    atomic_fetch_or(&borrow->wanted, bit); /* the dispatcher starts one */
    return false;
}

/* Another handler may stand above ours. Then the intake thread may not take the signal, and would
 * give it back at once, again and again in a flood. */
static bool may_lend(int signum, uint64_t now) {
    return may_begin(signal_bit(signum), now) && registry_in_place(signum);
}

/* The signal came to a handler, so it is not blocked here, whatever is noted. */
static void handler_was_let_in(int signum, uint64_t mask, uint64_t now, uint32_t tid) {
    uint64_t bit = signal_bit(signum);
    uint64_t let_in = atomic_load(&borrow->blocked) & (bit | KICK_SIGNALS) & ~mask;
    if (let_in && (int32_t)tid == process_pid())
        atomic_fetch_and(&borrow->blocked, ~let_in); /* a siglongjmp, say */
    if (atomic_fetch_and(&borrow->withheld, ~bit) & bit)
        trip_again(signum, now, tid);
}

bool borrow_delivered(int signum, void *context, uint64_t now, uint32_t tid) {
    if (!borrow || !context)
        return false;
    uint64_t bit = signal_bit(signum), mask = interrupted_mask(context);
    if ((atomic_load_explicit(&borrow->blocked, memory_order_relaxed) |
         atomic_load_explicit(&borrow->withheld, memory_order_relaxed)) &
        (bit | KICK_SIGNALS))
        handler_was_let_in(signum, mask, now, tid);
    bool owned = atomic_load(&borrow->owned) & bit;
    if (!owned && !is_flood(signum, now))
        return atomic_load_explicit(&borrow->intake_tid, memory_order_relaxed) != 0;
    /* If it is blocked there, the program has blocked it: this is in sigsuspend(2). */
    if ((mask & bit) || !may_lend(signum, now))
        return false;
    struct lender *lender = find_lender((int32_t)tid);
    lender = lender ? lender : make_lender(tid);
    if (!lender || kicks_of(atomic_load_explicit(&lender->who, memory_order_relaxed)))
        return false;
    atomic_store_explicit(&lender->looks, 0, memory_order_relaxed);
    bool noted = atomic_fetch_or(&lender->lent, bit) & bit;
    set_interrupted_mask(context, mask | bit);
    bool begins = !(atomic_fetch_or(&borrow->owned, bit) & bit);
    /* A thread that has just forbidden it has seen that it is owned, or is seen here. The same
     * holds for the intake thread, if that has just ended. */
    if (atomic_load(&borrow->holds) || (atomic_load(&borrow->blocked) & (bit | KICK_SIGNALS)) ||
        !borrow_may(signum) || !atomic_load(&borrow->intake_tid)) {
        if (!noted) /* else see borrow_kicked */
            atomic_fetch_and(&lender->lent, ~bit);
        set_interrupted_mask(context, mask);
        if (take_from_intake(bit)) /* other threads may have lent it since it was owned */
            borrow_wake_intake();
        return false;
    }
    if (begins) {
        atomic_fetch_add_explicit(&borrow->rates[signum].switches, 1, memory_order_relaxed);
        borrow_wake_intake();
    }
    return true;
}

void borrow_dequeued(int signum, uint64_t now) {
    if (borrow && is_flood(signum, now))
        may_begin(signal_bit(signum), now);
}

/* Whether the thread is changing its mask: then end_mask does what the kick asks for. After a few
 * kicks it counts as over: a handler may have left that change by siglongjmp(3). */
static bool is_changing(struct lender *lender) {
    uint64_t who = atomic_load_explicit(&lender->who, memory_order_relaxed);
    if (!kicks_of(who))
        return false;
    uint64_t now = kicks_of(who) < 4 ? who + KICKS(1) : (uint32_t)tid_of(who);
    atomic_store_explicit(&lender->who, now, memory_order_relaxed);
    return kicks_of(who) < 4;
}

/* What the main thread has blocked beside what the program blocks and what is lent. */
static uint64_t unexplained(uint64_t mask, int32_t tid) {
    return mask & ~atomic_load(&borrow->blocked) & ~lent_by(tid);
}

/* In the main thread, after borrow_is_suspect has found that its mask may be another. */
static void look_at_mask(void *context, int32_t tid) {
    uint64_t suspect = atomic_exchange(&borrow->suspect, 0), mask = interrupted_mask(context);
    uint64_t leaked = unexplained(mask, tid) & suspect;
    set_interrupted_mask(context, mask & ~leaked);
    for (uint64_t rest = suspect & ~mask; rest; rest &= rest - 1)
        handler_was_let_in(signal_lowest(rest), mask, monotonic_ns(), (uint32_t)tid);
}

/* Whether the mask may be that of a handler of the program's, whose end brings an older one back:
 * it blocks the handler's signal. Of other threads than the main one it is not known what they
 * block themselves; and a mask can be changed unseen. So after a few looks it counts as the
 * thread's. */
static bool may_be_in_handler(struct lender *lender, uint64_t mask, int32_t tid) {
    uint32_t looks = atomic_fetch_add_explicit(&lender->looks, 1, memory_order_relaxed);
    if (tid != process_pid())
        return looks < 2;
    return looks < 8 && unexplained(mask, tid);
}

void borrow_kicked(void *context) {
    if (!borrow || !context)
        return;
    int32_t tid = this_tid();
    if (atomic_load(&borrow->suspect) && tid == process_pid())
        look_at_mask(context, tid);
    for (struct lender *one = find_lender(tid); one; one = next_lender(one + 1, tid)) {
        if (is_changing(one))
            continue;
        uint64_t back = atomic_load(&one->lent) & ~atomic_load(&borrow->owned);
        uint64_t mask = interrupted_mask(context);
        set_interrupted_mask(context, mask & ~back);
        if (back && may_be_in_handler(one, mask, tid))
            continue; /* it is still noted, and so another kick comes */
        if (atomic_fetch_and(&one->lent, ~back) == back)
            atomic_store(&one->who, 0);
    }
}

/* --- what the program sees ---------------------------------------------------------------- */

/* Gives this thread the bits of its mask back, at once. */
static void take_back(uint64_t signals) {
    int32_t tid = this_tid();
    for (struct lender *one = find_lender(tid); one; one = next_lender(one + 1, tid))
        unblock(atomic_fetch_and(&one->lent, ~signals) & signals);
}

/* The main thread has these blocked now, or not any more. */
static void note_wish(uint64_t blocked, uint64_t no_more) {
    atomic_fetch_and(&borrow->blocked, ~no_more);
    atomic_fetch_or(&borrow->blocked, blocked);
    uint64_t ours = blocked & atomic_load(&borrow_signals);
    if (atomic_load(&borrow->intake_tid)) /* else only handlers have taken signals */
        atomic_fetch_or(&borrow->withheld, ours);
    borrow_release(ours);
    uint64_t freed = atomic_fetch_and(&borrow->withheld, ~no_more) & no_more;
    for (; freed; freed &= freed - 1) {
        int signum = signal_lowest(freed);
        if (queue_length(&registry[signum].queue))
            trip_again(signum, monotonic_ns(), (uint32_t)process_pid());
    }
}

/* Frees the entry of a lender that lends nothing: this thread, whose handlers do not lend while it
 * changes its mask. */
static bool drop_lender(struct lender *one, int32_t tid) {
    uint64_t who = atomic_load(&one->who);
    while (tid_of(who) == tid && kicks_of(who) && !atomic_load(&one->lent))
        if (atomic_compare_exchange_strong(&one->who, &who, 0))
            return true;
    return false;
}

static struct lender *other_lender(const struct lender *than, int32_t tid) {
    struct lender *one = find_lender(tid);
    return one == than ? next_lender(one + 1, tid) : one;
}

/* By the main thread, which calls this: a kick may be pending, and nothing could be given back. */
static void kicks_are_blocked(void) {
    borrow_release(~UINT64_C(0));
    take_back(~UINT64_C(0));
    for (uint64_t rest = atomic_load(&borrow_signals); rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if (trip_is_out(signum) || queue_length(&registry[signum].queue))
            trip_again(signum, monotonic_ns(), (uint32_t)process_pid());
    }
}

/* From here on this thread's own handlers leave its mask, and what is noted of it, as they are.
 * NULL: there is no room, and so nothing is noted. At any instruction of this a handler may free
 * the entry that was found, or make one beside the one that is made here, which then goes. */
static struct lender *begin_mask(int32_t tid) {
    uint64_t changing = (uint32_t)tid | KICKS(1);
    for (;;) {
        struct lender *one = find_lender(tid);
        if (one) {
            uint64_t who = atomic_load(&one->who);
            if (tid_of(who) != tid || !atomic_compare_exchange_strong(&one->who, &who, changing))
                continue;
        } else if (!(one = make_lender(changing))) {
            return NULL;
        }
        struct lender *other = other_lender(one, tid);
        if (!other || (!drop_lender(one, tid) && !drop_lender(other, tid)))
            return one;
    }
}

static void end_mask(struct lender *lender, int32_t tid) {
    uint64_t who = lender ? atomic_load(&lender->who) : 0;
    while (tid_of(who) == tid && kicks_of(who)) { /* else a handler's own change has ended it */
        if (!atomic_load(&lender->lent)) {
            if (atomic_compare_exchange_strong(&lender->who, &who, 0))
                return;
        } else if (kicks_of(who) == 1) {
            if (atomic_compare_exchange_strong(&lender->who, &who, (uint32_t)tid))
                return;
        } else if (atomic_compare_exchange_strong(&lender->who, &who, (uint32_t)tid | KICKS(1))) {
            /* A kick came meanwhile, and may have been the last one. */
            uint64_t back = atomic_load(&lender->lent) & ~atomic_load(&borrow->owned);
            unblock(atomic_fetch_and(&lender->lent, ~back) & back);
            who = atomic_load(&lender->who);
        }
    }
}

int borrow_mask(borrow_mask_function set_mask, int how, const sigset_t *set, sigset_t *old) {
    if (!borrow || (!atomic_load(&borrow_signals) && !lent_by_all()))
        return set_mask(how, set, old);
    int32_t tid = this_tid();
    struct lender *lender = begin_mask(tid);
    uint64_t ours = lender ? atomic_load(&lender->lent) : 0, wanted = 0, over = 0, seen;
    sigset_t passed, before;
    sigset_t *was = old ? old : &before; /* the kernel tells if that cannot be written */
    if (set) {
        memcpy(&wanted, set, sizeof wanted); /* the program's set may have no more than this */
        uint64_t lent = ours & atomic_load(&borrow->owned);
        uint64_t given = how == SIG_UNBLOCK   ? wanted & ~lent
                         : how == SIG_SETMASK ? wanted | lent
                                              : wanted;
        /* What is not lent any more goes back now; and what the program blocks itself from now on
         * is blocked by it alone. */
        over = how == SIG_SETMASK ? ours & (wanted | ~lent)
               : how == SIG_BLOCK ? ours & wanted
                                  : ours & wanted & ~lent;
        sigemptyset(&passed);
        memcpy(&passed, &given, sizeof given);
    }
    int result = set_mask(how, set ? &passed : NULL, was);
    if (result == 0 && over)
        atomic_fetch_and(&lender->lent, ~over);
    end_mask(lender, tid);
    if (result != 0)
        return result;
    int saved_errno = errno;
    memcpy(&seen, was, sizeof seen);
    seen &= ~ours;
    if (set && tid == process_pid()) {
        if (how == SIG_BLOCK)
            note_wish(wanted, 0);
        else
            note_wish(how == SIG_SETMASK ? wanted : 0, how == SIG_SETMASK ? ~wanted : wanted);
        if (how != SIG_UNBLOCK && (wanted & KICK_SIGNALS))
            kicks_are_blocked();
    }
    if (old)
        memcpy(old, &seen, sizeof seen); /* as much as the kernel writes */
    errno = saved_errno;
    return result;
}

void borrow_note_mask(void) {
    uint64_t mask = 0, lent = borrow ? lent_by(this_tid()) : 0;
    int32_t tid = this_tid();
    if (!borrow || tid != process_pid() ||
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask) != 0)
        return;
    atomic_store(&borrow->blocked, mask & ~lent & ~lent_by(tid));
}

bool borrow_withholds(int signum) {
    return borrow &&
           atomic_load_explicit(&borrow->withheld, memory_order_relaxed) & signal_bit(signum);
}

void borrow_send_to_thread(int signum) {
    if (!borrow || signum < 1 || signum >= SIGREC_NSIG || !borrow_may(signum) ||
        process_is_vfork_child())
        return;
    borrow_hold(); /* nothing is borrowed again for CALM_NS, in which the signal is sent */
    borrow_go_on();
}

bool borrow_is_suspect(uint64_t pending) {
    uint64_t may = atomic_load(&borrow_signals) & ~atomic_load(&borrow->owned), stuck = 0;
    pending &= may;
    for (uint64_t rest = atomic_load(&borrow->withheld) & may; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        stuck |= queue_length(&registry[signum].queue) ? signal_bit(signum) : 0;
    }
    uint64_t now = (pending & ~atomic_load(&borrow->blocked)) | stuck;
    uint64_t before = atomic_exchange(&borrow->seen_pending, now);
    atomic_store(&borrow->suspect, now & before);
    return now & before;
}

/* --- what children and threads inherit --------------------------------------------------- */

void borrow_hold(void) {
    if (!borrow)
        return;
    int saved_errno = errno;
    atomic_fetch_add(&borrow->holds, 1);
    borrow_release(~UINT64_C(0));
    take_back(~UINT64_C(0));
    errno = saved_errno;
}

void borrow_go_on(void) {
    if (!borrow)
        return;
    atomic_store(&borrow->calm_until, monotonic_ns() + CALM_NS);
    if (atomic_load(&borrow->holds)) /* there is none in a child, if a handler forked meanwhile */
        atomic_fetch_sub(&borrow->holds, 1);
}

void borrow_before_exec(void) {
    if (!borrow)
        return;
    if (process_is_vfork_child())
        unblock(lent_by_all());
    else
        borrow_hold();
}

uint64_t borrow_lent(void) { return borrow && lent_by_all() ? lent_by(this_tid()) : 0; }

bool borrow_keep_mask(void) {
    /* Under a filter, which may forbid the gettid, nothing more is lent. */
    bool may = borrow && atomic_load(&borrow_signals) && !atomic_load(&filter_denied);
    return (may || (borrow && lent_by_all())) && begin_mask(this_tid());
}

void borrow_let_mask_go(void) {
    int32_t tid = this_tid();
    end_mask(find_lender(tid), tid);
}

uint64_t borrow_lent_by_others(void) {
    return borrow ? lent_by_all() & ~atomic_load(&borrow->blocked) : 0;
}

void borrow_begin_thread(uint64_t inherited) {
    int32_t tid = this_tid();
    /* One may be left from a thread that has ended and had this tid. Or a handler has just lent a
     * signal here: then that is blocked. */
    struct lender *lender = find_lender(tid) ? begin_mask(tid) : NULL;
    if (lender) {
        uint64_t mask = 0;
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
        atomic_fetch_and(&lender->lent, mask & ~inherited);
        end_mask(lender, tid);
    }
    unblock(inherited);
}

int borrow_kick(bool (*kick)(int32_t tid)) {
    int count = 0;
    for (struct lender *one = borrow->lenders; one < borrow->lenders + LENDERS; one++) {
        uint64_t who = atomic_load(&one->who), bits = atomic_load(&one->lent);
        int32_t tid = tid_of(who);
        if (!tid || (bits && !(bits & ~atomic_load(&borrow->owned))))
            continue;
        if (bits ? kick(tid) : is_alive(tid))
            count += bits != 0;
        else if (atomic_compare_exchange_strong(&one->who, &who, LENDER_GONE)) {
            atomic_store(&one->lent, 0);
            atomic_store(&one->who, 0);
        }
    }
    return count;
}

#endif
