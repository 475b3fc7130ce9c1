/* SPDX-License-Identifier: MIT
 * The trip: made once, made again where nobody comes, and taken back by the call it led to. */
#define _GNU_SOURCE
#include "handler/trip.h"

#include "check.h"
#include "recording/process.h"

#include <signal.h>

static int trips;
static enum trip_from from_where;
static uint32_t again;
static void count(int signum, enum trip_from from) {
    (void)signum;
    trips++;
    from_where = from;
}

static void once_until_it_is_taken_back(void) {
    uint64_t since = 4711;
    trips = 0;
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_NOT_OURS); /* as by PyErr_SetInterruptEx */
    CHECK_EQ(since, 4711);
    trip(SIGUSR1, 100, 1);
    trip(SIGUSR1, 200, 1);
    CHECK_EQ(trips, 1);
    CHECK(trip_is_out(SIGUSR1) && !trip_is_out(SIGUSR2));
    CHECK_EQ(trip_take(SIGUSR2, &since, &again), TRIP_NOT_OURS); /* each signal has its own */
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_OURS);
    CHECK_EQ(since, 100);
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_NOT_OURS);
    trip(SIGUSR1, 300, 1);
    CHECK_EQ(trips, 2);
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_OURS);
}

static bool settled_in_between;
static void look(int signum, enum trip_from from) {
    settled_in_between = trip_settled(signum);
    count(signum, from);
}

/* Of two trips it is not known whether one call or two come. */
static void made_again_it_may_lead_to_two_calls(void) {
    uint64_t since;
    trip_set(look);
    for (int at_once = 0; at_once < 2; at_once++) {
        trips = 0;
        trip(SIGUSR1, 100, 1);
        CHECK(settled_in_between);
        if (at_once)
            trip_again(SIGUSR1, 200, 1);
        else
            trip(SIGUSR1, 100 + TRIP_AGAIN_NS, 1);
        CHECK_EQ(trips, 2);
        CHECK(!settled_in_between);
        CHECK(trip_settled(SIGUSR1));
        CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_OR_TWO);
        CHECK_EQ(again, 1);
        CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_NOT_OURS);
        CHECK_EQ(again, 0);
        trip_again(SIGUSR1, 300, 1); /* none was out */
        CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_OURS);
    }
    trip(SIGUSR1, 400, 1);
    trip_again(SIGUSR1, 500, 1);
    trip_again(SIGUSR1, 600, 1);
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_OR_TWO);
    CHECK_EQ(again, 2); /* each of them may be late */
    trip_set(count);
}

static void cleared_it_is_not_out(void) {
    int both[] = {SIGUSR1, SIGUSR2};
    uint64_t since;
    trip(SIGUSR1, 100, 1);
    trip(SIGUSR2, 100, 1);
    trip_clear(both, 2);
    CHECK_EQ(trip_take(SIGUSR1, &since, &again), TRIP_NOT_OURS);
    CHECK(!trip_is_out(SIGUSR2));
}

/* Elsewhere the main thread is to be kicked; by the intake thread it is only kicked. */
static void from_the_main_thread_or_elsewhere(void) {
    uint64_t since;
    trip(SIGUSR1, 100, (uint32_t)process_pid());
    CHECK_EQ(from_where, TRIP_FROM_MAIN);
    trip_again(SIGUSR1, 200, (uint32_t)process_pid() + 1);
    CHECK_EQ(from_where, TRIP_FROM_THREAD);
    trip_take(SIGUSR1, &since, &again);
    trip(SIGUSR1, 300, 0);
    CHECK_EQ(from_where, TRIP_FROM_INTAKE);
    trip_take(SIGUSR1, &since, &again);
}

int main(void) {
    CHECK_EQ(process_start(), 0);
    trip_set(count);
    once_until_it_is_taken_back();
    made_again_it_may_lead_to_two_calls();
    cleared_it_is_not_out();
    from_the_main_thread_or_elsewhere();
    return 0;
}
