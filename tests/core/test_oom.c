/* SPDX-License-Identifier: MIT
 * Who is convicted of the OOM killer, and who is not: with files that stand in for /proc and for
 * the control groups of both versions. */
#define _GNU_SOURCE
#include "host/oom.h"

#include "check.h"
#include "ground/proc.h"
#include "host/cgroup.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDS 0x4 /* PF_EXITING */
#define NOBODY 0

static char proc[128], mount[128];

static void write_file(const char *text, const char *format, ...) {
    char path[512];
    va_list values;
    va_start(values, format);
    vsnprintf(path, sizeof path, format, values);
    va_end(values);
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void process(int pid, const char *cgroup, int flags, const char *pending) {
    char text[512];
    snprintf(text, sizeof text, "%d (a) b) S 1 1 1 0 -1 %d 0 0\n", pid, flags);
    write_file(text, "%s/%d/stat", proc, pid);
    write_file("", "%s/%d/task/%d/stat", proc, pid, pid);
    snprintf(text, sizeof text, "Name:\ta\nSigPnd:\t0\nShdPnd:\t%s\n", pending);
    write_file(text, "%s/%d/status", proc, pid);
    write_file(cgroup, "%s/%d/cgroup", proc, pid);
}

static void group(const char *counters, int kills, int first, int second) {
    char text[128];
    snprintf(text, sizeof text, "oom 9\noom_kill_disable 0\noom_group_kill 0\noom_kill %d\n",
             kills);
    write_file(text, "%s/%s", mount, counters);
    snprintf(text, sizeof text, "%d\n%d\n", first, second);
    char directory[128];
    strcpy(directory, counters);
    *strrchr(directory, '/') = 0;
    write_file(text, "%s/%s/cgroup.procs", mount, directory);
}

static const char *const counters[] = {"a/b/memory.events.local", "unified/a/b/memory.events.local",
                                       "memory/a/b/memory.oom_control"};
static const char *const cgroups[] = {"0::/a/b\n", "1:name=systemd:/\n0::/a/b\n",
                                      "0::/\n4:cpu,memory:/a/b\n2:pids:/x\n"};

/* After looks at 7 and 8 in one cgroup whose counter is 3: `kills` later, and who is left there. */
static struct oom after(int n, int kills, int left) {
    struct oom_watch watch;
    process(7, cgroups[n], 0, "0");
    process(8, cgroups[n], 0, "0");
    group(counters[n], 3, 7, 8);
    oom_begin(&watch, 7);
    oom_look(&watch);
    group(counters[n], kills, left, NOBODY);
    return oom_after(&watch);
}

static void both_versions(void) {
    for (int n = 0; n < 3; n++) {
        struct oom found = after(n, 4, 8);
        CHECK_EQ(found.kills, 1);
        CHECK(found.since_ns && found.probably);
        found = after(n, 4, NOBODY); /* both are gone, and one was counted */
        CHECK_EQ(found.kills, 1);
        CHECK(!found.probably);
        CHECK(after(n, 5, NOBODY).probably);
        CHECK_EQ(after(n, 3, 8).kills, 0); /* it was a plain kill -9 */
        char path[256];
        snprintf(path, sizeof path, "%s/%s", mount, counters[n]);
        CHECK_EQ(unlink(path), 0); /* only one of the three is there at a time */
    }
}

static void not_convicted(void) {
    struct oom_watch watch;
    /* One that has a SIGKILL pending already is no member that could be gone. */
    process(7, cgroups[0], 0, "0");
    process(8, cgroups[0], 0, "100");
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    group(counters[0], 4, NOBODY, NOBODY);
    CHECK(oom_after(&watch).probably);
    process(8, cgroups[0], ENDS, "0");
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    group(counters[0], 4, NOBODY, NOBODY);
    CHECK(oom_after(&watch).probably);
    /* It was counted while the process lived still. */
    process(8, cgroups[0], 0, "0");
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    group(counters[0], 4, 7, 8);
    oom_look(&watch);
    group(counters[0], 4, 8, NOBODY);
    struct oom found = oom_after(&watch);
    CHECK(found.kills == 1 && !found.probably);
    /* It has moved. */
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    process(7, "0::/a\n", 0, "0");
    group(counters[0], 4, 8, NOBODY);
    found = oom_after(&watch);
    CHECK(found.kills == 1 && !found.probably);
    /* What a cgroup counted before it moved there. */
    group("a/memory.events.local", 9, 7, NOBODY);
    oom_look(&watch);
    CHECK_EQ(oom_after(&watch).kills, 0);
    /* A look that is too old. */
    process(7, cgroups[0], 0, "0");
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    watch.last.monotonic_ns -= 2 * UINT64_C(1000000000);
    group(counters[0], 4, 8, NOBODY);
    found = oom_after(&watch);
    CHECK(found.kills == 1 && !found.probably);
    /* It frees its memory for long, in no cgroup of version 1 any more. */
    group(counters[0], 3, 7, 8);
    oom_begin(&watch, 7);
    process(7, "0::/\n", ENDS, "0");
    group(counters[0], 4, 8, NOBODY);
    oom_look(&watch);
    CHECK(watch.ending_ns && strcmp(watch.last.cgroup, "/a/b") == 0);
    watch.last.monotonic_ns -= 3 * UINT64_C(1000000000); /* what counts is when it began to */
    watch.ending_ns -= 3 * UINT64_C(1000000000);
    CHECK(oom_after(&watch).probably);
    /* Outside of what is mounted here. */
    process(7, "0::/../a/b\n", 0, "0");
    oom_begin(&watch, 7);
    CHECK_EQ(oom_after(&watch).kills, 0);
}

int main(void) {
    char directory[] = "/tmp/sigrec-oom-XXXXXX", command[64];
    CHECK(mkdtemp(directory));
    snprintf(proc, sizeof proc, "%s/proc", directory);
    snprintf(mount, sizeof mount, "%s/cgroup", directory);
    proc_root = proc;
    cgroup_mount = mount;
    both_versions();
    not_convicted();
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}
