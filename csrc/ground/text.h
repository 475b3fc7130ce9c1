/* SPDX-License-Identifier: MIT
 *
 * text: strings and numbers without stdio, which is not async-signal-safe
 * (signal-safety(7)). Any context.
 */
#ifndef SIGREC_TEXT_H
#define SIGREC_TEXT_H

#include <stdint.h>
#include <string.h>

/* Each writes text at `at`, where there must be room, and returns where its final 0 is. */
static inline char *text_put(char *at, const char *text) {
    size_t n = strlen(text);
    memcpy(at, text, n + 1);
    return at + n;
}

static inline char *text_put_number(char *at, uint64_t number) {
    char digits[24];
    size_t n = sizeof digits;
    digits[--n] = 0;
    do
        digits[--n] = (char)('0' + number % 10);
    while (number /= 10);
    return text_put(at, digits + n);
}

/* The number that the text begins with; 0: none. */
static inline uint64_t text_number(const char *text) {
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = 10 * number + (uint64_t)(*text - '0');
    return number;
}

/* The hexadecimal number that the text begins with, in small letters; 0: none. */
static inline uint64_t text_hexadecimal(const char *text) {
    uint64_t number = 0;
    for (; (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f'); text++)
        number = 16 * number + (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    return number;
}

#endif
