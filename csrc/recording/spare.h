/* SPDX-License-Identifier: MIT
 *
 * spare: recordings that are made ahead, for forked children.
 *
 * A child that is ended before it can make a recording would leave none. So a process
 * that is about to fork has a file ready, .<pid>.<n>.spare in the directory of the
 * recordings. It is complete except for the owner, and mapped shared, so that the
 * child has it from its first instruction on. A child takes one by a compare and
 * exchange of the header's pid, from 0 to its own, in which only one of all that
 * inherited the file can succeed; and it gives the file a recording's name. At its
 * next fork the parent sees the pid there, and unmaps the file. A file that a child has
 * not taken stays, for whoever comes first; there are at most SPARES of them.
 *
 * A child that comes when all spares are taken has none.
 */
#ifndef SIGREC_SPARE_H
#define SIGREC_SPARE_H

#include "recording/recording.h"

#define SPARES 8

/* Interpreter context. From now on spares of that capacity are there at each fork, in
 * `directory`, which must be one that recording_publish() would accept. To be called once in a
 * process and its children; the owner must outlive them all. Returns 0 or an errno. */
int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner);

/* Any context. Whether spare_keep() was called, in this process or an ancestor. */
bool spare_kept(void);

/* Signal context, in a process that has not taken a spare yet; one caller at a time. Takes a
 * spare for this process, and writes into it the PID and what else a handler can know: not the
 * control group, nor which signals the process inherited as ignored and blocked. forked: the PID
 * of this process, if fork(2) has made it, rather than a raw clone(2). False: there is none. */
bool spare_take(struct recording *recording, int32_t forked);

/* Interpreter context, after spare_take(). Writes the rest of what is known of this process, from
 * the description that its parent made within the last second, and from what may differ in the
 * child. ignored: which of the `known` signals the process ignores. False: that description does
 * not fit, and the process has to describe itself. */
bool spare_settle(struct recording *recording, int32_t forked, uint64_t ignored, uint64_t known);

/* Interpreter context, to be called in a process before it forks first, and after each fork. Makes
 * that description anew, where it is old; and removes old recordings after many forks, since each
 * child leaves one that is ended by a signal or by _exit(2). */
void spare_forked(void);

/* Any context, after spare_take(). Returns the file of the spare that was taken. */
const struct file *spare_file(void);

/* Any context, in a process that has not taken a spare yet. Notes the process group and the
 * session that it is in from now on; sid 0: the session is as before. */
void spare_in_group(int32_t pgid, int32_t sid);

/* Interpreter context. Removes the spares that this process made and no child has taken. */
void spare_discard(void);

#endif
