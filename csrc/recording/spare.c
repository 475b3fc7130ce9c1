/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/spare.h"

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "ground/memory.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/places.h"
#include "recording/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#define CLEAN_EVERY 256     /* forks: then old recordings of children go */
#define LEFT_BY_CHILDREN 16 /* recordings of each kind stay, after so many forks */
#define RETIRED (-1)        /* the pid in a spare that is never to be taken */
#define RECORDING_NAMES 64  /* how many are tried: 4242.sigrec, 4242+2.sigrec, and so on */
#define NAME_SIZE 96        /* the longest has so many bytes, with a slash before it */
#define PATH_SIZE (sizeof directory_path + NAME_SIZE)

/* Fork does not wipe this memory: a child finds the spares that were there at the fork. */
static struct spare {
    struct recording recording;
    struct file file;
    uint64_t serial; /* stands in its name, with the maker's pid and namespace */
    int32_t maker;
    unsigned described; /* the number of the child_owner() that it was made with */
    _Atomic bool there; /* all of the above is valid */
    _Atomic bool held;  /* a thread works on it: others do not wait, but take another spare */
} spares[SPARES] FORKED;
static char directory_path[4096] SELDOM, paths[2 * PATH_SIZE] SELDOM;
static uint64_t capacity_wanted;
static const struct owner
    *first_owner; /* who called spare_keep(): used before any of child_owners */
/* The owners of the children's recordings, as described ahead, without what each child has of its
 * own. The newest of the two is read while the other one is written. That takes place so seldom
 * that no thread still reads one when it is written again. */
static struct {
    struct owner owner[2];
    _Atomic uint64_t ns; /* CLOCK_MONOTONIC of the newest */
    _Atomic unsigned newest;
} child_owners SELDOM;
#define DESCRIBE_NS UINT64_C(500000000)  /* after this the children's owner is described anew */
#define FRESH_NS UINT64_C(1000000000)    /* and a child may use the description until this time */
#define CLOCK_TICK_NS UINT64_C(10000000) /* of field 22 in proc_pid_stat(5): USER_HZ is 100 */
#define SAME_CLOCK_NS UINT64_C(10000000) /* child_time_namespace(): a fork takes less, usually */
/* The process that forked last: for its child, the parent. */
static struct {
    int32_t pid, pgid, sid;
    uint64_t namespace;
    uint64_t ticks, ns; /* when the parent began to fork */
} forking FORKED;
/* The spare that this process has taken, or an ancestor. */
static struct {
    struct file file;
    unsigned described;
    struct recording_header *shared; /* children would have it mapped, too; NULL: they would not */
    size_t size;
} taken_spare FORKED;
static _Atomic bool in_spare_forked FORKED; /* a thread is in spare_forked() */
static _Atomic uint64_t spares_made;        /* and so the serial of the next one */
static _Atomic unsigned next_spare; /* which spare the child that is forked next tries first */

/* --- names -------------------------------------------------------------------------- */

static void spare_name(char *at, const struct spare *spare) {
    at =
        places_put_process(text_put(at, "."), spare->maker, spare->recording.header->pid_namespace);
    text_put(text_put_number(text_put(at, "."), spare->serial), ".spare");
}

/* --- before the fork ---------------------------------------------------------------- */

static uint64_t ticks_now(void) { return clock_ns(CLOCK_BOOTTIME) / CLOCK_TICK_NS; }

static unsigned newest_description(void) {
    /* Acquire: pairs with the release in describe_child_owner(). proof: description-look */
    return atomic_load_explicit(&child_owners.newest, memory_order_acquire);
}

static const struct owner *child_owner(unsigned which) {
    return which ? &child_owners.owner[which & 1] : first_owner;
}

static uint64_t description_age_ns(void) {
    return monotonic_ns() - atomic_load_explicit(&child_owners.ns, memory_order_relaxed);
}

/* To be called by one thread at a time. Describes the owner of a child's recording anew. Where
 * nothing has changed the spares stay right that were made with the newest. */
static void describe_child_owner(void) {
    unsigned now = newest_description(), next = now + 1;
    struct owner *owner = &child_owners.owner[next & 1];
    uint64_t ns = monotonic_ns();
    owner_describe(owner, NULL);
    owner->start_ticks = 0;
    bool same = now && owner_is_same(owner, child_owner(now));
    if (!same) /* proof: description-made */
        atomic_store_explicit(&child_owners.newest, next, memory_order_release);
    atomic_store_explicit(&child_owners.ns, ns, memory_order_relaxed);
}

static bool is_fresh_description(unsigned which) {
    return which == newest_description() && description_age_ns() < FRESH_NS;
}

static void drop_spare(struct spare *spare) {
    if (!atomic_load_explicit(&spare->there, memory_order_relaxed))
        return;
    /* This comes first, so that a child that another thread forks just now finds no spare that is
     * unmapped by half. */
    atomic_store(&spare->there, false);
    recording_unmap(&spare->recording);
}

static void make_spare(struct spare *spare) {
    char name[NAME_SIZE];
    drop_spare(spare);
    spare->maker = forking.pid;
    spare->serial = atomic_fetch_add_explicit(&spares_made, 1, memory_order_relaxed);
    char *at = places_put_process(text_put(name, "."), forking.pid, forking.namespace);
    text_put(text_put_number(text_put(at, "."), spare->serial), ".spare");
    spare->described = newest_description();
    if (recording_spare(&spare->recording, &spare->file, directory_path, name, capacity_wanted,
                        child_owner(spare->described)) != 0)
        return; /* there may be no room; the next fork tries it again */
    struct recording_header *header = spare->recording.header;
    struct owner_identity *identity = spare->recording.identity;
    identity->ignored = identity->blocked = 0;
    identity->subreaper = 0; /* a child does not inherit this */
    identity->oom_kills = -1;
    memset(identity->cgroup, 0, sizeof identity->cgroup);
    header->pid_namespace = forking.namespace;
    owner_make_id(header->id, (uint64_t)forking.pid ^ spare->serial);
    /* A child that sees this sees all of the spare. */
    atomic_store(&spare->there, true);
}

static bool is_free_spare(const struct spare *spare) {
    return atomic_load_explicit(&spare->there, memory_order_relaxed) &&
           atomic_load_explicit(&spare->recording.header->pid, memory_order_relaxed) == 0;
}

static bool hold_spare(struct spare *spare) { return !atomic_exchange(&spare->held, true); }

static void let_go_of_spare(struct spare *spare) { atomic_store(&spare->held, false); }

static void with_signals_blocked(void (*act)(struct spare *), struct spare *spare) {
    int saved_errno = errno;
    sigset_t all, before;
    signals_but_faults(&all);
    /* A handler may call fork(2): it must not run while a spare is made or dropped. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    act(spare);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved_errno;
}

/* Of each child that is forked next, one spare is there for it first, and what others have left.
 * Each that is mapped costs a fork some microseconds; so where a child takes its own at once, as in
 * Python, the next one has one again, and no eight. Children that two threads fork at the same time
 * would try the same one first: then all are made. */
static void look_after_spare(struct spare *spare, bool wanted) {
    if (!hold_spare(spare))
        return;
    if (!is_free_spare(spare)) {
        if (wanted)
            with_signals_blocked(make_spare, spare);
        else if (atomic_load_explicit(&spare->there, memory_order_relaxed))
            with_signals_blocked(drop_spare, spare);
    }
    let_go_of_spare(spare);
}

/* Async-signal-safe, as fork(2) may be called in a handler. */
static void before_fork(void) {
    /* The program has made a sandbox meanwhile, and the children will live in it, too. */
    if (atomic_load_explicit(&filter_denied, memory_order_relaxed))
        return;
    int32_t pid = getpid();
    if (forking.pid != pid || pid == 1) { /* as its parent may be, in a namespace around this one */
        forking.namespace = places_namespace();
        forking.pid = pid;
    }
    forking.pgid = getpgid(0);
    forking.sid = getsid(0);
    forking.ticks = ticks_now();
    forking.ns = monotonic_ns();
    if (taken_spare.shared)
        recording_not_for_children(taken_spare.shared, taken_spare.size);
    taken_spare.shared = NULL;
    unsigned first = atomic_fetch_add_explicit(&next_spare, 1, memory_order_relaxed) + 1;
    bool all_spares = !is_single_threaded();
    for (unsigned n = 0; n < SPARES; n++)
        look_after_spare(&spares[n], all_spares || n == first % SPARES);
}

/* The child has none of the threads that could hold a spare or be in spare_forked(). It writes only
 * where that is needed, since the kernel copies each page that is written. */
static void in_child(void) {
    if (atomic_load_explicit(&in_spare_forked, memory_order_relaxed))
        atomic_store(&in_spare_forked, false);
    for (int n = 0; n < SPARES; n++)
        if (atomic_load_explicit(&spares[n].held, memory_order_relaxed))
            let_go_of_spare(&spares[n]);
}

int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner) {
    static bool spare_hooked;
    if (capacity_wanted)
        return 0;
    if (strlen(directory) >= sizeof directory_path)
        return ENAMETOOLONG;
    first_owner = owner;
    capacity_wanted = capacity;
    if (!spare_hooked) {
        int error = at_fork(before_fork, NULL, in_child);
        if (error)
            return error;
        spare_hooked = true;
    }
    text_put(directory_path, directory);
    return 0;
}

void spare_in_group(int32_t pgid, int32_t sid) {
    forking.pgid = pgid;
    forking.sid = sid ? sid : forking.sid;
}

void spare_forked(void) {
    static unsigned calls;
    if (!spare_kept() || atomic_load_explicit(&filter_denied, memory_order_relaxed) ||
        atomic_exchange(&in_spare_forked, true))
        return;
    if (!newest_description() || description_age_ns() >= DESCRIBE_NS)
        describe_child_owner();
    if (++calls % CLEAN_EVERY == 0)
        retention_clean(directory_path, LEFT_BY_CHILDREN, LEFT_BY_CHILDREN, NULL, 0);
    atomic_store(&in_spare_forked, false);
}

bool spare_kept(void) { return directory_path[0] != 0; }

/* --- in the child ------------------------------------------------------------------- */

/* Gives the spare the first name of a recording that is free, and never takes another file's place.
 * Returns the path; NULL: it could not be done. */
static const char *give_spare_name(const struct spare *spare, int32_t pid, uint64_t namespace) {
    char *from = paths;
    spare_name(text_put(text_put(from, directory_path), "/"), spare);
    /* Behind the first, and so mostly on the same page: the kernel copies each that is written. */
    char *path = from + strlen(from) + 1;
    char *stem = places_put_process(text_put(text_put(path, directory_path), "/"), pid, namespace);
    for (uint64_t number = 1; number <= RECORDING_NAMES; number++) {
        text_put(number > 1 ? text_put_number(text_put(stem, "+"), number) : stem, ".sigrec");
        if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return path;
        if (errno != EEXIST)
            break;
    }
    return NULL;
}

/* In another PID namespace a child would not see its parent: pid_namespaces(7). Asking /proc would
 * take a good part of the time of a fork. */
static uint64_t child_pid_namespace(void) {
    return syscall(SYS_getppid) == forking.pid ? forking.namespace : places_namespace();
}

/* Returns this process's time namespace, or its parent's where both tell the same time. A child
 * whose clocks are not moved against its parent's need not ask /proc. */
static uint64_t child_time_namespace(uint64_t parents) {
    uint64_t ticks = ticks_now() - forking.ticks, ns = monotonic_ns() - forking.ns;
    return ticks <= 1 && ns < SAME_CLOCK_NS ? parents : proc_namespace("time");
}

/* Returns when this process began, as CLOCK_MONOTONIC, or up to a tick earlier. What was done to
 * its PID before was done to another process; and a SIGKILL may be sent to it before it gets here.
 */
static uint64_t began_ns(const struct recording *recording, bool known) {
    uint64_t time_namespace = recording->identity->time_namespace;
    uint64_t child_ticks = recording->header->start_ticks, now_ns = monotonic_ns();
    if (known && child_time_namespace(time_namespace) == time_namespace)
        return forking.ns;
    return child_ticks ? now_ns - (clock_ns(CLOCK_BOOTTIME) - child_ticks * CLOCK_TICK_NS) : now_ns;
}

bool spare_take(struct recording *recording, int32_t forked) {
    if (!filter_allows(FILTERED_GETPID) || !filter_allows(FILTERED_RENAME) ||
        !filter_allows(FILTERED_STAT))
        return false;
    int saved_errno = errno;
    int32_t pid = (int32_t)syscall(SYS_getpid);
    struct spare *spare = NULL;
    unsigned first = atomic_load_explicit(&next_spare, memory_order_relaxed);
    for (unsigned n = 0; n < SPARES && !spare && pid > 0; n++) {
        struct spare *next = &spares[(first + n) % SPARES];
        int32_t nobody = 0;
        if (!hold_spare(next))
            continue;
        /* The process that wins here owns all of the spare's file. */
        if (atomic_load(&next->there) &&
            atomic_compare_exchange_strong(&next->recording.header->pid, &nobody, pid))
            spare = next;
        else
            let_go_of_spare(next);
    }
    if (!spare) {
        errno = saved_errno;
        return false;
    }
    *recording = spare->recording;
    struct recording_header *header = recording->header;
    struct owner_identity *identity = recording->identity;
    bool known = pid == forked;
    uint64_t namespace = child_pid_namespace();
    identity->ppid = forking.pid;
    identity->pgid = forking.pgid;
    identity->sid = forking.sid;
    static char text[1024] SELDOM; /* not on the stack, which may be small: sigaltstack(2) */
    /* The process began after forking.ticks was read: in the same tick, mostly. */
    header->start_ticks = known && ticks_now() == forking.ticks
                              ? forking.ticks
                              : proc_start_ticks(0, text, sizeof text);
    recording_begins(recording, began_ns(recording, known));
    const char *path = give_spare_name(spare, pid, namespace);
    taken_spare.file = spare->file;
    taken_spare.file.path = path;
    if (path) {
        header->pid_namespace = namespace;
        taken_spare.described = spare->described;
        taken_spare.shared = header;
        taken_spare.size = recording->size;
        /* From here on it is a recording, and no spare any more:
         * neither we nor our children may replace it. */
        atomic_store_explicit(&spare->there, false, memory_order_relaxed);
    } else {
        /* Somebody has removed the file, or we may not enter
         * its directory. No process is to take it. */
        atomic_store_explicit(&header->pid, RETIRED, memory_order_relaxed);
    }
    let_go_of_spare(spare);
    errno = saved_errno;
    return path;
}

bool spare_settle(struct recording *recording, int32_t forked, uint64_t ignored, uint64_t known) {
    int32_t pid = atomic_load_explicit(&recording->header->pid, memory_order_relaxed);
    if (!taken_spare.file.path || pid != forked || !is_fresh_description(taken_spare.described))
        return false;
    const struct owner *owner = child_owner(taken_spare.described);
    uint64_t time_namespace = owner->identity.time_namespace;
    if (owner->pid_namespace != recording->header->pid_namespace ||
        child_time_namespace(time_namespace) != time_namespace)
        return false;
    struct owner_identity *identity = recording->identity;
    sigset_t blocked;
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0)
        memcpy(&identity->blocked, &blocked, sizeof identity->blocked);
    identity->ignored = (owner->identity.ignored & ~known) | ignored;
    memcpy(identity->cgroup, owner->identity.cgroup, sizeof identity->cgroup);
    identity->oom_kills = owner->identity.oom_kills;
    recording_keep(recording, owner);
    return true;
}

const struct file *spare_file(void) { return &taken_spare.file; }

/* --- at the end ---------------------------------------------------------------------- */

void spare_discard(void) {
    if (!spare_kept() || !filter_allows(FILTERED_UNLINK) || !filter_allows(FILTERED_GETPID))
        return;
    if (!atomic_load_explicit(&spares_made, memory_order_relaxed))
        return; /* none was ever made: a short program would pay for the page that they are on */
    int32_t pid = getpid();
    for (int n = 0; n < SPARES; n++) {
        int32_t nobody = 0;
        struct spare *spare = &spares[n];
        if (!hold_spare(spare))
            continue;
        /* A child that was faster keeps its spare, and has renamed what we would remove. */
        if (atomic_load(&spare->there) && spare->maker == pid &&
            atomic_compare_exchange_strong(&spare->recording.header->pid, &nobody, RETIRED)) {
            static char name[PATH_SIZE] SELDOM;
            spare_name(text_put(text_put(name, directory_path), "/"), spare);
            unlink(name);
        }
        let_go_of_spare(spare);
    }
}

#else /* without memory that a forked child finds wiped there are no spares: memory.h */

int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner) {
    (void)owner;
    (void)directory;
    (void)capacity;
    return ENOSYS;
}
bool spare_kept(void) { return false; }
bool spare_take(struct recording *recording, int32_t forked) {
    (void)recording, (void)forked;
    return false;
}
bool spare_settle(struct recording *recording, int32_t forked, uint64_t ignored, uint64_t known) {
    (void)forked, (void)recording, (void)ignored, (void)known;
    return false;
}
void spare_forked(void) {}
const struct file *spare_file(void) { return NULL; }
void spare_discard(void) {}

#endif
