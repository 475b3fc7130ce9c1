/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/oom.h"

#include "ground/clock.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/cgroup.h"
#include "host/ended.h"

#ifdef __linux__

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_NS UINT64_C(1000000000) /* from the last look before the end, to the look after it */
#define KILL_MS 20

/* Members of the cgroup that run: not one that is on its way out, or has a SIGKILL pending, since
 * freeing its memory takes a while. */
static bool member_runs(int32_t pid) {
    static char text[4096];
    char path[64];
    if (ended_is_near(pid))
        return false;
    snprintf(path, sizeof path, "%s/%d/status", proc_root, (int)pid);
    if (!proc_read(path, text, sizeof text))
        return false;
    const uint64_t killed = UINT64_C(1) << (SIGKILL - 1);
    return !((proc_mask(text, "\nSigPnd:") | proc_mask(text, "\nShdPnd:")) & killed);
}

static void find_members(struct oom_look *look) {
    char path[CGROUP_PATH];
    long pid;
    bool there = cgroup_procs(look->cgroup, look->version_1, path);
    FILE *file = there ? fopen(path, "re") : NULL;
    while (file && fscanf(file, "%ld", &pid) == 1) {
        if (pid <= 0 || !member_runs((int32_t)pid))
            continue;
        if (look->count % 64 == 0) {
            int32_t *more = realloc(look->members, (look->count + 64) * sizeof *more);
            if (!more) {
                look->count = 0; /* who is not known to be a member is not convicted */
                break;
            }
            look->members = more;
        }
        look->members[look->count++] = (int32_t)pid;
    }
    if (file)
        fclose(file);
}

static bool is_member(const struct oom_look *look, int32_t pid) {
    for (size_t i = 0; i < look->count; i++)
        if (look->members[i] == pid)
            return true;
    return false;
}

static int64_t oom_kills_in(const struct oom_look *look) {
    char text[1024];
    return cgroup_oom_kills(look->cgroup, look->version_1, text, sizeof text);
}

/* False: the process is gone. (A zombie is in no cgroup of version 1.) */
static bool find_oom_cgroup(int32_t pid, struct oom_look *look) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "%s/%d/cgroup", proc_root, (int)pid);
    bool there = proc_read(path, text, sizeof text);
    look->version_1 = cgroup_find(text, look->cgroup, sizeof look->cgroup);
    return there;
}

static struct oom_look look_at_oom_kills(int32_t pid) {
    struct oom_look look = {.kills = -1};
    if (!find_oom_cgroup(pid, &look) || !look.cgroup[0])
        return look;
    /* The members first: whoever ends after that is still one of them here. */
    look.monotonic_ns = monotonic_ns();
    find_members(&look);
    look.kills = oom_kills_in(&look);
    return look;
}

static void begin_oom_watch(struct oom_watch *watch, const struct oom_look *look) {
    watch->first_kills = look->kills;
    watch->since_ns = clock_ns(CLOCK_REALTIME);
}

void oom_begin(struct oom_watch *watch, int32_t pid) {
    *watch = (struct oom_watch){.pid = pid, .last = look_at_oom_kills(pid)};
    begin_oom_watch(watch, &watch->last);
}

void oom_look(struct oom_watch *watch) {
    struct oom_look now = look_at_oom_kills(watch->pid);
    if (ended_is_near(watch->pid)) {
        /* It is in no cgroup of version 1 any more, and may free its memory for long. */
        watch->ending_ns = watch->ending_ns ? watch->ending_ns : monotonic_ns();
        free(now.members);
        return;
    }
    if (now.kills < 0 || watch->last.kills < 0 || strcmp(now.cgroup, watch->last.cgroup) != 0)
        begin_oom_watch(watch, &now); /* in another cgroup, or counted only since now */
    free(watch->last.members);
    watch->last = now;
}

static bool has_moved(const struct oom_watch *watch) {
    struct oom_look now;
    return find_oom_cgroup(watch->pid, &now) && now.cgroup[0] && strcmp(now.cgroup, "/") != 0 &&
           strcmp(now.cgroup, watch->last.cgroup) != 0;
}

struct oom oom_after(struct oom_watch *watch) {
    const struct oom_look *last = &watch->last;
    int64_t kills = last->kills < 0 ? -1 : oom_kills_in(last);
    if (kills <= watch->first_kills)
        return (struct oom){0};
    uint64_t ended = watch->ending_ns ? watch->ending_ns : monotonic_ns();
    bool near = ended - last->monotonic_ns <= NEAR_NS, moved = has_moved(watch);
    /* The members last: the kernel counts OOM kills before it kills,
     * and all that is counted here ends by now. */
    poll(NULL, 0, KILL_MS);
    struct oom_look now = {.version_1 = last->version_1};
    memcpy(now.cgroup, last->cgroup, sizeof now.cgroup);
    find_members(&now);
    int64_t gone = 0;
    for (size_t i = 0; i < last->count; i++)
        gone += last->members[i] == watch->pid || !is_member(&now, last->members[i]);
    bool alone = is_member(last, watch->pid) && gone <= kills - last->kills;
    free(now.members);
    return (struct oom){kills - watch->first_kills, watch->since_ns, near && alone && !moved};
}

#endif
