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
 * The children that take none until all are taken have none.
 */
#ifndef SIGREC_SPARE_H
#define SIGREC_SPARE_H

#include "recording.h"

#define SPARES 8

/* Interpreter context. From now on spares of that capacity are there at each fork, in
 * `directory`, which must be as recording_publish() has it. Once in a process, and its
 * children; the owner must outlive these. 0 or an errno. */
int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner);

/* Any context. */
bool spare_kept(void);

/* Signal context, of a process that no spare was taken in; one caller at a time. Makes
 * one this process's, with its PID and name, and what is known of it there: not its
 * control group, nor what it inherited ignored and blocked. */
bool spare_take(struct recording *recording);

/* Interpreter context, after spare_take. The rest of what is known of this process: as its
 * parent described itself within a second, but for what may be its own. ignored: the signals
 * that it ignores, of those that are `known`. False: it must describe itself. */
bool spare_settle(struct recording *recording, uint64_t ignored, uint64_t known);

/* Interpreter context, now and then, in who forks: that description, where it is old. */
void spare_describe(void);

/* Any context, after spare_take: the file's path. */
const char *spare_path(void);

/* Any context. Where a process that has taken none yet is from now on; sid 0: as it was. */
void spare_in_group(int32_t pgid, int32_t sid);

/* Interpreter context. Removes those that this process made, and nobody took. */
void spare_discard(void);

#endif
