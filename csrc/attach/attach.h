/* SPDX-License-Identifier: MIT
 *
 * attach: loads this library into a process that already runs, where it begins to
 * record, or ends that. ptrace(2) stops one thread of the process for some
 * milliseconds, at a moment when that does no harm (docs/explanation/attach.md):
 *
 *   - no signal handler is on its stack: it may have interrupted malloc(3);
 *   - it waits in a system call that neither an allocator nor the dynamic linker makes, and that
 *     goes on after a stop; or it runs code that is neither's, nor the C library's, and no
 *     restartable sequence.
 *
 * The tracer is a process of its own, so that the kernel lets go of the thread whatever happens
 * to the caller.
 */
#ifndef SIGREC_ATTACH_H
#define SIGREC_ATTACH_H

#include "attach/begin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum attach_end {
    ATTACH_DONE,
    ATTACH_UNSUPPORTED, /* not on this platform */
    ATTACH_REFUSED,     /* by the kernel: error */
    ATTACH_ENDED,       /* the process ended meanwhile */
    ATTACH_NO_MOMENT,   /* there was none at which it could be stopped */
    ATTACH_NOT_STOPPED, /* it did not stop within the time */
    ATTACH_HALTED,      /* by SIGSTOP or its like */
    ATTACH_NO_LIBRARY,  /* it has no C library that loads others */
    ATTACH_LOCKED,      /* its allocator or its dynamic linker did not answer */
    ATTACH_NOT_LOADED,  /* text says why */
    ATTACH_OTHER_BUILD, /* it has a libsigrec.so of another build */
    ATTACH_FAULT,       /* what was called in it failed */
    ATTACH_NOT_BEGUN,   /* error */
    ATTACH_NO_TRACER,   /* the tracer was killed */
    ATTACH_SLOW,        /* it got too little of the processor to be stopped for a short time only */
};

struct attach_request {
    pid_t pid;
    bool end;            /* end what an earlier attach began */
    const char *library; /* libsigrec.so */
    struct begin_request begin;
};

struct attach_result {
    enum attach_end end;
    int error;
    uint32_t stops;      /* how often a thread was stopped */
    uint64_t stopped_ns; /* the longest of these times */
    char text[512];
};

/* Which functions of the library are called in the process: core.c. */
extern const struct attach_entry {
    uint32_t abi;
    size_t begin, end; /* where its table has begin_attached() and end_attached() */
} attach_entry;

/* Interpreter context. Attaching takes some seconds at most. 0 or an errno. */
int attach(const struct attach_request *request, struct attach_result *result);

#endif
