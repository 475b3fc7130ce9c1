/* SPDX-License-Identifier: MIT
 *
 * begin: records a program that has no Python, from its start, as its environment says
 * (environment.h). If Python is loaded into the same process later, Python goes on
 * with that recording.
 *
 * Every signal is recorded but those that the program ignores, by SIG_IGN or by default:
 * as sigrec.record() without a signal.
 */
#ifndef SIGREC_BEGIN_H
#define SIGREC_BEGIN_H

#include "host/places.h"

#include <stdbool.h>
#include <stdint.h>

#define BEGIN_HISTORY 1024 /* events, where SIGREC_HISTORY says nothing */

/* Interpreter context, before main(), once; a second call does nothing. argv: the program's, as
 * it just began; NULL: not known. 0 or an errno. */
int begin(char *const argv[]);

#define BEGIN_DIRECTORIES 3

struct begin_request {
    uint64_t capacity;
    char directory[BEGIN_DIRECTORIES][PLACES_SIZE]; /* the best first; empty: none */
    bool in_main; /* its main thread is the one in which this is called, and had these blocked */
    uint64_t blocked;
};

/* In a process that already runs, called by who attached to it (attach.h): records from now
 * on; may be called again after end_attached(). The environment is not read, since another
 * thread may be changing it. 0 or an errno; EALREADY: the program, or another
 * attach, just begins or ends to record. */
int begin_attached(const struct begin_request *request);

/* As begin_attached(), with the same errors, to end that: the kernel has again
 * what the program set, but for signals that the program itself has had recorded. Our library
 * stays. */
int end_attached(void);

/* Any context. Whether begin() or begin_attached() was called, and all is recorded. */
bool begun(void);

#endif
