/* SPDX-License-Identifier: MIT
 *
 * interpose: what the program calls in the place of the C library's functions
 * that set dispositions or end it, while its signals are recorded. Each does
 * what the function does, on the disposition that the program knows of
 * (passive.h), and notes what the recording should tell.
 *
 * Not interposed, and seen as "replaced" or not at all: raw system calls, what a library's
 * constructors do before its calls are patched.
 */
#ifndef SIGREC_INTERPOSE_H
#define SIGREC_INTERPOSE_H

#include <stdbool.h>

/* Interpreter context, idempotent: from here on the program calls ours. False:
 * not on this platform (got.h); what it sets replaces us. */
bool interpose_install(void);

#endif
