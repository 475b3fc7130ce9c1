/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/caller.h"

#include "ground/memory.h"
#include "program/site.h"

#include <stdatomic.h>
#include <string.h>

#define LOADED_OBJECTS 512

/* Written once each, in the order of loading. Of one that was unloaded the addresses may be
 * another's by now, which stands behind it. */
static struct object {
    _Atomic uintptr_t from, to;
    _Atomic uint32_t site;
} objects[LOADED_OBJECTS] SELDOM;
static _Atomic uint32_t objects_claimed;

static _Atomic(caller_python) python_line;
static _Atomic uintptr_t interpreter_from, interpreter_to;

static const struct object *object_of(uintptr_t address) {
    uint32_t n = atomic_load_explicit(&objects_claimed, memory_order_relaxed);
    for (n = n < LOADED_OBJECTS ? n : LOADED_OBJECTS; n-- > 0;) {
        /* Acquire: pairs with the release in caller_object(); `to` is written last.
         * proof: object-look */
        uintptr_t to = atomic_load_explicit(&objects[n].to, memory_order_acquire);
        if (address < to && address >= atomic_load_explicit(&objects[n].from, memory_order_relaxed))
            return &objects[n];
    }
    return NULL;
}

void caller_object(uintptr_t from, uintptr_t to, const char *name) {
    uint32_t site = site_number(name, strlen(name), 0);
    const struct object *known = object_of(from);
    if (known && atomic_load(&known->from) == from && atomic_load(&known->site) == site)
        return; /* the object was known when the tables were patched last */
    if (atomic_load(&objects_claimed) >= LOADED_OBJECTS)
        return;
    uint32_t n = atomic_fetch_add(&objects_claimed, 1);
    if (n >= LOADED_OBJECTS)
        return;
    atomic_store_explicit(&objects[n].from, from, memory_order_relaxed);
    atomic_store_explicit(&objects[n].site, site, memory_order_relaxed);
    /* Release: whoever finds an address below it sees the rest. proof: object-whole */
    atomic_store_explicit(&objects[n].to, to, memory_order_release);
}

void caller_set_python(caller_python ask, const void *interpreter) {
    const struct object *object = object_of((uintptr_t)interpreter);
    if (!object)
        return;
    atomic_store(&interpreter_from, atomic_load(&object->from));
    atomic_store(&interpreter_to, atomic_load(&object->to));
    atomic_store(&python_line, ask);
}

bool caller_is_interpreter(const void *address) {
    uintptr_t at = (uintptr_t)address;
    return at >= atomic_load_explicit(&interpreter_from, memory_order_relaxed) &&
           at < atomic_load_explicit(&interpreter_to, memory_order_relaxed);
}

bool caller_is_beside(const void *address, const void *other) {
    const struct object *object = object_of((uintptr_t)other);
    return object && object == object_of((uintptr_t)address);
}

bool caller_is_ours(const void *address) {
    caller_python ask = atomic_load_explicit(&python_line, memory_order_relaxed);
    return ask && caller_is_beside(address, (const void *)(uintptr_t)ask);
}

uint32_t caller_library(const void *address) {
    const struct object *object = object_of((uintptr_t)address);
    /* A handler that ends with the call jumps to it, and that returns to who called the handler. */
    if (!object || object == object_of((uintptr_t)caller_library))
        return 0;
    return atomic_load_explicit(&object->site, memory_order_relaxed);
}

uint32_t caller_line(void) {
    char file[SITE_TEXT];
    uint32_t line = 0;
    caller_python ask = atomic_load_explicit(&python_line, memory_order_relaxed);
    size_t length = ask ? ask(file, sizeof file, &line) : 0;
    if (length == CALLER_NO_PYTHON)
        return CALLER_NO_PYTHON;
    return length && line ? site_number(file, length, line) : 0;
}
