/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/mask.h"

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/memory.h"

#include <pthread.h>
#include <string.h>

/* The newest mask of each row, here so that a forked child knows them. */
static struct newest_mask {
    _Atomic uintptr_t thread; /* which pthread_self() is in the child as well; 0: none */
    _Atomic uint32_t site;
    _Atomic uint64_t monotonic_ns, mask; /* 0: it does not block the signal */
} newest_masks[MASK_ROWS] SELDOM;
static _Atomic bool any_mask; /* a thread has changed its mask */

static int row_of(int signum, bool is_main) { return is_main ? signum : SIGREC_NSIG + signum; }

static uintptr_t this_thread(void) { return (uintptr_t)pthread_self(); }

static bool is_this_threads(const struct newest_mask *last) {
    return atomic_load_explicit(&last->thread, memory_order_relaxed) == this_thread();
}

uint64_t mask_difference(uint64_t before, uint64_t after) {
    uint64_t can_be = ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
#ifdef SIGRTMIN
    for (int signum = 32; signum < SIGRTMIN; signum++)
        can_be &= ~signal_bit(signum); /* the C library's own, which it leaves as they are */
#endif
    return (before ^ after) & can_be;
}

static void keep_mask(const struct notes *to, int row, const struct event *noted) {
    notes_keep(to, (uint64_t)row, noted);
}

static void note_mask(const struct notes *to, _Atomic uint64_t *ordinals,
                      const struct mask_change *change, int signum, bool blocked, uint64_t now) {
    int row = row_of(signum, change->is_main);
    atomic_store_explicit(&any_mask, true, memory_order_relaxed);
    struct newest_mask *last = &newest_masks[row];
    struct newest_mask *other_row = &newest_masks[row_of(signum, !change->is_main)];
    if (is_this_threads(other_row)) /* before the fork that made it the main one */
        atomic_store_explicit(&other_row->thread, 0, memory_order_relaxed);
    /* Relaxed: who forks while another thread is here may take either. */
    atomic_store_explicit(&last->thread, this_thread(), memory_order_relaxed);
    atomic_store_explicit(&last->site, change->site, memory_order_relaxed);
    atomic_store_explicit(&last->monotonic_ns, now, memory_order_relaxed);
    atomic_store_explicit(&last->mask, blocked ? change->after : 0, memory_order_relaxed);
    keep_mask(to, row,
              &(struct event){
                  .monotonic_ns = now,
                  .ordinal = atomic_fetch_add_explicit(&ordinals[row], 1, memory_order_relaxed),
                  .signo = (uint32_t)signum,
                  .code = (int32_t)change->how,
                  .pid = blocked,
                  .uid = change->site,
                  .tid = change->tid,
                  .datum = change->after,
              });
}

void mask_note(const struct notes *to, _Atomic uint64_t *ordinals,
               const struct mask_change *change) {
    uint64_t changed = mask_difference(change->before, change->after), now = monotonic_ns();
    if (__builtin_popcountll(changed) >= MASK_ALL) {
        note_mask(to, ordinals, change, 0, (changed & change->after) != 0, now);
        return;
    }
    for (; changed; changed &= changed - 1) {
        int signum = signal_lowest(changed);
        note_mask(to, ordinals, change, signum, (change->after & signal_bit(signum)) != 0, now);
    }
}

/* Of a thread that ended another one may have the place by now: the kernel knows. */
static bool has_blocked(int signum) {
    sigset_t now;
    uint64_t set = 0;
    if (filter_allows(FILTERED_SIGPROCMASK) && pthread_sigmask(SIG_BLOCK, NULL, &now) == 0)
        memcpy(&set, &now, sizeof set);
    return signum ? (set & signal_bit(signum)) != 0 : __builtin_popcountll(set) >= MASK_ALL;
}

void mask_inherit(const struct notes *to, _Atomic uint64_t *ordinals, uint32_t tid) {
    for (int from = 0; from < MASK_ROWS && atomic_load_explicit(&any_mask, memory_order_relaxed);
         from++) {
        const struct newest_mask *last = &newest_masks[from];
        int signum = from % SIGREC_NSIG, to_row = row_of(signum, true);
        uint64_t mask = atomic_load_explicit(&last->mask, memory_order_relaxed);
        if (!mask || !is_this_threads(last) || !has_blocked(signum) ||
            !notes_is_first(&ordinals[to_row]))
            continue;
        keep_mask(
            to, to_row,
            &(struct event){
                .monotonic_ns = atomic_load_explicit(&last->monotonic_ns, memory_order_relaxed),
                .signo = (uint32_t)signum,
                .code = MASK_FORKED,
                .pid = 1,
                .uid = atomic_load_explicit(&last->site, memory_order_relaxed),
                .tid = tid,
                .datum = mask,
            });
    }
}
