/* SPDX-License-Identifier: MIT
 *
 * libsigrec-preload.so: the constructor that records a program from its start, and no
 * more. libsigrec.so has none, or who only imports sigrec would be recorded.
 */
#define _GNU_SOURCE
#include "ground/glibc.h"
#include "library/core.h"

#include <stddef.h>

#ifdef __linux__
#include <sys/auxv.h>

static void record_this_program(char *const argv[]) {
    if (getauxval(AT_SECURE))
        return; /* it has more rights than who started it: ld.so(8) */
    const struct core *core = sigrec_core(SIGREC_ABI);
    if (core)
        core->begin(argv);
}

#ifdef __GLIBC__
/* The constructor. glibc gives it what main() will get. */
__attribute__((constructor)) static void at_start(int argc, char *argv[]) {
    (void)argc;
    if (is_glibc())
        record_this_program(argv);
}
#else
__attribute__((constructor)) static void at_start(void) { record_this_program(NULL); }
#endif

#endif
