/* SPDX-License-Identifier: MIT
 *
 * keep: a slot for one event at a time, the newest of those that are meant for
 * it. It needs no head: the event's place in its signal's order says whether it
 * is newer. The sequence is that place + 1 while the event is written, + 2 after.
 */
#ifndef SIGREC_KEEP_H
#define SIGREC_KEEP_H

#include "events/event.h"

#include <stdbool.h>

/* Signal context. Writes the event, unless the slot is being written or holds
 * something newer: never waits. `place` is even, and grows with each event. */
void keep_event(struct slot *slot, uint64_t place, const struct event *event);

/* Any context. False: there is no event, or not a whole one. */
bool keep_read(const struct slot *slot, struct event *event);

#endif
