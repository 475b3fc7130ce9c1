/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/places.h"

#include "ground/proc.h"
#include "ground/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without "//", "." and "..": what readers show and compare is so, too; and lstat(2) follows a link
 * whose name has a "/" behind it. */
static void tidy_path(char *path) {
    char *out = path;
    const char *in = path;
    while (*in) {
        size_t n = 0;
        /* By hand: strcspn(3) and its like are in a part of libc that a short program would have
         * mapped for this alone. */
        while (in[n] && in[n] != '/')
            n++;
        if (n == 2 && in[0] == '.' && in[1] == '.') {
            while (out > path && *--out != '/')
                ;
        } else if (n && (n != 1 || *in != '.')) {
            *out++ = '/';
            memmove(out, in, n);
            out += n;
        }
        in += n + (in[n] == '/');
    }
    if (out == path)
        *out++ = '/';
    *out = 0;
}

/* Puts a directory as an absolute path. False: it is empty, or too long. */
static bool put(char to[PLACES_SIZE], const char *base, const char *rest) {
    if (!base || !*base)
        return false;
    bool relative = *base != '/';
    if (relative && !getcwd(to, PLACES_SIZE - 1))
        return false;
    size_t here = relative ? strlen(to) : 0;
    if (here + strlen(base) + strlen(rest) + 2 > PLACES_SIZE)
        return false;
    text_put(text_put(relative ? text_put(to + here, "/") : to, base), rest);
    tidy_path(to);
    return true;
}

bool places_candidate(int n, char directory[PLACES_SIZE]) {
    const char *set = getenv("SIGREC_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");
    const char *temporary = getenv("TMPDIR");
    if (set && !*set)
        return false;
    char own[32];
    text_put_number(text_put(own, "/sigrec-"), geteuid());
    /* Directories in memory first: on a disk, page write-back stalls the writer. */
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
    bool found = lstat(directory, &st) == 0, made = !found && mkdir(directory, 0700) == 0;
    if (!found && !made && errno != EEXIST)
        snprintf(reason, PLACES_REASON, "%s", strerror(errno));
    else if (!found && lstat(directory, &st) != 0)
        snprintf(reason, PLACES_REASON, "%s", strerror(errno));
    else if (made && (st.st_mode & 0700) != 0700 && chmod(directory, 0700) != 0) /* umask(2) */
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

bool places_first(char directory[PLACES_SIZE], const char *without) {
    char reason[PLACES_REASON];
    for (int n = 0; places_candidate(n, directory); n++)
        if (!strpbrk(directory, without) && !places_prepare(directory, reason))
            return true;
    return false;
}

char *places_put_process(char *at, int32_t pid, uint64_t namespace) {
    at = text_put_number(at, (uint64_t)pid);
    if (namespace && namespace != PLACES_FIRST)
        at = text_put_number(text_put(at, "@"), namespace);
    return at;
}

uint64_t places_namespace(void) { return proc_namespace("pid"); }

void places_name(char name[64], uint64_t namespace, uint64_t n, const char *suffix) {
    char *at = places_put_process(name, (int32_t)getpid(), namespace);
    if (n > 1)
        at = text_put_number(text_put(at, "+"), n);
    text_put(at, suffix);
}
