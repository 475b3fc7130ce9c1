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

/* Any context. The path of our library in that
 * environment, `size` bytes; NULL: it is not there. */
const char *environment_library(char *const environment[], size_t *size);

/* Any context. How many bytes environment_without needs; 0: none of our variables is there. */
size_t environment_room(char *const environment[]);

/* Any context. The environment without our variables, made
 * in `room`, which must stay where it is. */
char **environment_without(char *const environment[], void *room);

/* Interpreter context, before the program begins, and before environment_forget(): notes our
 * variables, for the program that this process may become by exec. */
void environment_note(char *const environment[]);

/* Any context. The library's path that was noted; NULL: none was. */
const char *environment_noted(void);

/* Any context. How much room environment_with needs, and the environment with the variables
 * that were noted, made in `room`, which must stay where it is. */
size_t environment_room_with(char *const environment[]);
char **environment_with(char *const environment[], void *room);

/* Interpreter context, before the program begins: takes our variables out of the process's own
 * environment, in place, since main() has been given that array. */
void environment_forget(char **environment);

/* The same, for one variable of the environment. */
void environment_forget_one(char **environment, const char *name);

#endif
