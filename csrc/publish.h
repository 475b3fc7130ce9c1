/* SPDX-License-Identifier: MIT
 *
 * publish: gives this process a recording: a file in the first usable place, or
 * private memory. Recording must not break the program: that there is no place is
 * no error.
 */
#ifndef SIGREC_PUBLISH_H
#define SIGREC_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publish_options {
    const char *file; /* where the user wants it, and nothing is; NULL: where there is a place */
    bool keep;        /* even after a clean exit */
    uint64_t capacity;
    const char *const *directories; /* to NULL; NULL: those that the environment names */
};

#define PUBLISH_LEAST 16
#define PUBLISH_MOST (UINT64_C(1) << 24)

/* Events of a history, from a text: a power of two; 0: it is none from 16 to 16,777,216. */
uint64_t publish_capacity(const char *text);

/* Interpreter context. 0 or an errno. notes: why what would have been better was not to
 * be had, for people; it is cut, and empty if there is nothing to say. */
int publish(const struct publish_options *options, char *notes, size_t size);

#endif
