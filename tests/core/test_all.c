/* SPDX-License-Identifier: MIT
 * What is recorded from outside, as by an attach, and what the program itself has had recorded: the
 * end of the one does not end the other. */
#define _GNU_SOURCE
#include "handler/all.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/passive.h"
#include "recording/process.h"

#include <pthread.h>
#include <signal.h>

static void is_recorded(int signum, bool expected) {
    struct sigaction now;
    CHECK_EQ(passive_records(signum), expected);
    CHECK_EQ(sigaction(signum, NULL, &now), 0);
    CHECK_EQ(now.sa_handler != SIG_DFL, expected);
}

static void each_ends_its_own(void) {
    all_record(false);
    CHECK_EQ(all_record_one(SIGTERM, false), 0);
    is_recorded(SIGUSR1, true);
    all_stop();
    is_recorded(SIGTERM, true);
    CHECK(!passive_records(SIGUSR1) && !passive_records(SIGCHLD));
    all_record(false);
    all_stop_one(SIGTERM);
    is_recorded(SIGTERM, true);
    all_stop();
    is_recorded(SIGTERM, false);
    all_stop_one(SIGTERM);
    is_recorded(SIGTERM, false);
    all_record(false);
    CHECK_EQ(all_record_one(SIGTERM, false), 0);
    all_stop();
    all_stop_one(SIGTERM);
    is_recorded(SIGTERM, false);
}

/* SIGCHLD is ignored by default, and recorded only where the program names it. */
static void a_named_one_stays_named(void) {
    CHECK_EQ(all_record_one(SIGCHLD, true), 0);
    is_recorded(SIGCHLD, true);
    all_record(false);
    is_recorded(SIGCHLD, true);
    all_stop();
    is_recorded(SIGCHLD, true);
    all_record(false);
    all_stop_one(SIGCHLD); /* as all the others: left to the kernel */
    struct sigaction now;
    CHECK(passive_records(SIGCHLD) && sigaction(SIGCHLD, NULL, &now) == 0);
    CHECK(now.sa_handler == SIG_DFL);
    all_stop();
    is_recorded(SIGCHLD, false);
    CHECK_EQ(all_record_one(SIGKILL, false), EINVAL);
}

#define ROUNDS 300

static _Atomic bool is_over;

static void *from_outside(void *unused) {
    for (int i = 0; i < ROUNDS; i++) {
        while (!all_hold())
            ;
        all_record(false);
        all_let_go();
        while (!all_hold())
            ;
        all_stop();
        all_let_go();
    }
    is_over = true;
    return unused;
}

/* Of SIGHUP, which all_stop() comes to first: the others are mostly past by then. */
static void both_at_the_same_time(void) {
    pthread_t thread;
    for (int ends = 0; ends < 2; ends++) {
        is_over = false;
        CHECK_EQ(pthread_create(&thread, NULL, from_outside, NULL), 0);
        for (int i = 0; !is_over; i++) {
            CHECK_EQ(all_record_one(SIGHUP, false), 0);
            for (int looks = 0; looks < 5; looks++)
                is_recorded(SIGHUP, true); /* whatever the other just does */
            if (ends || i % 2)
                all_stop_one(SIGHUP);
        }
        if (!ends)
            CHECK_EQ(all_record_one(SIGHUP, false), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        is_recorded(SIGHUP, !ends);
        struct sigaction program;
        CHECK_EQ(passive_sigaction(SIGHUP, NULL, &program), 0);
        CHECK(program.sa_handler == SIG_DFL);
        CHECK(!passive_records(SIGTERM));
    }
}

/* As after an attach whose call has never come back. */
static void who_does_not_let_go_is_waited_for_once(void) {
    CHECK(all_hold());
    CHECK_EQ(all_record_one(SIGUSR1, false), 0);
    CHECK(all_hold());
    all_let_go();
    all_stop_one(SIGUSR1);
}

static void gaps_are_written_down(void) {
    CHECK_EQ(process_go_private(16), 0);
    const struct recording_header *header = process_recording()->header;
    process_attached(true);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK(header->gaps == i && !header->detached_ns);
        process_attached(false);
        uint64_t detached_ns = header->detached_ns;
        CHECK(detached_ns && header->gaps == i);
        process_attached(true);
        CHECK(header->gap_ns[0] == detached_ns && header->gap_ns[1] >= detached_ns);
    }
}

int main(void) {
    CHECK_EQ(process_start(), 0);
    handler_start();
    gaps_are_written_down();
    each_ends_its_own();
    a_named_one_stays_named();
    both_at_the_same_time();
    who_does_not_let_go_is_waited_for_once();
    return 0;
}
