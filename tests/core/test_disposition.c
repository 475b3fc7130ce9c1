/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/disposition.h"

#include "noted.h"

#include <string.h>

static _Atomic uint64_t ordinals[SIGREC_NSIG];

static void handler(int signum) { (void)signum; }
static void other(int signum) { (void)signum; }

static void set(int signum, enum disposition_how how, void (*function)(int), uint32_t site) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = function;
    action.sa_flags = SA_RESTART;
    enum disposition_kind kind = function == SIG_DFL   ? DISPOSITION_DEFAULT
                                 : function == SIG_IGN ? DISPOSITION_IGNORE
                                                       : DISPOSITION_HANDLER;
    disposition_note(&recording.dispositions, ordinals,
                     &(struct disposition){signum, how, kind, &action, site});
}

static struct event at(const struct recording *in, int signum, uint64_t ordinal) {
    struct event event = noted(&in->dispositions, (uint64_t)signum, ordinal);
    CHECK_EQ(event.signo, signum);
    return event;
}

static void what_is_set_is_kept_with_its_site(void) {
    uint32_t app = site_number("/srv/app.py", 11, 12);
    set(SIGTERM, DISPOSITION_SIGACTION, handler, app);
    struct event event = at(&recording, SIGTERM, 0);
    CHECK_EQ(event.code, DISPOSITION_SIGACTION);
    CHECK_EQ(event.pid, DISPOSITION_HANDLER);
    CHECK_EQ(event.uid, app);
    CHECK_EQ(event.datum, SA_RESTART);
    CHECK(event.monotonic_ns);
    const struct site *site = &recording.dispositions.sites[app - 1];
    CHECK_EQ(site->whole, 1);
    CHECK_EQ(site->line, 12);
    CHECK_EQ(strcmp((const char *)site->text, "/srv/app.py"), 0);
}

static void the_same_from_the_same_site_is_no_change(void) {
    uint32_t app = site_number("/srv/app.py", 11, 12), line = site_number("/srv/app.py", 11, 13);
    set(SIGTERM, DISPOSITION_SIGACTION, handler, app);
    CHECK_EQ(ordinals[SIGTERM], 1);
    set(SIGTERM, DISPOSITION_SIGACTION, handler, line); /* another handler in Python, perhaps */
    set(SIGTERM, DISPOSITION_SIGACTION, other, line);
    set(SIGTERM, DISPOSITION_SIGACTION, SIG_IGN, line);
    CHECK_EQ(ordinals[SIGTERM], 4);
    CHECK_EQ(at(&recording, SIGTERM, 3).pid, DISPOSITION_IGNORE);
}

static void the_newest_are_there_and_those_of_other_signals(void) {
    for (int i = 0; i < 1000; i++)
        set(SIGALRM, DISPOSITION_SIGNAL, i % 2 ? SIG_DFL : handler, 0);
    for (uint64_t ordinal = 1000 - DISPOSITION_SLOTS; ordinal < 1000; ordinal++)
        CHECK_EQ(at(&recording, SIGALRM, ordinal).pid,
                 ordinal % 2 ? DISPOSITION_DEFAULT : DISPOSITION_HANDLER);
    CHECK_EQ(at(&recording, SIGTERM, 0).pid, DISPOSITION_HANDLER);
}

static void what_was_the_default_at_first_needs_no_word(void) {
    set(SIGUSR1, DISPOSITION_BEFORE, SIG_DFL, 0);
    CHECK_EQ(ordinals[SIGUSR1], 0);
    set(SIGHUP, DISPOSITION_INHERITED, SIG_IGN, 0);
    CHECK_EQ(at(&recording, SIGHUP, 0).code, DISPOSITION_INHERITED);
    set(SIGUSR2, DISPOSITION_BEFORE, handler, 0);
    disposition_forget(SIGUSR2); /* and recorded anew, it is said anew */
    set(SIGUSR2, DISPOSITION_BEFORE, handler, 0);
    CHECK_EQ(ordinals[SIGUSR2], 2);
}

static void what_a_child_did_before_it_had_a_recording_is_copied_once(void) {
    struct recording into;
    fold_twice(&into);
    CHECK_EQ(at(&into, SIGTERM, 3).pid, DISPOSITION_IGNORE);
    uint32_t site = at(&into, SIGTERM, 3).uid;
    CHECK_EQ(into.dispositions.sites[site - 1].line, 13);
    recording_unmap(&into);
}

/* In a forked child whose own table counts from zero. */
static void inherits(void) {
    struct recording own;
    _Atomic uint64_t changes[SIGREC_NSIG] = {0};
    CHECK_EQ(recording_private(&own, 16, &owner), 0);
    changes[SIGHUP] = 1; /* it has changed that one itself */
    disposition_inherit(&own.dispositions, changes);
    struct event event = at(&own, SIGTERM, 0);
    CHECK_EQ(event.code, DISPOSITION_FORKED);
    CHECK_EQ(event.pid, DISPOSITION_IGNORE);
    CHECK_EQ(own.dispositions.sites[event.uid - 1].line, 13);
    CHECK_EQ(changes[SIGTERM], 1);
    CHECK(!keep_read(&own.dispositions.changes[SIGHUP], &event));
    CHECK(!keep_read(&own.dispositions.changes[SIGUSR1], &event)); /* default */
}

static void a_child_has_what_its_parent_had(void) { in_a_child(inherits); }

int main(void) {
    begin();
    what_is_set_is_kept_with_its_site();
    the_same_from_the_same_site_is_no_change();
    the_newest_are_there_and_those_of_other_signals();
    what_was_the_default_at_first_needs_no_word();
    what_a_child_did_before_it_had_a_recording_is_copied_once();
    a_child_has_what_its_parent_had();
    return 0;
}
