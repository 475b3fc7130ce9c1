/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "found.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

const struct core *core;

static char own_library[4096];
static const char *other_library;

typedef __typeof__(sigrec_core) *give_core;

/* dlsym(3): POSIX has it that a function may be got so, and ISO C not. */
static give_core look_up_core(void *handle) {
    give_core function = NULL;
    void *symbol = dlsym(handle, "sigrec_core");
    memcpy(&function, &symbol, sizeof function);
    return function;
}

static const char *library_of(const void *address) {
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}

static const char *name_own_library(void) {
    const char *binding = library_of(&core);
    const char *slash = strrchr(binding, '/');
    int n = snprintf(own_library, sizeof own_library, "%.*slibsigrec.so",
                     slash ? (int)(slash + 1 - binding) : 0, binding);
    return n > 0 && (size_t)n < sizeof own_library ? NULL : "the name of its directory is too long";
}

const char *found_core(void) {
    const char *error = name_own_library();
    if (error)
        return error;
    give_core there = look_up_core(RTLD_DEFAULT);
    if (there && (core = there(SIGREC_ABI)))
        return NULL;
    if (there)
        other_library = library_of((const void *)(uintptr_t)there);
    /* Beside another, where nobody finds it; else where who comes next does. */
    void *handle = dlopen(own_library, RTLD_NOW | (there ? RTLD_LOCAL : RTLD_GLOBAL));
    if (!handle)
        return dlerror();
    there = look_up_core(handle);
    if (!there || !(core = there(SIGREC_ABI)))
        return "libsigrec.so is not of the same build as _core";
    return NULL;
}

const char *found_other(void) { return other_library; }
const char *found_own(void) { return own_library; }
