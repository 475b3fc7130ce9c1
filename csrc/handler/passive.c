/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/passive.h"

#include "handler/fault.h"
#include "handler/kick.h"
#include "program/action.h"
#include "program/adopted.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
/* The signals that are recorded: bit n-1 for signal n. */
static _Atomic uint64_t passive_signals;
/* Those of them that are recorded even while ignored. */
static _Atomic uint64_t passive_even_ignored;

/* What sigaction(2) shows of any action that was set through a C library here. */
#ifdef __x86_64__
#define SA_RESTORER_SHOWN 0x04000000
#else
#define SA_RESTORER_SHOWN 0
#endif

static bool is_ignored(int signum, const struct sigaction *action) {
    return action->sa_handler == SIG_IGN ||
           (action->sa_handler == SIG_DFL && signal_default(signum) == SIGNAL_STAYS);
}

bool passive_any(void) { return atomic_load_explicit(&passive_signals, memory_order_relaxed) != 0; }

bool passive_records(int signum) {
    /* proof: watched-look */
    return signum > 0 && signum < SIGREC_NSIG &&
           (atomic_load_explicit(&passive_signals, memory_order_acquire) & signal_bit(signum));
}

/* --- what the kernel has ----------------------------------------------------------- */

/* The disposition that records the signal and lets the program see no difference. */
static void passive_form(int signum, const struct sigaction *program, struct sigaction *ours) {
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
        /* Blocked, SIGBUS would kill: sigbus.h. course_take() blocks it for the program's
         * handler, and does what SA_RESETHAND asks for. */
        sigdelset(&ours->sa_mask, SIGBUS);
        ours->sa_flags |= program->sa_flags & ~(int)SA_RESETHAND;
    }
}

static bool is_left_to_kernel(int signum, const struct sigaction *program) {
    return is_ignored(signum, program) &&
           !(atomic_load(&passive_even_ignored) & signal_bit(signum));
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

/* found: receives what the kernel had before. A kick's handler (kick.h) stays in the place of the
 * default: without it a kick that is on its way would be lost, and those to come. */
static void set_in_kernel(int signum, const struct sigaction *action, struct sigaction *found) {
    struct sigaction now;
    if (kick_may_use(signum) && action->sa_handler == SIG_DFL &&
        sigaction(signum, NULL, &now) == 0 && (now.sa_handler == SIG_DFL || kick_is(&now))) {
        if (found)
            *found = now;
        return;
    }
    sigaction(signum, action, found);
}

/* Sets in the kernel what the signal should have there. found: receives what it had before. */
static void apply_disposition(int signum, struct sigaction *found) {
    for (;; found = NULL) {
        struct sigaction program, form;
        uint64_t version = action_get(signum, &program);
        /* Our handler of registered signals records as well, and can stay as it is. */
        if (is_left_to_kernel(signum, &program) || registry_is_ours(&program))
            form = program;
        else
            passive_form(signum, &program, &form);
        set_in_kernel(signum, &form, found);
        note_mode(signum, &program);
        if (action_version(signum) == version)
            return; /* else another thread changed it meanwhile, and the kernel may have the older
                     */
    }
}

void passive_apply(int signum) { apply_disposition(signum, NULL); }

uint64_t passive_ignored(uint64_t *known) {
    uint64_t set = 0;
    *known = atomic_load_explicit(&passive_signals, memory_order_relaxed);
    for (uint64_t rest = *known; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if (passive_ignores(signum))
            set |= signal_bit(signum);
    }
    return set;
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
        fault_forget(signum);
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
    uint64_t rest = atomic_load(&passive_signals) & atomic_load(&passive_even_ignored);
    for (; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
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
        int signum = signal_lowest(rest);
        /* A vfork child may have set another disposition for itself. */
        if (kernel_records(signum))
            sigaction(signum, &ignore, NULL);
    }
}

void passive_exec_failed(void) {
    for (uint64_t rest = named_and_ignored(); rest; rest &= rest - 1)
        passive_apply(signal_lowest(rest));
}

bool passive_ignores(int signum) {
    struct sigaction program;
    if (!passive_records(signum))
        return false;
    action_get(signum, &program);
    return program.sa_handler == SIG_IGN;
}

bool passive_handled(int signum) {
    struct sigaction program;
    if (!passive_records(signum))
        return false;
    action_get(signum, &program);
    return program.sa_handler != SIG_DFL && program.sa_handler != SIG_IGN;
}

/* --- beginning and end -------------------------------------------------------------- */

int passive_record(int signum, bool even_ignored, const struct sigaction *program,
                   struct sigaction *found) {
    if (signum < 1 || signum >= SIGREC_NSIG || signum == SIGKILL || signum == SIGSTOP)
        return EINVAL;
    if (even_ignored)
        atomic_fetch_or(&passive_even_ignored, signal_bit(signum));
    else
        atomic_fetch_and(&passive_even_ignored, ~signal_bit(signum));
    *found = *program;
    if (!passive_records(signum)) {
        struct sigaction before;
        if (!action_exchange(signum, program, &before))
            return EAGAIN;
        /* Release: a thread that sees the bit sees the action, too. proof: watched-set */
        atomic_fetch_or_explicit(&passive_signals, signal_bit(signum), memory_order_release);
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
    atomic_fetch_and(&passive_even_ignored, ~signal_bit(signum));
    /* As long as the bit is set, a signal that our handler gets still takes its course. */
    do {
        version = action_get(signum, &program);
        set_in_kernel(signum, &program, NULL);
    } while (action_version(signum) != version);
    atomic_fetch_and(&passive_signals, ~signal_bit(signum));
    disposition_forget(signum);
    if (action_version(signum) != version) {
        action_get(signum, &program);
        set_in_kernel(signum, &program, NULL);
    }
    if (registry_has(signum))
        process_set_mode(signum, MODE_REGISTERED, !registry_is_ours(&program));
    else
        note_released(signum);
}

#endif
