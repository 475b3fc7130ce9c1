/* SPDX-License-Identifier: MIT
 *
 * standin: what the program calls in the place of the C library's functions
 * that set dispositions or end it, while its signals are recorded. Each does
 * what the function does, on the disposition that the program knows of
 * (passive.h), and notes what the recording should tell.
 *
 * Not stood in for, and seen as "replaced" or not at all: sigset(3), sigignore(3),
 * raw system calls, what a library's constructors do before it is redirected,
 * execl(3) and posix_spawn(3), which do their work within the C library.
 */
#ifndef SIGREC_STANDIN_H
#define SIGREC_STANDIN_H

#include <stdbool.h>

/* Interpreter context, idempotent: from here on the program calls ours. False:
 * not on this platform (redirect.h); what it sets replaces us. */
bool standin_install(void);

#endif
