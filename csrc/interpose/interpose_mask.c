/* SPDX-License-Identifier: MIT
 *
 * Any context: pthread_sigmask(3) and sigprocmask(2) are async-signal-safe (signal-safety(7)),
 * and so are these. Where a mask really changes, they add these system calls: gettid and getpid
 * under the same conditions as in interpose_send.c; clock_gettime (vDSO); and where a signal may
 * be borrowed those of borrow.c, where SIGBUS is blocked those of sigbus.c, and where a kick is
 * those of a kick that arrives.
 */
#define _GNU_SOURCE
#include "interpose/interpose_mask.h"

#include "events/signals.h"
#include "handler/borrow.h"
#include "handler/inherit.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "program/caller.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>

#ifdef __linux__

/* sighold and sigrelse are deprecated. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static uint64_t mask_word_of(const sigset_t *set) {
    uint64_t word;
    memcpy(&word, set, sizeof word);
    return word;
}

static __attribute__((noinline)) void note_mask_change(enum mask_how call, uint64_t before,
                                                       uint64_t after, const void *caller) {
    int saved_errno = errno;
    struct mask_change change = {call, before, after, 0, false, 0};
    if (!caller_is_ours(caller) && !process_writes_nothing(&change.tid)) {
        uint32_t line = caller_is_interpreter(caller) ? caller_line() : 0;
        change.is_main = change.tid && change.tid == (uint32_t)process_pid();
        change.site = line && line != CALLER_NO_PYTHON ? line : caller_library(caller);
        process_mask(&change);
    }
    errno = saved_errno;
}

typedef int (*original)(int, const sigset_t *, sigset_t *);

/* The masks here are as the program knows them, without what the intake thread has borrowed. */
static int change_mask(original call_it, int how, const sigset_t *set, sigset_t *old,
                       enum mask_how call, const void *caller) {
    /* Python blocks all signals around vfork(2), and its child then has the old mask. */
    if (set && how != SIG_UNBLOCK && __builtin_popcountll(mask_word_of(set)) >= MASK_ALL)
        inherit_begin();
    if (set && how != SIG_UNBLOCK && mask_word_of(set) & signal_bit(SIGBUS))
        sigbus_prevent();
    if (set && how != SIG_UNBLOCK && mask_word_of(set) & KICK_SIGNALS)
        kick_blocked();
    if (!set || !passive_any())
        return borrow_mask(call_it, how, set, old);
    sigset_t ours, now;
    /* The kernel writes the old mask to the program's own address, and fails if that is bad. */
    sigset_t *before = old ? old : &ours;
    int result = borrow_mask(call_it, how, set, before);
    if (result != 0)
        return result;
    uint64_t was = mask_word_of(before), given = mask_word_of(set);
    uint64_t is = how == SIG_BLOCK ? was | given : how == SIG_UNBLOCK ? was & ~given : given;
    if (old ==
        set) { /* the old mask has overwritten the new one, which only the kernel knows now */
        if (borrow_mask(call_it, SIG_BLOCK, NULL, &now) != 0)
            return 0;
        is = mask_word_of(&now);
    }
    if (mask_difference(was, is))
        note_mask_change(call, was, is, caller);
    return 0;
}

static int our_pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    return change_mask(pthread_sigmask, how, set, old, MASK_THREAD, __builtin_return_address(0));
}

static int our_sigprocmask(int how, const sigset_t *set, sigset_t *old) {
    return change_mask(sigprocmask, how, set, old, MASK_PROCESS, __builtin_return_address(0));
}

int interpose_mask_change(int how, const sigset_t *set, sigset_t *old, const void *caller) {
    return change_mask(sigprocmask, how, set, old, MASK_SYSTEM_V, caller);
}

#ifdef SIG_HOLD
static int change_mask_of_one(int how, int signum, const void *caller) {
    sigset_t mask_of_one;
    sigemptyset(&mask_of_one);
    return sigaddset(&mask_of_one, signum) == 0
               ? interpose_mask_change(how, &mask_of_one, NULL, caller)
               : -1;
}

static int our_sighold(int signum) {
    return change_mask_of_one(SIG_BLOCK, signum, __builtin_return_address(0));
}

static int our_sigrelse(int signum) {
    return change_mask_of_one(SIG_UNBLOCK, signum, __builtin_return_address(0));
}
#endif

void interpose_mask(void) {
    INTERPOSE("pthread_sigmask", pthread_sigmask, our_pthread_sigmask);
    INTERPOSE("sigprocmask", sigprocmask, our_sigprocmask);
#ifdef SIG_HOLD
    INTERPOSE("sighold", sighold, our_sighold);
    INTERPOSE("sigrelse", sigrelse, our_sigrelse);
#endif
}

#endif
