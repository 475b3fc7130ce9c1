/* SPDX-License-Identifier: MIT
 * noted: what the tests of disposition.h and mask.h share. */
#ifndef SIGREC_NOTED_H
#define SIGREC_NOTED_H

#include "check.h"
#include "events/keep.h"
#include "recording/recording.h"

#include <sys/wait.h>
#include <unistd.h>

static struct owner owner;
static struct recording recording;

static void begin(void) {
    owner_describe(&owner, NULL);
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
}

/* The note with that ordinal, in that row. */
static struct event noted(const struct notes *notes, uint64_t row, uint64_t ordinal) {
    struct event event;
    const struct slot *slot = &notes->changes[notes_slot(notes, row, ordinal)];
    CHECK(keep_read(slot, &event));
    CHECK_EQ(slot->sequence, 2 * ordinal + 2);
    CHECK_EQ(event.ordinal, ordinal);
    return event;
}

/* What a child did before it had a recording, which is copied once. */
static void fold_twice(struct recording *into) {
    uint64_t next[RECORDING_RINGS] = {0};
    CHECK_EQ(recording_private(into, 16, &owner), 0);
    recording_fold(&recording, into, next);
    recording_fold(&recording, into, next);
}

static void in_a_child(void (*body)(void)) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

#endif
