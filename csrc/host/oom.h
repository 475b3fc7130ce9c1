/* SPDX-License-Identifier: MIT
 *
 * oom: whether it was the kernel's OOM killer, which tells nobody but root: an inference, from
 * looks at the process's control group until it ends. For who waits in Python
 * sigrec/_why/oom.py does the same.
 */
#ifndef SIGREC_OOM_H
#define SIGREC_OOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OOM_CGROUP 512

struct oom_look {
    uint64_t monotonic_ns;
    char cgroup[OOM_CGROUP];
    bool version_1;
    int64_t kills; /* OOM kills; -1: nothing is counted */
    int32_t *members;
    size_t count;
};

struct oom_watch {
    int32_t pid;
    struct oom_look last;
    int64_t first_kills; /* as it began, or has come to that cgroup */
    uint64_t since_ns;   /* that moment, by the clock */
    uint64_t ending_ns;  /* since when the process was seen to end; 0: not yet */
};

struct oom {
    int64_t kills; /* of that cgroup, since since_ns; 0: none */
    uint64_t since_ns;
    bool probably; /* this process was among them */
};

/* None of these functions is for a handler: they allocate. */
void oom_begin(struct oom_watch *watch, int32_t pid);

/* While the process runs, several times a second. */
void oom_look(struct oom_watch *watch);

/* At once after its end, by SIGKILL. "Probably" only where nothing speaks for a plain SIGKILL:
 * its own cgroup's counter rose just now, by as many as ended there. A sibling's OOM beside a
 * kill -9 counts one and ends two. */
struct oom oom_after(struct oom_watch *watch);

#endif
