/* SPDX-License-Identifier: MIT
 *
 * interpose_exec: the functions that a program calls in the place of the C library's own, where
 * these start other programs or threads, while its signals are recorded. Each writes down that
 * the program was replaced; gives the kernel the dispositions and the mask that are to be
 * inherited; and starts a program that cannot be recorded (target.h) as it would start without
 * sigrec.
 */
#ifndef SIGREC_INTERPOSE_EXEC_H
#define SIGREC_INTERPOSE_EXEC_H

#include "got.h"

/* Interpreter context. Adds them to those that got_patch() puts in their places. */
void interpose_exec(void);

#endif
