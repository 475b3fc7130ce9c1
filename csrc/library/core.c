/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "library/core.h"

#include <stddef.h>

static const struct core core = {
#define CORE_MEMBER(function) .function = (function),
    CORE_FUNCTIONS(CORE_MEMBER)
#undef CORE_MEMBER
};

const struct attach_entry attach_entry = {SIGREC_ABI, offsetof(struct core, begin_attached),
                                          offsetof(struct core, end_attached)};

__attribute__((visibility("default"))) const struct core *sigrec_core(uint32_t abi) {
    return abi == SIGREC_ABI ? &core : NULL;
}
