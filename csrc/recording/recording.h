/* SPDX-License-Identifier: MIT
 *
 * recording: the memory that holds one process's ledger and history, laid out
 * the same whether it is a mapped file that others can read or private memory.
 * The layout is documented, byte by byte, in docs/reference/format.md.
 */
#ifndef SIGREC_RECORDING_H
#define SIGREC_RECORDING_H

#include "events/asker.h"
#include "events/ledger.h"
#include "events/ring.h"
#include "events/sender.h"
#include "host/owner.h"
#include "program/disposition.h"
#include "program/mask.h"
#include "recording/file.h"

#include <stddef.h>
#include <sys/types.h>

#define RECORDING_MAGIC "\x89SIGREC\n"
#define RECORDING_ENDIAN UINT32_C(0x01020304)
#define RECORDING_VERSION 3
#define RECORDING_MINOR 0
#define RECORDING_ANCHORS 16
#define RECORDING_REASON_SIZE 128

/* Whether the recording was begun, and ended, from outside, by an attach: begin_attached(). */
enum recording_attached {
    RECORDING_FROM_INSIDE = 0,
    RECORDING_ATTACHED = 1,
    RECORDING_DETACHED = 2
};

/* One pair of readings of the two clocks. MONOTONIC stops while the machine is suspended, and
 * REALTIME is set anew now and then, so an event's wall-clock time is computed from the newest
 * anchor that is not younger than the event. */
struct anchor {
    _Atomic uint64_t monotonic_ns;
    _Atomic uint64_t realtime_ns;
};

enum recording_state { RECORDING_OPEN = 0, RECORDING_EXITED = 1 };

/* How the process left, if it had the time to write that down. */
enum recording_exit_kind {
    EXIT_KIND_NONE = 0,
    EXIT_KIND_EXIT = 1,    /* exit(3), or a return from main */
    EXIT_KIND_AT_ONCE = 2, /* _exit(2): os._exit */
    EXIT_KIND_EXEC = 3,    /* execve(2) */
};

/* What the file has besides its header. A table says where each section is, so that a reader can
 * skip types that it does not know, and accept entries that are larger than it knows. */
enum recording_section_type {
    SECTION_ARGV = 1,          /* NUL-terminated strings, one after another */
    SECTION_LEDGER = 2,        /* struct ledger_entry, indexed by signal number */
    SECTION_SENDERS = 3,       /* struct sender_entry */
    SECTION_HISTORY = 4,       /* struct slot: the ring */
    SECTION_RECENT = 5,        /* struct slot: blocks of RECENT_SLOTS; recent.h */
    SECTION_IDENTITY = 6,      /* struct owner_identity, one */
    SECTION_SENT = 7,          /* struct slot: a ring of what this process sent; sent.h */
    SECTION_ENDINGS = 8,       /* struct slot: another, of what ends or stops others */
    SECTION_CHILDREN = 9,      /* struct slot: another, of what became of its children */
    SECTION_DISPOSITIONS = 10, /* struct slot: DISPOSITION_SLOTS of each signal; disposition.h */
    SECTION_SITES = 11,        /* struct site */
    SECTION_MASKS = 12,        /* struct slot: MASK_SLOTS in each of MASK_ROWS; mask.h */
};
#define RECORDING_SECTIONS 12

/* The rings: the history, and the three of sent.h. */
enum recording_ring { RING_HISTORY, RING_SENT, RING_ENDINGS, RING_CHILDREN, RECORDING_RINGS };
/* How many slots the latter have: a power of two each. */
#define RECORDING_SENT 256
#define RECORDING_ENDINGS 64
#define RECORDING_CHILDREN 256

/* A bit of `flags`: a reader that does not know this type must not read the file. */
#define SECTION_ESSENTIAL 1

struct recording_section {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint32_t entry_size; /* bytes */
    uint32_t reserved;
    uint64_t count; /* entries; for SECTION_ARGV bytes that are used */
};

_Static_assert(sizeof(struct recording_section) == 32, "a section is 32 bytes");

struct recording_header {
    char magic[8];                  /*   0 */
    uint32_t endian;                /*   8: RECORDING_ENDIAN as this machine writes it */
    uint16_t version;               /*  12: a reader refuses one that is newer than it knows */
    uint16_t minor;                 /*  14: a reader may ignore it */
    uint32_t header_size;           /*  16: 4096 */
    uint32_t sections_offset;       /*  20 */
    uint64_t file_size;             /*  24 */
    uint32_t sections_count;        /*  32 */
    uint32_t sections_entry;        /*  36: bytes in one entry of the table */
    uint8_t id[16];                 /*  40: random: no other recording has the same */
    uint64_t reserved0[3];          /*  56 */
    _Atomic int32_t pid;            /*  80: in a spare 0: not taken yet; -1: never to be taken */
    uint32_t uid;                   /*  84 */
    uint64_t start_ticks;           /*  88: field 22 of /proc/<pid>/stat */
    uint64_t pid_namespace;         /*  96: inode of /proc/self/ns/pid */
    int32_t sigrtmin;               /* 104 */
    int32_t sigrtmax;               /* 108 */
    char boot_id[40];               /* 112: NUL-terminated */
    uint64_t started_ns;            /* 152: CLOCK_REALTIME when the recording was made */
    _Atomic uint32_t state;         /* 160: enum recording_state */
    _Atomic uint32_t fatal_signal;  /* 164: whose default action ends the process; 0: none */
    _Atomic uint64_t fatal_ordinal; /* 168: the ordinal of that signal */
    _Atomic uint32_t exit_kind;     /* 176: enum recording_exit_kind */
    _Atomic int32_t exit_status;    /* 180: the exit status; -1: not known */
    _Atomic uint32_t handling;      /* 184: the signal whose registered handler runs; 0: none */
    _Atomic uint32_t attached;      /* 188: enum recording_attached */
    _Alignas(64) _Atomic uint64_t head;         /* 192: the history's next ticket */
    _Alignas(64) _Atomic uint64_t anchor_count; /* 256: anchors ever written */
    uint64_t reserved4[7];                      /* 264 */
    struct anchor anchors[RECORDING_ANCHORS];   /* 320: anchor n is at n mod 16 */
    _Atomic uint64_t handling_ns; /* 576: CLOCK_MONOTONIC: since when that handler runs */
    uint64_t reserved5;           /* 584 */
    _Atomic uint64_t exit_ns;     /* 592: CLOCK_MONOTONIC of `exit_kind` */
    _Atomic uint64_t detached_ns; /* 600: CLOCK_REALTIME of RECORDING_DETACHED */
    /* 608: NUL-terminated: the exception that ended the program, or the program that it exec'ed */
    char exit_reason[RECORDING_REASON_SIZE];
    _Atomic uint32_t recent_owner[RECENT_BLOCKS]; /* 736: the signal of each block; 0: free */
    _Atomic uint64_t sent_head;                   /* 800: the next tickets of the rings of sent.h */
    _Atomic uint64_t endings_head;                /* 808 */
    _Atomic uint64_t children_head;               /* 816 */
    _Atomic uint64_t asker_head;                  /* 824: how many askers were ever written */
    /* 832: the signals of MODE_RECORDED, which need not be written into their ledger entries */
    _Atomic uint64_t recorded;
    /* 840: the newest time between a detach and the next attach, CLOCK_REALTIME, and how many
     * there were */
    _Atomic uint64_t gap_ns[2], gaps;
    uint64_t reserved7[14]; /* 864 */
    /* How the process ended, as a bystander saw it: sigrec/_recorder/beside.py. */
    uint64_t noted_blocked; /* 976: what its main thread had blocked; bit of SIGKILL: it is known */
    uint64_t noted_ns;      /* 984: CLOCK_MONOTONIC */
    uint64_t noted_realtime_ns; /* 992: CLOCK_REALTIME */
    int32_t noted_status;       /* 1000: as of wait(2) */
    uint32_t noted_source;    /* 1004: how it saw that: 1: in /proc; 2: by a pidfd; 0: not at all */
    uint32_t noted_oom_kills; /* 1008: OOM kills in the cgroup since noted_oom_since_ns */
    uint32_t noted_oom;       /* 1012: 1: the end was probably one of these */
    uint64_t noted_oom_since_ns;                           /* 1016: CLOCK_REALTIME */
    struct recording_section sections[RECORDING_SECTIONS]; /* 1024: at sections_offset */
    _Alignas(2048) struct asker askers[ASKERS];            /* 2048: the nth is at n mod 4 */
};

_Static_assert(offsetof(struct recording_header, head) == 192, "head");
_Static_assert(offsetof(struct recording_header, anchor_count) == 256, "anchor_count");
_Static_assert(offsetof(struct recording_header, anchors) == 320, "anchors");
_Static_assert(offsetof(struct recording_header, handling_ns) == 576, "handling_ns");
_Static_assert(offsetof(struct recording_header, exit_reason) == 608, "exit_reason");
_Static_assert(offsetof(struct recording_header, recent_owner) == 736, "recent_owner");
_Static_assert(offsetof(struct recording_header, sent_head) == 800, "sent_head");
_Static_assert(offsetof(struct recording_header, recorded) == 832, "recorded");
_Static_assert(offsetof(struct recording_header, noted_ns) == 984, "noted_ns");
_Static_assert(offsetof(struct recording_header, sections) == 1024, "sections");
_Static_assert(offsetof(struct recording_header, askers) == 2048, "askers");
_Static_assert(sizeof(struct recording_header) <= 4096, "the header is one page");

struct recording {
    struct recording_header *header;
    struct ledger_entry *ledger;  /* SIGREC_NSIG entries */
    struct sender_entry *senders; /* SENDER_ENTRIES */
    struct owner_identity *identity;
    struct ring history;
    struct ring sent, endings, children; /* sent.h */
    struct recent recent;
    struct notes dispositions, masks;
    size_t size;
    _Atomic bool published;    /* the recording is a file that others can read */
    _Atomic bool as_written;   /* of which not all pages may be there yet */
    _Atomic(void *) stand_in;  /* private memory to take the file's place; NULL: none */
    const struct owner *owner; /* whose recording that would be */
};

/* Interpreter context. Makes a recording with `capacity` slots (a power of two) in private
 * memory that a forked child finds all zero. owner: NULL: it belongs to no process, and has no
 * header. Returns 0 or an errno. */
int recording_private(struct recording *recording, uint64_t capacity, const struct owner *owner);

/* Interpreter context. Makes a recording in a new file `name` in `directory`, complete before it
 * becomes visible there. The owner must outlive the recording. Unless `any_directory`, the
 * directory must be the caller's own, not a link, and writable by no other user. Returns 0 or an
 * errno: EPERM for a directory that is not so, EEXIST where something has the name. as_written: on
 * a file system in memory with room for many recordings, the pages are made as they are written;
 * otherwise all of them are made before the recording is used. */
int recording_publish(struct recording *recording, const char *directory, const char *name,
                      bool any_directory, bool as_written, uint64_t capacity,
                      const struct owner *owner);

/* Async-signal-safe. Makes a spare (spare.h): a recording in a new file `name` in `directory`,
 * which must be as above, that no process owns yet (its pid is 0) and that children forked from
 * now on have mapped, too. Returns 0 or an errno. */
int recording_spare(struct recording *recording, struct file *file, const char *directory,
                    const char *name, uint64_t capacity, const struct owner *owner);

/* Interpreter context. Writes down all that is known of the owner of what was a spare. */
void recording_set_owner(struct recording *recording, const struct owner *owner);

/* Interpreter context. Has private memory ready, and nothing else, to take the file's place. */
void recording_keep(struct recording *recording, const struct owner *owner);

/* Async-signal-safe. Children that are forked from now on do not have the recording mapped. */
void recording_not_for_children(struct recording_header *header, size_t size);

/* Signal context, after a fault at `address`. Where that is in the recording, someone has truncated
 * the file: private memory takes the file's place, with a ledger that recount() fills. False: the
 * address is not in the recording, or there is no such memory. A second thread that comes here may
 * fault again until the first one's only system call is done. */
bool recording_repair(struct recording *recording, const void *address,
                      void (*recount)(struct ledger_entry *ledger));

/* Any context. Makes the pages that are made as they are written; of a recording with a large
 * history only the first. False: the file system has no room. */
bool recording_fill(struct recording *recording);

/* Interpreter context. Writes the signal's mode, which readers show. */
void recording_set_mode(const struct recording *recording, int signum, enum ledger_mode mode,
                        bool replaced);

/* Interpreter context. The signal is not of MODE_RECORDED any more; its entry is not written. */
void recording_clear_mode(const struct recording *recording, int signum);

/* Interpreter context. Unmaps the recording; its file, if there is one, stays. */
void recording_unmap(struct recording *recording);

/* Signal context. Counts the event as recorded or dropped, keeps it, and
 * counts it to its sender, whose entry it returns (or NULL: sender.h). */
struct sender_entry *recording_write(const struct recording *recording, const struct event *event);

/* Signal context. Does the same, but keeps the event out of the recording's history, where it would
 * take another event's place: it counts as recorded and overwritten at once. The recording has it
 * all the same, among the newest of its signal: recent.h. */
struct sender_entry *recording_write_aside(const struct recording *recording,
                                           const struct event *event);

/* Interpreter context, one caller at a time. Moves counts and events of `from` to `to`. next: for
 * each ring of `from` the first ticket that was not moved yet. */
void recording_fold(const struct recording *from, const struct recording *to,
                    uint64_t next[RECORDING_RINGS]);

/* Signal context, while no other process can see the recording. Makes its first anchor of when its
 * process began, as CLOCK_MONOTONIC. */
void recording_begins(const struct recording *recording, uint64_t monotonic_ns);

/* Signal context; at most one caller at a time. Adds an anchor, if the two clocks have moved
 * against each other by more than a millisecond. */
void recording_anchor(const struct recording *recording);

/* Any context. Of a recording's file of that size, which begins so and may be anybody's, the
 * section that is its ledger; NULL: it has none that this version writes. */
const struct recording_section *recording_ledger_of(const struct recording_header *header,
                                                    uint64_t size);

#endif
