/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "owner.h"

#include "clock.h"
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>

static size_t read_file(const char *path, char *buffer, size_t size) {
    int fd = filter_allows(FILTERED_OPEN) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    size_t n = 0;
    ssize_t got;
    while (n < size && (got = read(fd, buffer + n, size - n)) != 0) {
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    close(fd);
    return n;
}

/* As a string; what does not fit is cut. */
static char *read_text(const char *path, char *buffer, size_t size) {
    buffer[read_file(path, buffer, size - 1)] = 0;
    return buffer;
}

static void read_line(const char *path, char *buffer, size_t size) {
    read_text(path, buffer, size)[strcspn(buffer, "\n")] = 0;
}

static uint64_t inode_of(const char *path) {
    struct stat st;
    return filter_allows(FILTERED_STAT) && stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* The number after "\nkey" in a text of lines; fallback: there is none. */
static uint64_t number_after(const char *text, const char *key, int base, uint64_t fallback) {
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, base) : fallback;
}

/* proc_pid_cgroup(5): "0::PATH" of version 2, or "N:...,memory,...:PATH" of
 * version 1, which wins, since then the memory is counted there. */
static bool find_cgroup(const char *text, char *path, size_t size) {
    bool version_1 = false;
    path[0] = 0;
    for (const char *line = text; *line && !version_1;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        const char *names = memchr(line, ':', length);
        const char *where =
            names ? memchr(names + 1, ':', length - (size_t)(names + 1 - line)) : NULL;
        if (where) {
            char list[256];
            snprintf(list, sizeof list, ",%.*s,", (int)(where - names - 1), names + 1);
            version_1 = strstr(list, ",memory,") != NULL;
            if (version_1 || where == names + 1)
                snprintf(path, size, "%.*s", (int)(line + length - where - 1), where + 1);
        }
        line = end ? end + 1 : line + length;
    }
    return version_1;
}

/* How many processes of this very cgroup the OOM killer has ended, as the
 * kernel's own documentation has it: cgroup-v2.rst (memory.events.local),
 * cgroup-v1/memory.rst (memory.oom_control). */
static int64_t oom_kills(const char *cgroup, bool version_1) {
    char path[1024], text[1024];
    static const char *const places[2][2] = {
        {"/sys/fs/cgroup%s/memory.events.local", "/sys/fs/cgroup/unified%s/memory.events.local"},
        {"/sys/fs/cgroup/memory%s/memory.oom_control", NULL}};
    for (int i = 0; i < 2 && places[version_1][i]; i++) {
        int n = snprintf(path, sizeof path, places[version_1][i], cgroup);
        if (n > 0 && (size_t)n < sizeof path && *read_text(path, text, sizeof text))
            return (int64_t)number_after(text, "oom_kill ", 10, (uint64_t)-1);
    }
    return -1;
}

static void describe_identity(struct owner_identity *identity, const char *status) {
    char text[2048];
    identity->pgid = getpgid(0);
    identity->sid = getsid(0);
    identity->ppid = getppid();
    identity->time_namespace = inode_of("/proc/self/ns/time");
    identity->mount_namespace = inode_of("/proc/self/ns/mnt");
    identity->blocked = number_after(status, "\nSigBlk:", 16, 0);
    identity->ignored = number_after(status, "\nSigIgn:", 16, 0);
    gethostname(identity->host_name, sizeof identity->host_name - 1);
    read_line("/etc/machine-id", identity->machine_id, sizeof identity->machine_id);
    if (!filter_allows(FILTERED_OPEN)) /* a sandbox without files */
        return;
    ssize_t n = readlink("/proc/self/exe", identity->executable, sizeof identity->executable - 1);
    identity->executable[n < 0 ? 0 : n] = 0;
    bool version_1 = find_cgroup(read_text("/proc/self/cgroup", text, sizeof text),
                                 identity->cgroup, sizeof identity->cgroup);
    identity->oom_kills = oom_kills(identity->cgroup, version_1);
}
#endif

void owner_describe(struct owner *owner) {
    memset(owner, 0, sizeof *owner);
    owner->identity.oom_kills = -1;
#ifdef __linux__
    char text[4096];
    read_text("/proc/self/stat", text, sizeof text);
    /* proc_pid_stat(5): the name (field 2) may hold anything, so count fields
     * from its last parenthesis; starttime is field 22. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        owner->start_ticks = strtoull(at + 1, NULL, 10);
    read_line("/proc/sys/kernel/random/boot_id", owner->boot_id, sizeof owner->boot_id);
    owner->pid_namespace = inode_of("/proc/self/ns/pid");
    size_t n = read_file("/proc/self/cmdline", owner->argv, sizeof owner->argv);
    if (n == sizeof owner->argv)
        owner->argv[n - 1] = 0;
    owner->argv_size = (uint32_t)n;
    /* Not waiting for the machine's first randomness (getrandom(2)): then the
     * moment and the process tell recordings apart, within one boot. */
    if (getrandom(owner->id, sizeof owner->id, GRND_NONBLOCK) != sizeof owner->id) {
        const uint64_t moment[2] = {monotonic_ns(), owner->pid_namespace ^ (uint64_t)getpid()};
        memcpy(owner->id, moment, sizeof owner->id);
    }
    describe_identity(&owner->identity, read_text("/proc/self/status", text, sizeof text));
#endif
}
