/* SPDX-License-Identifier: MIT
 *
 * asker: the command line and the parent of who sent a signal that ends this process.
 *
 * A sender such as kill(1) is gone by the time that anybody asks. So the handler reads
 * both from /proc, when a signal comes that ends a process or asks it to end. The
 * newest few are in the header's page; the layout is part of the file format:
 * docs/reference/format.md.
 */
#ifndef SIGREC_ASKER_H
#define SIGREC_ASKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASKERS 4

struct asker {
    _Atomic uint64_t sequence; /*  0: 2n+1 while the nth is written, 2n+2 once it is */
    uint64_t ordinal;          /*  8: of the signal */
    uint32_t signo;            /* 16 */
    int32_t pid;               /* 20: who sent it, as the signal says */
    int32_t parent;            /* 24: the sender's parent; 0: not known */
    uint16_t size;             /* 28: bytes of argv; where it is full, it was cut */
    uint16_t at_its_end;       /* 30: 1: the sender was our parent, and had ended: asker_note() */
    char parent_name[16];      /* 32: proc_pid_comm(5), ends at a NUL or its end */
    char argv[464];            /* 48: strings that end with a NUL, one after another */
};

_Static_assert(sizeof(struct asker) == 512, "an asker is 512 bytes");
_Static_assert(offsetof(struct asker, argv) == 48, "argv");

/* Signal context, one caller at a time; nine system calls: openat, read and close of three
 * small files of /proc. Where these fail, the entry has the pid alone. at_its_end: the kernel sends
 * the signal as the parent ends: prctl(2), PR_SET_PDEATHSIG. */
void asker_note(struct asker askers[ASKERS], _Atomic uint64_t *head, uint32_t signo,
                uint64_t ordinal, int32_t pid, bool at_its_end);

#endif
