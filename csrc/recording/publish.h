/* SPDX-License-Identifier: MIT
 *
 * publish: gives this process a recording: a file in the first usable place, or
 * private memory. Recording must not break the program,
 * so it is no error if there is no place.
 */
#ifndef SIGREC_PUBLISH_H
#define SIGREC_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publish_options {
    const char
        *file; /* a path that the user named, where nothing is; NULL: the first usable place */
    bool keep; /* even after a clean exit */
    bool former_stays; /* that of the program which this process was before an exec, in any case */
    uint64_t capacity;
    const char *const *directories; /* to NULL; NULL: those that the environment names */
};

#define PUBLISH_LEAST 16
#define PUBLISH_MOST (UINT64_C(1) << 24)

/* The size of a history in events, from a text, as a power of two; 0: it is no number from 16
 * to 16,777,216. */
uint64_t publish_capacity(const char *text);

/* Interpreter context. 0 or an errno. notes: for people, why a better place could not be used;
 * cut to `size`, and empty if there is nothing to say. */
int publish(const struct publish_options *options, char *notes, size_t size);

#endif
