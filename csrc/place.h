/* SPDX-License-Identifier: MIT
 *
 * place: where in the program a call was made, as a number: a line of Python, or a
 * library. A program has few that matter here, so each is kept once, for good, and a
 * forked child has its parent's. The recording has a copy of those that it needs.
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_PLACE_H
#define SIGREC_PLACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_ENTRIES 256
#define PLACE_TEXT 112 /* NUL-terminated, where it does not fill all; of a longer one the end */

struct place {
    _Atomic uint64_t key;   /* of its text and line; 0: free */
    _Atomic uint32_t whole; /* 1: all of it is there, and stays */
    _Atomic uint32_t line;  /* in a Python file; 0: the text is a library's path */
    _Atomic uint64_t text[PLACE_TEXT / 8];
};

_Static_assert(sizeof(struct place) == 128, "a place is 128 bytes");

/* Any context. The number of that place, from 1; 0: there is no room for one more, or
 * another thread is just writing it. */
uint32_t place_number(const char *text, size_t length, uint32_t line);

/* Any context. Copies the place to its entry in a recording's table. */
void place_copy(uint32_t number, struct place *table);

#endif
