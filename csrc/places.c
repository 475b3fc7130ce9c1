/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "places.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_NAMESPACE UINT64_C(0xEFFFFFFC) /* PROC_PID_INIT_INO: <linux/proc_ns.h> */

/* As an absolute path. False: it is empty, or too long. */
static bool put(char to[PLACES_SIZE], const char *base, const char *rest) {
    char here[PLACES_SIZE] = "";
    if (!base || !*base || (*base != '/' && !getcwd(here, sizeof here)))
        return false;
    int n = snprintf(to, PLACES_SIZE, "%s%s%s%s", here, *here ? "/" : "", base, rest);
    return n > 0 && n < PLACES_SIZE;
}

bool places_candidate(int n, char directory[PLACES_SIZE]) {
    const char *set = getenv("SIGREC_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");
    const char *temporary = getenv("TMPDIR");
    if (set && !*set)
        return false;
    char own[32];
    snprintf(own, sizeof own, "/sigrec-%lu", (unsigned long)geteuid());
    /* In memory first: on a disk, page write-back stalls the writer. */
    for (int i = 0; i < 4; i++) {
        bool there = i == 0   ? put(directory, set, "")
                     : i == 1 ? put(directory, "/dev/shm", own)
                     : i == 2 ? runtime && *runtime == '/' && put(directory, runtime, "/sigrec")
                              : put(directory, temporary && *temporary ? temporary : "/tmp", own);
        if (there && n-- == 0)
            return true;
    }
    return false;
}

const char *places_prepare(const char *directory, char reason[PLACES_REASON]) {
    struct stat st;
    if ((mkdir(directory, 0700) != 0 && errno != EEXIST) || lstat(directory, &st) != 0)
        snprintf(reason, PLACES_REASON, "%s", strerror(errno));
    else if (S_ISLNK(st.st_mode))
        snprintf(reason, PLACES_REASON, "is a symbolic link");
    else if (!S_ISDIR(st.st_mode))
        snprintf(reason, PLACES_REASON, "is not a directory");
    else if (st.st_uid != geteuid())
        snprintf(reason, PLACES_REASON, "belongs to uid %lu, not to uid %lu",
                 (unsigned long)st.st_uid, (unsigned long)geteuid());
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        snprintf(reason, PLACES_REASON, "is writable by others (mode %04o)",
                 (unsigned)(st.st_mode & 07777));
    else
        return NULL;
    return reason;
}

char *places_put_process(char *at, int32_t pid, uint64_t namespace) {
    at = text_put_number(at, (uint64_t)pid);
    if (namespace && namespace != FIRST_NAMESPACE)
        at = text_put_number(text_put(at, "@"), namespace);
    return at;
}

uint64_t places_namespace(void) {
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

void places_name(char name[64], uint64_t n) {
    char *at = places_put_process(name, (int32_t)getpid(), places_namespace());
    if (n > 1)
        at = text_put_number(text_put(at, "+"), n);
    text_put(at, ".sigrec");
}
