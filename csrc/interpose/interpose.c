/* SPDX-License-Identifier: MIT
 *
 * Any context: sigaction(2), signal(2) and _exit(2) are
 * async-signal-safe (signal-safety(7)), and so are these.
 */
#define _GNU_SOURCE
#include "interpose/interpose.h"

#include "ground/filter.h"
#include "ground/glibc.h"
#include "handler/borrow.h"
#include "handler/install.h"
#include "handler/intake.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "interpose/got.h"
#include "interpose/interpose_exec.h"
#include "interpose/interpose_mask.h"
#include "interpose/interpose_send.h"
#include "program/caller.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* siginterrupt is deprecated; but a program may call it, and then we have to call it, too. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* The signals that siginterrupt(3) has made interrupt system calls: bit n-1 for signal n. */
static _Atomic uint64_t siginterrupted;

/* Whether the interpreter may be asked for the line of the call: only where this is certainly not a
 * handler of this signal, which could have interrupted the interpreter. In a handler its own signal
 * is blocked, unless it runs with SA_NODEFER, as faulthandler's, which sets dispositions. */
static bool may_ask(int signum, int flags) {
    sigset_t blocked;
    return !(flags & (int)SA_NODEFER) && filter_allows(FILTERED_SIGPROCMASK) &&
           pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, signum) == 0;
}

static void note_change(int signum, enum disposition_how how, const struct sigaction *next,
                        const struct sigaction *before, const void *caller) {
    if (install_is_on_behalf(signum))
        return;
    int saved_errno = errno;
    uint32_t site = 0;
    if (caller_is_interpreter(caller) && may_ask(signum, next->sa_flags | before->sa_flags))
        site = caller_line();
    /* When the interpreter ends, it removes its handlers: the program has not changed anything. */
    if (site != CALLER_NO_PYTHON)
        passive_note(signum, how, next, site ? site : caller_library(caller));
    errno = saved_errno;
}

struct interposed_change {
    bool borrows, kicks; /* whether the intake thread, and kicks, have to do with the signal */
    bool holds;          /* nothing is borrowed meanwhile */
};

/* The program is about to set a disposition. */
static struct interposed_change begin_interposed_change(int signum) {
    struct interposed_change interposed = {false, false, false};
    if (signum < 1 || signum >= SIGREC_NSIG)
        return interposed;
    bool borrows = borrow_may(signum), may_kick = kick_may_use(signum);
    if ((!borrows && !may_kick) || process_is_vfork_child())
        return interposed;
    interposed.holds = may_kick;
    if (may_kick) { /* what is lent goes back by kicks: while there are any */
        borrow_hold();
        intake_end();
    }
    interposed.kicks = kick_pause(signum);
    interposed.borrows = borrows;
    if (borrows)
        intake_before_change(signal_bit(signum));
    return interposed;
}

static void end_interposed_change(struct interposed_change interposed) {
    if (interposed.borrows)
        borrow_go_on();
    if (interposed.kicks)
        kick_go_on();
    if (interposed.holds)
        borrow_go_on();
}

static int our_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    if (install_keeps(signum, next))
        next = NULL;
    struct sigaction before, set;
    if (next)
        set = *next; /* a copy: previous may point to the same struct */
    memset(&before, 0, sizeof before);
    bool changed;
    struct interposed_change interposed = {false, false, false};
    if (next)
        interposed = begin_interposed_change(signum);
    bool replaced = next && install_is_replaced(signum, next, __builtin_return_address(0)) &&
                    (!signal_is_fault(signum) || may_ask(signum, next->sa_flags));
    if (replaced)
        install_before_replace(signum);
    if (next)
        passive_meant(signum, &set);
    int result =
        passive_change(signum, next ? &set : NULL, previous ? previous : &before, &changed);
    if (replaced)
        install_after_replace(signum);
    end_interposed_change(interposed);
    if (changed)
        note_change(signum, DISPOSITION_SIGACTION, &set, previous ? previous : &before,
                    __builtin_return_address(0));
    /* A call that only asks, as subprocess makes in its child, must not see our handler of SIGBUS.
     * One that sets a disposition may see it: whoever saves it to put it back later then puts our
     * handler back. */
    if (result == 0 && signum == SIGBUS && previous && !next)
        sigbus_underlying(previous);
    return result;
}

typedef void (*function)(int);

static function set_handler(int signum, function handler, int flags, bool block_itself,
                            const void *caller) {
    struct sigaction next, previous;
    memset(&next, 0, sizeof next);
    next.sa_handler = handler;
    next.sa_flags = flags;
    if (block_itself)
        sigaddset(&next.sa_mask, signum);
    passive_meant(signum, &next);
    bool changed;
    if (passive_change(signum, &next, &previous, &changed) != 0)
        return SIG_ERR;
    if (changed)
        note_change(signum, DISPOSITION_SIGNAL, &next, &previous, caller);
    return previous.sa_handler;
}

/* With the BSD semantics of signal(2). */
static function our_signal(int signum, function handler) {
    struct interposed_change interposed = begin_interposed_change(signum);
    function before;
    if (passive_records(signum)) {
        bool interrupts = atomic_load(&siginterrupted) & signal_bit(signum);
        before = set_handler(signum, handler, interrupts ? 0 : SA_RESTART, true,
                             __builtin_return_address(0));
    } else {
        before = signal(signum, handler);
    }
    end_interposed_change(interposed);
    return before;
}

#ifdef __GLIBC__
/* With the System V semantics of signal(2). */
static function our_sysv_signal(int signum, function handler) {
    struct interposed_change interposed = begin_interposed_change(signum);
    function before = passive_records(signum)
                          ? set_handler(signum, handler, SA_RESETHAND | SA_NODEFER, false,
                                        __builtin_return_address(0))
                          : sysv_signal(signum, handler);
    end_interposed_change(interposed);
    return before;
}
#endif

#ifdef SIG_HOLD
/* sigset(3): sets the handler, and unblocks the signal; SIG_HOLD blocks it instead. */
static function sigset_recorded(int signum, function handler, const void *caller) {
    struct sigaction now;
    sigset_t one, mask;
    sigemptyset(&one);
    sigaddset(&one, signum);
    function before;
    if (handler != SIG_HOLD)
        before = set_handler(signum, handler, 0, false, caller);
    else
        before = passive_sigaction(signum, NULL, &now) == 0 ? now.sa_handler : SIG_ERR;
    if (before == SIG_ERR ||
        interpose_mask_change(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &mask, caller))
        return SIG_ERR;
    return sigismember(&mask, signum) == 1 ? SIG_HOLD : before;
}

static function our_sigset(int signum, function handler) {
    struct interposed_change interposed = {false, false, false};
    if (handler != SIG_HOLD)
        interposed = begin_interposed_change(signum);
    else if (kick_may_use(signum))
        kick_blocked();
    function before = passive_records(signum)
                          ? sigset_recorded(signum, handler, __builtin_return_address(0))
                          : sigset(signum, handler);
    end_interposed_change(interposed);
    return before;
}

static int our_sigignore(int signum) {
    struct interposed_change interposed = begin_interposed_change(signum);
    bool done = passive_records(signum)
                    ? set_handler(signum, SIG_IGN, 0, false, __builtin_return_address(0)) != SIG_ERR
                    : sigignore(signum) == 0;
    end_interposed_change(interposed);
    return done ? 0 : -1;
}
#endif

static int our_siginterrupt(int signum, int flag) {
    int result = siginterrupt(signum, flag); /* the C library needs it after the recording, too */
    struct sigaction action;
    if (result != 0)
        return result;
    if (flag)
        atomic_fetch_or(&siginterrupted, signal_bit(signum));
    else
        atomic_fetch_and(&siginterrupted, ~signal_bit(signum));
    if (!passive_records(signum) || passive_sigaction(signum, NULL, &action) != 0)
        return result;
    action.sa_flags = flag ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return passive_sigaction(signum, &action, NULL);
}

static void our_exit_at_once(int status) {
    process_exit_at_once(status);
    _exit(status);
}

/* --- calls by which the program forbids itself system calls: filter.h ------- */

typedef unsigned long word;

/* Finds the BPF program that the call installs; NULL: it installs none. False: the call has a
 * bad address, and installs no filter. */
static bool has_filter(bool filter, word argument, const struct sock_fprog **program) {
    *program = filter ? (const struct sock_fprog *)argument : NULL;
    return !filter || (*program && (*program)->filter);
}

static bool notes_filter(void) { return process_self && !process_is_vfork_child(); }

/* Before the program sets a filter: the intake thread makes system calls
 * that filter.h does not check. */
static void end_intake(void) {
    borrow_hold();
    intake_end();
}

static void undo_filter(uint32_t before) {
    int saved_errno = errno;
    filter_undo(before);
    borrow_go_on();
    errno = saved_errno;
}

static int our_prctl(int option, word a, word b, word c, word d) {
    const struct sock_fprog *program;
    if (option == PR_SET_CHILD_SUBREAPER && a && passive_any() && notes_filter()) {
        int done = prctl(option, a, b, c, d);
        if (done == 0)
            process_is_subreaper();
        return done;
    }
    if (option != PR_SET_SECCOMP || !notes_filter() ||
        !has_filter(a == SECCOMP_MODE_FILTER, b, &program))
        return prctl(option, a, b, c, d);
    uint32_t before = filter_add(program);
    end_intake();
    int result = prctl(option, a, b, c, d);
    if (result != 0)
        undo_filter(before);
    return result;
}

static __attribute__((noinline)) long seccomp_by_number(long number, word a, word b, word c, word d,
                                                        word e, word f) {
    const struct sock_fprog *program;
    if (number == SYS_prctl)
        return our_prctl((int)a, b, c, d, e);
    if (a > SECCOMP_SET_MODE_FILTER || !notes_filter() ||
        !has_filter(a == SECCOMP_SET_MODE_FILTER, c, &program))
        return syscall(number, a, b, c, d, e, f);
    uint32_t before = filter_add(program);
    end_intake();
    long result = syscall(number, a, b, c, d, e, f);
    if (result < 0)
        undo_filter(before);
    return result;
}

static bool makes_vfork(long number) {
#ifdef SYS_vfork
    if (number == SYS_vfork)
        return true;
#endif
#ifdef SYS_clone3
    if (number == SYS_clone3)
        return true;
#endif
    return number == SYS_clone;
}

/* syscall(2) takes as many arguments as the system call that it makes; in the ABIs that got.c
 * supports it does no harm to pass more. For a call that we do not care about this function ends
 * in a jump to the original, so that the stack is the caller's own, as a raw clone(2) needs it. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("optimize-sibling-calls")))
#endif
static long our_syscall(long number, word a, word b, word c, word d, word e, word f) {
    if (number == SYS_seccomp || (number == SYS_prctl && a == PR_SET_SECCOMP))
        return seccomp_by_number(number, a, b, c, d, e, f);
    if (makes_vfork(number))
        process_vforks = true;
    if (interpose_send_is(number))
        return interpose_send_by_number(number, (long)a, (long)b, (long)c, (long)d, (long)e,
                                        (long)f);
    return syscall(number, a, b, c, d, e, f);
}

/* --- vfork ------------------------------------------------------------------- */

#ifdef __x86_64__
/* vfork returns twice on the same stack, where no frame of ours may lie: so this jumps. */
#define PASSES_BY(name, original)                                                                  \
    static __attribute__((naked)) void name(void) {                                                \
        __asm__("endbr64\n\tmovb $1, process_vforks(%rip)\n\tjmp *" #original "@GOTPCREL(%rip)");  \
    }
PASSES_BY(our_vfork, vfork)
PASSES_BY(our_clone, clone)
#endif

static void interpose_dispositions(void) {
    INTERPOSE("sigaction", sigaction, our_sigaction);
    INTERPOSE("__sigaction", sigaction, our_sigaction);
    INTERPOSE("signal", signal, our_signal);
    INTERPOSE("bsd_signal", signal, our_signal);
    INTERPOSE("ssignal", signal, our_signal);
#ifdef __GLIBC__
    INTERPOSE("sysv_signal", sysv_signal, our_sysv_signal);
    INTERPOSE("__sysv_signal", sysv_signal, our_sysv_signal);
#endif
#ifdef SIG_HOLD
    INTERPOSE("sigset", sigset, our_sigset);
    INTERPOSE("sigignore", sigignore, our_sigignore);
#endif
    INTERPOSE("siginterrupt", siginterrupt, our_siginterrupt);
    INTERPOSE("_exit", _exit, our_exit_at_once);
    INTERPOSE("_Exit", _exit, our_exit_at_once);
    INTERPOSE("prctl", prctl, our_prctl);
    INTERPOSE("syscall", syscall, our_syscall);
#ifdef __x86_64__
    INTERPOSE("vfork", vfork, our_vfork);
    INTERPOSE("__vfork", vfork, our_vfork);
    INTERPOSE("clone", clone, our_clone);
    INTERPOSE("__clone", clone, our_clone);
#endif
}

bool interpose_install(void) {
    static bool done, worked;
    if (!done) {
        done = true;
        interpose_dispositions();
        interpose_send();
        interpose_exec();
        interpose_mask();
        worked = got_patch(install_notice);
#ifdef __x86_64__
        if (worked && is_single_threaded())
            process_sees_vforks();
#endif
    }
    return worked;
}

void interpose_again(void) { got_patch(install_notice); }

#endif
