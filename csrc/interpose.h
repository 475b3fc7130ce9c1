/* SPDX-License-Identifier: MIT
 *
 * interpose: the functions that a program calls in the place of the C library's own, where these
 * set dispositions or end the program, while its signals are recorded. Each does what the
 * C library's function does, with the disposition that the program knows of (passive.h), and
 * writes into the recording what was changed.
 *
 * Two kinds of calls are not interposed, and are seen as "replaced" or not at all: raw system
 * calls, and what a library's constructors call before the library is patched.
 */
#ifndef SIGREC_INTERPOSE_H
#define SIGREC_INTERPOSE_H

#include <stdbool.h>

/* Interpreter context, idempotent: from here on the program calls our functions. False: this
 * platform cannot do that (got.h), and a handler that the program sets replaces ours. */
bool interpose_install(void);

#endif
