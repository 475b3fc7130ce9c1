/* SPDX-License-Identifier: MIT
 *
 * images: what another process has mapped, from its memory alone: its files may be in a
 * mount namespace of its own, or deleted since. No lock and no allocation: attach.h.
 */
#ifndef SIGREC_IMAGES_H
#define SIGREC_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGES_RANGES 4096 /* of code; what comes after is not known, and nowhere is safe then */
#define IMAGES_DATA 4096
#define IMAGES_OBJECTS 1024
#define IMAGES_TEXT (UINT64_C(4) << 20) /* of /proc/PID/maps */

struct images_range {
    uint64_t from, to;
    bool unsafe; /* of the C library, the dynamic linker, or an allocator */
};

/* An object that has been looked at, in this or an earlier read,
 * known by the address of its first page. */
struct images_object {
    uint64_t base, file; /* its inode */
    bool allocates;      /* malloc(3) is in it, and it is not the C library */
};

/* Variables of the program's own, or of a library that is no allocator. */
struct images_data {
    uint64_t from, to;
};

struct images {
    int memory; /* /proc/PID/mem */
    bool whole; /* all of it is known */
    uint32_t ranges, data, objects;
    uint64_t libc, libdl;  /* their first pages; 0: none */
    uint64_t allocator;    /* of the object whose malloc(3) it is, if it is not the C library's */
    uint64_t libc_code[2]; /* from, to */
    struct images_range range[IMAGES_RANGES];
    struct images_data variables[IMAGES_DATA];
    struct images_object object[IMAGES_OBJECTS];
    char text[IMAGES_TEXT];
};

/* Reads /proc/PID/task/TID/maps. 0 or an errno. */
int images_read(struct images *images, int32_t pid, int32_t tid);

/* Where the object that begins at base defines the function; 0: nowhere. */
uint64_t images_symbol(const struct images *images, uint64_t base, const char *name);

/* The range of code that has the address, or NULL. */
const struct images_range *images_code(const struct images *images, uint64_t address);

/* Whether a lock there can be neither an allocator's nor the dynamic linker's. */
bool images_is_of_program(const struct images *images, uint64_t address);

/* Where these bytes are in the code of the process's C library, at a multiple of `step`; only
 * the bits in `mask` are compared. 0: nowhere. */
uint64_t images_find(const struct images *images, const uint8_t *bytes, const uint8_t *mask,
                     size_t size, size_t step);

/* Reads from the process's memory. False: not all of it can be read. */
bool images_memory(const struct images *images, uint64_t address, void *to, size_t size);

#endif
