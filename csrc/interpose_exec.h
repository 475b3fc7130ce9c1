/* SPDX-License-Identifier: MIT
 *
 * interpose_exec: what the program calls in the place of the C library's functions
 * that start other programs, and threads, while its signals are recorded. Each says so in the
 * recording; gives the kernel back what is to be inherited; and where the other
 * program cannot be recorded (target.h), it starts as it would without us.
 */
#ifndef SIGREC_INTERPOSE_EXEC_H
#define SIGREC_INTERPOSE_EXEC_H

#include "got.h"

/* Interpreter context. Adds them to those that got_patch() puts in their places. */
void interpose_exec(void);

#endif
