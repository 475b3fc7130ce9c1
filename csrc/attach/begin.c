/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "attach/begin.h"

#include "events/signals.h"
#include "ground/glibc.h"
#include "handler/all.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "host/environment.h"
#include "host/places.h"
#include "interpose/interpose.h"
#include "recording/process.h"
#include "recording/publish.h"
#include "recording/retention.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLEAN_EVERY 16 /* programs: one of so many removes old recordings */

static uint64_t history = BEGIN_HISTORY;
static _Atomic bool has_begun;

bool begun(void) { return atomic_load(&has_begun); }

/* The main thread may have inherited that SIGBUS is blocked. */
static void prevent_blocked_sigbus(void) {
    const struct owner_identity *identity = process_recording()->identity;
    if (identity && identity->blocked & signal_bit(SIGBUS))
        sigbus_prevent();
}

/* A forked child counts in a recording of its own: a spare, which takes no more than a new name.
 * (Where there is none, in memory that nobody sees, until it becomes another program.) */
static void in_child(void) {
    uint64_t known, ignored = passive_ignored(&known);
    process_adopt_spare(ignored, known);
    prevent_blocked_sigbus();
    install_after_fork();
}

static void record_children(bool named) {
    char directory[PLACES_SIZE];
    bool has_directory = named ? places_first(directory, "") : process_directory(directory);
    if (has_directory && process_keep_spares(directory, false, history) == 0)
        at_fork(NULL, NULL, in_child);
}

static bool is_on(const char *name) {
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

/* A recorded program that a signal ends leaves a file, and
 * somebody may start such programs all day. */
static void clean_now_and_then(void) {
    char directory[PLACES_SIZE];
    if (getpid() % CLEAN_EVERY == 0 && process_directory(directory))
        retention_clean(directory, RETENTION_MOST, RETENTION_KEEP, NULL, 0);
}

int begin(char *const argv[]) {
    static _Atomic bool called;
    /* Written first: a page that is read first is touched twice. */
    if (atomic_exchange(&called, true))
        return 0;
    int saved_errno = errno;
    const char *keep = getenv("SIGREC_KEEP"), *wanted = getenv("SIGREC_HISTORY");
    char notes[1024];
    struct publish_options options = {.keep = keep && atol(keep) == (long)getpid(),
                                      .capacity = history};
    if (wanted && publish_capacity(wanted))
        options.capacity = history = publish_capacity(wanted);
    const char *named = getenv("SIGREC_RECORDING");
    options.file = named; /* the text stays, also where the variable goes */
    bool children = is_on("SIGREC_CHILDREN");
    if (children) {
        environment_forget_one(environ, "SIGREC_RECORDING"); /* it is ours */
    } else {
        environment_note(environ);
        environment_forget(environ);
    }
    int error = process_start();
    bool alone = argv && is_single_threaded();
    if (!error) {
        handler_start();
        process_is_short_lived(alone ? argv : NULL);
        process_owner(); /* here, and not deeper: a page of the stack less is touched */
        error = publish(&options, notes, sizeof notes);
        if (!error && !options.file)
            clean_now_and_then();
    }
    if (!error && interpose_install()) {
        prevent_blocked_sigbus();
        if (children)
            record_children(options.file != NULL);
        if (alone)
            process_inherited(all_record_at_start());
        else
            all_record(true);
        atomic_store(&has_begun, true);
    }
    errno = saved_errno;
    return error;
}

static int begin_now(const struct begin_request *request) {
    char notes[1024];
    const char *directories[BEGIN_DIRECTORIES + 1] = {NULL};
    for (int n = 0; n < BEGIN_DIRECTORIES && request->directory[n][0]; n++)
        directories[n] = request->directory[n];
    struct publish_options options = {
        .keep = true, .capacity = request->capacity, .directories = directories};
    handler_start();
    int error = publish(&options, notes, sizeof notes);
    if (error)
        return error;
    if (!process_path()[0])
        return ENOENT; /* nobody could read it */
    if (request->in_main)
        process_blocked(request->blocked); /* and not what the tracer has blocked meanwhile */
    if (!interpose_install())
        return ENOSYS;
    process_attached(true);
    all_record(false);
    interpose_again();
    atomic_store(&has_begun, true);
    return 0;
}

int begin_attached(const struct begin_request *request) {
    int error = process_start();
    if (error)
        return error;
    if (!all_hold())
        return EALREADY;
    error = begin_now(request);
    all_let_go();
    return error;
}

int end_attached(void) {
    if (!all_hold())
        return EALREADY;
    all_stop();
    process_attached(false);
    atomic_store(&has_begun, false);
    sigbus_give_back(); /* at last: who writes takes it */
    all_let_go();
    return 0;
}
