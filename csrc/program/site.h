/* SPDX-License-Identifier: MIT
 *
 * site: a call site, as a number: where in the program a call was made, a line of Python or a
 * library. A program has few that matter here, so each call site is kept once, for good, and
 * a forked child has its parent's sites. The recording has a copy of the sites that its
 * dispositions and masks name. The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_SITE_H
#define SIGREC_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITE_ENTRIES 256
#define SITE_TEXT 112 /* NUL-terminated, where it does not fill all; of a longer one the end */

struct site {
    _Atomic uint64_t key;   /* of its text and line; 0: free */
    _Atomic uint32_t whole; /* 1: all of it is there, and stays */
    _Atomic uint32_t line;  /* in a Python file; 0: the text is a library's path */
    _Atomic uint64_t text[SITE_TEXT / 8];
};

_Static_assert(sizeof(struct site) == 128, "a site is 128 bytes");

/* Any context. The number of that site, from 1; 0: there is no room for one more, or
 * another thread is just writing that site. */
uint32_t site_number(const char *text, size_t length, uint32_t line);

/* Any context. Copies the site to its entry in a recording's table. */
void site_copy(uint32_t number, struct site *table);

#endif
