/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/mask.h"

#include "events/signals.h"
#include "noted.h"

#include <pthread.h>

#define TERM signal_bit(SIGTERM)
#define USR1 signal_bit(SIGUSR1)
#define MAIN 4242

static _Atomic uint64_t ordinals[MASK_ROWS];

static void set(uint64_t before, uint64_t after, bool is_main, uint32_t site) {
    mask_note(&recording.masks, ordinals,
              &(struct mask_change){MASK_THREAD, before, after, is_main ? MAIN : 7, is_main, site});
}

static struct event at(const struct recording *in, int row, uint64_t ordinal) {
    struct event event = noted(&in->masks, (uint64_t)row, ordinal);
    CHECK_EQ(event.signo, row % SIGREC_NSIG);
    return event;
}

static void each_signal_that_changes_is_kept_with_its_site(void) {
    uint32_t app = site_number("/srv/app.py", 11, 12);
    set(TERM, USR1, true, app);
    struct event in = at(&recording, SIGUSR1, 0), out = at(&recording, SIGTERM, 0);
    CHECK_EQ(in.pid, 1);
    CHECK_EQ(out.pid, 0);
    CHECK_EQ(in.code, MASK_THREAD);
    CHECK_EQ(in.uid, app);
    CHECK_EQ(in.tid, MAIN);
    CHECK_EQ(in.datum, USR1);
    CHECK(in.monotonic_ns && in.monotonic_ns == out.monotonic_ns);
    CHECK_EQ(recording.masks.sites[app - 1].line, 12);
}

static void what_cannot_be_blocked_is_no_change(void) {
    uint64_t cannot = signal_bit(SIGKILL) | signal_bit(SIGSTOP) | signal_bit(32);
    CHECK_EQ(mask_difference(0, cannot), 0);
    CHECK_EQ(mask_difference(TERM, TERM | USR1 | cannot), USR1);
    set(TERM, TERM, true, 0);
    CHECK_EQ(ordinals[SIGTERM], 1);
}

static void other_threads_have_rows_of_their_own(void) {
    for (int i = 0; i < 100; i++)
        set(i % 2 ? TERM : 0, i % 2 ? 0 : TERM, false, 0);
    for (uint64_t ordinal = 100 - MASK_SLOTS; ordinal < 100; ordinal++)
        CHECK_EQ(at(&recording, SIGREC_NSIG + SIGTERM, ordinal).pid, ordinal % 2 ? 0 : 1);
    CHECK_EQ(ordinals[SIGTERM], 1);
    CHECK_EQ(at(&recording, SIGUSR1, 0).pid, 1);
}

static void nearly_all_at_once_are_one_change(void) {
    set(USR1, UINT64_MAX, true, 0);
    CHECK_EQ(at(&recording, 0, 0).pid, 1);
    set(UINT64_MAX, USR1, true, 0);
    CHECK_EQ(at(&recording, 0, 1).pid, 0);
    CHECK_EQ(at(&recording, 0, 1).datum, USR1);
    CHECK_EQ(ordinals[SIGUSR1], 1);
    CHECK_EQ(ordinals[SIGTERM], 1);
}

static void what_a_child_did_before_it_had_a_recording_is_copied_once(void) {
    struct recording into;
    fold_twice(&into);
    CHECK_EQ(into.masks.sites[at(&into, SIGUSR1, 0).uid - 1].line, 12);
    CHECK_EQ(at(&into, SIGREC_NSIG + SIGTERM, 99).pid, 0);
    recording_unmap(&into);
}

/* In a forked child whose own table counts from zero. */
static void inherits(void) {
    struct recording own;
    struct event event;
    _Atomic uint64_t changes[MASK_ROWS] = {0};
    CHECK_EQ(recording_private(&own, 16, &owner), 0);
    changes[SIGHUP] = 1; /* it has changed that one itself */
    mask_inherit(&own.masks, changes, 99);
    event = at(&own, SIGALRM, 0);
    CHECK_EQ(event.code, MASK_FORKED);
    CHECK_EQ(event.pid, 1);
    CHECK_EQ(event.tid, 99);
    CHECK_EQ(own.masks.sites[event.uid - 1].line, 12);
    CHECK(!keep_read(&own.masks.changes[SIGHUP], &event));
    CHECK(!keep_read(&own.masks.changes[SIGUSR1], &event)); /* it has that no more */
    CHECK(!keep_read(&own.masks.changes[SIGUSR2], &event)); /* another thread has it */
    /* And what it blocks itself its own child has of it, once. */
    mask_note(&own.masks, changes,
              &(struct mask_change){MASK_THREAD, signal_bit(SIGALRM), 0, 99, true, 0});
    _Atomic uint64_t its_childs[MASK_ROWS] = {0};
    struct recording childs;
    CHECK_EQ(recording_private(&childs, 16, &owner), 0);
    mask_inherit(&childs.masks, its_childs, 100);
    CHECK(!keep_read(&childs.masks.changes[SIGALRM], &event));
}

static void *by_another(void *ignored) {
    set(0, signal_bit(SIGUSR2), false, 0);
    return ignored;
}

static void *forks(void *ignored) {
    uint32_t app = site_number("/srv/app.py", 11, 12);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGALRM);
    sigaddset(&both, SIGHUP);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &both, NULL), 0);
    set(0, signal_bit(SIGALRM) | signal_bit(SIGHUP), false, app);
    set(0, USR1, false, app); /* which the kernel does not know of */
    pthread_t other;
    CHECK_EQ(pthread_create(&other, NULL, by_another, NULL), 0);
    CHECK_EQ(pthread_join(other, NULL), 0);
    in_a_child(inherits);
    return ignored;
}

/* The thread that forks is the child's main one. */
static void a_child_has_what_the_thread_had_that_forked_it(void) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, forks, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void) {
    begin();
    each_signal_that_changes_is_kept_with_its_site();
    what_cannot_be_blocked_is_no_change();
    other_threads_have_rows_of_their_own();
    nearly_all_at_once_are_one_change();
    what_a_child_did_before_it_had_a_recording_is_copied_once();
    a_child_has_what_the_thread_had_that_forked_it();
    return 0;
}
