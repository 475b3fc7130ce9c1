/* SPDX-License-Identifier: MIT
 *
 * The stepper's second program: what if, at this very instruction of a forked child that takes the
 * recording which was made ahead for it (spare.h), ...?
 *
 *     settler DIRECTORY settles INJECTION [STRIDE [OFFSET]]
 *
 * This process keeps spares and forks; the child lets itself be traced (ptrace(2)), and calls
 * process_adopt_spare() as the fork hook does. At instruction OFFSET, OFFSET+STRIDE, ... of that
 *
 *   nested  a signal comes that is recorded
 *   lap     more of them than the history has slots
 *   others  another child is forked, and takes a spare
 *   late    as many as there are spares are, and live on
 *   fork    a signal comes whose handler forks
 *   gone    SIGKILL comes
 *   kill    a SIGTERM comes, which nobody handles
 *
 * and then the child must have a recording that is its own and nobody else's, with all that it was
 * sent. After SIGKILL there is none, or one that can be read. The clock is ours. */
#define _GNU_SOURCE
#include "ground/glibc.h"
#include "ground/text.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "host/places.h"
#include "recording/process.h"
#include "recording/spare.h"
#include "tracer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define HISTORY 8
#define LAP (2 * HISTORY + 3)

static struct shared {
    _Atomic uint64_t clock_ns;
    _Atomic uint64_t sent; /* to the child that is stepped through */
} *shared;

static enum injection { NESTED, LAPPING, OTHERS, LATE, FORK, GONE, KILL } injection;
static const char *directory;
static int signum, forking_signum;
static bool stepping; /* the child that is forked now is */
static _Atomic uint64_t course;
extern char settled[]; /* where the hook is over */

int clock_gettime(clockid_t clock, struct timespec *ts) {
    (void)clock;
    uint64_t now = atomic_fetch_add(&shared->clock_ns, 100);
    ts->tv_sec = (time_t)(now / 1000000000);
    ts->tv_nsec = (long)(now % 1000000000);
    return 0;
}

/* --- the child -------------------------------------------------------------------- */

static void programs_handler(int n) {
    (void)n;
    course++;
}

/* The path of what that process leaves. */
static const char *path_of(pid_t pid) {
    static char path[4200];
    char *stem =
        places_put_process(text_put(text_put(path, directory), "/"), pid, places_namespace());
    text_put(stem, ".sigrec");
    return path;
}

static void forks(int n) {
    (void)n;
    stepping = false;
    pid_t one = fork();
    CHECK(one >= 0);
    if (one == 0)
        _exit(0);
    int status;
    while (waitpid(one, &status, 0) != one)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
    unlink(path_of(one));
    course++;
}

static void in_child(void) {
    if (!stepping) {
        process_adopt_spare(0, 0);
        return;
    }
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    __asm__ volatile("int3" ::: "memory");
    process_adopt_spare(0, 0);
    __asm__ volatile(".globl settled\nsettled: int3" ::: "memory");
}

/* Whole, and of this process alone. */
static void is_of(const struct recording_header *header, pid_t pid, pid_t parent) {
    const struct owner_identity *identity =
        (const void *)((const char *)header + header->sections[SECTION_IDENTITY - 1].offset);
    CHECK_EQ(header->pid, pid);
    CHECK_EQ(identity->ppid, parent);
    CHECK_EQ(identity->pgid, getpgid(0));
    CHECK_EQ(identity->sid, getsid(0));
    CHECK(header->started_ns && header->boot_id[0] && header->file_size);
}

/* Runs once the hook is over. */
static void child(pid_t parent) {
    const struct recording *mine = process_adopted();
    if (!mine) {
        CHECK_EQ(injection, LATE);
        _exit(0);
    }
    uint64_t counted = 0;
    is_of(mine->header, getpid(), parent);
    CHECK_EQ(access(path_of(getpid()), F_OK), 0);
    for (int n = signum; n <= forking_signum; n++) {
        const struct ledger_entry *l = &mine->ledger[n];
        counted += l->delivered;
        CHECK_EQ(l->delivered, l->recorded + l->dropped);
        CHECK_EQ(process_self->ordinal[n], l->delivered);
    }
    CHECK_EQ(counted, shared->sent);
    CHECK_EQ(course, shared->sent);
    WITH_ROOM(raise(signum));
    CHECK_EQ(mine->ledger[signum].delivered + mine->ledger[forking_signum].delivered,
             shared->sent + 1);
    spare_discard(); /* which it has made for the child of forks() */
    _exit(0);
}

/* --- the tracer ------------------------------------------------------------------- */

/* The signal that stopped it; 0: it has ended, with that status. */
static int await_stop_or_end(int *status) {
    CHECK(waitpid(pid, status, 0) == pid);
    return WIFSTOPPED(*status) ? WSTOPSIG(*status) : 0;
}

static void await_trap(void) {
    int status, stop = await_stop_or_end(&status);
    if (stop != SIGTRAP)
        fail("stopped by, or ended with,", stop ? stop : status);
}

static void send(int number, int n) {
    for (int i = 0; i < n; i++) {
        queue_to(pid, pid, number, getpid(), 0);
        shared->sent++;
    }
}

/* Other children, all alive at once. */
static void fork_others(int count) {
    int pipes[2], status;
    pid_t pids[SPARES];
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    for (int i = 0; i < count; i++) {
        stepping = false;
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            char c;
            close(pipes[1]);
            if (process_adopted())
                is_of(process_adopted()->header, getpid(), getppid());
            CHECK(process_adopted() || injection == LATE);
            CHECK_EQ(read(pipes[0], &c, 1), 0);
            _exit(0);
        }
    }
    close(pipes[1]);
    close(pipes[0]);
    for (int i = 0; i < count; i++) {
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK_EQ(status, 0);
        unlink(path_of(pids[i]));
    }
}

/* What is left of it, by a signal that ended it; may be: it need not have left anything. */
static void read_what_is_left(bool may_be_none) {
    int fd = open(path_of(pid), O_RDONLY);
    if (fd < 0) {
        if (!may_be_none)
            fail("no recording", errno);
        return;
    }
    struct recording_header *header = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(header != MAP_FAILED);
    close(fd);
    is_of(header, pid, getpid());
    const struct ledger_entry *l =
        (const void *)((const char *)header + header->sections[SECTION_LEDGER - 1].offset);
    if (injection == KILL) {
        CHECK_EQ(header->fatal_signal, SIGTERM);
        CHECK_EQ(l[SIGTERM].delivered, 1);
        CHECK_EQ(l[SIGTERM].recorded, 1);
        CHECK_EQ(header->head, 1);
    }
    munmap(header, 1 << 20);
}

static void start(void) {
    spare_forked();
    shared->sent = 0;
    pid_t parent = getpid();
    stepping = true;
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        child(parent);
    await_trap();
    trace(PTRACE_SETOPTIONS, PTRACE_O_EXITKILL);
}

/* False: the hook was over before that instruction. */
static bool once(uint64_t instruction) {
    int status, stop;
    start();
    for (at = 0; at < instruction && where() != (uint64_t)settled; at++) {
        trace(PTRACE_SINGLESTEP, 0);
        await_trap();
        stepped++;
    }
    bool there = where() != (uint64_t)settled;
    if (there) {
        injected++;
        switch (injection) {
        case NESTED: send(signum, 1); break;
        case LAPPING: send(signum, LAP); break;
        case OTHERS: fork_others(1); break;
        case LATE: fork_others(SPARES); break;
        case FORK: send(forking_signum, 1); break;
        case GONE: CHECK(kill(pid, SIGKILL) == 0); break;
        case KILL: CHECK(kill(pid, SIGTERM) == 0); break;
        }
    }
    if (!there || injection != GONE)
        trace(PTRACE_CONT, 0);
    while ((stop = await_stop_or_end(&status)) != 0)
        trace(PTRACE_CONT, stop == SIGTRAP ? 0 : stop); /* it is over */
    int ends = injection == GONE ? SIGKILL : injection == KILL ? SIGTERM : 0;
    if (there && ends) {
        if (!WIFSIGNALED(status) || WTERMSIG(status) != ends)
            fail("it ended with status", status);
        read_what_is_left(injection == GONE);
    } else if (status != 0) {
        fail("it ended with status", status);
    }
    static pid_t left; /* for the reader: the last that was ended by a signal */
    unlink(path_of(there && ends ? left : pid));
    if (there && ends)
        left = pid;
    return there;
}

int main(int argc, char **argv) {
    static const char *const injections[] = {"nested", "lap",  "others", "late",
                                             "fork",   "gone", "kill",   NULL};
    if (argc < 4 || strcmp(argv[2], "settles") != 0) {
        fprintf(stderr, "usage: settler DIRECTORY settles INJECTION [STRIDE [OFFSET]]\n");
        return 2;
    }
    directory = argv[1];
    injection = (enum injection)which(argv[3], injections);
    uint64_t stride = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    uint64_t offset = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    signum = SIGRTMIN + 2;
    forking_signum = signum + 1;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    shared->clock_ns = UINT64_C(1000000000000);
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(process_go_private(HISTORY), 0);
    CHECK(signal(signum, programs_handler) != SIG_ERR && signal(forking_signum, forks) != SIG_ERR);
    CHECK(install_record(signum, false) == 0 && install_record(forking_signum, false) == 0);
    CHECK_EQ(install_record(SIGTERM, false), 0);
    CHECK_EQ(process_keep_spares(directory, true, HISTORY), 0);
    CHECK_EQ(at_fork(NULL, NULL, in_child), 0);
    uint64_t length = 0;
    while (once(offset + length * stride))
        length++;
    printf("%-8s %-6s %6llu instructions, %6llu injections, %9llu steps: 0 failures\n", argv[2],
           argv[3], (unsigned long long)at, (unsigned long long)injected,
           (unsigned long long)stepped);
    spare_discard();
    return 0;
}
