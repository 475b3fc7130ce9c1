/* SPDX-License-Identifier: MIT
 *
 * all: every signal that can be recorded, at once, in a program
 * that does not ask for it itself: begin.h.
 */
#ifndef SIGREC_ALL_H
#define SIGREC_ALL_H

#include <stdbool.h>
#include <stdint.h>

/* Interpreter context. Records all signals but those that the program ignores. from_start: it has
 * done nothing yet, so that it has inherited what it ignores. */
void all_record(bool from_start);

/* Interpreter context, before main() of a program that has one thread: the same with fewer system
 * calls. Returns which signals the program has inherited as ignored. */
uint64_t all_record_at_start(void);

/* Interpreter context. None of them is recorded any more: the
 * kernel has again what the program set. */
void all_stop(void);

#endif
