/* SPDX-License-Identifier: MIT
 *
 * notes: the newest few of what changed, of each kind, with who changed it. Each is an event
 * (event.h) in a slot of its kind's row, by its ordinal (keep.h), where no other kind's can push
 * it out; its uid is the call site of the change (site.h), or 0: not known.
 */
#ifndef SIGREC_NOTES_H
#define SIGREC_NOTES_H

#include "event.h"
#include "site.h"

#include <stdbool.h>

struct notes {
    struct slot *slots; /* row by row */
    struct site *sites; /* SITE_ENTRIES */
};

/* Any context. each: slots in a row. */
void notes_keep(const struct notes *to, uint64_t row, uint64_t each, const struct event *event);

/* Interpreter context, in a forked child, for what its parent knew: whether this is the first
 * change that is written with these ordinals; it has ordinal 0 then. False: the child has made
 * one of its own. */
bool notes_is_first(_Atomic uint64_t *ordinals);

/* Interpreter context. Copies what is kept in all these slots, but for what is there already. */
void notes_fold(const struct notes *from, const struct notes *to, uint64_t slots);

#endif
