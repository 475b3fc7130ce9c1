/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/publish.h"

#include "ground/text.h"
#include "host/places.h"
#include "recording/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIED_NAMES (1 << 20)
#define NAME_SIZE 64
#define PATH_SIZE (PLACES_SIZE + NAME_SIZE)

uint64_t publish_capacity(const char *text) {
    char *end;
    errno = 0;
    unsigned long long wanted = strtoull(text, &end, 10);
    if (errno || end == text || *end || wanted < PUBLISH_LEAST || wanted > PUBLISH_MOST)
        return 0;
    uint64_t capacity = PUBLISH_LEAST;
    while (capacity < wanted)
        capacity *= 2;
    return capacity;
}

static void tell_why_not(char *notes, size_t size, const char *path, const char *reason) {
    size_t n = strlen(notes);
    if (n < size)
        snprintf(notes + n, size - n, "%s%s: %s", n ? "; " : "", path, reason);
}

/* --- what is in the way ------------------------------------------------------------- */

/* All that the recording tells is that this process exec'ed
 * another program, and had children before. */
static bool is_only_exec(const struct recording_header *header, uint64_t size) {
    const struct recording_section *section = recording_ledger_of(header, size);
    if (!section || header->pid != getpid() || header->exit_kind != EXIT_KIND_EXEC)
        return false;
    const struct ledger_entry *ledger =
        (const struct ledger_entry *)(const void *)((const char *)header + section->offset);
    for (uint64_t signum = 0; signum < section->count; signum++)
        if ((ledger_get(&ledger[signum].delivered) && signum != SIGCHLD) ||
            ledger_get(&ledger[signum].sent))
            return false;
    return true;
}

/* Whether it is of the program that this process was before it exec'ed ours, and no signal came
 * in its time: nobody will ask for it, and a shell leaves one for each command. */
static bool is_former(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool former = false;
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_size >= sizeof(struct recording_header)) {
        size_t size = (size_t)st.st_size;
        void *header = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        former = header != MAP_FAILED && is_only_exec(header, size);
        if (header != MAP_FAILED)
            munmap(header, size);
    }
    close(fd);
    return former;
}

/* ------------------------------------------------------------------------------------ */

/* The nth name, behind the directory's, which ends at `end`. */
static bool is_taken(char path[PATH_SIZE], char *end, uint64_t n) {
    struct stat st;
    *end = '/';
    places_name(end + 1, process_owner()->pid_namespace, n, ".sigrec");
    return lstat(path, &st) == 0;
}

static int publish_as(char path[PATH_SIZE], char *end, const struct publish_options *options) {
    *end = 0;
    int error = process_publish(path, end + 1, false, options->keep, options->capacity);
    *end = '/';
    return error;
}

/* Under the first name that is free: what is there tells of an earlier process. There is one text,
 * which holds the directory alone before and after: a page of the stack less is touched. */
static int publish_in(char path[PATH_SIZE], const struct publish_options *options) {
    char *end = path + strlen(path);
    int error = EEXIST;
    uint64_t n = 0, former = 0;
    while (error == EEXIST && ++n < TRIED_NAMES) {
        if (!is_taken(path, end, n))
            error = publish_as(path, end, options);
        else if (!options->former_stays && is_former(path))
            former = n;
    }
    if (!former && !options->former_stays && is_taken(path, end, n + 1) && is_former(path))
        former = n + 1; /* it found its own former under the name that is ours now */
    if (!error && former && is_taken(path, end, former))
        unlink(path); /* not before: in between we may be killed */
    *end = 0;
    return error;
}

/* Where readers look for the recording of this PID there is a link to the one that the user named.
 */
static __attribute__((noinline)) void lead_to(const char *file) {
    char directory[PLACES_SIZE], name[NAME_SIZE], link[PATH_SIZE];
    int error = places_first(directory, "") ? EEXIST : ENOENT;
    for (uint64_t n = 1; error == EEXIST && n < TRIED_NAMES; n++) {
        places_name(name, process_owner()->pid_namespace, n, ".named");
        text_put(text_put(text_put(link, directory), "/"), name);
        error = symlink(file, link) == 0 ? 0 : errno;
    }
}

static __attribute__((noinline)) int publish_named(const struct publish_options *options) {
    char directory[PLACES_SIZE];
    const char *slash = strrchr(options->file, '/');
    if (!slash || (size_t)(slash - options->file) >= sizeof directory)
        return EINVAL;
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - options->file), options->file);
    int error =
        process_publish(*directory ? directory : "/", slash + 1, true, true, options->capacity);
    if (!error)
        lead_to(options->file);
    return error;
}

static bool publish_candidate(const struct publish_options *options, int n,
                              char directory[PLACES_SIZE]) {
    if (!options->directories)
        return places_candidate(n, directory);
    const char *path = options->directories[n];
    if (path && strlen(path) < PLACES_SIZE)
        text_put(directory, path);
    else
        *directory = 0; /* which is nowhere: a path that is too long */
    return path;
}

int publish(const struct publish_options *options, char *notes, size_t size) {
    char directory[PATH_SIZE], reason[PLACES_REASON];
    notes[0] = 0;
    if (options->file) {
        int error = publish_named(options);
        if (!error)
            return 0;
        tell_why_not(notes, size, options->file, strerror(error));
    }
    int n = 0;
    for (; publish_candidate(options, n, directory); n++) {
        const char *why = places_prepare(directory, reason);
        int error = why ? 0 : publish_in(directory, options);
        if (!why && !error)
            return 0;
        tell_why_not(notes, size, directory, why ? why : strerror(error));
    }
    return process_go_private(options->capacity);
}
