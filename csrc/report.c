/* SPDX-License-Identifier: MIT
 *
 * The program that `sigrec run --report` leaves beside another, whose end it waits for. It is a
 * program of its own so that little is there meanwhile: a Python would be fifty times as large.
 * What it saw it gives to a Python at the end, which finds the words.
 *
 * Descriptor 0 is a file with what it has to know, each ended by a 0: the PID, a pidfd of it,
 * when it began (proc_pid_stat(5), field 22), whether this is PID 1 in its place, the Python,
 * the code that it runs, and what that has to know besides. What was seen is added as one more.
 */
#define _GNU_SOURCE
#include "ground/clock.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/beside.h"
#include "host/ended.h"
#include "host/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS                                                                                    \
    250 /* between looks at the OOM killer's counter, which must be a second old at most */

enum { PID, PIDFD, BEGAN, IS_INIT, PYTHON, CODE, FIELDS };

static const char *report_field[FIELDS];
static int32_t reported_pid;
static int reported_pidfd;
static bool is_init;

static bool read_report_task(void) {
    struct stat st;
    if (fstat(0, &st) != 0)
        return false;
    size_t size = (size_t)st.st_size;
    char *task = malloc(size + 1);
    if (!task || pread(0, task, size, 0) != (ssize_t)size)
        return false;
    task[size] = 0;
    const char *at = task;
    for (int n = 0; n < FIELDS; n++, at += strlen(at) + 1) {
        if (at >= task + size)
            return false;
        report_field[n] = at;
    }
    reported_pid = atoi(report_field[PID]);
    reported_pidfd = atoi(report_field[PIDFD]);
    is_init = *report_field[IS_INIT] == '1';
    return true;
}

/* A pipe that this process has open has no end for whoever reads it. */
static void close_others(void) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    if (fcntl(2, F_GETFD) < 0)
        dup2(null, 2);
    int kept = reported_pidfd > 2 ? dup2(reported_pidfd, 3) : -1; /* where it is known to be */
    long most = sysconf(_SC_OPEN_MAX);
    reported_pidfd = kept;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 4, ~0U, 0) == 0)
        return;
#endif
    for (int fd = 4; fd < most; fd++)
        close(fd);
}

/* Whoever reads a pipe until its end waits for each that has it open; so this one lets go of
 * stderr when the program does. */
static void let_go_of_stderr(const struct stat *own) {
    struct stat st;
    char path[64];
    if (!S_ISFIFO(own->st_mode) && !S_ISSOCK(own->st_mode))
        return;
    for (int fd = 2; fd > 0; fd--) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)reported_pid, fd);
        if (stat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino)
            return;
    }
    if (!ended_is_near(reported_pid)) /* it closes them before it has ended */
        dup2(1, 2);
}

static bool has_ended(void) {
    return is_init ? beside_as_init(reported_pid, LOOK_MS * UINT64_C(1000000))
                   : ended_wait(reported_pidfd, LOOK_MS);
}

static void add_to_report(const struct ended *seen, const struct oom *oom, const char *cgroup) {
    char blocked[32] = "", *line = NULL;
    static const char *const seen_by[] = {"", "proc", "pidfd"};
    if (seen->blocks_known)
        snprintf(blocked, sizeof blocked, "%llx", (unsigned long long)seen->blocked);
    int size =
        asprintf(&line, "%d,%s,%llu,%llu,%s,%lld,%llu,%d,%s", seen->code, seen_by[seen->seen_by],
                 (unsigned long long)seen->time_ns, (unsigned long long)seen->monotonic_ns, blocked,
                 (long long)oom->kills, (unsigned long long)oom->since_ns, oom->probably, cgroup);
    if (size < 0 || lseek(0, 0, SEEK_END) < 0 || write(0, line, (size_t)size) != size)
        dprintf(2, "sigrec: what was seen could not be kept: %s\n", strerror(errno));
    free(line);
    lseek(0, 0, SEEK_SET);
}

/* The exit status of PID 1, whom nobody in its namespace ends by a signal. */
static int status_of(bool *known) {
    int status;
    *known = waitpid(reported_pid, &status, 0) == reported_pid;
    return !*known ? 1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void) {
    struct oom_watch watch;
    struct stat own;
    if (!read_report_task())
        return 2;
    close_others();
    if (fstat(2, &own) != 0)
        own.st_mode = 0;
    oom_begin(&watch, reported_pid);
    while (!has_ended()) {
        oom_look(&watch);
        let_go_of_stderr(&own);
    }
    struct ended seen =
        ended_look(reported_pid, reported_pidfd, (uint64_t)strtoull(report_field[BEGAN], NULL, 10));
    bool killed = seen.seen_by && (seen.code & 0x7f) == SIGKILL, waited;
    struct oom oom = killed ? oom_after(&watch) : (struct oom){0};
    add_to_report(&seen, &oom, watch.last.cgroup);
    char status[16];
    snprintf(status, sizeof status, "%d", is_init ? status_of(&waited) : 0);
    execl(report_field[PYTHON], report_field[PYTHON], "-I", "-S", "-c", report_field[CODE], status,
          (char *)NULL);
    if (seen.seen_by && (seen.code & 0x7f))
        dprintf(2, "sigrec: PID %d was ended by signal %d", (int)reported_pid, seen.code & 0x7f);
    else if (seen.seen_by)
        dprintf(2, "sigrec: PID %d exited with status %d", (int)reported_pid,
                seen.code >> 8 & 0xff);
    else
        dprintf(2, "sigrec: PID %d has ended", (int)reported_pid);
    dprintf(2, "; more cannot be said: %s: %s\n", report_field[PYTHON], strerror(errno));
    return atoi(status);
}
