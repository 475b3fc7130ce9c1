/* SPDX-License-Identifier: MIT
 *
 * found: the core of this process, for the binding, which is not in libsigrec.so.
 *
 * There is one core in a process, since there is one table of dispositions: where
 * libsigrec.so is there already, whatever its file is called (the program was
 * started with it, or something was attached to it), that one is taken; else the one
 * in the binding's own directory.
 */
#ifndef SIGREC_FOUND_H
#define SIGREC_FOUND_H

#include "library/core.h"

/* NULL before found_core(). Where the core of the process has another ABI, this is the core of
 * our own library, which then begins nothing. */
extern const struct core *core;

/* Interpreter context, once. NULL: there is one; else the reason why not, a string that stays. */
const char *found_core(void);

/* The file of the core that has another ABI, or NULL; and the file of our own. */
const char *found_other(void);
const char *found_own(void);

#endif
