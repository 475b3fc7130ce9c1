/* SPDX-License-Identifier: MIT
 *
 * owner: who the process is whose recording this is, from /proc.
 * The layout of owner_identity is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_OWNER_H
#define SIGREC_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNER_ARGV_SIZE 4096
#define OWNER_ID_SIZE 16

/* Who and where the process is; texts are NUL-terminated, and cut. */
struct owner_identity {
    int32_t pgid;             /*    0: process group; a recorded process keeps it as it is now */
    int32_t sid;              /*    4: session, ditto */
    int32_t ppid;             /*    8: parent, when the recording was made */
    uint32_t subreaper;       /*   12: 1: orphans below it became its children, prctl(2) */
    uint64_t time_namespace;  /*   16: inode of /proc/self/ns/time; 0: unknown */
    uint64_t mount_namespace; /*   24 */
    uint64_t ignored;         /*   32: signals that it inherited ignored: bit n-1 for signal n */
    uint64_t blocked;         /*   40: signals that its main thread inherited blocked */
    int64_t oom_kills;        /*   48: of its cgroup, when the recording was made; -1: unknown */
    uint64_t reserved1;       /*   56 */
    char host_name[72];       /*   64: gethostname(2) */
    char machine_id[56];      /*  136: /etc/machine-id */
    char executable[512];     /*  192: /proc/self/exe */
    char cgroup[512];        /*  704: the path in /proc/self/cgroup that its memory is counted in */
    char cgroup_at_end[512]; /* 1216: the same, when it ended: it may have moved; "": not known */
};

_Static_assert(offsetof(struct owner_identity, host_name) == 64, "host_name");
_Static_assert(sizeof(struct owner_identity) == 1728, "an identity is 1728 bytes");

struct owner {
    uint64_t start_ticks, pid_namespace;
    uint8_t id[OWNER_ID_SIZE]; /* of the recording: owner_make_id() */
    char boot_id[40];
    uint32_t argv_size;
    struct owner_identity identity;
    char argv[OWNER_ARGV_SIZE]; /* at the end: of a short one the other pages stay untouched */
};

/* Interpreter context. Reads /proc and /sys; what cannot be read stays zero. argv: of a program
 * that has just begun, in this thread: what it has ignored is then for the caller to see. NULL
 * else: /proc knows. */
void owner_describe(struct owner *owner, char *const argv[]);

/* Any context. Makes the random id of a recording. Where the machine has no randomness yet,
 * the moment and `process`, a number, tell recordings apart, within one boot. */
void owner_make_id(uint8_t id[OWNER_ID_SIZE], uint64_t process);

/* Any context. Whether both owners are the same; the random id is not compared. */
bool owner_is_same(const struct owner *a, const struct owner *b);

/* Any context. The process is about to end: in which cgroup. Calls proc_read. */
void owner_at_end(struct owner_identity *identity);

#endif
