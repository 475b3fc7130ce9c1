/* SPDX-License-Identifier: MIT
 *
 * course_take(), course_ends() and all that they call run in signal context. The course of a
 * signal makes these system calls, each of which is async-signal-safe (signal-safety(7)) or raw:
 *   rt_sigaction         sets the default action, and our handler again after it
 *   rt_tgsigqueueinfo    sends the signal once more, with its siginfo, for that action
 *   tgkill, kill         send it without siginfo, where the kernel refuses the former
 *   timer_create,        have the kernel send it, where it refuses these too
 *   timer_settime
 *   exit_group           ends the process, where it refuses all of them
 *   rt_sigprocmask       unblocks the signal; and blocks SIGBUS for a handler of the
 *                        program's that wants that, since our mask does not have it
 *   rt_sigpending        looks whether a SIGCONT has come, before the process stops
 *   rt_sigtimedwait      waits a millisecond for that, and takes back the stop signal that
 *                        was sent once more
 *   getpid, gettid
 */
#define _GNU_SOURCE
#include "handler/course.h"

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "handler/fault.h"
#include "handler/passive.h"
#include "program/action.h"
#include "program/adopted.h"
#include "program/passage.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static _Atomic int32_t init_pid; /* of course_as_init(); a forked child has another PID; 0: none */

void course_as_init(int32_t pid) { atomic_store_explicit(&init_pid, pid, memory_order_relaxed); }

static bool as_init(void) {
    int32_t pid = atomic_load_explicit(&init_pid, memory_order_relaxed);
    return pid && pid == process_pid();
}

bool course_by_default(int signum, enum signal_default what) {
    return signal_default(signum) == what && passive_records(signum) && !as_init();
}

/* Changes this thread's mask until the handler returns. */
static bool change_mask_until_return(int how, int signum) {
    uint64_t set = signal_bit(signum);
    return filter_allows(FILTERED_SIGPROCMASK) &&
           syscall(SYS_rt_sigprocmask, how, &set, NULL, sizeof set) == 0;
}

static bool set_default_action(int signum) {
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    return filter_allows(FILTERED_SIGACTION) && sigaction(signum, &by_default, NULL) == 0;
}

/* Sends the signal once more, while it is blocked. False: this process may send no signal. */
static bool send_again(int signum, const siginfo_t *info, uint32_t tid) {
    long pid = process_own_pid();
    if (!pid)
        return false;
    /* A process may send itself any si_code: rt_sigqueueinfo(2). */
    return (filter_allows(FILTERED_QUEUE) &&
            syscall(SYS_rt_tgsigqueueinfo, pid, (long)tid, signum, info) == 0) ||
           (filter_allows(FILTERED_TGKILL) && syscall(SYS_tgkill, pid, (long)tid, signum) == 0) ||
           (filter_allows(FILTERED_KILL) && syscall(SYS_kill, pid, signum) == 0);
}

/* Has the kernel send the signal, where the process may send nothing itself: by a timer that
 * expires at once. The signal comes a little later, and there is nothing to do until then. */
static bool send_by_timer(int signum) {
    struct sigevent course_event;
    memset(&course_event, 0, sizeof course_event);
    course_event.sigev_notify = SIGEV_SIGNAL;
    course_event.sigev_signo = signum;
    struct itimerspec soon = {{0, 0}, {0, 1}};
    int timer;
    if (!filter_allows(FILTERED_TIMER_CREATE) || !filter_allows(FILTERED_TIMER_SETTIME) ||
        syscall(SYS_timer_create, CLOCK_MONOTONIC, &course_event, &timer) != 0 ||
        syscall(SYS_timer_settime, timer, 0, &soon, NULL) != 0)
        return false;
    for (uint64_t until = monotonic_ns() + UINT64_C(5000000); monotonic_ns() < until;)
        ;
    return true;
}

/* SIGCONT cancels a stop signal that is pending, but leaves no trace where it is not caught, and a
 * process that stopped all the same would stay stopped for ever (POSIX, 2.4.1). So the stop signal
 * is made pending again at once. This discards a SIGCONT that is pending, and such a SIGCONT has
 * come after the stop signal, which has discarded all older ones. So we look for it before. */
void course_stop_begins(int signum, uint32_t tid, struct course_stop *stop) {
    if (stop->begun)
        return;
    stop->begun = true;
    long pid = process_own_pid();
    uint64_t pending = 0;
    bool may = pid && filter_allows(FILTERED_TGKILL) && filter_allows(FILTERED_SIGTIMEDWAIT) &&
               /* The signal is blocked already, unless another handler has called ours. */
               change_mask_until_return(SIG_BLOCK, signum);
    if (filter_allows(FILTERED_SIGPENDING))
        syscall(SYS_rt_sigpending, &pending, sizeof pending);
    /* Nothing may come in between: a SIGCONT that came here would leave no trace. */
    stop->pending =
        may && !(pending & signal_bit(SIGCONT)) && syscall(SYS_tgkill, pid, (long)tid, signum) == 0;
    stop->continued = pending & signal_bit(SIGCONT);
}

static void nap_for_sigcont(void) {
    static const struct timespec soon = {0, 1000000};
    uint64_t none = 0;
    if (filter_allows(FILTERED_SIGTIMEDWAIT))
        syscall(SYS_rt_sigtimedwait, &none, NULL, &soon, sizeof none);
}

/* A stop signal that is pending and did not come after all is taken back. */
void course_stop_ends(int signum, struct course_stop *stop) {
    static const struct timespec zero;
    uint64_t set = signal_bit(signum);
    if (stop->pending)
        syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, sizeof set);
    stop->pending = false;
}

static void take_default_action(int signum, const siginfo_t *info, void *context, uint32_t tid,
                                uint64_t ordinal, struct course_stop *stop) {
    enum signal_default action = signal_default(signum);
    if (action == SIGNAL_STAYS || (as_init() && !(signal_is_fault(signum) && info->si_code > 0)))
        return;
    int saved_errno = errno;
    if (action == SIGNAL_ENDS)
        process_ending(signum, ordinal);
    if (action == SIGNAL_STOPS) {
        /* Whoever sends a SIGCONT at once is waited for. As long as there is one thread, that stays
         * pending until we look; else another thread may take it, and so the stop has begun. */
        if (!is_single_threaded())
            course_stop_begins(signum, tid, stop);
        nap_for_sigcont();
        course_stop_begins(signum, tid, stop);
    }
    bool stays = action == SIGNAL_STOPS && stop->continued;
    bool by_default = !stays && set_default_action(signum);
    /* The instruction raises the signal again, and so the core dump has its registers. */
    if (fault_comes_again(signum, info)) {
        if (!by_default) { /* a fault that is blocked kills all the same: sigprocmask(2) */
            uint64_t blocked;
            memcpy(&blocked, &((ucontext_t *)context)->uc_sigmask, sizeof blocked);
            blocked |= signal_bit(signum);
            memcpy(&((ucontext_t *)context)->uc_sigmask, &blocked, sizeof blocked);
        }
        atomic_store_explicit(&process_self->ending_ns, monotonic_ns(), memory_order_relaxed);
        errno = saved_errno;
        return;
    }
    if (by_default) {
        bool sent = stop->pending || send_again(signum, info, tid) ||
                    (action == SIGNAL_ENDS && send_by_timer(signum));
        stop->pending = false;
        if (!change_mask_until_return(SIG_UNBLOCK, signum) && sent)
            return; /* the signal comes when our handler returns, and the default action stays set
                     */
        if (action == SIGNAL_ENDS && !sent)
            syscall(SYS_exit_group, 128 + signum); /* the status that a shell would show */
        /* The process ends here, or has stopped and been continued. Or nothing happened to it: as
         * PID 1 of a namespace, by a stop signal in an orphaned process group, under a debugger. */
        change_mask_until_return(SIG_BLOCK, signum);
    } else if (action == SIGNAL_ENDS) {
        syscall(SYS_exit_group, 128 + signum);
    }
    if (action == SIGNAL_ENDS)
        process_ending(0, 0);
    if (passive_records(signum))
        passive_apply(signum);
    errno = saved_errno;
}

void course_default(int signum, const siginfo_t *info, void *context, uint32_t tid,
                    uint64_t ordinal) {
    struct sigaction now;
    bool known = filter_allows(FILTERED_SIGACTION) && sigaction(signum, NULL, &now) == 0;
    struct course_stop stop = {.begun = false};
    take_default_action(signum, info, context, tid, ordinal, &stop);
    course_stop_ends(signum, &stop);
    if (known && !passive_records(signum) && signal_default(signum) != SIGNAL_STAYS &&
        !fault_comes_again(signum, info))
        sigaction(signum, &now, NULL);
}

bool course_fault_again(int signum, const siginfo_t *info, void *context) {
    struct process *self = process_self;
    if (!fault_was_of(signum) || !passive_records(signum) || !action_is_default(signum))
        return false;
    uint32_t tid = atomic_load_explicit(&self->fault_tid, memory_order_relaxed);
    if ((filter_allows(FILTERED_GETTID) && (uint32_t)syscall(SYS_gettid) != tid) ||
        !fault_is_same(info, context))
        return false;
    take_default_action(signum, info, context, tid,
                        atomic_load_explicit(&self->fault_ordinal, memory_order_relaxed),
                        &(struct course_stop){.begun = false});
    return true;
}

void course_goes_on(uint64_t now) {
    /* A fault was left to its default action, and did not come again. Another thread may have
     * mended its cause. */
    uint64_t then = atomic_load_explicit(&process_self->ending_ns, memory_order_relaxed);
    if (!then || now - then < UINT64_C(1000000000))
        return;
    atomic_store_explicit(&process_self->ending_ns, 0, memory_order_relaxed);
    uint32_t signum =
        atomic_load_explicit(&process_recording()->header->fatal_signal, memory_order_relaxed);
    process_ending(0, 0);
    if (signum > 0 && signum < SIGREC_NSIG && passive_records((int)signum))
        passive_apply((int)signum);
}

/* Whether another handler has the signal now, and so has called ours. Without us it would have
 * found the default action, which nobody calls. */
static bool is_called_by_another(int signum) {
    struct sigaction now, ours;
    registry_recording_action(&ours);
    return filter_allows(FILTERED_SIGACTION) && sigaction(signum, NULL, &now) == 0 &&
           now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN &&
           now.sa_handler != ours.sa_handler && !registry_is_ours(&now);
}

bool course_called_by_adopted(int signum, siginfo_t *info, void *context) {
    struct passage passage = {PASSAGE_MARK, 0, 0};
    struct sigaction before;
    siginfo_t nobody;
    if (!passage_is_siginfo(signum, info)) { /* by one argument, as signal(2) has it */
        memset(&nobody, 0, sizeof nobody);
        nobody.si_signo = signum;
        info = &nobody;
    } else if (!passage_get(info, &passage)) {
        return false;
    }
    unsigned level = passage.mark & PASSAGE_PLACES;
    if (level == PASSAGE_PLACES || !adopted_beneath(signum, level, &before))
        return true;
    if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
        /* There was no handler to call; but whoever calls us for a fault leaves it to us. */
        if (before.sa_handler == SIG_DFL && fault_comes_again(signum, info))
            course_default(signum, info, context, passage.tid, passage.ordinal);
        return true;
    }
    passage.mark++;
    passage_set(info, &passage);
    before.sa_sigaction(signum, info, context);
    passage.mark--;
    passage_set(info, &passage);
    return true;
}

bool course_take(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                 struct course_stop *stop) {
    struct action program;
    uint64_t version = action_read(signum, &program);
    while ((program.flags & (int)SA_RESETHAND) && action_calls(&program)) {
        struct sigaction once;
        if (action_get(signum, &once) == version) {
            once.sa_handler = SIG_DFL;
            if (action_replace(signum, version, &once)) {
                passive_apply(signum);
                passive_note(signum, DISPOSITION_RESET, &once, 0);
                break;
            }
            if (action_version(signum) == version)
                break; /* there is no room to write the new action, so the old one stays */
        }
        version = action_read(signum, &program);
    }
    if (!action_calls(&program)) {
        if (!program.handler /* SIG_DFL */ &&
            (signal_default(signum) == SIGNAL_STAYS || fault_comes_again(signum, info) ||
             !is_called_by_another(signum)))
            take_default_action(signum, info, context, tid, ordinal, stop);
        return true;
    }
    if ((program.flags & SA_SIGINFO) && registry_place_of(program.handler) >= 0)
        return false;
    if (program.mask & signal_bit(SIGBUS))
        change_mask_until_return(SIG_BLOCK, SIGBUS);
    if (registry_queue(signum) ||
        adopted_any(signum)) { /* only then the program may know our handler, and call it */
        struct passage passage = {PASSAGE_MARK, tid, ordinal};
        passage_set(info, &passage);
    }
    /* The kernel passes all three arguments, too, whether or not SA_SIGINFO is set. */
    if (!signal_is_fault(signum)) {
        program.handler(signum, info, context);
        return true;
    }
    fault_begins(signum, info, context, tid, ordinal, __builtin_frame_address(0));
    program.handler(signum, info, context);
    fault_returned();
    return true;
}

#endif
