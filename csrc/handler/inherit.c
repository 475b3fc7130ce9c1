/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/inherit.h"

#include "events/signals.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "handler/borrow.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __linux__

static sigset_t programs_mask;
static _Atomic uintptr_t blocking_thread; /* the dispatcher thread, while it blocks all; or 0 */

static bool is_due(void) {
    return atomic_load_explicit(&blocking_thread, memory_order_relaxed) ==
           (uintptr_t)pthread_self();
}

void inherit_over(void) {
    if (atomic_load(&blocking_thread)) /* in a forked child, the first write to a page copies it */
        atomic_store(&blocking_thread, 0);
}

void inherit_note(void) {
    static bool inherit_hooked;
    if (!inherit_hooked)
        inherit_hooked = at_fork(inherit_begin, NULL, inherit_over) == 0;
    borrow_mask(pthread_sigmask, SIG_BLOCK, NULL, &programs_mask);
}

void inherit_wait(void) {
    sigset_t all;
    if (is_due())
        return;
    signals_but_faults(&all);
    borrow_mask(pthread_sigmask, SIG_BLOCK, &all, NULL);
    atomic_store(&blocking_thread, (uintptr_t)pthread_self());
}

void inherit_begin(void) {
    if (!is_due() || !filter_allows(FILTERED_SIGPROCMASK))
        return;
    int saved_errno = errno;
    if (!process_is_vfork_child()) /* a vfork child changes only its own mask */
        inherit_over();
    borrow_mask(pthread_sigmask, SIG_SETMASK, &programs_mask, NULL);
    errno = saved_errno;
}

#endif
