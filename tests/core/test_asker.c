/* SPDX-License-Identifier: MIT
 * The command line and the parent of who sent a signal. */
#define _GNU_SOURCE
#include "events/asker.h"

#include "check.h"
#include "ground/filter.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct asker askers[ASKERS];
static _Atomic uint64_t head;

static void of_a_child(void) {
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t n = read(fd, line, sizeof line);
    close(fd);
    CHECK(n > 0);
    prctl(PR_SET_NAME, "its parent) R 7");
    pid_t child = fork();
    while (child == 0)
        pause();
    asker_note(askers, &head, 15, 3, child, true);
    CHECK_EQ(askers[0].sequence, 2);
    CHECK_EQ(askers[0].signo, 15);
    CHECK_EQ(askers[0].ordinal, 3);
    CHECK_EQ(askers[0].pid, child);
    CHECK_EQ(askers[0].parent, getpid());
    CHECK_EQ(askers[0].at_its_end, 1);
    CHECK(strcmp(askers[0].parent_name, "its parent) R 7") == 0);
    size_t kept = (size_t)n < sizeof askers[0].argv ? (size_t)n : sizeof askers[0].argv - 1;
    CHECK_EQ(askers[0].size, kept);
    CHECK(memcmp(askers[0].argv, line, kept) == 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    asker_note(askers, &head, 2, 0, child, false); /* it is gone */
    CHECK_EQ(askers[1].sequence, 4);
    CHECK_EQ(askers[1].pid, child);
    CHECK_EQ(askers[1].size, 0);
    CHECK_EQ(askers[1].at_its_end, 0);
    CHECK_EQ(askers[1].parent, 0);
    CHECK_EQ(askers[1].parent_name[0], 0);
}

static void the_newest_few(void) {
    for (int i = 2; i < 9; i++)
        asker_note(askers, &head, 1, (uint64_t)i, getpid(), false);
    CHECK_EQ(head, 9);
    CHECK_EQ(askers[8 % ASKERS].sequence, 18);
    CHECK_EQ(askers[8 % ASKERS].ordinal, 8);
    CHECK_EQ(askers[5 % ASKERS].ordinal, 5);
}

int main(void) {
    of_a_child();
    the_newest_few();
    return 0;
}
