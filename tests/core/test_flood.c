/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/flood.h"

#include "check.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int count;
static void count_one(int signum) {
    (void)signum;
    count++;
}

int main(void) {
    struct flood_result result;
    signal(SIGUSR1, count_one);
    struct flood_plan plan = {.pid = getpid(), .signum = SIGUSR1, .count = 100};
    CHECK_EQ(flood(&plan, &result), 0);
    CHECK_EQ(result.sent, 100);
    CHECK_EQ(count, 100);
    signal(SIGRTMIN, count_one);
    plan = (struct flood_plan){.pid = getpid(), .signum = SIGRTMIN, .count = 100, .queue = true};
    CHECK_EQ(flood(&plan, &result), 0);
    CHECK_EQ(count, 200);
    plan.count = UINT64_MAX; /* the limit ends it */
    plan.limit_ns = 1000000;
    CHECK_EQ(flood(&plan, &result), 0);
    CHECK(result.sent > 0 && result.elapsed_ns >= 1000000);
    plan.signum = 65;
    CHECK_EQ(flood(&plan, &result), EINVAL);
    return 0;
}
