/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "spare.h"

#include "clock.h"
#include "filter.h"
#include "places.h"
#include "proc.h"
#include "signals.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>
#include <sys/syscall.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#define RETIRED (-1) /* a pid: nobody is to take it */
#define NAMES 64     /* 4242.sigrec, 4242+2.sigrec, and so on */
#define NAME_SIZE 96 /* of the longest, with a slash */
#define PATH_SIZE (sizeof directory_path + NAME_SIZE)

/* All this is plain memory, so that a child has it as it was at the fork. */
static struct spare {
    struct recording recording;
    uint64_t serial; /* in its name, with the maker's pid and namespace */
    int32_t maker;
    _Atomic bool there; /* the above is whole */
    _Atomic bool held;  /* somebody is at it: nobody waits, there are others */
} spares[SPARES];
static char directory_path[4096], path[PATH_SIZE];
static uint64_t capacity_wanted;
static struct owner template;
/* Of the process that forked last: in its child, the parent's. */
static struct {
    int32_t pid, pgid, sid;
    uint64_t namespace;
} forking;
static _Atomic uint64_t serial;
static _Atomic unsigned turn; /* which spare the child that is forked next tries first */

/* --- names -------------------------------------------------------------------------- */

static void spare_name(char *at, const struct spare *spare) {
    at =
        places_put_process(text_put(at, "."), spare->maker, spare->recording.header->pid_namespace);
    text_put(text_put_number(text_put(at, "."), spare->serial), ".spare");
}

/* --- before the fork ---------------------------------------------------------------- */

static void drop(struct spare *spare) {
    if (!atomic_load_explicit(&spare->there, memory_order_relaxed))
        return;
    /* Who is forked by another thread just now does not see it half gone. */
    atomic_store(&spare->there, false);
    recording_unmap(&spare->recording);
}

static void make(struct spare *spare) {
    char name[NAME_SIZE];
    drop(spare);
    spare->maker = forking.pid;
    spare->serial = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    char *at = places_put_process(text_put(name, "."), forking.pid, forking.namespace);
    text_put(text_put_number(text_put(at, "."), spare->serial), ".spare");
    if (recording_spare(&spare->recording, directory_path, name, capacity_wanted, &template) != 0)
        return; /* no room, say: another time */
    struct recording_header *header = spare->recording.header;
    header->pid_namespace = forking.namespace;
    if (getrandom(header->id, sizeof header->id, GRND_NONBLOCK) != sizeof header->id) {
        const uint64_t moment[2] = {monotonic_ns(), (uint64_t)forking.pid ^ spare->serial};
        memcpy(header->id, moment, sizeof header->id);
    }
    /* Whoever sees it sees it whole. */
    atomic_store(&spare->there, true);
}

static bool is_free(const struct spare *spare) {
    return atomic_load_explicit(&spare->there, memory_order_relaxed) &&
           atomic_load_explicit(&spare->recording.header->pid, memory_order_relaxed) == 0;
}

static bool hold(struct spare *spare) { return !atomic_exchange(&spare->held, true); }

static void let_go(struct spare *spare) { atomic_store(&spare->held, false); }

static void make_undisturbed(struct spare *spare) {
    int saved_errno = errno;
    sigset_t all, before;
    signals_but_faults(&all);
    /* fork(2) may be called in a handler: not within this, then. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    make(spare);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved_errno;
}

/* Async-signal-safe, as fork(2) may be called in a handler. */
static void before_fork(void) {
    /* A sandbox, made since: its children would live in it, too. */
    if (atomic_load_explicit(&filter_denied, memory_order_relaxed))
        return;
    int32_t pid = getpid();
    if (forking.pid != pid) {
        forking.namespace = places_namespace();
        forking.pid = pid;
    }
    forking.pgid = getpgid(0);
    forking.sid = getsid(0);
    atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
    for (int n = 0; n < SPARES; n++)
        if (hold(&spares[n])) {
            if (!is_free(&spares[n]))
                make_undisturbed(&spares[n]);
            let_go(&spares[n]);
        }
}

/* A thread that held some is not here. */
static void in_child(void) {
    for (int n = 0; n < SPARES; n++)
        let_go(&spares[n]);
}

int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner) {
    static bool hooked;
    if (directory_path[0])
        return 0;
    if (strlen(directory) >= sizeof directory_path)
        return ENAMETOOLONG;
    template = *owner;
    template.start_ticks = 0;
    template.identity.ignored = template.identity.blocked = 0;
    template.identity.oom_kills = -1;
    memset(template.identity.cgroup, 0, sizeof template.identity.cgroup);
    capacity_wanted = capacity;
    if (!hooked) {
        int error = pthread_atfork(before_fork, NULL, in_child);
        if (error)
            return error;
        hooked = true;
    }
    text_put(directory_path, directory);
    return 0;
}

void spare_in_group(int32_t pgid, int32_t sid) {
    forking.pgid = pgid;
    forking.sid = sid ? sid : forking.sid;
}

bool spare_kept(void) { return directory_path[0] != 0; }

/* --- in the child ------------------------------------------------------------------- */

/* Never takes the place of what has a name: RENAME_NOREPLACE. */
static bool give_name(const struct spare *spare, int32_t pid, uint64_t namespace) {
    static char from[PATH_SIZE];
    spare_name(text_put(text_put(from, directory_path), "/"), spare);
    char *stem = places_put_process(text_put(text_put(path, directory_path), "/"), pid, namespace);
    for (uint64_t number = 1; number <= NAMES; number++) {
        text_put(number > 1 ? text_put_number(text_put(stem, "+"), number) : stem, ".sigrec");
        if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EEXIST)
            break;
    }
    return false;
}

bool spare_take(struct recording *recording) {
    if (!filter_allows(FILTERED_GETPID) || !filter_allows(FILTERED_RENAME) ||
        !filter_allows(FILTERED_STAT))
        return false;
    int saved_errno = errno;
    int32_t pid = (int32_t)syscall(SYS_getpid);
    struct spare *spare = NULL;
    unsigned first = atomic_load_explicit(&turn, memory_order_relaxed);
    for (unsigned n = 0; n < SPARES && !spare && pid > 0; n++) {
        struct spare *next = &spares[(first + n) % SPARES];
        int32_t nobody = 0;
        if (!hold(next))
            continue;
        /* Who has it has it whole. */
        if (atomic_load(&next->there) &&
            atomic_compare_exchange_strong(&next->recording.header->pid, &nobody, pid))
            spare = next;
        else
            let_go(next);
    }
    if (!spare) {
        errno = saved_errno;
        return false;
    }
    *recording = spare->recording;
    struct recording_header *header = recording->header;
    struct owner_identity *identity = recording->identity;
    uint64_t namespace = places_namespace();
    identity->ppid = forking.pid;
    identity->pgid = forking.pgid;
    identity->sid = forking.sid;
    static char text[1024]; /* not on the stack: it may be a small one, sigaltstack(2) */
    header->start_ticks = proc_start_ticks(0, text, sizeof text);
    header->started_ns = clock_ns(CLOCK_REALTIME);
    recording_anchor(recording);
    bool named = give_name(spare, pid, namespace);
    if (named) {
        header->pid_namespace = namespace;
        /* Not ours to make again, and not our children's: they have it as ours. */
        atomic_store_explicit(&spare->there, false, memory_order_relaxed);
    } else {
        /* Somebody removed it, or we may not come there: then it is for nobody. */
        atomic_store_explicit(&header->pid, RETIRED, memory_order_relaxed);
        path[0] = 0;
    }
    let_go(spare);
    errno = saved_errno;
    return named;
}

const char *spare_path(void) { return path; }

/* --- at the end ---------------------------------------------------------------------- */

void spare_discard(void) {
    if (!spare_kept() || !filter_allows(FILTERED_UNLINK) || !filter_allows(FILTERED_GETPID))
        return;
    int32_t pid = getpid();
    for (int n = 0; n < SPARES; n++) {
        int32_t nobody = 0;
        struct spare *spare = &spares[n];
        if (!hold(spare))
            continue;
        /* A child that is faster keeps it, and has what we would remove renamed. */
        if (atomic_load(&spare->there) && spare->maker == pid &&
            atomic_compare_exchange_strong(&spare->recording.header->pid, &nobody, RETIRED)) {
            static char name[PATH_SIZE];
            spare_name(text_put(text_put(name, directory_path), "/"), spare);
            unlink(name);
        }
        let_go(spare);
    }
}

#else /* no memory there that a forked child finds wiped: memory.h */

int spare_keep(const char *directory, uint64_t capacity, const struct owner *owner) {
    (void)owner;
    (void)directory;
    (void)capacity;
    return ENOSYS;
}
bool spare_kept(void) { return false; }
bool spare_take(struct recording *recording) {
    (void)recording;
    return false;
}
const char *spare_path(void) { return ""; }
void spare_discard(void) {}

#endif
