/* SPDX-License-Identifier: MIT
 *
 * notes: the newest few of what changed, of each kind, with who changed it. Each is an event
 * (event.h) in a slot of its kind's row, by its ordinal (keep.h), where no other kind's can push
 * it out; its uid is the call site of the change (site.h), or 0: not known.
 */
#ifndef SIGREC_NOTES_H
#define SIGREC_NOTES_H

#include "events/event.h"
#include "program/site.h"

#include <stdbool.h>

struct notes {
    /* The first slot of each row, then the second of each, and so on: most rows have one change
     * or none, and what a forked child has from its parent is on a page or two. */
    struct slot *changes;
    struct site *sites;  /* SITE_ENTRIES */
    uint64_t rows, each; /* and slots in a row */
};

static inline uint64_t notes_slot(const struct notes *notes, uint64_t row, uint64_t ordinal) {
    return ordinal % notes->each * notes->rows + row;
}

/* Any context. Writes the change into its slot of that row, with its call site. */
void notes_keep(const struct notes *to, uint64_t row, const struct event *change);

/* Interpreter context, in a forked child, for what its parent knew: whether this is the first
 * change that is written with these ordinals; it has ordinal 0 then. False: the child has made
 * one of its own. */
bool notes_is_first(_Atomic uint64_t *ordinals);

/* Interpreter context. Copies the changes that `from` has, but for those that `to` has already. */
void notes_fold(const struct notes *from, const struct notes *to);

#endif
