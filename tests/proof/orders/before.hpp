/* What stands before the core in each model: what it uses of other rooms. */
#pragma once
#include "shim.hpp"
#include <time.h>
struct process {
    rl::atomic<uint64_t> trip_ns[2];
    rl::atomic<uint32_t> again_begun[2], again_done[2];
    uint32_t again_seen[2];
    rl::atomic<int> wake, reader;
};
static process *process_self;
struct sent_call {
    slot *written[2];
    uint64_t unknown_result;
};
static uint64_t monotonic_ns() { return 1; }
static struct timespec clock_timespec(uint64_t) { return {}; }
static int32_t process_pid() { return 1; }
#define filter_allows(call) true /* no sandbox here: filter.h */
/* No intake thread here: nothing is in a backlog. */
struct backlog {
    rl::atomic<uint64_t> put, taken;
};
struct event;
static bool backlog_try_put(backlog *, const event *, uint64_t) { return false; }
static bool backlog_put(backlog *, const event *, uint64_t) { return false; }
static bool backlog_is_used(const backlog *) { return false; }
static bool backlog_peek(backlog *, event *) { return false; }
static void backlog_take(backlog *) {}
static uint64_t backlog_length(const backlog *) { return 0; }
