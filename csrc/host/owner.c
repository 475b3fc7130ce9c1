/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/owner.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/memory.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE 4096

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/random.h>

/* By one call, which for the files that are read here gets all that there is room for. */
static size_t read_file(const char *path, char *buffer, size_t size) {
    int fd = filter_allows(FILTERED_OPEN) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t got;
    while ((got = read(fd, buffer, size)) < 0 && errno == EINTR)
        ;
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* As a string; what does not fit is cut. */
static char *read_text(const char *path, char *buffer, size_t size) {
    buffer[read_file(path, buffer, size - 1)] = 0;
    return buffer;
}

static void read_line(const char *path, char *buffer, size_t size) {
    char *end = strchr(read_text(path, buffer, size), '\n');
    if (end)
        *end = 0;
}

static uint32_t copy_owner_argv(char to[OWNER_ARGV_SIZE], char *const argv[]) {
    size_t n = 0;
    for (; *argv && n < OWNER_ARGV_SIZE; argv++) {
        size_t size = strlen(*argv) + 1;
        size = size < OWNER_ARGV_SIZE - n ? size : OWNER_ARGV_SIZE - n;
        memcpy(to + n, *argv, size);
        n += size;
    }
    return (uint32_t)n;
}

static void describe_signals(struct owner_identity *identity, bool is_new_program,
                             char text[TEXT_SIZE]) {
    sigset_t blocked;
    if (is_new_program && pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0) {
        memcpy(&identity->blocked, &blocked, sizeof identity->blocked);
        return;
    }
    read_text("/proc/self/status", text, TEXT_SIZE);
    identity->blocked = proc_mask(text, "\nSigBlk:");
    identity->ignored = proc_mask(text, "\nSigIgn:");
}

static void describe_identity(struct owner_identity *identity, char text[TEXT_SIZE]) {
    identity->pgid = getpgid(0);
    identity->sid = getsid(0);
    identity->ppid = getppid();
    int subreaper = 0;
    if (filter_allows(FILTERED_PRCTL) && prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0)
        identity->subreaper = subreaper != 0;
    identity->time_namespace = proc_namespace("time");
    identity->mount_namespace = proc_namespace("mnt");
    gethostname(identity->host_name, sizeof identity->host_name - 1);
    read_line("/etc/machine-id", identity->machine_id, sizeof identity->machine_id);
    if (!filter_allows(FILTERED_OPEN)) /* a sandbox without files */
        return;
    ssize_t n = readlink("/proc/self/exe", identity->executable, sizeof identity->executable - 1);
    identity->executable[n < 0 ? 0 : n] = 0;
    bool version_1 = cgroup_find(read_text("/proc/self/cgroup", text, TEXT_SIZE), identity->cgroup,
                                 sizeof identity->cgroup);
    identity->oom_kills = cgroup_oom_kills(identity->cgroup, version_1, text, TEXT_SIZE);
}

void owner_make_id(uint8_t id[OWNER_ID_SIZE], uint64_t process) {
    /* Not waiting for the machine's first randomness: getrandom(2). */
    if (getrandom(id, OWNER_ID_SIZE, GRND_NONBLOCK) != OWNER_ID_SIZE) {
        const uint64_t instead[2] = {monotonic_ns(), process};
        memcpy(id, instead, OWNER_ID_SIZE);
    }
}
#endif

void owner_at_end(struct owner_identity *identity) {
#ifdef __linux__
    static char text[2048] SELDOM; /* not on the stack: it may be a small one, sigaltstack(2) */
    static _Atomic bool owner_text_busy;
    int saved_errno = errno;
    if (identity && !atomic_exchange(&owner_text_busy, true)) {
        if (proc_read("/proc/self/cgroup", text, sizeof text))
            cgroup_find(text, identity->cgroup_at_end, sizeof identity->cgroup_at_end);
        atomic_store(&owner_text_busy, false);
    }
    errno = saved_errno;
#else
    (void)identity;
#endif
}

bool owner_is_same(const struct owner *a, const struct owner *b) {
    const size_t id = offsetof(struct owner, id), after = offsetof(struct owner, boot_id);
    return memcmp(a, b, id) == 0 && a->argv_size == b->argv_size &&
           memcmp(a->boot_id, b->boot_id, offsetof(struct owner, argv) - after) == 0 &&
           memcmp(a->argv, b->argv, a->argv_size) == 0;
}

static void describe_with(struct owner *owner, char *const argv[], char text[TEXT_SIZE]) {
    memset(owner, 0, offsetof(struct owner, argv));
    owner->identity.oom_kills = -1;
#ifdef __linux__
    owner->start_ticks = proc_start_ticks(0, text, TEXT_SIZE);
    read_line("/proc/sys/kernel/random/boot_id", owner->boot_id, sizeof owner->boot_id);
    owner->pid_namespace = proc_namespace("pid");
    owner->argv_size =
        argv ? copy_owner_argv(owner->argv, argv)
             : (uint32_t)read_file("/proc/self/cmdline", owner->argv, sizeof owner->argv);
    if (owner->argv_size == sizeof owner->argv)
        owner->argv[sizeof owner->argv - 1] = 0;
    owner_make_id(owner->id, owner->pid_namespace ^ (uint64_t)getpid());
    describe_signals(&owner->identity, argv != NULL, text);
    describe_identity(&owner->identity, text);
#else
    (void)argv, (void)text;
#endif
}

static __attribute__((noinline)) void describe_on_the_stack(struct owner *owner,
                                                            char *const argv[]) {
    char text[TEXT_SIZE];
    describe_with(owner, argv, text);
}

/* The text is not on the stack, which may be a small one: that of a child that a handler has forked
 * on an alternate stack. */
void owner_describe(struct owner *owner, char *const argv[]) {
    static char text[TEXT_SIZE] SELDOM;
    static _Atomic bool owner_text_busy; /* another thread has it, or had, before a fork */
    if (atomic_exchange(&owner_text_busy, true)) {
        describe_on_the_stack(owner, argv);
        return;
    }
    describe_with(owner, argv, text);
    atomic_store(&owner_text_busy, false);
}
