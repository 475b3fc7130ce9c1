/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/sent.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static struct owner owner;

static struct event to(uint32_t signo, int32_t pid) {
    struct event e;
    memset(&e, 0, sizeof e);
    e.signo = signo, e.code = SENT_KILL, e.pid = pid;
    return e;
}

static struct event newest(const struct ring *ring) {
    struct event e;
    CHECK(ring_read(ring, *ring->head - 1, &e));
    return e;
}

static void the_result_is_unknown_until_it_is_known(void) {
    struct recording recording;
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
    struct event e = to(SIGKILL, 77);
    struct sent_call call = sent_begin(&recording, &e);
    CHECK_EQ(newest(&recording.sent).detail, SENT_UNKNOWN);
    CHECK_EQ(newest(&recording.endings).detail, SENT_UNKNOWN);
    sent_end(&call, ESRCH);
    CHECK_EQ(newest(&recording.sent).detail, ESRCH);
    CHECK_EQ(newest(&recording.endings).detail, ESRCH);
    CHECK_EQ(newest(&recording.endings).pid, 77);
    CHECK_EQ(recording.ledger[SIGKILL].sent, 1);
    CHECK_EQ(recording.ledger[SIGKILL].delivered, 0);
    CHECK_EQ(*recording.history.head, 0);
    recording_unmap(&recording);
}

static void what_ends_others_is_not_pushed_out_by_what_does_not(void) {
    struct recording recording;
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
    struct event e = to(SIGTERM, 77);
    struct sent_call first = sent_begin(&recording, &e);
    for (int i = 0; i < 3 * RECORDING_SENT; i++) {
        e = to(SIGUSR1, 78);
        struct sent_call call = sent_begin(&recording, &e);
        CHECK(!call.written[1]);
        sent_end(&call, 0);
    }
    sent_end(&first, 0); /* its slot in `sent` is another's by now, and stays as it is */
    CHECK_EQ(newest(&recording.endings).signo, SIGTERM);
    CHECK_EQ(newest(&recording.endings).detail, 0);
    for (uint64_t t = *recording.sent.head - RECORDING_SENT; t < *recording.sent.head; t++) {
        CHECK(ring_read(&recording.sent, t, &e));
        CHECK_EQ(e.signo, SIGUSR1);
        CHECK_EQ(e.detail, 0);
        CHECK_EQ(e.timerid, (int32_t)e.ordinal);
    }
    recording_unmap(&recording);
}

static void a_result_that_comes_late_does_not_reach_a_newer_event(void) {
    struct recording recording;
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
    struct event e = to(SIGTERM, 77);
    struct sent_call late = sent_begin(&recording, &e);
    for (int i = 0; i < RECORDING_ENDINGS; i++) {
        e = to(SIGTERM, 78);
        sent_begin(&recording, &e);
    }
    sent_end(&late, EPERM);
    for (uint64_t t = 1; t <= RECORDING_ENDINGS; t++) {
        CHECK(ring_read(&recording.endings, t, &e));
        CHECK_EQ(e.detail, SENT_UNKNOWN);
    }
    recording_unmap(&recording);
}

static void only_what_reached_others_is_sent_to_others(void) {
    struct recording recording;
    struct sent_call call;
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
    CHECK(!sent_to_others(&recording, 42));
    struct event e = to(SIGTERM, 42);
    sent_begin(&recording, &e);
    e = to(SIGUSR1, 77);
    sent_begin(&recording, &e);
    e = to(SIGKILL, 77);
    call = sent_begin(&recording, &e);
    sent_end(&call, ESRCH);
    CHECK(!sent_to_others(&recording, 42));
    e = to(SIGKILL, 77);
    call = sent_begin(&recording, &e);
    CHECK(sent_to_others(&recording, 42));
    sent_end(&call, 0);
    for (int i = 0; i < RECORDING_ENDINGS - 1; i++) {
        e = to(SIGTERM, 42);
        sent_begin(&recording, &e);
    }
    CHECK(sent_to_others(&recording, 42));
    recording_unmap(&recording);
}

static void what_a_child_did_before_it_had_a_recording_is_moved(void) {
    struct recording from, into;
    uint64_t next[RECORDING_RINGS] = {0};
    CHECK_EQ(recording_private(&from, 16, &owner), 0);
    CHECK_EQ(recording_private(&into, 16, &owner), 0);
    struct event e = to(SIGKILL, 77);
    struct sent_call call = sent_begin(&from, &e);
    sent_end(&call, 0);
    sent_child(&from, 77, 2, SIGKILL);
    recording_fold(&from, &into, next);
    recording_fold(&from, &into, next);
    CHECK_EQ(*into.sent.head, 1);
    CHECK_EQ(*into.endings.head, 1);
    CHECK_EQ(*into.children.head, 1);
    CHECK_EQ(into.ledger[SIGKILL].sent, 1);
    CHECK_EQ(newest(&into.children).pid, 77);
    CHECK_EQ(newest(&into.children).detail, SIGKILL);
    recording_unmap(&from);
    recording_unmap(&into);
}

int main(void) {
    owner_describe(&owner, NULL);
    the_result_is_unknown_until_it_is_known();
    what_ends_others_is_not_pushed_out_by_what_does_not();
    a_result_that_comes_late_does_not_reach_a_newer_event();
    only_what_reached_others_is_sent_to_others();
    what_a_child_did_before_it_had_a_recording_is_moved();
    return 0;
}
