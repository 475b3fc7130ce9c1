/* SPDX-License-Identifier: MIT
 *
 * caller: who made a call: which library, by the address that the call returns to, and
 * where that is the interpreter, which line of Python. dladdr(3) takes the loader's
 * lock, so the objects are noted when their calls are patched (got.h), and looked up here.
 */
#ifndef SIGREC_CALLER_H
#define SIGREC_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Interpreter context. Writes the Python file that this thread is in, or as much of its end as
 * there is room for, and the line. Returns how many bytes it wrote; 0: the line is not known;
 * CALLER_NO_PYTHON: no Python code runs, since the interpreter begins or ends. */
#define CALLER_NO_PYTHON UINT32_MAX
typedef size_t (*caller_python)(char *file, size_t size, uint32_t *line);

/* Interpreter context. An object is loaded at these addresses;
 * the name of the program itself is empty. */
void caller_object(uintptr_t from, uintptr_t to, const char *name);

/* Interpreter context, once: how to ask Python for its line; an address in the interpreter. */
void caller_set_python(caller_python ask, const void *interpreter);

/* Any context. Whether the address is in the interpreter's code. */
bool caller_is_interpreter(const void *address);

/* Any context. Whether both addresses are in one object. */
bool caller_is_beside(const void *address, const void *other);

/* Any context. Whether that is the code that asks Python for us: the binding. */
bool caller_is_ours(const void *address);

/* Any context. The call site (site.h) for the object that has this code; 0: not known. */
uint32_t caller_library(const void *address);

/* Interpreter context: this thread's line of Python; 0: not known, or CALLER_NO_PYTHON. */
uint32_t caller_line(void);

#endif
