/* SPDX-License-Identifier: MIT
 *
 * interpose: while signals are recorded, the program calls these functions instead of those of the
 * C library that set dispositions or end the program. Each does what the C library's function
 * does, with the disposition that the program knows of (passive.h), and writes into the recording
 * what was changed.
 *
 * Two kinds of calls are not interposed: raw system calls, and what a library's constructors call
 * before the library is patched. Handlers that these set are looked for: install_notice().
 */
#ifndef SIGREC_INTERPOSE_H
#define SIGREC_INTERPOSE_H

#include <stdbool.h>

/* Interpreter context, idempotent: from here on the program calls our functions. False: this
 * platform cannot do that (got.h), and a handler that the program sets replaces ours. */
bool interpose_install(void);

/* Interpreter context, after that. What was loaded since then calls our functions, too, and so do
 * calls that another thread was just binding. */
void interpose_again(void);

#endif
