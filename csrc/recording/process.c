/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/process.h"

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "ground/memory.h"
#include "ground/text.h"
#include "recording/sent.h"
#include "recording/spare.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#define NURSERY_CAPACITY 1024

struct process *process_self;

static struct recording nursery;
/* Valid if process_self->recording says so. A child puts its own here. */
static struct recording adopted_recording;

/* The spare that this process has taken, if process_self->spare says so; else an ancestor's. */
static struct recording spare FORKED;
static bool spares_outlive; /* their files outlive a clean exit */
enum spare_state { SPARE_NONE = 0, SPARE_WANTED = 1, SPARE_TAKEN = 2, SPARE_MISSED = 3 };

/* The file of the recording that this process, or an ancestor, adopted last. Valid for
 * this process only while process_adopted() is not NULL. */
static struct file recording_file FORKED;
static bool file_stays FORKED; /* the file outlives a clean exit */
static char file_path[4096] SELDOM;

/* Describes this process, if process_self->described says so; else an ancestor. */
static struct owner described_owner;

static int32_t short_lived;     /* the pid of the process that called process_is_short_lived() */
static char *const *just_begun; /* its command line, until process_owner() has described it */

static _Atomic(void (*)(void)) write_guard;

void process_guard(void (*before_a_write)(void)) { atomic_store(&write_guard, before_a_write); }

static void about_to_write(void) {
    void (*function)(void) = atomic_load_explicit(&write_guard, memory_order_relaxed);
    if (function)
        function();
}

volatile bool process_vforks = true;
static bool sees_vforks;

void process_sees_vforks(void) {
    sees_vforks = true;
    process_vforks = false;
}

static void after_fork_in_child(void) {
    /* This is the child's only thread, so there is no vfork child. A value that is right already is
     * not written: the first write to a page has the kernel copy it. */
    if (sees_vforks && process_vforks)
        process_vforks = false;
    atomic_store_explicit(&process_self->pid, getpid(), memory_order_relaxed);
}

/* Whether at_end() has run before the exit status was known, as in a library that was loaded before
 * the program's own start. */
static bool at_end_came_first;

static void leave_by_exit(int status) {
    process_leaving(EXIT_KIND_EXIT, status, NULL);
    if (at_end_came_first)
        process_say_goodbye();
}

#ifdef __GLIBC__
static void note_exit(int status, void *ignored) {
    (void)ignored;
    leave_by_exit(status & 0xff);
}
#else
static void note_exit(void) { leave_by_exit(-1); }
#endif

int process_start(void) {
    static bool process_hooked;
    if (!process_self) {
        struct process *self = memory_wiped(sizeof *self);
        if (!self)
            return errno;
        int error = recording_private(&nursery, NURSERY_CAPACITY, NULL);
        if (error)
            return error;
        process_self = self;
    }
    if (!process_hooked) {
        int error = at_fork(NULL, NULL, after_fork_in_child);
        if (error)
            return error;
#ifdef __GLIBC__
        on_exit(note_exit, NULL); /* on_exit(3) passes the status, atexit(3) does not */
#else
        atexit(note_exit);
#endif
        process_hooked = true;
    }
    atomic_store_explicit(&process_self->pid, getpid(), memory_order_relaxed);
    return 0;
}

const struct recording *process_recording(void) {
    const struct recording *own = process_own();
    if (own)
        return own;
    /* Pairs with the store in take_spare(). */
    return atomic_load(&process_self->spare) == SPARE_TAKEN ? &spare : &nursery;
}

/* Takes a spare if the state is `from`. A signal that another thread
 * gets meanwhile is counted in the nursery. */
static bool take_spare(uint32_t from) {
    _Atomic uint32_t *state = &process_self->spare;
    if (!spare_kept() || atomic_load_explicit(state, memory_order_relaxed) != from)
        return false;
    /* Signals are blocked before anything else: a signal that ends this process either came before
     * this line, and has taken a spare itself, or comes after all this, and is written into it. */
    sigset_t all, before;
    signals_but_faults(&all);
    bool blocked =
        filter_allows(FILTERED_SIGPROCMASK) && pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    bool ours = atomic_compare_exchange_strong_explicit(state, &from, SPARE_WANTED,
                                                        memory_order_relaxed, memory_order_relaxed);
    bool taken = ours && spare_take(&spare, process_pid());
    /* A thread that sees SPARE_TAKEN sees the whole of `spare`. */
    if (ours)
        atomic_store(state, taken ? SPARE_TAKEN : SPARE_MISSED);
    if (blocked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return taken;
}

const struct recording *process_unadopted_of_signal(void) {
    const struct recording *recording = process_recording();
    return recording == &nursery && take_spare(SPARE_NONE) ? &spare : recording;
}

const struct recording *process_adopted(void) { return process_self ? process_own() : NULL; }

static void adopt(struct recording *recording) {
    /* Release: a thread that sees the recording sees it complete. proof: recording-adopt */
    atomic_store_explicit(&process_self->recording, recording, memory_order_release);
    process_fold();
    disposition_inherit(&recording->dispositions, process_self->changes);
    mask_inherit(&recording->masks, process_self->masks, (uint32_t)process_own_pid());
}

const struct owner *process_owner(void) {
    if (!process_self->described)
        owner_describe(&described_owner, just_begun);
    process_self->described = true;
    just_begun = NULL;
    return &described_owner;
}

void process_inherited(uint64_t ignored) {
    struct owner_identity *identity = process_recording()->identity;
    described_owner.identity.ignored = ignored;
    about_to_write();
    identity->ignored = ignored;
}

void process_blocked(uint64_t blocked) {
    struct owner_identity *identity = process_recording()->identity;
    described_owner.identity.blocked = blocked;
    about_to_write();
    identity->blocked = blocked;
}

int process_publish(const char *directory, const char *name, bool any_directory, bool keep,
                    uint64_t capacity) {
    if (process_adopted())
        return 0;
    process_owner();
    if (strlen(directory) + 1 + strlen(name) >= sizeof file_path)
        return ENAMETOOLONG;
    int error = recording_publish(&adopted_recording, directory, name, any_directory,
                                  short_lived != 0, capacity, &described_owner);
    if (error)
        return error;
    text_put(text_put(text_put(file_path, directory), "/"), name);
    struct stat st;
    if (stat(file_path, &st) != 0) {
        error = errno;
        recording_unmap(&adopted_recording);
        return error;
    }
    recording_file = (struct file){file_path, st.st_dev, st.st_ino};
    file_stays = keep;
    adopt(&adopted_recording);
    return 0;
}

int process_go_private(uint64_t capacity) {
    if (process_adopted())
        return 0;
    process_owner();
    int error = recording_private(&adopted_recording, capacity, &described_owner);
    if (error)
        return error;
    recording_file.path = NULL;
    adopt(&adopted_recording);
    return 0;
}

int process_keep_spares(const char *directory, bool keep, uint64_t capacity) {
    spares_outlive = keep;
    process_owner();
    return spare_keep(directory, capacity, &described_owner);
}

static void describe_spare(void) {
    process_owner();
    recording_set_owner(&spare, &described_owner);
}

int process_adopt_spare(uint64_t ignored, uint64_t known) {
    if (process_adopted())
        return 0;
    /* The last condition is asked last: a signal may have taken a spare meanwhile. */
    if (!take_spare(SPARE_NONE) && !take_spare(SPARE_MISSED) && process_recording() != &spare)
        return ENOENT;
    if (!spare_settle(&spare, process_pid(), ignored, known))
        describe_spare();
    recording_file = *spare_file();
    file_stays = spares_outlive;
    adopt(&spare);
    return 0;
}

/* Whether nothing was written into the nursery. To look at all of its memory would cost a page
 * fault for each page. But whoever counts there takes a ticket, too, and whoever notes something
 * there sets `nursery_noted`. */
static bool nursery_is_untouched(void) {
    const struct recording_header *header = nursery.header;
    return !atomic_load(&process_self->nursery_noted) && !atomic_load(&header->head) &&
           !atomic_load(&header->sent_head) && !atomic_load(&header->endings_head) &&
           !atomic_load(&header->children_head);
}

void process_fold(void) {
    const struct recording *own = process_adopted();
    about_to_write();
    if (own && !nursery_is_untouched())
        recording_fold(&nursery, own, process_self->nursery_next);
}

void process_handled(int signum, uint64_t n) {
    about_to_write();
    ledger_add(&process_recording()->ledger[signum].handled, n);
}

void process_abandoned(int signum, uint64_t n) {
    about_to_write();
    ledger_add(&process_recording()->ledger[signum].abandoned, n);
}

void process_set_mode(int signum, enum ledger_mode mode, bool replaced) {
    about_to_write();
    recording_set_mode(process_recording(), signum, mode, replaced);
}

void process_clear_mode(int signum) {
    about_to_write();
    recording_clear_mode(process_recording(), signum);
}

static const struct recording *about_to_note(void) {
    about_to_write();
    const struct recording *recording = process_recording();
    if (recording == &nursery)
        atomic_store_explicit(&process_self->nursery_noted, 1, memory_order_relaxed);
    return recording;
}

void process_disposition(const struct disposition *change) {
    disposition_note(&about_to_note()->dispositions, process_self->changes, change);
}

void process_mask(const struct mask_change *change) {
    mask_note(&about_to_note()->masks, process_self->masks, change);
}

int32_t process_pid(void) {
    return process_self ? atomic_load_explicit(&process_self->pid, memory_order_relaxed) : 0;
}

bool process_is_vfork_child(void) {
    int32_t pid = process_pid();
    if (!process_vforks || !pid || !filter_allows(FILTERED_GETPID))
        return false;
    pid_t now = getpid();
    return now > 0 && now != pid; /* -1: seccomp(2) refuses it */
}

bool process_writes_nothing(uint32_t *tid) {
    int32_t pid = process_pid();
    *tid = (uint32_t)pid;
    if (process_in_main(pid))
        return false;
    long thread = 0;
#ifdef __linux__
    thread = filter_allows(FILTERED_GETTID) ? syscall(SYS_gettid) : 0;
#endif
    *tid = (uint32_t)(thread > 0 ? thread : 0);
    if (!thread || thread != pid)
        return process_is_vfork_child();
    process_is_main(); /* only the main thread has the process's number: this is no vfork child */
    return false;
}

int32_t process_own_pid(void) {
    int32_t pid = process_pid();
    if (!pid && filter_allows(FILTERED_GETPID))
        pid = (int32_t)getpid();
    return pid > 0 ? pid : 0; /* to kill(2), -1 would mean every process */
}

void process_in_group(int32_t pgid, int32_t sid) {
    spare_in_group(pgid, sid);
    struct owner_identity *identity = process_recording()->identity;
    if (!identity)
        return;
    about_to_write();
    identity->pgid = pgid;
    identity->sid = sid ? sid : identity->sid;
}

void process_is_subreaper(void) {
    struct owner_identity *identity = process_recording()->identity;
    about_to_write();
    if (identity)
        identity->subreaper = 1;
}

void process_ending(int signum, uint64_t ordinal) {
    if (signum)
        owner_at_end(process_recording()->identity);
    struct recording_header *header = process_recording()->header;
    atomic_store_explicit(&header->fatal_ordinal, ordinal, memory_order_relaxed);
    /* Release: a reader that sees the signal sees its ordinal. proof: fatal-signal */
    atomic_store_explicit(&header->fatal_signal, (uint32_t)signum, memory_order_release);
}

void process_set_reason(const char *reason) {
    about_to_write();
    char *to = process_recording()->header->exit_reason;
    size_t n = strnlen(reason, RECORDING_REASON_SIZE - 1);
    memcpy(to, reason, n);
    to[n] = 0;
}

void process_leaving(enum recording_exit_kind how, int status, const char *reason) {
    if (!process_self || process_is_vfork_child())
        return;
    about_to_write();
    struct recording_header *header = process_recording()->header;
    if (reason)
        process_set_reason(reason);
    if (how != EXIT_KIND_NONE)
        process_ending(0, 0); /* no signal ended the process, whatever was written before */
    atomic_store_explicit(&header->exit_ns, monotonic_ns(), memory_order_relaxed);
    atomic_store_explicit(&header->exit_status, status, memory_order_relaxed);
    /* Release: a reader that sees exit_kind sees the status. proof: exit-kind */
    atomic_store_explicit(&header->exit_kind, (uint32_t)how, memory_order_release);
}

static void write_handling(const struct recording *recording, int signum, uint64_t since_ns) {
    struct recording_header *header = recording->header;
    /* A reader reads the signal, the time, and the signal again: if both are the same, the time
     * belongs to that signal. */
    atomic_store_explicit(&header->handling, 0, memory_order_relaxed);
    /* proof: handling-time */
    atomic_store_explicit(&header->handling_ns, since_ns, memory_order_release);
    /* proof: handling-signal */
    atomic_store_explicit(&header->handling, (uint32_t)signum, memory_order_release);
}

void process_set_handling(int signum, uint64_t since_ns) {
    about_to_write();
    write_handling(process_recording(), signum, since_ns);
}

void process_handles(int signum, uint64_t n, uint64_t since_ns) {
    about_to_write();
    const struct recording *recording = process_recording();
    ledger_add(&recording->ledger[signum].handled, n);
    write_handling(recording, signum, since_ns);
}

struct process_now process_look(void) {
    if (!process_self)
        return (struct process_now){0};
    struct process_now now = {
        atomic_load_explicit(&process_self->last_ns, memory_order_relaxed),
        process_pid(),
        process_own() != NULL,
    };
    return now;
}

void process_attached(bool recording) {
    about_to_write();
    struct recording_header *header = process_recording()->header;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    uint64_t detached_ns = atomic_exchange(&header->detached_ns, recording ? 0 : ns);
    if (recording && detached_ns) {
        atomic_store(&header->gap_ns[0], detached_ns);
        atomic_store(&header->gap_ns[1], ns);
        atomic_fetch_add(&header->gaps, 1);
    }
    atomic_store(&header->attached, recording ? RECORDING_ATTACHED : RECORDING_DETACHED);
}

const char *process_path(void) {
    const struct recording *own = process_adopted();
    return own && own->published && recording_file.path ? recording_file.path : "";
}

bool process_directory(char directory[PLACES_SIZE]) {
    const char *path = process_path(), *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) >= PLACES_SIZE)
        return false;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = 0;
    return true;
}

/* Whether someone may ask how this process ended, or another one that it sent a signal to: who is
 * ended by SIGKILL cannot write down by whom. An exception that was not caught is a crash, and no
 * clean exit. */
static bool is_of_interest(const struct recording *recording) {
    const struct recording_header *header = recording->header;
    if (header->exit_reason[0])
        return true;
    if (atomic_load_explicit(&header->exit_kind, memory_order_relaxed) == EXIT_KIND_EXIT &&
        atomic_load_explicit(&header->exit_status, memory_order_relaxed) > 0)
        return true;
    if (sent_to_others(recording, process_pid()))
        return true;
    if (!atomic_load_explicit(&header->head, memory_order_relaxed))
        return false; /* no signal came, and to look into the ledger would cost a page of memory */
    for (size_t i = 0; i < sizeof ending_signals / sizeof *ending_signals; i++)
        if (ledger_get(&recording->ledger[ending_signals[i]].delivered))
            return true;
    return false;
}

static bool is_our_file(void) {
    struct stat st;
    return filter_allows(FILTERED_STAT) && lstat(recording_file.path, &st) == 0 &&
           st.st_dev == recording_file.device && st.st_ino == recording_file.inode;
}

static void remove_file(const struct recording *own) {
    if (file_stays || is_of_interest(own))
        owner_at_end(own->identity);
    else if (filter_allows(FILTERED_UNLINK) && is_our_file())
        unlink(recording_file.path);
}

/* A child that has adopted nothing has no recording to say goodbye to. */
void process_say_goodbye(void) {
    spare_discard();
    if (process_self && process_recording() == &spare)
        process_adopt_spare(0, 0);
    const struct recording *own = process_adopted();
    if (!own || !recording_file.path)
        return;
    about_to_write();
    atomic_store_explicit(&own->header->state, RECORDING_EXITED, memory_order_relaxed);
    remove_file(own);
}

/* exit(3) runs this; _exit, exec and an end by a signal do not. How the process exits is written
 * down before this runs; only where on_exit(3) was called
 * before the program's own start, after it. */
__attribute__((destructor)) static void at_end(void) {
    const struct recording *own = process_adopted();
    if (own &&
        atomic_load_explicit(&own->header->exit_kind, memory_order_relaxed) == EXIT_KIND_NONE) {
        at_end_came_first = true;
        return;
    }
    process_say_goodbye();
}

void process_exit_at_once(int status) {
    if (process_self && process_recording() == &nursery)
        return; /* no other process can read the nursery */
    process_leaving(EXIT_KIND_AT_ONCE, status & 0xff, NULL);
    const struct recording *own = process_adopted();
    if (!short_lived || !own || process_is_vfork_child())
        return;
    spare_discard();
    if (recording_file.path && !(status & 0xff))
        remove_file(own);
}

void process_keep(void) { file_stays = true; }

void process_is_short_lived(char *const argv[]) {
    short_lived = process_pid();
    just_begun = argv;
}

bool process_is_first(void) { return short_lived && short_lived == getpid(); }
