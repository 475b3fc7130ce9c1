/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/recent.h"

#include "check.h"
#include "events/keep.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static struct slot slots[RECENT_BLOCKS * RECENT_SLOTS];
static _Atomic uint32_t owner[RECENT_BLOCKS];
static const struct recent recent = {slots, owner};
static _Atomic uint32_t mine[SIGREC_NSIG];

static struct event at(uint32_t signo, uint64_t ordinal) {
    struct event e = {.ordinal = ordinal, .signo = signo};
    return e;
}

static void afresh(void) {
    memset(slots, 0, sizeof slots);
    memset((void *)owner, 0, sizeof owner);
    memset((void *)mine, 0, sizeof mine);
}

static uint64_t seen, newest, oldest;

static void look(void *context, const struct event *event) {
    CHECK_EQ(event->signo, *(uint32_t *)context);
    seen++;
    newest = event->ordinal > newest ? event->ordinal : newest;
    oldest = event->ordinal < oldest ? event->ordinal : oldest;
}

static void check_newest(uint32_t signo, uint64_t count) {
    seen = newest = 0, oldest = UINT64_MAX;
    recent_each(&recent, mine[signo], look, &signo);
    CHECK_EQ(seen, count < RECENT_SLOTS ? count : RECENT_SLOTS);
    CHECK_EQ(newest, count - 1);
    CHECK_EQ(oldest, count < RECENT_SLOTS ? 0 : count - RECENT_SLOTS);
}

static void each_signal_has_its_own_newest(void) {
    afresh();
    for (uint32_t signo = 1; signo <= 20; signo++) {
        for (uint64_t n = 0; n < (signo == 2 ? 1000 : 3 * signo); n++) {
            struct event e = at(signo, n);
            struct slot *slot = recent_slot(&recent, &mine[signo], &e);
            CHECK((slot != NULL) == (signo <= RECENT_BLOCKS));
            if (slot)
                keep_event(slot, 2 * n, &e);
        }
    }
    for (uint32_t signo = 1; signo <= RECENT_BLOCKS; signo++)
        check_newest(signo, signo == 2 ? 1000 : 3 * signo);
}

static volatile sig_atomic_t interrupted;

static void claims_too(int signum) {
    struct event e = at(15, 0);
    CHECK(recent_slot(&recent, &mine[15], &e));
    interrupted++;
    (void)signum;
}

/* By a timer, as often as it can: many of them come between the claim of a
 * block and the note of whose it is. */
static void a_handler_that_interrupts_the_claim_shares_the_block(void) {
    afresh();
    struct sigaction action = {.sa_handler = claims_too};
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    WITH_ROOM(timer_create(CLOCK_MONOTONIC, &event, &timer));
    CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
    while (interrupted < 2000) {
        struct event e = at(15, 0);
        CHECK(recent_slot(&recent, &mine[15], &e));
        int taken = 0;
        for (int b = 0; b < RECENT_BLOCKS; b++)
            taken += owner[b] == 15;
        CHECK_EQ(taken, 1); /* whoever came second gave its own back */
        CHECK_EQ(owner[mine[15] - 1], 15);
        owner[mine[15] - 1] = 0; /* in this order: a handler in between claims nothing */
        mine[15] = 0;
    }
    CHECK_EQ(timer_settime(timer, 0, &never, NULL), 0);
    CHECK_EQ(timer_delete(timer), 0);
}

int main(void) {
    each_signal_has_its_own_newest();
    a_handler_that_interrupts_the_claim_shares_the_block();
    return 0;
}
