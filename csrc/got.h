/* SPDX-License-Identifier: MIT
 *
 * got: makes the program call our function where it calls one of the C
 * library, by name, in every object that is loaded. It knows ELF and nothing of
 * signals.
 *
 * Each loaded object has a table of the addresses of the functions that it
 * calls in others (its global offset table); the dynamic linker fills it in,
 * and we write over it. That catches what replacing names in Python cannot: C
 * callers, and references that were taken before. It does not catch an object's
 * own system calls, addresses that it computed before, and calls within the C
 * library.
 */
#ifndef SIGREC_GOT_H
#define SIGREC_GOT_H

#include <stdbool.h>

struct interposition {
    const char *name;
    void (*original)(void); /* cast to one type, as they have many */
    void (*replacement)(void);
};

/* Interpreter context. False: not on this platform. Objects that are loaded
 * later are patched too, when something is looked up in them (dlsym(3)), as
 * Python does before it calls into an extension module. `table` ends with a
 * NULL name, and must outlive the process. */
bool got_patch(const struct interposition *table);

#endif
