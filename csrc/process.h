/* SPDX-License-Identifier: MIT
 *
 * process: which process this is, and which recording is its own.
 *
 * A forked child shares nothing with its parent, from its first instruction on:
 * `struct process` is in memory that the kernel wipes at fork, so the child finds no
 * recording, no pid, no ordinals and no trips. Until the child adopts a recording of
 * its own (at its first dispatch or query, not for each short-lived child) it counts
 * in the nursery, which is wiped as well; or, where children are to be recorded and
 * there are spares, in one of these, which its first signal takes: spare.h. Adopting a
 * spare only writes into it whose it is.
 */
#ifndef SIGREC_PROCESS_H
#define SIGREC_PROCESS_H

#include "recording.h"

struct process {
    _Atomic(const struct recording *) recording; /* NULL: nothing adopted yet */
    _Atomic int32_t pid;                         /* 0: a child that no fork hook has seen yet */
    _Atomic uint32_t spare;                      /* process.c: enum spare_state */
    bool described;                              /* process_owner() */
    _Atomic uintptr_t main_thread;               /* its pthread_self(); 0: not known yet */
    _Atomic uint32_t noted;                 /* the nursery has a change of a signal or a mask */
    uint64_t nursery_next[RECORDING_RINGS]; /* first nursery tickets that were not folded */
    _Atomic uint64_t ordinal[SIGREC_NSIG];  /* signals taken by this process */
    _Atomic uint64_t changes[SIGREC_NSIG];  /* of dispositions: disposition.h */
    _Atomic uint64_t masks[MASK_ROWS];      /* changes of these: mask.h */
    _Atomic uint64_t trip_ns[SIGREC_NSIG];  /* trip.h, as the three below */
    _Atomic uint32_t again_begun[SIGREC_NSIG], again_done[SIGREC_NSIG];
    uint32_t again_seen[SIGREC_NSIG]; /* by the dispatcher */
    /* The handler's memory of how fast signals come; hints, never counts. */
    _Atomic uint64_t last_ns;
    _Atomic uint32_t skip;
    _Atomic uint32_t backoff;
    _Atomic uint64_t anchored_ns;
    _Atomic uint32_t anchoring;
    _Atomic uint32_t wake;     /* wake.h */
    _Atomic uint64_t named_ns; /* when a sender's name was read last */
    _Atomic uint64_t asked_ns; /* when a sender's command line was */
    _Atomic uint32_t asking;   /* somebody is reading it */
    /* The last fault that a handler of the program's was called for: passive.c. */
    _Atomic uint32_t fault_signal, fault_tid;
    _Atomic uint64_t fault_ordinal, fault_address, fault_pc;
    _Atomic uintptr_t fault_frame; /* of the call; 0: it returned */
    _Atomic uint64_t ending_ns;    /* when a fault was left to its default action */
    _Atomic uint32_t stopping;     /* threads that are about to stop: passive.c */
    _Atomic uint32_t continued;    /* SIGCONTs that came meanwhile */
};

/* NULL until process_start. */
extern struct process *process_self;

/* Interpreter context. Idempotent. 0 or an errno. */
int process_start(void);

/* Interpreter context, once: what is called before each write to the recording that is not
 * the handler's own. */
void process_guard(void (*before_a_write)(void));

/* Signal context. Where this process counts now. */
const struct recording *process_recording(void);

/* Signal context: the same, for a signal that was delivered. */
const struct recording *process_recording_of_signal(void);

/* Interpreter context. NULL: nothing adopted. */
const struct recording *process_adopted(void);

/* Interpreter context. Who this process is, as it was when this was called first: little of
 * that changes. */
const struct owner *process_owner(void);

/* Interpreter context. Makes a recording, published as directory/name or
 * private, and counts there from now on; nothing, if there is one already.
 * keep: the file outlives a clean exit. 0 or an errno. */
int process_publish(const char *directory, const char *name, bool any_directory, bool keep,
                    uint64_t capacity);
int process_go_private(uint64_t capacity);

/* Interpreter context. As process_publish(), with a spare: the one that a signal took, or
 * another. ENOENT: there is none. */
int process_adopt_spare(uint64_t ignored, uint64_t known);

/* Interpreter context. Children forked from now on find spares there. 0 or an errno. */
int process_keep_spares(const char *directory, bool keep, uint64_t capacity);

/* Interpreter context; exit(3) calls it too. Marks that the process left by itself, and
 * removes its file, unless it is to be kept, or the process ended by an exception or with a
 * status other than 0, or got a signal that asked it to end. */
void process_say_goodbye(void);

/* Interpreter context. The recording that there is stays after a clean exit. */
void process_keep(void);

/* Interpreter context, once. The program and its children may be many and of short life: one
 * that calls _exit(0) leaves no file either. argv: the arguments of a program that has just
 * begun; NULL: it may have run for a while. */
void process_is_short_lived(char *const argv[]);

/* Interpreter context, of a program of short life: the signals that it inherited as ignored. */
void process_inherited(uint64_t ignored);

/* Any context. Whether this is the process that called process_is_short_lived(), and no child
 * of it. */
bool process_is_first(void);

/* Any context. The process is about to call _exit(2). */
void process_exit_at_once(int status);

/* Interpreter context. Moves what was counted in the nursery. */
void process_fold(void);

/* Interpreter context. `n` signals were handled, or were still pending when
 * their handler was unregistered. */
void process_handled(int signum, uint64_t n);
void process_abandoned(int signum, uint64_t n);

/* Interpreter context: what the readers show. */
void process_set_mode(int signum, enum ledger_mode mode, bool replaced);

/* Any context, but not in a vfork child. The program's disposition of a recorded signal. */
void process_disposition(const struct disposition *change);

/* The same. What a thread has blocked. */
void process_mask(const struct mask_change *change);

/* Any context. The pid, or 0 in a child that no fork hook has seen yet. */
int32_t process_pid(void);

/* Any context. The pid, which the kernel is asked for where no fork hook has noted it; 0: a
 * filter forbids that. */
int32_t process_own_pid(void);

/* Any context. The group and the session that the process is in from now on; sid 0: the
 * session is as before. */
void process_in_group(int32_t pgid, int32_t sid);

/* Any context, but not in a vfork child. Orphans below it become its children from now on. */
void process_is_subreaper(void);

/* Any context. A vfork child of ours has our memory until it execs. While there cannot be one, the
 * kernel is not asked. */
bool process_is_vfork_child(void);

/* Whether there may be one. No atomic type, since assembler sets it. */
extern volatile bool process_vforks;

/* Interpreter context, while the program has one thread: from here on whoever makes a vfork
 * child sets process_vforks before. */
void process_sees_vforks(void);

/* Any context. Whether this is a vfork child, which must write nothing; else *tid is this thread,
 * or 0 where a filter forbids to ask. In the main thread that is known without a system call, while
 * there cannot be a vfork child. */
bool process_writes_nothing(uint32_t *tid);

/* Signal context. The signal's default action comes next, and may end the process; signal 0
 * with ordinal 0: it did not. */
void process_ending(int signum, uint64_t ordinal);

/* Any context. How the process is about to leave; `reason` may be NULL. */
void process_leaving(enum recording_exit_kind how, int status, const char *reason);

/* Interpreter context. What ended the program: the type of an exception. */
void process_set_reason(const char *reason);

/* Interpreter context. The signal whose handler is called now, or goes on, and since when; 0:
 * none. */
void process_set_handling(int signum, uint64_t since_ns);

/* Interpreter context. Somebody else had this process record, or end that: attach.h. */
void process_attached(bool recording);

/* The published file, or an empty string. */
const char *process_path(void);

#endif
