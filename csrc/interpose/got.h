/* SPDX-License-Identifier: MIT
 *
 * got: makes the program call our function where it calls one of the C
 * library, by name, in every object that is
 * loaded. It knows ELF and nothing of signals.
 *
 * Each loaded object has a table of the addresses of the functions that it
 * calls in others (its global offset table); the dynamic linker fills it in,
 * and we write over it. That catches what replacing names in Python cannot: C
 * callers, and references that were taken before. It does not catch an object's
 * own system calls, addresses that it computed
 * before, and calls within the C library.
 */
#ifndef SIGREC_GOT_H
#define SIGREC_GOT_H

#include <stdbool.h>

#define GOT_MOST 64 /* interpositions */

/* Interpreter context, before got_patch(). The name must outlive the process; an original that is
 * NULL is one that this C library does not have. (They are added one by one, and are no
 * constants: the dynamic linker would look for each once more, before a program begins.) */
void got_add(const char *name, void (*original)(void), void (*replacement)(void));

#define INTERPOSE(name, original, replacement)                                                     \
    got_add(name, (void (*)(void))(original), (void (*)(void))(replacement))

/* Interpreter context. False: not on this platform. Objects that are loaded later are patched, too:
 * when dlopen(3) has loaded them, or when something is looked up in them (dlsym(3)). after is
 * called then, since their constructors have called the C library directly. Again: what another
 * thread, which was just binding a call for the first time, has written over it. */
bool got_patch(void (*after)(void));

#endif
