/* SPDX-License-Identifier: MIT
 *
 * retention: removes old recordings. A program may start others all day, each of which is
 * ended by a signal: these must not fill the directory. (A Python program, which has more
 * time, chooses better: sigrec/_recorder/retention.py.)
 */
#ifndef SIGREC_RETENTION_H
#define SIGREC_RETENTION_H

/* Recordings of processes that are gone, in our own PID namespace: how many may be there, and
 * how many of the newest are left when there were more. */
#define RETENTION_MOST 256
#define RETENTION_LEFT 128

/* Interpreter context. Only files with a name of sigrec's own making are ever removed. */
void retention_clean(const char *directory);

#endif
