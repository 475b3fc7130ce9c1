/* SPDX-License-Identifier: MIT
 *
 * begin: records a program that has no Python, from its start, as its environment says
 * (environment.h). Where a Python comes into the same process, it goes on with that.
 *
 * Every signal is recorded but those that the program ignores, by SIG_IGN or by default:
 * as sigrec.record() without a signal.
 */
#ifndef SIGREC_BEGIN_H
#define SIGREC_BEGIN_H

#include <stdbool.h>

#define BEGIN_HISTORY 1024 /* events, where SIGREC_HISTORY says nothing */

/* Interpreter context, before main(), once; a second call does nothing. 0 or an errno. */
int begin(void);

/* Any context. Whether it was called, and all is recorded. */
bool begun(void);

#endif
