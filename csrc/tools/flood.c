/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/flood.h"

#include "ground/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#define CLOCK_EVERY 256 /* sends between two looks at the clock */

static int send_one(const struct flood_plan *plan, uint64_t n) {
    union sigval value = {.sival_ptr = (void *)(uintptr_t)n};
#ifdef __linux__
    if (plan->queue)
        return sigqueue(plan->pid, plan->signum, value);
#endif
    (void)value;
    return kill(plan->pid, plan->signum);
}

int flood(const struct flood_plan *plan, struct flood_result *result) {
    uint64_t start = monotonic_ns();
    int error = 0;
    *result = (struct flood_result){0, 0, 0};
    for (uint64_t tries = 1; result->sent < plan->count; tries++) {
        if (plan->every_ns) {
            uint64_t due = result->sent * plan->every_ns;
            if (plan->limit_ns && due > plan->limit_ns)
                due = plan->limit_ns;
            while (monotonic_ns() - start < due)
                ;
        }
        if (send_one(plan, result->sent) == 0) {
            result->sent++;
        } else if (errno == EAGAIN) {
            result->refused++;
            sched_yield();
        } else {
            error = errno;
            break;
        }
        if (plan->limit_ns && (plan->every_ns || tries % CLOCK_EVERY == 0) &&
            monotonic_ns() - start >= plan->limit_ns)
            break;
    }
    result->elapsed_ns = monotonic_ns() - start;
    return error;
}
