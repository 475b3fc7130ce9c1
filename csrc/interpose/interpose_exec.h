/* SPDX-License-Identifier: MIT
 *
 * interpose_exec: while signals are recorded, the program calls these functions instead of those
 * of the C library that start other programs or threads. They write down that the program is
 * replaced, where exec does that; they give the kernel the dispositions and the mask that are to
 * be inherited; and they start a program that cannot be recorded (target.h) as it would start
 * without sigrec.
 */
#ifndef SIGREC_INTERPOSE_EXEC_H
#define SIGREC_INTERPOSE_EXEC_H

#include "interpose/got.h"

/* Interpreter context. Adds these functions to those that got_patch() installs. */
void interpose_exec(void);

#endif
