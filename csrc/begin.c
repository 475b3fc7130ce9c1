/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "begin.h"

#include "bound.h"
#include "environment.h"
#include "handler.h"
#include "install.h"
#include "interpose.h"
#include "passive.h"
#include "places.h"
#include "proc.h"
#include "process.h"
#include "publish.h"
#include "sigbus.h"
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_EACH 16 /* one of so many looks at all the others */

static uint64_t history = BEGIN_HISTORY;
static _Atomic bool all_recorded;

bool begun(void) { return atomic_load(&all_recorded); }

/* A forked child counts in a recording of its own: a spare, which takes no more than a new name.
 * (Where there is none, in memory that nobody sees, until it becomes another program.) */
static void in_child(void) {
    uint64_t known, ignored = passive_ignored(&known);
    process_adopt_spare(ignored, known);
    install_after_fork();
}

static void record_children(void) {
    char directory[PLACES_SIZE], reason[PLACES_REASON];
    for (int n = 0; places_candidate(n, directory); n++) {
        if (places_prepare(directory, reason))
            continue;
        if (process_keep_spares(directory, false, history) == 0)
            pthread_atfork(NULL, NULL, in_child);
        return;
    }
}

static bool is_on(const char *name) {
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

/* A file stays of each that was ended by a signal; who has started it may do that all day. */
static void bound(void) {
    char directory[PLACES_SIZE];
    const char *path = process_path(), *slash = strrchr(path, '/');
    if (getpid() % BOUND_EACH == 0 && slash && (size_t)(slash - path) < sizeof directory) {
        memcpy(directory, path, (size_t)(slash - path));
        directory[slash - path] = 0;
        bound_directory(directory);
    }
}

/* The signals whose disposition is not the default now, as the kernel says: proc_pid_status(5).
 * One look for all, since most programs begin with nearly none. */
static uint64_t not_default(void) {
    static char text[4096];
    uint64_t set = 0;
    proc_read("/proc/self/status", text, sizeof text);
    const char *ignored = strstr(text, "\nSigIgn:"), *caught = strstr(text, "\nSigCgt:");
    if (!ignored || !caught)
        return UINT64_MAX;
    set |= strtoull(ignored + 8, NULL, 16);
    return set | strtoull(caught + 8, NULL, 16);
}

static bool can_be_recorded(int signum) {
    bool of_the_c_library = signum >= 32 && signum < SIGRTMIN;
    return signum != SIGKILL && signum != SIGSTOP && !of_the_c_library && signum <= SIGRTMAX;
}

/* from_start: no other thread may change one between that look and ours. */
static void record_all(bool from_start) {
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    struct sigaction found;
    uint64_t others = from_start ? not_default() : UINT64_MAX;
    sigbus_take(); /* before the first is recorded */
    for (int signum = 1; signum < SIGREC_NSIG; signum++) {
        if (!can_be_recorded(signum))
            continue;
        if (!(others & signal_bit(signum)))
            passive_record(signum, false, &by_default, &found);
        else if (install_record(signum, false) == 0)
            install_note_start(signum, from_start);
    }
}

int begin(void) {
    static bool once;
    if (once)
        return 0;
    once = true;
    int saved_errno = errno;
    const char *keep = getenv("SIGREC_KEEP"), *wanted = getenv("SIGREC_HISTORY");
    char notes[1024], file[PLACES_SIZE] = "";
    struct publish_options options = {NULL, keep && atol(keep) == (long)getpid(), history, NULL};
    if (wanted && publish_capacity(wanted))
        options.capacity = history = publish_capacity(wanted);
    const char *named = getenv("SIGREC_RECORDING");
    if (named && strlen(named) < sizeof file)
        options.file = strcpy(file, named);
    bool children = is_on("SIGREC_CHILDREN");
    if (children) {
        environment_forget_one(environ, "SIGREC_RECORDING"); /* it is ours */
    } else {
        environment_note(environ);
        environment_forget(environ);
    }
    int error = process_start();
    if (!error) {
        handler_start();
        process_is_short_lived();
        error = publish(&options, notes, sizeof notes);
        if (!error && !options.file)
            bound();
    }
    if (!error && interpose_install()) {
        if (children)
            record_children();
        record_all(true);
        atomic_store(&all_recorded, true);
    }
    errno = saved_errno;
    return error;
}

int begin_attached(const struct begin_request *request) {
    char notes[1024];
    const char *directories[BEGIN_DIRECTORIES + 1] = {NULL};
    for (int n = 0; n < BEGIN_DIRECTORIES && request->directory[n][0]; n++)
        directories[n] = request->directory[n];
    struct publish_options options = {NULL, true, request->capacity, directories};
    int error = process_start();
    if (error)
        return error;
    handler_start();
    error = publish(&options, notes, sizeof notes);
    if (error)
        return error;
    if (!process_path()[0])
        return ENOENT; /* nobody could read it */
    if (!interpose_install())
        return ENOSYS;
    process_attached(true);
    record_all(false);
    atomic_store(&all_recorded, true);
    return 0;
}

int end_attached(void) {
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        if (can_be_recorded(signum))
            passive_stop(signum);
    process_attached(false);
    atomic_store(&all_recorded, false);
    sigbus_give_back(); /* at last: who writes takes it */
    return 0;
}
