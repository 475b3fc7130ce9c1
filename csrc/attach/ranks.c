/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "attach/ranks.h"

#include "attach/tracee.h"

#ifdef TRACEE_SUPPORTED

#include "ground/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether the thread waits at a FIFO, whose name is like that of a file. The kernel shows in which
 * of its functions a thread waits: proc_pid_wchan(5). For one that a tracer has stopped that says
 * nothing, but stat(2) does, and cannot hang: such a thread waits for no server any more. */
static bool is_fifo(pid_t tid, uint64_t fd) {
    char path[64], within[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/wchan", (int)tid);
    proc_read(path, within, sizeof within);
    if (strstr(within, "pipe"))
        return true;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)tid, (int)fd);
    return strstr(within, "ptrace_stop") && stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* What a read of it does: the dynamic linker and allocators read files, and what is no file can
 * be waited for. By its name, since stat(2) might wait for a server. */
static enum rank rank_of_file(pid_t tid, uint64_t fd) {
    static const char *const waits[] = {"pipe:[", "socket:[", "anon_inode:", "/dev/"};
    static const char *const never[] = {"/dev/shm/", "/dev/hugepages/"};
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)tid, (int)fd);
    if (readlink(path, name, sizeof name - 1) < 0)
        return RANK_NEVER;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strncmp(name, never[i], strlen(never[i])) == 0)
            return RANK_NEVER;
    if (strstr(name, "notify")) /* inotify(7), fanotify(7): EINTR after a stop, signal(7) */
        return RANK_BREAKS;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strncmp(name, waits[i], strlen(waits[i])) == 0)
            return RANK_WAITS;
    return is_fifo(tid, fd) ? RANK_WAITS : RANK_NEVER;
}

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Whether the socket has a time limit: then a stop breaks the call off, SO_RCVTIMEO in
 * signal(7). Where nobody can tell, it has. */
static bool has_time_limit(pid_t pid, uint64_t fd, int option) {
    bool limited = true;
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return true;
    int own = (int)syscall(SYS_pidfd_getfd, process, (int)fd, 0);
    if (own >= 0) {
        struct timeval limit = {0, 0};
        socklen_t size = sizeof limit;
        if (getsockopt(own, SOL_SOCKET, option, &limit, &size) == 0)
            limited = limit.tv_sec || limit.tv_usec;
        else
            limited = errno != ENOTSOCK;
        close(own);
    }
    close(process);
    return limited;
}

/* The rank of a thread that waits to read from a file, or to write to it. */
static enum rank rank_of_transfer(pid_t pid, pid_t tid, uint64_t fd, int option) {
    enum rank rank = rank_of_file(tid, fd);
    return rank == RANK_WAITS && has_time_limit(pid, fd, option) ? RANK_BREAKS : rank;
}

#define NO_CALL (-1L)

enum rank ranks_of_call(const struct images *images, pid_t pid, pid_t tid, long number,
                        uint64_t first, uint64_t second, uint64_t pc) {
    const struct images_range *code = images_code(images, pc);
    switch (number) {
#ifdef SYS_poll
    case SYS_poll:
    case SYS_select:
    case SYS_pause:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_rt_sigsuspend:
    case SYS_wait4:
    case SYS_waitid: return RANK_WAITS;
    case SYS_restart_syscall: return RANK_WAITS;
    case SYS_read:
    case SYS_readv: return rank_of_transfer(pid, tid, first, SO_RCVTIMEO);
    case SYS_accept:
    case SYS_accept4:
    case SYS_recvfrom:
    case SYS_recvmsg: return has_time_limit(pid, first, SO_RCVTIMEO) ? RANK_BREAKS : RANK_WAITS;
    case SYS_write:
    case SYS_writev: return rank_of_transfer(pid, tid, first, SO_SNDTIMEO);
    case SYS_connect:
    case SYS_sendto:
    case SYS_sendmsg: return has_time_limit(pid, first, SO_SNDTIMEO) ? RANK_BREAKS : RANK_WAITS;
    case SYS_futex:
        /* A mutex waits by FUTEX_WAIT, also an allocator's; semaphores and conditions, which
         * these do not have, by FUTEX_WAIT_BITSET. */
        if ((second & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)
            return RANK_WAITS;
        return (second & FUTEX_CMD_MASK) == FUTEX_WAIT &&
                       ((code && !code->unsafe) || images_is_of_program(images, first))
                   ? RANK_WAITS
                   : RANK_NEVER;
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
    case 441: /* epoll_pwait2 */
    case 426: /* io_uring_enter */
    case SYS_io_getevents:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_rt_sigtimedwait: return RANK_BREAKS;
    default: return RANK_NEVER;
    }
}

/* From /proc/PID/task/TID/syscall, before anything is stopped: proc_pid_syscall(5). */
static enum rank rank_of(const struct images *images, pid_t pid, pid_t tid) {
    char path[64], text[256], *at = text;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    proc_read(path, text, sizeof text);
    if (strncmp(text, "running", 7) == 0)
        return RANK_RUNS;
    long number = strtol(text, &at, 10);
    if (at == text)
        return RANK_NEVER;
    if (number == NO_CALL)
        return RANK_RUNS; /* preempted */
    uint64_t value[8] = {0};
    for (int i = 0; i < 8; i++)
        value[i] = strtoull(at, &at, 16);
    return ranks_of_call(images, pid, tid, number, value[0], value[1], value[7]);
}

struct task_entry { /* linux_dirent64: getdents(2) */
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

void ranks_look(struct ranks *ranks, const struct images *images, pid_t pid) {
    char path[64];
    _Alignas(8) char task_entries[4096];
    ranks->threads = 0;
    ranks->breaks = true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    for (long n; (n = syscall(SYS_getdents64, fd, task_entries, sizeof task_entries)) > 0;)
        for (long at = 0; at < n;) {
            const struct task_entry *task_entry =
                (const struct task_entry *)(const void *)(task_entries + at);
            at += task_entry->size;
            pid_t tid = (pid_t)atol(task_entry->name);
            if (tid <= 0 || ranks->threads == RANKS_THREADS)
                continue;
            enum rank rank = rank_of(images, pid, tid);
            ranks->thread[ranks->threads++] = (struct ranks_thread){tid, rank};
            ranks->breaks = ranks->breaks && rank == RANK_BREAKS;
        }
    close(fd);
}

#endif
