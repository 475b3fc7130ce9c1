/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/action.h"

#include "events/event.h"
#include "ground/memory.h"

#include <string.h>

/* An action is written to a slot that nobody reads, and then made the current
 * one by one compare-and-swap. The version makes each `current_action` unique. A
 * fork leaves busy for ever, in the child, what other threads were writing. */
#define ACTION_SLOTS 64
#define ACTION_WORDS 3 /* handler, flags, mask */

static _Atomic uint64_t current_action[SIGREC_NSIG]; /* version << 8 | slot */
/* Slots that are being written. The current one is not there. */
static _Atomic uint64_t busy_slots[SIGREC_NSIG];
/* By slot first: of nearly all signals only two are ever used, and a page that is never touched
 * costs a short program nothing. */
static _Alignas(4096) _Atomic uint64_t action_words[ACTION_SLOTS][SIGREC_NSIG][ACTION_WORDS] SELDOM;

static void store_action(int signum, int slot, const struct sigaction *action) {
    uint64_t word[ACTION_WORDS];
    word[0] = (uint64_t)(uintptr_t)action->sa_handler;
    word[1] = (uint32_t)action->sa_flags;
    memcpy(&word[2], &action->sa_mask, sizeof word[2]); /* the kernel's 64 signals */
    for (int i = 0; i < ACTION_WORDS; i++)
        atomic_store_explicit(&action_words[slot][signum][i], word[i], memory_order_relaxed);
}

static void load_action(int signum, int slot, struct action *action) {
    const _Atomic uint64_t *word = action_words[slot][signum];
    action->handler = (void (*)(int, siginfo_t *, void *))(uintptr_t)atomic_load_explicit(
        &word[0], memory_order_relaxed);
    action->flags = (int)atomic_load_explicit(&word[1], memory_order_relaxed);
    action->mask = atomic_load_explicit(&word[2], memory_order_relaxed);
}

uint64_t action_version(int signum) {
    /* Relaxed: the action's version is compared, after a system call that may be out of date. */
    return atomic_load_explicit(&current_action[signum], memory_order_relaxed);
}

uint64_t action_read(int signum, struct action *action) {
    for (;;) {
        /* proof: action-look */
        uint64_t now = atomic_load_explicit(&current_action[signum], memory_order_acquire);
        load_action(signum, (int)(now & 0xff), action);
        /* Pairs with the release fence in claim_action_slot(): if any word was of a later
         * use of the slot, the load below sees that `current_action` moved on.
         * proof: action-fence */
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&current_action[signum], memory_order_relaxed) == now)
            return now; /* else another thread has made progress: again */
    }
}

uint64_t action_get(int signum, struct sigaction *action) {
    struct action read;
    uint64_t version = action_read(signum, &read);
    memset(action, 0, sizeof *action);
    action->sa_sigaction = read.handler;
    action->sa_flags = read.flags;
    memcpy(&action->sa_mask, &read.mask, sizeof read.mask);
    return version;
}

bool action_is_default(int signum) {
    struct action action;
    action_read(signum, &action);
    return !action.handler;
}

/* A slot to write an action to, or -1. */
static int claim_action_slot(int signum) {
    uint64_t taken = atomic_load_explicit(&busy_slots[signum], memory_order_relaxed);
    for (;;) {
        /* The current slot is not in `busy_slots`: never take it. It cannot become
         * the current one behind our back either, once it is ours in `busy_slots`. */
        uint64_t now = atomic_load_explicit(&current_action[signum], memory_order_relaxed);
        uint64_t usable = ~taken & ~(UINT64_C(1) << (now & 0xff));
        if (!usable)
            return -1;
        int slot = __builtin_ctzll(usable);
        /* Acquire: pairs with the release in let_go_of_action_slot(): what its last writer
         * stored comes before what we store, and we see what it made current.
         * proof: action-claim */
        if (!atomic_compare_exchange_weak_explicit(&busy_slots[signum], &taken,
                                                   taken | UINT64_C(1) << slot,
                                                   memory_order_acquire, memory_order_relaxed))
            continue;
        if ((atomic_load_explicit(&current_action[signum], memory_order_relaxed) & 0xff) ==
            (uint64_t)slot) {
            /* Its writer made it current and let go of it between our two looks. */
            taken = atomic_fetch_and_explicit(&busy_slots[signum], ~(UINT64_C(1) << slot),
                                              memory_order_relaxed) &
                    ~(UINT64_C(1) << slot);
            continue;
        }
        /* Orders the change of `current_action` away from this slot before what we write to it.
         * proof: action-claim-fence */
        atomic_thread_fence(memory_order_release);
        return slot;
    }
}

static void let_go_of_action_slot(int signum, int slot) {
    /* proof: action-let-go */
    atomic_fetch_and_explicit(&busy_slots[signum], ~(UINT64_C(1) << slot), memory_order_release);
}

bool action_exchange(int signum, const struct sigaction *next, struct sigaction *previous) {
    int slot = claim_action_slot(signum);
    if (slot < 0)
        return false;
    store_action(signum, slot, next);
    uint64_t now;
    do {
        now = action_get(signum, previous);
        /* Release: whoever sees it current sees its words. proof: action-current */
    } while (!atomic_compare_exchange_weak_explicit(&current_action[signum], &now,
                                                    ((now >> 8) + 1) << 8 | (uint64_t)slot,
                                                    memory_order_release, memory_order_relaxed));
    let_go_of_action_slot(signum, slot);
    return true;
}

bool action_replace(int signum, uint64_t version, const struct sigaction *next) {
    int slot = claim_action_slot(signum);
    if (slot < 0)
        return false;
    store_action(signum, slot, next);
    /* proof: action-replace */
    bool done = atomic_compare_exchange_strong_explicit(&current_action[signum], &version,
                                                        ((version >> 8) + 1) << 8 | (uint64_t)slot,
                                                        memory_order_release, memory_order_relaxed);
    let_go_of_action_slot(signum, slot);
    return done;
}
