/* SPDX-License-Identifier: MIT
 *
 * Signal context: passive_course() and passive_ends(), and all that they call.
 * The system calls that the course makes, each async-signal-safe
 * (signal-safety(7)) or raw:
 *   rt_sigaction         to take the default action's place, and ours again
 *   rt_tgsigqueueinfo    the signal once more, with its siginfo, for that action
 *   tgkill               the same without siginfo, where the kernel refused that
 *   rt_sigprocmask       to let it in; and before a handler of the program's whose
 *                        mask has SIGBUS, which ours has not
 *   getpid, gettid
 */
#define _GNU_SOURCE
#include "passive.h"

#include "action.h"
#include "process.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

/* Bit n-1 for signal n. */
static _Atomic uint64_t watched;
static _Atomic uint64_t watched_ignored; /* of these, to be recorded even while ignored */

/* What sigaction(2) shows of any action that was set through a C library here. */
#ifdef __x86_64__
#define SA_RESTORER_SHOWN 0x04000000
#else
#define SA_RESTORER_SHOWN 0
#endif

enum default_action { ENDS, STOPS, NOTHING };

/* signal(7), "Standard signals". SIGCONT's, to continue, is done when it is generated. */
static enum default_action default_action(int signum) {
    switch (signum) {
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return STOPS;
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH: return NOTHING;
    default: return ENDS;
    }
}

static bool is_ignored(int signum, const struct sigaction *action) {
    return action->sa_handler == SIG_IGN ||
           (action->sa_handler == SIG_DFL && default_action(signum) == NOTHING);
}

bool passive_records(int signum) {
    return signum > 0 && signum < SIGREC_NSIG &&
           (atomic_load_explicit(&watched, memory_order_acquire) & signal_bit(signum));
}

/* --- what the kernel has ----------------------------------------------------------- */

/* The disposition that records the signal and lets the program see no difference. */
static void recording_form(int signum, const struct sigaction *program, struct sigaction *ours) {
    registry_action(ours, 0);
    if (program->sa_handler == SIG_DFL || program->sa_handler == SIG_IGN) {
        /* The interrupted call goes on, as without a handler, where the kernel can. */
        ours->sa_flags |= SA_RESTART | SA_ONSTACK;
        ours->sa_flags |= program->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
        if (signum == SIGCHLD && program->sa_handler == SIG_IGN)
            ours->sa_flags |= SA_NOCLDWAIT; /* children are reaped at once: sigaction(2) */
    } else {
        ours->sa_mask = program->sa_mask;
        sigdelset(&ours->sa_mask, SIGBUS); /* or it kills: sigbus.h; the course blocks it */
        ours->sa_flags |= program->sa_flags & ~(int)SA_RESETHAND; /* the course does that */
    }
}

void passive_apply(int signum) {
    for (;;) {
        struct sigaction program, form;
        uint64_t version = action_get(signum, &program);
        if (registry_has(signum))
            return;
        bool left_alone =
            is_ignored(signum, &program) && !(atomic_load(&watched_ignored) & signal_bit(signum));
        if (left_alone)
            form = program;
        else
            recording_form(signum, &program, &form);
        sigaction(signum, &form, NULL);
        process_set_mode(signum, left_alone ? MODE_NONE : MODE_RECORDED, false);
        if (action_version(signum) == version && !registry_has(signum))
            return; /* else someone changed it meanwhile, and may have been before us */
    }
}

int passive_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    if (!passive_records(signum)) {
        int result = sigaction(signum, next, previous);
        if (result != 0 || !next || !passive_records(signum) || process_is_vfork_child())
            return result;
        previous = NULL; /* recording began just now, perhaps with what was before */
    }
    struct sigaction now;
    action_get(signum, &now);
    if (process_is_vfork_child()) {
        /* Its dispositions are its own, but the table of them is its parent's. */
        if (next && sigaction(signum, next, NULL) != 0)
            return -1;
    } else if (next) {
        struct sigaction shown = *next;
        shown.sa_flags |= SA_RESTORER_SHOWN;
        if (!action_exchange(signum, &shown, &now)) {
            errno = EAGAIN;
            return -1;
        }
        registry_replaced(signum);
        if (signal_is_fault(signum) && next->sa_handler == SIG_DFL &&
            atomic_load_explicit(&process_self->faulting_tid, memory_order_relaxed) ==
                (uint32_t)syscall(SYS_gettid)) {
            /* The handler of a fault gives up: it will raise it again or return
             * to it. It is recorded; the simplest way down is the best. */
            process_ending(signum, process_self->ordinal[signum] - 1);
            sigaction(signum, next, NULL);
        } else {
            passive_apply(signum);
        }
    }
    if (previous)
        *previous = now;
    return 0;
}

/* The signals that are recorded although the program ignores them. */
static uint64_t named_and_ignored(void) {
    uint64_t set = 0;
    uint64_t rest = atomic_load(&watched) & atomic_load(&watched_ignored);
    for (; rest; rest &= rest - 1) {
        int signum = __builtin_ctzll(rest) + 1;
        if (passive_ignores(signum))
            set |= signal_bit(signum);
    }
    return set;
}

static bool kernel_has_ours(int signum) {
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && registry_is_ours(&now);
}

void passive_before_exec(void) {
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    for (uint64_t rest = named_and_ignored(); rest; rest &= rest - 1) {
        int signum = __builtin_ctzll(rest) + 1;
        /* A vfork child may have set its own. */
        if (!registry_has(signum) && kernel_has_ours(signum))
            sigaction(signum, &ignore, NULL);
    }
}

void passive_exec_failed(void) {
    /* A vfork child has given up, and its parent never had the change. */
    if (process_is_vfork_child())
        return;
    for (uint64_t rest = named_and_ignored(); rest; rest &= rest - 1)
        passive_apply(__builtin_ctzll(rest) + 1);
}

bool passive_ignores(int signum) {
    struct sigaction program;
    if (!passive_records(signum))
        return false;
    action_get(signum, &program);
    return program.sa_handler == SIG_IGN;
}

/* --- the course ---------------------------------------------------------------------- */

bool passive_ends(int signum) {
    struct sigaction program;
    if (!passive_records(signum) || default_action(signum) != ENDS)
        return false;
    action_get(signum, &program);
    return program.sa_handler == SIG_DFL;
}

/* Whether the instruction that was interrupted raises it again when it is tried again. */
static bool comes_again(int signum, const siginfo_t *info) {
    if (info->si_code <= 0) /* sent */
        return false;
    if (signum == SIGBUS)
        return info->si_code != BUS_MCEERR_AO;
    return signum == SIGSEGV || signum == SIGFPE || signum == SIGILL;
}

/* Of this thread's mask, until the handler returns. */
static void change_mask(int how, int signum) {
    uint64_t set = signal_bit(signum);
    syscall(SYS_rt_sigprocmask, how, &set, NULL, sizeof set);
}

static void take_default_action(int signum, siginfo_t *info, uint32_t tid, uint64_t ordinal) {
    enum default_action action = default_action(signum);
    if (action == NOTHING)
        return;
    int saved_errno = errno;
    if (action == ENDS)
        process_ending(signum, ordinal);
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    sigaction(signum, &by_default, NULL);
    if (comes_again(signum, info))
        return; /* with its own registers in the core dump */
    long pid = getpid();
    /* To ourselves with any si_code: rt_sigqueueinfo(2). */
    if (syscall(SYS_rt_tgsigqueueinfo, pid, (long)tid, signum, info) != 0)
        syscall(SYS_tgkill, pid, (long)tid, signum);
    change_mask(SIG_UNBLOCK, signum);
    /* Here it ends, or stops until SIGCONT. Or nothing happened: PID 1 of a
     * namespace, a stop signal in an orphaned process group, a debugger. */
    change_mask(SIG_BLOCK, signum);
    if (action == ENDS)
        process_ending(0, 0);
    passive_apply(signum);
    errno = saved_errno;
}

void passive_course(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal) {
    struct sigaction program;
    uint64_t version = action_get(signum, &program);
    while ((program.sa_flags & (int)SA_RESETHAND) && program.sa_handler != SIG_DFL &&
           program.sa_handler != SIG_IGN) {
        struct sigaction once = program;
        once.sa_handler = SIG_DFL;
        if (action_replace(signum, version, &once)) {
            passive_apply(signum);
            break;
        }
        if (action_version(signum) == version)
            break; /* no place to write it: it stays */
        version = action_get(signum, &program);
    }
    if (program.sa_handler == SIG_IGN)
        return;
    if (program.sa_handler == SIG_DFL) {
        take_default_action(signum, info, tid, ordinal);
        return;
    }
    if (sigismember(&program.sa_mask, SIGBUS) == 1)
        change_mask(SIG_BLOCK, SIGBUS);
    /* With three arguments in any case, as the kernel calls it. */
    if (!signal_is_fault(signum)) {
        program.sa_sigaction(signum, info, context);
        return;
    }
    atomic_store_explicit(&process_self->faulting_tid, tid, memory_order_relaxed);
    program.sa_sigaction(signum, info, context);
    atomic_store_explicit(&process_self->faulting_tid, 0, memory_order_relaxed);
}

/* --- beginning and end -------------------------------------------------------------- */

int passive_record(int signum, bool even_ignored, const struct sigaction *program) {
    if (signum < 1 || signum >= SIGREC_NSIG || signum == SIGKILL || signum == SIGSTOP)
        return EINVAL;
    if (even_ignored)
        atomic_fetch_or(&watched_ignored, signal_bit(signum));
    else
        atomic_fetch_and(&watched_ignored, ~signal_bit(signum));
    if (!passive_records(signum)) {
        struct sigaction before;
        if (!action_exchange(signum, program, &before))
            return EAGAIN;
        /* Release: whoever sees the bit sees the action. */
        atomic_fetch_or_explicit(&watched, signal_bit(signum), memory_order_release);
    }
    passive_apply(signum);
    return 0;
}

void passive_stop(int signum) {
    if (!passive_records(signum))
        return;
    struct sigaction program;
    uint64_t version;
    atomic_fetch_and(&watched_ignored, ~signal_bit(signum));
    /* While the bit is set, what comes still takes its course by our handler. */
    do {
        version = action_get(signum, &program);
        if (!registry_has(signum))
            sigaction(signum, &program, NULL);
    } while (action_version(signum) != version);
    atomic_fetch_and(&watched, ~signal_bit(signum));
    if (registry_has(signum))
        return;
    if (action_version(signum) != version) {
        action_get(signum, &program);
        sigaction(signum, &program, NULL);
    }
    process_set_mode(signum, MODE_NONE, false);
}

#endif
