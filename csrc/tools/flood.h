/* SPDX-License-Identifier: MIT
 *
 * flood: a sender that is faster than a Python
 * loop, for the demo and the benchmarks.
 */
#ifndef SIGREC_FLOOD_H
#define SIGREC_FLOOD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct flood_plan {
    pid_t pid;
    int signum;
    uint64_t count;
    bool queue;        /* sigqueue(3) with a running number, and not kill(2) */
    uint64_t limit_ns; /* gives up after so long; 0: never */
    uint64_t every_ns; /* from one to the next; 0: as fast as it can */
};

struct flood_result {
    uint64_t sent;
    uint64_t refused; /* EAGAIN: the receiver's queue was full, and it was sent again */
    uint64_t elapsed_ns;
};

/* 0, or the errno of a send that failed otherwise; what was sent is in `result`. */
int flood(const struct flood_plan *plan, struct flood_result *result);

#endif
