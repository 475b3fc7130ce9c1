/* SPDX-License-Identifier: MIT
 *
 * process: which process this is, and which recording is its own.
 *
 * A forked child shares nothing with its parent, from its first instruction on:
 * `struct process` is in memory that the kernel wipes at fork, so the child finds no
 * recording, no pid, no ordinals and no trips. The child adopts a recording of its own at
 * its first dispatch or query, so that a short-lived child need not make one. Until then
 * it counts in the nursery, a private recording, which the kernel wipes as well. Where
 * children are recorded too, and there are spares (spare.h), the child's first signal
 * takes one, and the child counts there; all that is left to do when the child adopts that
 * recording is to write down whose it is.
 */
#ifndef SIGREC_PROCESS_H
#define SIGREC_PROCESS_H

#include "host/places.h"
#include "recording/recording.h"

#include <errno.h>

#include <pthread.h>

struct process {
    _Atomic(const struct recording *) recording; /* the adopted one; NULL: none yet */
    _Atomic int32_t pid;                         /* 0: a child that no fork hook has seen yet */
    _Atomic uint32_t spare;                      /* process.c: enum spare_state */
    bool described;                              /* process_owner() has found out who we are */
    _Atomic uintptr_t main_thread;  /* where its errno is, which no other has; 0: not known yet */
    _Atomic uint32_t nursery_noted; /* the nursery has a change of a disposition or a mask */
    uint64_t nursery_next[RECORDING_RINGS]; /* its first tickets that are not folded yet */
    _Atomic uint64_t ordinal[SIGREC_NSIG];  /* signals taken by this process */
    _Atomic uint64_t changes[SIGREC_NSIG];  /* of dispositions: disposition.h */
    _Atomic uint64_t masks[MASK_ROWS];      /* changes of these: mask.h */
    _Atomic uint64_t trip_ns[SIGREC_NSIG];  /* trip.h, as the three below */
    _Atomic uint32_t again_begun[SIGREC_NSIG], again_done[SIGREC_NSIG];
    uint32_t again_seen[SIGREC_NSIG]; /* by the dispatcher */
    /* How fast signals come, as the handler remembers it. Nothing is counted by these. */
    _Atomic uint64_t last_ns;
    _Atomic uint32_t skip;
    _Atomic uint32_t backoff;
    _Atomic uint64_t anchored_ns;
    _Atomic uint32_t anchoring;
    _Atomic uint32_t wake, reader; /* wake.h */
    _Atomic uint64_t named_ns;     /* when a sender's name was last read */
    _Atomic uint64_t asked_ns;     /* when a sender's command line was last read */
    _Atomic uint32_t asking;       /* a thread is reading one now */
    /* The last fault that a handler of the program's was called for: fault.c. */
    _Atomic uint32_t fault_signal, fault_tid;
    _Atomic uint64_t fault_ordinal, fault_address, fault_pc;
    _Atomic uintptr_t fault_frame; /* the stack frame of that call; 0: it has returned */
    _Atomic uint64_t ending_ns;    /* when a fault was left to its default action */
    /* How many threads are looking for a signal of kicks, and sending it; and the one that the
     * program is just setting a disposition of, or 0: that is not sent (kick.c). */
    _Atomic uint32_t kick_senders;
    _Atomic int kick_paused;
    _Atomic uint32_t all_held; /* handler/all.h: what is recorded is being changed */
};

/* NULL until process_start. */
extern struct process *process_self;

/* Interpreter context, idempotent. Makes process_self. Returns 0 or an errno. */
int process_start(void);

/* Interpreter context, to be called once. The function is called from then on before each write
 * to the recording, but for those that the handler makes. */
void process_guard(void (*before_a_write)(void));

/* Any context. Returns what this process has adopted; NULL: nothing. */
static inline const struct recording *process_own(void) {
    /* Acquire: pairs with the release in adopt(). proof: recording-look */
    return atomic_load_explicit(&process_self->recording, memory_order_acquire);
}

/* Signal context. Returns where this process counts now: its own recording or the nursery. */
const struct recording *process_recording(void);

/* Signal context. The same, for a signal that was delivered: it may take a spare. */
const struct recording *process_unadopted_of_signal(void);
static inline const struct recording *process_recording_of_signal(void) {
    const struct recording *own = process_own();
    return own ? own : process_unadopted_of_signal();
}

/* Interpreter context. Returns this process's own recording; NULL: it has adopted none. */
const struct recording *process_adopted(void);

/* Interpreter context. Returns who this process is, as found out at the first call: little of it
 * ever changes. */
const struct owner *process_owner(void);

/* Interpreter context. Makes a recording, published as directory/name or private, and counts there
 * from now on. Does nothing if the process has adopted one already. keep: the file outlives a
 * clean exit. Returns 0 or an errno. */
int process_publish(const char *directory, const char *name, bool any_directory, bool keep,
                    uint64_t capacity);
int process_go_private(uint64_t capacity);

/* Interpreter context. Does what process_publish() does with a spare: the one that a signal has
 * taken, or else another. ENOENT: there is none. */
int process_adopt_spare(uint64_t ignored, uint64_t known);

/* Interpreter context. Children that are forked from now on find spares in that directory. Returns
 * 0 or an errno. */
int process_keep_spares(const char *directory, bool keep, uint64_t capacity);

/* Interpreter context; exit(3) calls it too. Writes down that the process exits by itself, and
 * removes its file. The file stays if it is to be kept, if the process ends by an exception or
 * with a status other than 0, or if it got a signal that asked it to end. */
void process_say_goodbye(void);

/* Interpreter context. The recording that the process has adopted outlives a clean exit. */
void process_keep(void);

/* Interpreter context, to be called once. This program and its children may be many, and live only
 * shortly: one that calls _exit(0) leaves no file either. argv: the arguments of a program that has
 * just begun; NULL: the program may have run for a while. */
void process_is_short_lived(char *const argv[]);

/* Interpreter context. Writes down which signals the program inherited as ignored. */
void process_inherited(uint64_t ignored);

/* Interpreter context. Writes down which signals the main thread had blocked. */
void process_blocked(uint64_t blocked);

/* Any context. Whether this is the process that called process_is_short_lived(), rather than a
 * child of that process. */
bool process_is_first(void);

/* Any context. The process is about to call _exit(2). */
void process_exit_at_once(int status);

/* Interpreter context. Moves what was counted in the nursery to the adopted recording. */
void process_fold(void);

/* Interpreter context. Counts `n` signals as handled, or as abandoned: still pending when their
 * registration was cancelled. */
void process_handled(int signum, uint64_t n);
void process_abandoned(int signum, uint64_t n);

/* Interpreter context. Writes the signal's mode, which readers show. */
void process_set_mode(int signum, enum ledger_mode mode, bool replaced);

/* Any context. Writes into the recording that a signal which was
 * never registered is not recorded any more. */
void process_clear_mode(int signum);

/* Any context, but not in a vfork child. Writes down that the program has changed its disposition
 * of a recorded signal. */
void process_disposition(const struct disposition *change);

/* Any context, but not in a vfork child. Writes down that a thread has changed its mask. */
void process_mask(const struct mask_change *change);

/* Any context. Returns the pid, or 0 in a child that no fork hook has seen yet. */
int32_t process_pid(void);

/* Any context. Returns the pid, and asks the kernel for it where no fork hook has noted it; 0: a
 * filter forbids that system call. */
int32_t process_own_pid(void);

/* Any context. Writes down the process group and the session that the process is in from now on;
 * sid 0: the session is as before. */
void process_in_group(int32_t pgid, int32_t sid);

/* Any context, but not in a vfork child. Writes down that the process has become a subreaper:
 * orphans among its descendants become its children (prctl(2)). */
void process_is_subreaper(void);

/* Any context. Whether this is a vfork child, which shares its parent's memory until it execs. The
 * kernel is asked only while there may be such a child. */
bool process_is_vfork_child(void);

/* Whether there may be a vfork child. It has no atomic type, since assembler code sets it. */
extern volatile bool process_vforks;

/* Any context. Whether this is the main thread, of the process whose process_pid() is `pid`, and
 * no vfork child. It is known without a system call once the thread has noted it by
 * process_is_main(), and while there cannot be a vfork child, which looks the same. */
static inline bool process_in_main(int32_t pid) {
    return !process_vforks && pid &&
           atomic_load_explicit(&process_self->main_thread, memory_order_relaxed) ==
               (uintptr_t)&errno;
}
static inline void process_is_main(void) {
    atomic_store_explicit(&process_self->main_thread, (uintptr_t)&errno, memory_order_relaxed);
}

/* Interpreter context, while the program has one thread. From here on
 * process_vforks is set before each vfork. */
void process_sees_vforks(void);

/* Any context. Whether this is a vfork child, which must write nothing. If it is not, *tid is this
 * thread, or 0 where a filter forbids the question. The main thread makes no system call to learn
 * this, while there cannot be a vfork child. */
bool process_writes_nothing(uint32_t *tid);

/* Signal context. Writes down that the signal's default action comes next and may end the process;
 * signal 0 with ordinal 0: the process goes on. */
void process_ending(int signum, uint64_t ordinal);

/* Any context. Writes down how the process is about to leave; `reason` may be NULL. */
void process_leaving(enum recording_exit_kind how, int status, const char *reason);

/* Interpreter context. Writes down what ended the program: the type of an exception. */
void process_set_reason(const char *reason);

/* Interpreter context. Writes down the signal whose handler is called now, or goes on, and since
 * when; signal 0: no handler runs. */
void process_set_handling(int signum, uint64_t since_ns);

/* Interpreter context. This and process_handled() in one. */
void process_handles(int signum, uint64_t n, uint64_t since_ns);

/* Interpreter context. What whoever is about to call handlers asks. */
struct process_now {
    uint64_t last_ns; /* when the last signal was taken, by monotonic_ns */
    int32_t pid;      /* as process_pid() */
    bool adopted;     /* as process_adopted() */
};
struct process_now process_look(void);

/* Interpreter context. Writes down that an attach from outside
 * began or ended the recording: attach.h. */
void process_attached(bool recording);

/* Returns the path of the published file, or an empty string. */
const char *process_path(void);

/* The directory of that file. False: there is none. */
bool process_directory(char directory[PLACES_SIZE]);

#endif
