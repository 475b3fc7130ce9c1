/* SPDX-License-Identifier: MIT
 *
 * ranks: which threads of another process can be stopped without harm, as /proc says before
 * anything is stopped: by the system calls that they wait in, and the files of these. No lock and
 * no allocation: attach.h.
 */
#ifndef SIGREC_RANKS_H
#define SIGREC_RANKS_H

#include "attach/images.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RANKS_THREADS 4096 /* others are not looked at */

enum rank {
    RANK_WAITS,  /* in a system call that goes on after a stop */
    RANK_RUNS,   /* whether it is a good moment is seen when it is stopped */
    RANK_BREAKS, /* in one that a stop breaks off, with EINTR */
    RANK_NEVER,
};

struct ranks_thread {
    pid_t tid;
    enum rank rank;
};

struct ranks {
    struct ranks_thread thread[RANKS_THREADS];
    int threads; /* 0: the process has ended */
    bool breaks; /* every thread of it is in a call that a stop breaks off */
};

/* All threads of the process. */
void ranks_look(struct ranks *ranks, const struct images *images, pid_t pid);

/* What a stop does to a thread in this system call, which has
 * these two arguments and was made at `pc`. */
enum rank ranks_of_call(const struct images *images, pid_t pid, pid_t tid, long number,
                        uint64_t first, uint64_t second, uint64_t pc);

#endif
