/* SPDX-License-Identifier: MIT
 *
 * Signal context: passive_course() and passive_ends(), and all that they call.
 * The system calls that the course makes, each async-signal-safe
 * (signal-safety(7)) or raw:
 *   rt_sigaction         sets the default action, and our handler again after it
 *   rt_tgsigqueueinfo    sends the signal once more, with its siginfo, for that action
 *   tgkill, kill         send it without siginfo, where the kernel refuses the former
 *   timer_create,        have the kernel send it, where it refuses these too
 *   timer_settime
 *   exit_group           ends the process, where it refuses all of them
 *   rt_sigprocmask       unblocks the signal; and blocks SIGBUS for a handler of the
 *                        program's that wants that, since our mask does not have it
 *   rt_sigpending,       look whether a SIGCONT has come, before the process stops; and take
 *   rt_sigtimedwait      back the stop signal that was sent once more
 *   getpid, gettid
 */
#define _GNU_SOURCE
#include "handler/passive.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "program/action.h"
#include "program/adopted.h"
#include "program/passage.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

/* Bit n-1 for signal n. */
static _Atomic uint64_t watched;
static _Atomic uint64_t watched_ignored; /* those of them that are recorded even while ignored */

/* What sigaction(2) shows of any action that was set through a C library here. */
#ifdef __x86_64__
#define SA_RESTORER_SHOWN 0x04000000
#else
#define SA_RESTORER_SHOWN 0
#endif

enum default_action { ENDS, STOPS, NOTHING };

/* As in signal(7), "Standard signals". SIGCONT's default action is to continue the process, which
 * the kernel has done when the signal is generated; nothing is left to do. */
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

bool passive_any(void) { return atomic_load_explicit(&watched, memory_order_relaxed) != 0; }

bool passive_records(int signum) {
    /* proof: watched-look */
    return signum > 0 && signum < SIGREC_NSIG &&
           (atomic_load_explicit(&watched, memory_order_acquire) & signal_bit(signum));
}

/* --- what the kernel has ----------------------------------------------------------- */

/* The disposition that records the signal and lets the program see no difference. */
static void recording_form(int signum, const struct sigaction *program, struct sigaction *ours) {
    registry_recording_action(ours);
    if (program->sa_handler == SIG_DFL || program->sa_handler == SIG_IGN) {
        /* The interrupted system call goes on as without a handler, where the kernel can do that.
         */
        ours->sa_flags |= SA_RESTART | SA_ONSTACK;
        ours->sa_flags |= program->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
        if (signum == SIGCHLD && program->sa_handler == SIG_IGN)
            ours->sa_flags |= SA_NOCLDWAIT; /* SIG_IGN means this too: sigaction(2) */
    } else {
        ours->sa_mask = program->sa_mask;
        /* Blocked, SIGBUS would kill: sigbus.h. passive_course() blocks it for the program's
         * handler, and does what SA_RESETHAND asks for. */
        sigdelset(&ours->sa_mask, SIGBUS);
        ours->sa_flags |= program->sa_flags & ~(int)SA_RESETHAND;
    }
}

static bool is_left_to_kernel(int signum, const struct sigaction *program) {
    return is_ignored(signum, program) && !(atomic_load(&watched_ignored) & signal_bit(signum));
}

static enum ledger_mode mode_of(int signum, const struct sigaction *program) {
    return registry_has(signum) && registry_is_ours(program) ? MODE_REGISTERED
           : is_left_to_kernel(signum, program)              ? MODE_RELEASED
                                                             : MODE_RECORDED;
}

/* Where a signal was never registered, its entry in the recording is still zero, as it was made.
 * Nothing is written there, since the kernel would have to make a page for that. */
static void note_released(int signum) {
    if (atomic_load_explicit(&registry[signum].mode, memory_order_relaxed) == MODE_RELEASED)
        process_clear_mode(signum);
    else
        process_set_mode(signum, MODE_RELEASED, registry_has(signum));
}

static void note_mode(int signum, const struct sigaction *program) {
    enum ledger_mode mode = mode_of(signum, program);
    if (mode == MODE_RELEASED)
        note_released(signum);
    else
        process_set_mode(signum, mode, registry_has(signum) && !registry_is_ours(program));
}

void passive_note_mode(int signum) {
    struct sigaction program;
    action_get(signum, &program);
    if (mode_of(signum, &program) != MODE_RELEASED)
        note_mode(signum, &program);
}

/* found: receives what the kernel had before. */
static void apply_disposition(int signum, struct sigaction *found) {
    for (;; found = NULL) {
        struct sigaction program, form;
        uint64_t version = action_get(signum, &program);
        /* Our handler of registered signals records as well, and can stay as it is. */
        if (is_left_to_kernel(signum, &program) || registry_is_ours(&program))
            form = program;
        else
            recording_form(signum, &program, &form);
        sigaction(signum, &form, found);
        note_mode(signum, &program);
        if (action_version(signum) == version)
            return; /* else another thread changed it meanwhile, and the kernel may have the older
                     */
    }
}

void passive_apply(int signum) { apply_disposition(signum, NULL); }

uint64_t passive_ignored(uint64_t *known) {
    uint64_t set = 0;
    *known = atomic_load_explicit(&watched, memory_order_relaxed);
    for (uint64_t rest = *known; rest; rest &= rest - 1) {
        int signum = __builtin_ctzll(rest) + 1;
        if (passive_ignores(signum))
            set |= signal_bit(signum);
    }
    return set;
}

/* --- a fault whose handler gives up ------------------------------------------------ */

#define DEEP (UINT64_C(64) << 10) /* bytes of stack that a handler is assumed to use at most */

/* Whether this is called from within the handler that was called for the fault. That handler
 * may have been left by siglongjmp(3), which we do not see; then the stack is shorter again. */
static bool within_handler(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t frame = atomic_load_explicit(&process_self->fault_frame, memory_order_relaxed);
    return here < frame && frame - here < DEEP;
}

/* The program has set the disposition, and not from within the handler of the fault: the next
 * fault is a new one. */
static void forget_fault(int signum) {
    if (atomic_load_explicit(&process_self->fault_signal, memory_order_relaxed) ==
            (uint32_t)signum &&
        !within_handler())
        atomic_store_explicit(&process_self->fault_signal, 0, memory_order_relaxed);
}

static uint64_t interrupted_at(const void *context) {
#if defined(__x86_64__)
    return (uint64_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return ((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

int passive_change(int signum, const struct sigaction *next, struct sigaction *previous,
                   bool *changed) {
    *changed = false;
    if (!passive_records(signum)) {
        int result = sigaction(signum, next, previous);
        if (result != 0 || !next || !passive_records(signum) || process_is_vfork_child())
            return result;
        /* Recording began just now, in another thread, and may not know what we have set. */
        previous = NULL;
    }
    struct sigaction now;
    action_get(signum, &now);
    if (next && process_is_vfork_child()) {
        /* A vfork child has dispositions of its own, but our table of them is its parent's. */
        if (sigaction(signum, next, NULL) != 0)
            return -1;
    } else if (next) {
        struct sigaction shown = *next;
        shown.sa_flags |= SA_RESTORER_SHOWN;
        if (!action_exchange(signum, &shown, &now)) {
            errno = EAGAIN;
            return -1;
        }
        forget_fault(signum);
        passive_apply(signum);
        *changed = true;
    }
    if (previous)
        *previous = now;
    return 0;
}

int passive_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    bool ignored;
    return passive_change(signum, next, previous, &ignored);
}

void passive_meant(int signum, struct sigaction *action) {
    struct sigaction ours;
    registry_recording_action(&ours);
    if (signum < 1 || signum >= SIGREC_NSIG || action->sa_handler != ours.sa_handler)
        return;
    bool kept =
        process_is_vfork_child() ? adopted_beneath(signum, 0, action) : adopted_pop(signum, action);
    if (!kept)
        action_get(signum, action);
}

void passive_adopt(int signum, const struct sigaction *found) {
    struct sigaction before;
    action_get(signum, &before);
    adopted_push(signum, &before);
    passive_sigaction(signum, found, NULL);
}

void passive_note(int signum, enum disposition_how how, const struct sigaction *action,
                  uint32_t site) {
    if (!passive_records(signum))
        return;
    enum disposition_kind kind = action->sa_handler == SIG_DFL   ? DISPOSITION_DEFAULT
                                 : action->sa_handler == SIG_IGN ? DISPOSITION_IGNORE
                                 : registry_is_ours(action)      ? DISPOSITION_OURS
                                                                 : DISPOSITION_HANDLER;
    process_disposition(&(struct disposition){signum, how, kind, action, site});
}

/* Returns the signals that are recorded although the program ignores them. */
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

static bool kernel_records(int signum) {
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && registry_only_records(&now);
}

void passive_before_exec(void) {
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    for (uint64_t rest = named_and_ignored(); rest; rest &= rest - 1) {
        int signum = __builtin_ctzll(rest) + 1;
        /* A vfork child may have set another disposition for itself. */
        if (kernel_records(signum))
            sigaction(signum, &ignore, NULL);
    }
}

void passive_exec_failed(void) {
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

static _Atomic int32_t init_pid; /* of passive_as_init(); a forked child has another PID; 0: none */

void passive_as_init(int32_t pid) { atomic_store_explicit(&init_pid, pid, memory_order_relaxed); }

static bool as_init(void) {
    int32_t pid = atomic_load_explicit(&init_pid, memory_order_relaxed);
    return pid && pid == process_pid();
}

bool passive_ends(int signum) {
    struct sigaction program;
    if (!passive_records(signum) || default_action(signum) != ENDS || as_init())
        return false;
    action_get(signum, &program);
    return program.sa_handler == SIG_DFL;
}

bool passive_handled(int signum) {
    struct sigaction program;
    if (!passive_records(signum))
        return false;
    action_get(signum, &program);
    return program.sa_handler != SIG_DFL && program.sa_handler != SIG_IGN;
}

/* Whether the interrupted instruction raises the signal again when it is executed again. */
static bool fault_comes_again(int signum, const siginfo_t *info) {
    if (info->si_code <= 0) /* sent */
        return false;
    if (signum == SIGBUS)
        return info->si_code != BUS_MCEERR_AO;
    return signum == SIGSEGV || signum == SIGFPE || signum == SIGILL;
}

/* Changes this thread's mask until the handler returns. */
static bool change_mask(int how, int signum) {
    uint64_t set = signal_bit(signum);
    return filter_allows(FILTERED_SIGPROCMASK) &&
           syscall(SYS_rt_sigprocmask, how, &set, NULL, sizeof set) == 0;
}

static bool set_default(int signum) {
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    return filter_allows(FILTERED_SIGACTION) && sigaction(signum, &by_default, NULL) == 0;
}

/* Returns the pid; 0: a filter forbids the question. (To kill(2), -1 means every process.) */
static long own_pid(void) {
    long pid = process_pid();
    if (!pid && filter_allows(FILTERED_GETPID))
        pid = getpid();
    return pid > 0 ? pid : 0;
}

/* Sends the signal once more, while it is blocked. False: this process may send no signal. */
static bool send_again(int signum, const siginfo_t *info, uint32_t tid) {
    long pid = own_pid();
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
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = signum;
    struct itimerspec soon = {{0, 0}, {0, 1}};
    int timer;
    if (!filter_allows(FILTERED_TIMER_CREATE) || !filter_allows(FILTERED_TIMER_SETTIME) ||
        syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0 ||
        syscall(SYS_timer_settime, timer, 0, &soon, NULL) != 0)
        return false;
    for (uint64_t until = monotonic_ns() + UINT64_C(5000000); monotonic_ns() < until;)
        ;
    return true;
}

bool passive_stops(int signum) {
    struct sigaction program;
    if (default_action(signum) != STOPS || !passive_records(signum) || as_init())
        return false;
    action_get(signum, &program);
    return program.sa_handler == SIG_DFL;
}

/* SIGCONT cancels a stop signal that is pending, but leaves no trace where it is not caught, and a
 * process that stopped all the same would stay stopped for ever (POSIX, 2.4.1). So the stop signal
 * is made pending again at once. This discards a SIGCONT that is pending, and so that is looked for
 * before: it has come after the stop signal, which has discarded all older ones. */
void passive_stop_begins(int signum, uint32_t tid, struct passive_stop *stop) {
    stop->begun = true;
    long pid = own_pid();
    uint64_t pending = 0;
    bool may = pid && filter_allows(FILTERED_TGKILL) && filter_allows(FILTERED_SIGTIMEDWAIT) &&
               /* The signal is blocked already, unless another handler has called ours. */
               change_mask(SIG_BLOCK, signum);
    if (filter_allows(FILTERED_SIGPENDING))
        syscall(SYS_rt_sigpending, &pending, sizeof pending);
    /* Nothing may come in between: a SIGCONT that came here would leave no trace. */
    stop->pending =
        may && !(pending & signal_bit(SIGCONT)) && syscall(SYS_tgkill, pid, (long)tid, signum) == 0;
    stop->continued = pending & signal_bit(SIGCONT);
}

/* What is pending and did not come after all is taken back. */
void passive_stop_ends(int signum, struct passive_stop *stop) {
    static const struct timespec zero;
    uint64_t set = signal_bit(signum);
    if (stop->pending)
        syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, sizeof set);
    stop->pending = false;
}

static void take_default_action(int signum, const siginfo_t *info, void *context, uint32_t tid,
                                uint64_t ordinal, struct passive_stop *stop) {
    enum default_action action = default_action(signum);
    if (action == NOTHING || (as_init() && !(signal_is_fault(signum) && info->si_code > 0)))
        return;
    int saved_errno = errno;
    if (action == ENDS)
        process_ending(signum, ordinal);
    if (action == STOPS && !stop->begun)
        passive_stop_begins(signum, tid, stop);
    bool stays = action == STOPS && stop->continued;
    bool by_default = !stays && set_default(signum);
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
                    (action == ENDS && send_by_timer(signum));
        stop->pending = false;
        if (!change_mask(SIG_UNBLOCK, signum) && sent)
            return; /* the signal comes when our handler returns, and the default action stays set
                     */
        if (action == ENDS && !sent)
            syscall(SYS_exit_group, 128 + signum); /* the status that a shell would show */
        /* The process ends here, or has stopped and been continued. Or nothing happened to it: as
         * PID 1 of a namespace, by a stop signal in an orphaned process group, under a debugger. */
        change_mask(SIG_BLOCK, signum);
    } else if (action == ENDS) {
        syscall(SYS_exit_group, 128 + signum);
    }
    if (action == ENDS)
        process_ending(0, 0);
    if (passive_records(signum))
        passive_apply(signum);
    errno = saved_errno;
}

void passive_default(int signum, const siginfo_t *info, void *context, uint32_t tid,
                     uint64_t ordinal) {
    struct sigaction now;
    bool known = filter_allows(FILTERED_SIGACTION) && sigaction(signum, NULL, &now) == 0;
    struct passive_stop stop = {.begun = false};
    take_default_action(signum, info, context, tid, ordinal, &stop);
    passive_stop_ends(signum, &stop);
    if (known && !passive_records(signum) && default_action(signum) != NOTHING &&
        !fault_comes_again(signum, info))
        sigaction(signum, &now, NULL);
}

/* Whether the kernel had no room for the siginfo (RLIMIT_SIGPENDING): then the sender is not known,
 * even if the process has sent the signal itself. */
static bool lost_siginfo(const siginfo_t *info) {
    return info->si_code == SI_USER && info->si_pid == 0;
}

bool passive_fault_again(int signum, const siginfo_t *info, void *context) {
    struct process *self = process_self;
    struct sigaction program;
    if (atomic_load_explicit(&self->fault_signal, memory_order_relaxed) != (uint32_t)signum ||
        !passive_records(signum))
        return false;
    action_get(signum, &program);
    uint32_t tid = atomic_load_explicit(&self->fault_tid, memory_order_relaxed);
    if (program.sa_handler != SIG_DFL ||
        (filter_allows(FILTERED_GETTID) && (uint32_t)syscall(SYS_gettid) != tid))
        return false;
    /* It is the same fault if the same instruction is interrupted: either that was executed again,
     * or the handler has raised the fault while it was blocked, and then returned. */
    bool same =
        interrupted_at(context) == atomic_load_explicit(&self->fault_pc, memory_order_relaxed);
    if (info->si_code > 0)
        same = same && (uintptr_t)info->si_addr ==
                           atomic_load_explicit(&self->fault_address, memory_order_relaxed);
    else
        same = (info->si_pid == process_pid() || lost_siginfo(info)) && (same || within_handler());
    atomic_store_explicit(&self->fault_signal, 0, memory_order_relaxed);
    if (same)
        take_default_action(signum, info, context, tid,
                            atomic_load_explicit(&self->fault_ordinal, memory_order_relaxed),
                            &(struct passive_stop){.begun = false});
    return same;
}

void passive_goes_on(uint64_t now) {
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

bool passive_called_by_adopted(int signum, siginfo_t *info, void *context) {
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
            passive_default(signum, info, context, passage.tid, passage.ordinal);
        return true;
    }
    passage.mark++;
    passage_set(info, &passage);
    before.sa_sigaction(signum, info, context);
    passage.mark--;
    passage_set(info, &passage);
    return true;
}

bool passive_course(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                    struct passive_stop *stop) {
    struct sigaction program;
    uint64_t version = action_get(signum, &program);
    while ((program.sa_flags & (int)SA_RESETHAND) && program.sa_handler != SIG_DFL &&
           program.sa_handler != SIG_IGN) {
        struct sigaction once = program;
        once.sa_handler = SIG_DFL;
        if (action_replace(signum, version, &once)) {
            passive_apply(signum);
            passive_note(signum, DISPOSITION_RESET, &once, 0);
            break;
        }
        if (action_version(signum) == version)
            break; /* there is no room to write the new action, so the old one stays */
        version = action_get(signum, &program);
    }
    if (registry_is_ours(&program))
        return false;
    if (program.sa_handler == SIG_IGN)
        return true;
    if (program.sa_handler == SIG_DFL) {
        if (default_action(signum) == NOTHING || fault_comes_again(signum, info) ||
            !is_called_by_another(signum))
            take_default_action(signum, info, context, tid, ordinal, stop);
        return true;
    }
    if (sigismember(&program.sa_mask, SIGBUS) == 1)
        change_mask(SIG_BLOCK, SIGBUS);
    if (registry_queue(signum) ||
        adopted_any(signum)) { /* only then the program may know our handler, and call it */
        struct passage passage = {PASSAGE_MARK, tid, ordinal};
        passage_set(info, &passage);
    }
    /* The kernel passes all three arguments, too, whether or not SA_SIGINFO is set. */
    if (!signal_is_fault(signum)) {
        program.sa_sigaction(signum, info, context);
        return true;
    }
    struct process *self = process_self;
    atomic_store_explicit(&self->fault_tid, tid, memory_order_relaxed);
    atomic_store_explicit(&self->fault_ordinal, ordinal, memory_order_relaxed);
    atomic_store_explicit(&self->fault_address, (uintptr_t)info->si_addr, memory_order_relaxed);
    atomic_store_explicit(&self->fault_pc, interrupted_at(context), memory_order_relaxed);
    atomic_store_explicit(&self->fault_frame, (uintptr_t)__builtin_frame_address(0),
                          memory_order_relaxed);
    atomic_store_explicit(&self->fault_signal, (uint32_t)signum, memory_order_relaxed);
    program.sa_sigaction(signum, info, context);
    atomic_store_explicit(&self->fault_frame, 0, memory_order_relaxed);
    return true;
}

/* --- beginning and end -------------------------------------------------------------- */

int passive_record(int signum, bool even_ignored, const struct sigaction *program,
                   struct sigaction *found) {
    if (signum < 1 || signum >= SIGREC_NSIG || signum == SIGKILL || signum == SIGSTOP)
        return EINVAL;
    if (even_ignored)
        atomic_fetch_or(&watched_ignored, signal_bit(signum));
    else
        atomic_fetch_and(&watched_ignored, ~signal_bit(signum));
    *found = *program;
    if (!passive_records(signum)) {
        struct sigaction before;
        if (!action_exchange(signum, program, &before))
            return EAGAIN;
        /* Release: a thread that sees the bit sees the action, too. proof: watched-set */
        atomic_fetch_or_explicit(&watched, signal_bit(signum), memory_order_release);
        apply_disposition(signum, found);
    } else {
        apply_disposition(signum, NULL);
    }
    return 0;
}

void passive_stop(int signum) {
    if (!passive_records(signum))
        return;
    struct sigaction program;
    uint64_t version;
    atomic_fetch_and(&watched_ignored, ~signal_bit(signum));
    /* As long as the bit is set, a signal that our handler gets still takes its course. */
    do {
        version = action_get(signum, &program);
        sigaction(signum, &program, NULL);
    } while (action_version(signum) != version);
    atomic_fetch_and(&watched, ~signal_bit(signum));
    disposition_forget(signum);
    if (action_version(signum) != version) {
        action_get(signum, &program);
        sigaction(signum, &program, NULL);
    }
    if (registry_has(signum))
        process_set_mode(signum, MODE_REGISTERED, !registry_is_ours(&program));
    else
        note_released(signum);
}

#endif
