/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/cgroup.h"

#include "ground/proc.h"
#include "ground/text.h"

#include <string.h>

const char *cgroup_mount = "/sys/fs/cgroup";

/* Whether the controller is in a list, separated by commas. */
static bool has_controller(const char *list, const char *end, const char *word) {
    size_t size = strlen(word);
    for (const char *at = list; at < end; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        comma = comma ? comma : end;
        if ((size_t)(comma - at) == size && memcmp(at, word, size) == 0)
            return true;
        at = comma;
    }
    return false;
}

bool cgroup_find(const char *text, char *path, size_t size) {
    bool version_1 = false;
    path[0] = 0;
    for (const char *line = text; *line && !version_1;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        const char *names = memchr(line, ':', length);
        const char *where =
            names ? memchr(names + 1, ':', length - (size_t)(names + 1 - line)) : NULL;
        if (where) {
            version_1 = has_controller(names + 1, where, "memory");
            size_t n = (size_t)(line + length - where - 1);
            if ((version_1 || where == names + 1) && n < size) {
                memcpy(path, where + 1, n);
                path[n] = 0;
            }
        }
        line = end ? end + 1 : line + length;
    }
    return version_1;
}

/* "/../x" is outside of the cgroup namespace, and so of what is mounted here. */
static bool is_cgroup_outside(const char *cgroup) {
    for (const char *at = cgroup; (at = strstr(at, "/..")); at += 3)
        if (at[3] == '/' || !at[3])
            return true;
    return cgroup[0] != '/';
}

/* The nth path that the file can have. */
static bool put_path(const char *cgroup, bool version_1, int n, const char *name,
                     char path[CGROUP_PATH]) {
    /* systemd's hybrid layout has version 2 beside the controllers of version 1. */
    static const char *const below[2][2] = {{"", "/unified"}, {"/memory", NULL}};
    const char *mount = n < 2 ? below[version_1][n] : NULL;
    if (!mount || is_cgroup_outside(cgroup) ||
        strlen(cgroup_mount) + strlen(mount) + strlen(cgroup) + strlen(name) + 2 > CGROUP_PATH)
        return false;
    char *at = text_put(text_put(text_put(path, cgroup_mount), mount), cgroup);
    text_put(text_put(at, "/"), name);
    return true;
}

/* By which n the file that counts OOM kills is found, and its count; -1: there is none. */
static int look_at_cgroup(const char *cgroup, bool version_1, int64_t *kills, char *text,
                          size_t size) {
    char path[CGROUP_PATH];
    const char *name = version_1 ? "memory.oom_control" : "memory.events.local";
    for (int n = 0; put_path(cgroup, version_1, n, name, path); n++)
        if (proc_read(path, text, size)) {
            const char *at = strstr(text, "oom_kill ");
            *kills = at ? (int64_t)text_number(at + strlen("oom_kill ")) : -1;
            return n;
        }
    *kills = -1;
    return -1;
}

bool cgroup_procs(const char *cgroup, bool version_1, char path[CGROUP_PATH]) {
    int64_t kills;
    char text[256];
    int n = look_at_cgroup(cgroup, version_1, &kills, text, sizeof text);
    return n >= 0 && put_path(cgroup, version_1, n, "cgroup.procs", path);
}

int64_t cgroup_oom_kills(const char *cgroup, bool version_1, char *text, size_t size) {
    int64_t kills;
    look_at_cgroup(cgroup, version_1, &kills, text, size);
    return kills;
}
