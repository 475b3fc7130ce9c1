/* SPDX-License-Identifier: MIT
 *
 * all: every signal that can be recorded, at once, in a program
 * that does not ask for it itself: begin.h.
 */
#ifndef SIGREC_ALL_H
#define SIGREC_ALL_H

#include <stdbool.h>
#include <stdint.h>

/* Interpreter context. Nobody else begins or ends anything here until all_let_go(): for an attach,
 * beside which the program runs. False: somebody is at it. */
bool all_hold(void);
void all_let_go(void);

/* Interpreter context. Records all signals but those that the program ignores. from_start: it has
 * done nothing yet, so that it has inherited what it ignores. */
void all_record(bool from_start);

/* Interpreter context, before main() of a program that has one thread: the same with fewer system
 * calls. Returns which signals the program has inherited as ignored. */
uint64_t all_record_at_start(void);

/* Interpreter context. Ends that: the kernel has again what the program set, but for signals that
 * the program itself has had recorded. */
void all_stop(void);

/* Interpreter context. The program itself asks for this one: as install_record(). */
int all_record_one(int signum, bool even_ignored);

/* Interpreter context. Ends that: the signal is recorded further only where all are. */
void all_stop_one(int signum);

#endif
