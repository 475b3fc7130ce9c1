/* SPDX-License-Identifier: MIT
 *
 * spare: recordings that are made ahead, for forked children.
 *
 * A child that is ended before it gets to make a recording would leave none. So a
 * process that is about to fork keeps a few files ready, .<pid>.<n>.spare in the
 * directory of the recordings: whole, but for who the owner is, and mapped shared,
 * so that a child has them from its first instruction on. The child that makes the
 * header's pid its own, by a compare and exchange from 0, has taken the file, alone
 * among all that inherited it, and gives it a recording's name. Its maker sees the
 * pid before the next fork, and makes another.
 *
 * A child that comes when all spares are taken has none.
 */
#ifndef SIGREC_SPARE_H
#define SIGREC_SPARE_H

#include "recording.h"

#define SPARES 8

/* Interpreter context. From now on spares of that capacity are there at each fork, in
 * `directory`, which must be as recording_publish() has it. To be called once in a process and
 * its children; the owner must outlive them. 0 or an errno. */
int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner);

/* Any context. */
bool spare_kept(void);

/* Signal context, in a process that has not taken a spare yet; one caller at a time. Makes a
 * spare this process's, with its PID and name, and with what is known of it in a handler: not
 * its control group, nor which signals it inherited as ignored and blocked. forked: its PID,
 * where fork(2) has made it, and not a raw clone(2). */
bool spare_take(struct recording *recording, int32_t forked);

/* Interpreter context, after spare_take. Writes down the rest of what is known of this
 * process: the description that its parent made within the last second, but for what may
 * differ. ignored: the signals that it ignores, among those that are `known`. False: the
 * process must describe itself. */
bool spare_settle(struct recording *recording, int32_t forked, uint64_t ignored, uint64_t known);

/* Interpreter context, now and then, in a process that forks: makes that description anew,
 * where it is old. */
void spare_describe(void);

/* Any context, after spare_take: its file. */
const struct file *spare_file(void);

/* Any context. The group and the session that a process is in from now on, which has not taken
 * a spare yet; sid 0: the session is as before. */
void spare_in_group(int32_t pgid, int32_t sid);

/* Interpreter context. Removes the spares that this process made and that nobody took. */
void spare_discard(void);

#endif
