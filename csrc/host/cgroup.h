/* SPDX-License-Identifier: MIT
 *
 * cgroup: in which control group the memory of a process is counted, and whom the OOM
 * killer ended there: cgroups(7).
 */
#ifndef SIGREC_CGROUP_H
#define SIGREC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH 1024 /* bytes of the path of a file in a cgroup */

/* "/sys/fs/cgroup"; a test has another. */
extern const char *cgroup_mount;

/* Signal context. In a text as of proc_pid_cgroup(5): "0::PATH" of version 2, or
 * "N:...,memory,...:PATH" of version 1, which wins, since then the memory is counted there.
 * Whether it is that. path: "" where there is none. */
bool cgroup_find(const char *text, char *path, size_t size);

/* Signal context; proc_read. The path of the file that lists its processes. False: there is none,
 * or nothing is counted there. */
bool cgroup_procs(const char *cgroup, bool version_1, char path[CGROUP_PATH]);

/* Signal context; proc_read. How many processes of this very cgroup, and not of those below it,
 * the OOM killer has ended, as the kernel's own documentation has it: cgroup-v2.rst
 * (memory.events.local), cgroup-v1/memory.rst (memory.oom_control). -1: not known. text: room,
 * of 256 bytes at least. */
int64_t cgroup_oom_kills(const char *cgroup, bool version_1, char *text, size_t size);

#endif
