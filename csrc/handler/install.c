/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/install.h"

#include "ground/filter.h"
#include "ground/glibc.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/registry.h"
#include "handler/sigbus.h"
#include "program/caller.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>

#ifdef __linux__
#include <sys/auxv.h>
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* <linux/auxvec.h>; in x86's since 5.14 */
#endif
#endif

static _Atomic int kept_signal, signal_on_behalf; /* a signal, or 0 */

static struct {
    void (*before)(int signum), (*after)(int signum);
} on_replace;

/* The interpreter's C handler, the same for all signals. NULL: not seen yet. */
static void (*interpreter_handler)(int);

/* The disposition as it is without our helpers (kick.h, sigbus.h), which stand in
 * nobody's way. */
static void without_helpers(struct sigaction *action) {
    if (kick_is(action)) {
        memset(action, 0, sizeof *action);
        action->sa_handler = SIG_DFL;
    }
    sigbus_underlying(action);
}

/* Whether that disposition calls no other handler, so that none beneath it is ever called. */
static bool ends_there(const struct sigaction *action) {
    if (action->sa_flags & SA_SIGINFO)
        return false;
    return action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN ||
           (interpreter_handler && action->sa_handler == interpreter_handler);
}

static void set_apart(struct registered *entry, int place, bool apart) {
    if (apart)
        atomic_fetch_or(&entry->apart, 1U << place);
    else
        atomic_fetch_and(&entry->apart, ~(1U << place));
}

/* Our handler is about to be installed over that one: chooses our place (registry.h). */
static void take_place_over(int signum, const struct sigaction *now) {
    struct registered *entry = &registry[signum];
    int place = 0;
    bool ends = ends_there(now), twice = false;
    if (!ends) { /* the place over that handler, if we had one before; else the next place */
        while (place < entry->places && registry_found[signum][place].sa_handler != now->sa_handler)
            place++;
        twice = place < entry->places;
        if (place == REGISTRY_PLACES)
            place--;
    }
    registry_found[signum][place] = *now;
    entry->place = place;
    if (place == 0)
        atomic_store(&entry->spent, false);
    set_apart(entry, place, ends);
    entry->twice = (entry->twice & ~(1U << place)) | (uint32_t)twice << place;
    if (place >= entry->places)
        entry->places = place + 1;
}

int install_prepare(int signum, uint64_t queue_capacity) {
    if (signum < 1 || signum >= SIGREC_NSIG || signum == SIGKILL || signum == SIGSTOP)
        return EINVAL;
    struct registered *entry = &registry[signum];
    struct sigaction now;
    if (passive_sigaction(signum, NULL, &now) != 0)
        return errno;
    without_helpers(&now);
    if (!entry->queue.state) {
        int error = queue_make(&entry->queue, queue_capacity);
        if (error)
            return error;
    }
    if (registry_is_ours(&now))
        entry->place = registry_place(&now);
    else
        take_place_over(signum, &now);
    return 0;
}

/* Writes down what the program has asked sigrec to do, and at which line. */
static void note_beneath(int signum, const struct sigaction *action) {
    if (!passive_records(signum))
        return;
    uint32_t site = caller_line();
    passive_note(signum, DISPOSITION_REGISTER, action, site == CALLER_NO_PYTHON ? 0 : site);
}

int install_handler(int signum, bool restart) {
    struct registered *entry = &registry[signum];
    queue_start(&entry->queue, atomic_load(&process_self->ordinal[signum]));
    /* Release: a handler that sees the mode finds the queue and the previous disposition.
     * proof: install-mode */
    atomic_store_explicit(&entry->mode, MODE_REGISTERED, memory_order_release);
    struct sigaction action;
    registry_action(signum, &action, SA_ONSTACK | (restart ? SA_RESTART : 0));
    bool kicks = kick_pause(signum);
    int error = passive_sigaction(signum, &action, NULL) == 0 ? 0 : errno;
    if (kicks)
        kick_go_on();
    if (error) {
        registry_release(signum);
        return error;
    }
    note_beneath(signum, &action);
    registry_add(signum);
    return 0;
}

void install_keep(int signum) { atomic_store(&kept_signal, signum); }

bool install_keeps(int signum, const struct sigaction *next) {
    if (atomic_load(&kept_signal) != signum)
        return false;
    if (next && !(next->sa_flags & SA_SIGINFO) && next->sa_handler != SIG_DFL &&
        next->sa_handler != SIG_IGN)
        interpreter_handler = next->sa_handler;
    return true;
}

/* Whether our handler is the disposition, as far as the program can tell. */
static bool has_ours(int signum, struct sigaction *now) {
    return passive_sigaction(signum, NULL, now) == 0 && registry_is_ours(now);
}

void install_note_place(int signum) {
    struct sigaction now;
    if (has_ours(signum, &now))
        registry[signum].place = registry_place(&now);
}

bool install_restore(int signum, bool force) {
    struct sigaction now;
    if (!force && !has_ours(signum, &now))
        return false;
    struct registered *entry = &registry[signum];
    if (!(entry->twice & 1U << entry->place)) /* set before the other handler can be called again */
        set_apart(entry, entry->place, true);
    bool kicks = kick_pause(signum);
    bool done = passive_sigaction(signum, &registry_found[signum][entry->place], NULL) == 0;
    if (kicks)
        kick_go_on();
    if (!done)
        return false;
    note_beneath(signum, &registry_found[signum][entry->place]);
    entry->places = entry->place; /* no other handler is above this place */
    return true;
}

void (*install_note_interpreter(int signum))(int) {
    struct sigaction now;
    if (!install_keeps(signum, NULL) && passive_sigaction(signum, NULL, &now) == 0 &&
        !(now.sa_flags & SA_SIGINFO))
        interpreter_handler = now.sa_handler;
    return interpreter_handler;
}

bool install_again(int signum, bool restart) {
    struct sigaction now;
    return !registry_in_place(signum) && passive_sigaction(signum, NULL, &now) == 0 &&
           !(now.sa_flags & SA_SIGINFO) && interpreter_handler &&
           now.sa_handler == interpreter_handler && install_handler(signum, restart) == 0;
}

void install_refresh_modes(void) {
    install_notice();
    for (int signum = 1; signum < SIGREC_NSIG; signum++) {
        if (passive_records(signum))
            passive_apply(signum);
        else if (registry_has(signum))
            process_set_mode(signum, MODE_REGISTERED, !registry_in_place(signum));
    }
}

void install_after_fork(void) {
    if (is_single_threaded()) {
        for (int signum = 1; signum < SIGREC_NSIG; signum++) {
            if (passive_records(signum))
                passive_note_mode(signum);
            else if (registry_has(signum))
                process_set_mode(signum, MODE_REGISTERED, !registry_in_place(signum));
        }
        return;
    }
    install_refresh_modes();
}

static bool is_same_action(const struct sigaction *one, const struct sigaction *other) {
    return one->sa_handler == other->sa_handler && one->sa_flags == other->sa_flags;
}

int install_record(int signum, bool even_ignored) {
    struct sigaction program, found;
    if (sigaction(signum, NULL, &program) != 0)
        return errno;
    without_helpers(&program);
    bool kicks = kick_pause(signum);
    int error = passive_record(signum, even_ignored, &program, &found);
    if (kicks)
        kick_go_on();
    if (error)
        return error;
    without_helpers(&found);
    /* Another thread has set a disposition in between, by a call that was not interposed yet. */
    if (!is_same_action(&found, &program) && !registry_only_records(&found))
        passive_sigaction(signum, &found, NULL);
    return 0;
}

static void notice_replaced(int signum) {
    struct sigaction now, program;
    if (!passive_records(signum) || registry_has(signum) || sigaction(signum, NULL, &now) != 0)
        return;
    without_helpers(&now);
    passive_sigaction(signum, NULL, &program);
    if (registry_only_records(&now) || registry_is_ours(&now) ||
        now.sa_handler == program.sa_handler)
        return;
    passive_adopt(signum, &now);
    const void *code;
    memcpy(&code, &now.sa_handler, sizeof code);
    passive_note(signum, DISPOSITION_SIGACTION, &now, caller_library(code));
}

void install_notice(void) {
    static atomic_flag noticing = ATOMIC_FLAG_INIT;
    if (!passive_any() || process_is_vfork_child() || !filter_allows(FILTERED_SIGACTION) ||
        atomic_flag_test_and_set(&noticing))
        return; /* or another thread is at it */
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        notice_replaced(signum);
    atomic_flag_clear(&noticing);
}

void install_note_start(int signum, bool inherited) {
    struct sigaction program;
    if (passive_sigaction(signum, NULL, &program) != 0)
        return;
    bool called = program.sa_handler != SIG_DFL && program.sa_handler != SIG_IGN;
    const void *code;
    memcpy(&code, &program.sa_handler, sizeof code);
    passive_note(signum,
                 inherited && program.sa_handler == SIG_IGN ? DISPOSITION_INHERITED
                                                            : DISPOSITION_BEFORE,
                 &program, called && !registry_is_ours(&program) ? caller_library(code) : 0);
}

void install_on_behalf(int signum) { atomic_store(&signal_on_behalf, signum); }

bool install_is_on_behalf(int signum) { return atomic_load(&signal_on_behalf) == signum; }

void install_on_replace(void (*before)(int signum), void (*after)(int signum)) {
    on_replace.before = before;
    on_replace.after = after;
}

bool install_is_replaced(int signum, const struct sigaction *next, const void *caller) {
    const void *code;
    memcpy(&code, &interpreter_handler, sizeof code);
    /* What faulthandler sets is of no concern here: the handler in Python stays. */
    return on_replace.before && registry_has(signum) && !install_is_on_behalf(signum) &&
           ends_there(next) && caller_is_beside(caller, code) && !process_is_vfork_child() &&
           registry_in_place(signum);
}

void install_before_replace(int signum) { on_replace.before(signum); }

void install_after_replace(int signum) {
    int saved_errno = errno;
    on_replace.after(signum);
    errno = saved_errno;
}

void install_alternate_stack(uint64_t *size, uint64_t *needed) {
    uint64_t least = MINSIGSTKSZ;
#ifdef __linux__
    uint64_t told = getauxval(AT_MINSIGSTKSZ);
    least = told ? told : least;
#endif
    stack_t stack;
    *needed = least + INSTALL_STACK;
    *size = sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE) ? stack.ss_size : 0;
}
