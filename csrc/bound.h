/* SPDX-License-Identifier: MIT
 *
 * bound: a program that starts others all day, each of which is ended by a signal, must
 * not fill the recordings' directory. (For who is asked for a recording, and can take
 * its time, sigrec/_recorder/retention.py chooses better.)
 */
#ifndef SIGREC_BOUND_H
#define SIGREC_BOUND_H

#define BOUND_MOST 256 /* recordings there of processes that are gone, in our own PID namespace */
#define BOUND_LEFT 128 /* of these, when there were more: the newest */

/* Interpreter context. Only files with a name of sigrec's own making are ever removed. */
void bound_directory(const char *directory);

#endif
