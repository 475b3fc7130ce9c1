/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/disposition.h"

#include "ground/clock.h"
#include "ground/memory.h"

#include <stdbool.h>

/* The newest disposition of each signal, here so that a forked child knows it. */
static struct newest_disposition {
    _Atomic uint32_t known, kind, site;
    _Atomic uint64_t flags, monotonic_ns;
    _Atomic uintptr_t handler;
} newest_dispositions[SIGREC_NSIG] SELDOM;
static _Atomic bool any_disposition; /* one of these is known */

static bool is_known_disposition(const struct newest_disposition *last,
                                 const struct disposition *change) {
    /* Relaxed, here and below: who reads it while another thread changes the disposition
     * of the same signal may take either. */
    return atomic_load_explicit(&last->known, memory_order_relaxed) &&
           atomic_load_explicit(&last->site, memory_order_relaxed) == change->site &&
           atomic_load_explicit(&last->kind, memory_order_relaxed) == change->kind &&
           atomic_load_explicit(&last->handler, memory_order_relaxed) ==
               (uintptr_t)change->action->sa_handler;
}

static void keep_disposition(const struct notes *to, const struct event *noted) {
    notes_keep(to, noted->signo, noted);
}

void disposition_note(const struct notes *to, _Atomic uint64_t *ordinals,
                      const struct disposition *change) {
    struct newest_disposition *last = &newest_dispositions[change->signum];
    bool began = change->how == DISPOSITION_BEFORE || change->how == DISPOSITION_INHERITED;
    if (is_known_disposition(last, change))
        return;
    struct event noted = {
        .monotonic_ns = monotonic_ns(),
        .signo = (uint32_t)change->signum,
        .code = (int32_t)change->how,
        .pid = (int32_t)change->kind,
        .uid = change->site,
        .datum = (uint32_t)change->action->sa_flags,
    };
    atomic_store_explicit(&last->site, change->site, memory_order_relaxed);
    atomic_store_explicit(&last->kind, change->kind, memory_order_relaxed);
    atomic_store_explicit(&last->flags, noted.datum, memory_order_relaxed);
    atomic_store_explicit(&last->monotonic_ns, noted.monotonic_ns, memory_order_relaxed);
    atomic_store_explicit(&last->handler, (uintptr_t)change->action->sa_handler,
                          memory_order_relaxed);
    atomic_store_explicit(&last->known, 1, memory_order_relaxed);
    atomic_store_explicit(&any_disposition, true, memory_order_relaxed);
    if (began && change->kind == DISPOSITION_DEFAULT)
        return; /* as most signals are: there is nothing to say */
    noted.ordinal = atomic_fetch_add_explicit(&ordinals[change->signum], 1, memory_order_relaxed);
    keep_disposition(to, &noted);
}

void disposition_forget(int signum) {
    atomic_store_explicit(&newest_dispositions[signum].known, 0, memory_order_relaxed);
}

void disposition_inherit(const struct notes *to, _Atomic uint64_t *ordinals) {
    for (int signum = 1;
         signum < SIGREC_NSIG && atomic_load_explicit(&any_disposition, memory_order_relaxed);
         signum++) {
        const struct newest_disposition *last = &newest_dispositions[signum];
        uint32_t kind = atomic_load_explicit(&last->kind, memory_order_relaxed);
        uint32_t site = atomic_load_explicit(&last->site, memory_order_relaxed);
        if (!atomic_load_explicit(&last->known, memory_order_relaxed) ||
            (kind == DISPOSITION_DEFAULT && !site) || !notes_is_first(&ordinals[signum]))
            continue;
        keep_disposition(
            to, &(struct event){
                    .monotonic_ns = atomic_load_explicit(&last->monotonic_ns, memory_order_relaxed),
                    .signo = (uint32_t)signum,
                    .code = DISPOSITION_FORKED,
                    .pid = (int32_t)kind,
                    .uid = site,
                    .datum = atomic_load_explicit(&last->flags, memory_order_relaxed),
                });
    }
}
