/* SPDX-License-Identifier: MIT
 *
 * environment: the variables by which a program is recorded from its start
 * (begin.h), and how they are taken out again.
 *
 *   LD_PRELOAD         has the library's path, among others
 *   SIGREC_CHILDREN    1: what the program starts is recorded, too
 *   SIGREC_RECORDING   the file of the recording, of the first program alone
 *   SIGREC_KEEP        the PID of a process whose recording outlives a clean exit
 */
#ifndef SIGREC_ENVIRONMENT_H
#define SIGREC_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_LIBRARY "libsigrec-preload.so"

/* Any context. The path of our library in it, which ends where `size` says; NULL: none. */
const char *environment_library(char *const environment[], size_t *size);

/* Any context. What environment_without needs: bytes; 0: nothing of ours is in there. */
size_t environment_room(char *const environment[]);

/* Any context. The same without what is ours, made in that room, which may not move. */
char **environment_without(char *const environment[], void *room);

/* Interpreter context, before the program begins, and before it is forgotten: notes what is
 * ours, for what this process may become by exec. */
void environment_note(char *const environment[]);

/* Any context. What was noted: the library's path; NULL: nothing. */
const char *environment_noted(void);

/* Any context. How much room environment_with needs, and the environment with what was noted,
 * made in that room, which may not move. */
size_t environment_room_with(char *const environment[]);
char **environment_with(char *const environment[], void *room);

/* Interpreter context, before the program begins: takes that out of its own environment, where it
 * stands: main() has been given it. */
void environment_forget(char **environment);

/* Ditto, of one variable. */
void environment_forget_one(char **environment, const char *name);

#endif
