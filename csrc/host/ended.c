/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host/ended.h"

#include "ground/clock.h"
#include "ground/proc.h"
#include "ground/text.h"

#ifdef __linux__

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PF_EXITING 0x00000004 /* <linux/sched.h>, in field 9 of proc_pid_stat(5) */
#define REAPED_NS UINT64_C(2000000000)
#define STATUS_SIZE 4096
#define PATH_SIZE 512

static const char *read_of_ended(int32_t pid, const char *file, char *text, size_t size) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%d/%s", proc_root, (int)pid, file);
    return proc_read(path, text, size) ? text : NULL;
}

static short pidfd_events(int pidfd, int timeout_ms) {
    struct pollfd poll_it = {.fd = pidfd, .events = POLLIN};
    return poll(&poll_it, 1, timeout_ms) == 1 ? poll_it.revents : 0;
}

bool ended_wait(int pidfd, int timeout_ms) { return pidfd_events(pidfd, timeout_ms) != 0; }

static bool thread_is_near(int32_t pid, const char *file) {
    char text[1024];
    const char *state = read_of_ended(pid, file, text, sizeof text) ? proc_field(text, 3) : NULL;
    const char *flags = state ? proc_field(text, 9) : NULL;
    return !flags || *state == 'Z' || *state == 'X' || (text_number(flags) & PF_EXITING);
}

bool ended_is_near(int32_t pid) {
    char path[PATH_SIZE], file[300];
    if (!thread_is_near(pid, "stat"))
        return false;
    snprintf(path, sizeof path, "%s/%d/task", proc_root, (int)pid);
    DIR *threads = opendir(path);
    bool near = true;
    for (struct dirent *thread; threads && near && (thread = readdir(threads));)
        if (text_number(thread->d_name) && text_number(thread->d_name) != (uint64_t)pid) {
            snprintf(file, sizeof file, "task/%s/stat", thread->d_name);
            near = thread_is_near(pid, file);
        }
    if (threads)
        closedir(threads);
    return near;
}

/* proc(5) shows 0 to whoever may not know: so whether this process may is asked as well. */
static bool code_of_zombie(int32_t pid, uint64_t start_ticks, int *code) {
    char text[1024], path[64], link[64];
    const char *state = read_of_ended(pid, "stat", text, sizeof text) ? proc_field(text, 3) : NULL;
    const char *begun = state ? proc_field(text, 22) : NULL, *at = begun ? proc_field(text, 52) : 0;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    if (!at || (*state != 'Z' && *state != 'X') || text_number(begun) != start_ticks ||
        readlink(path, link, sizeof link) < 0)
        return false;
    *code = (int)text_number(at);
    return true;
}

/* PIDFD_GET_INFO, which Linux has since 6.13, and its exit code since 6.15; its size grows. */
static bool code_of_pidfd(int pidfd, int *code) {
    struct {
        uint64_t mask;
        char others[52];
        int32_t exit_code;
        char more[8];
    } info;
    static const unsigned sizes[] = {72, 64};
    const uint64_t exited = 1 << 3;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(&info, 0, sizeof info);
        info.mask = exited;
        if (ioctl(pidfd, _IOC(_IOC_READ | _IOC_WRITE, 0xFF, 11, sizes[i]), &info) == 0) {
            *code = info.exit_code;
            return info.mask & exited;
        }
    }
    return false;
}

/* Since Linux 6.10 a pidfd tells; before, the kernel does not know the process any more. */
static bool is_reaped(int pidfd) {
    return (pidfd_events(pidfd, 0) & POLLHUP) ||
           (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) != 0 && errno == ESRCH);
}

struct ended ended_look(int32_t pid, int pidfd, uint64_t start_ticks) {
    struct ended ended = {.time_ns = clock_ns(CLOCK_REALTIME), .monotonic_ns = monotonic_ns()};
    static char text[STATUS_SIZE]; /* of another process, perhaps, if this one is no zombie */
    bool known = read_of_ended(pid, "status", text, sizeof text) && proc_after(text, "\nSigBlk:");
    uint64_t blocked = known ? proc_mask(text, "\nSigBlk:") : 0;
    if (code_of_zombie(pid, start_ticks, &ended.code)) {
        ended.seen_by = ENDED_PROC;
        ended.blocks_known = known;
        ended.blocked = blocked;
        return ended;
    }
    while (!code_of_pidfd(pidfd, &ended.code)) {
        if (is_reaped(pidfd)) {
            ended.seen_by = code_of_pidfd(pidfd, &ended.code) ? ENDED_PIDFD : ENDED_UNKNOWN;
            return ended;
        }
        if (monotonic_ns() - ended.monotonic_ns > REAPED_NS)
            return ended;
        poll(NULL, 0, 10);
    }
    ended.seen_by = ENDED_PIDFD;
    return ended;
}

#endif
