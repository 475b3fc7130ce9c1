/* SPDX-License-Identifier: MIT
 * Files of /proc, and numbers as text, without what a handler may not call. */
#define _GNU_SOURCE
#include "ground/proc.h"

#include "check.h"
#include "events/asker.h"
#include "events/sender.h"
#include "ground/filter.h"
#include "ground/text.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void numbers_are_as_stdio_writes_them(void) {
    static const uint64_t numbers[] = {0, 9, 10, 4194304, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[64], wanted[64];
        char *end = text_put(text_put_number(text_put(text, "<"), numbers[i]), ">");
        snprintf(wanted, sizeof wanted, "<%llu>", (unsigned long long)numbers[i]);
        CHECK_EQ(strcmp(text, wanted), 0);
        CHECK_EQ(end - text, strlen(wanted));
        CHECK_EQ(text_number(text + 1), numbers[i]);
    }
    CHECK_EQ(text_number("77\n"), 77);
    CHECK_EQ(text_number("-1"), 0);
    CHECK_EQ(text_number(""), 0);
    CHECK_EQ(text_hexadecimal("fffffffe7ffbfeff\n"), UINT64_C(0xfffffffe7ffbfeff));
    CHECK_EQ(text_hexadecimal("0000000000004a02"), 0x4a02);
    CHECK_EQ(text_hexadecimal("g"), 0);
}

static void a_file_is_a_string_of_what_fits(void) {
    prctl(PR_SET_NAME, "test_proc");
    char text[64], path[64];
    size_t n = proc_read("/proc/self/stat", text, sizeof text);
    CHECK_EQ(n, sizeof text - 1);
    CHECK_EQ(strlen(text), n);
    CHECK_EQ(text_number(text), getpid());
    text_put(text_put_number(text_put(path, "/proc/"), (uint64_t)getpid()), "/comm");
    CHECK_EQ(proc_read(path, text, sizeof text), strlen("test_proc\n"));
    CHECK_EQ(proc_read("/proc/self/nothing", text, sizeof text), 0);
    CHECK_EQ(text[0], 0);
}

static void values_are_found_by_their_keys(void) {
    char text[4096];
    const char *status = "Name:\tSigBlk:\nState:\tS\nSigBlk:\t0000000000014002\nNSpid:\t7\t1\n";
    CHECK_EQ(proc_mask(status, "\nSigBlk:"), 0x14002);
    CHECK_EQ(proc_mask(status, "\nSigIgn:"), 0);
    CHECK(!proc_after(status, "\nPid:"));
    CHECK_EQ(text_number(proc_after(status, "\nNSpid:")), 7);
    CHECK_EQ(strcmp(proc_after("\nPid:\t-1\n", "\nPid:"), "-1\n"), 0);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    proc_read("/proc/self/status", text, sizeof text);
    CHECK(proc_mask(text, "\nSigIgn:") >> (SIGUSR2 - 1) & 1);
    CHECK(!(proc_mask(text, "\nSigIgn:") >> (SIGUSR1 - 1) & 1));
}

static void no_descriptor_is_left(void) {
    char text[8];
    int next = dup(0);
    close(next);
    for (int n = 0; n < 5; n++)
        CHECK(proc_read("/proc/self/stat", text, sizeof text) > 0);
    CHECK_EQ(dup(0), next);
}

static void nothing_is_read_where_a_sandbox_would_punish_it(void) {
    static const enum filtered calls[] = {FILTERED_OPEN, FILTERED_READ, FILTERED_CLOSE};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char text[64] = "before";
        atomic_store(&filter_denied, UINT32_C(1) << calls[i]);
        CHECK_EQ(proc_read("/proc/self/stat", text, sizeof text), 0);
        CHECK_EQ(text[0], 0);
    }
    atomic_store(&filter_denied, 0);
}

static void when_a_process_began(void) {
    char text[400];
    uint64_t ours = proc_start_ticks(0, text, sizeof text);
    CHECK(ours > 0);
    CHECK_EQ(proc_start_ticks(getpid(), text, sizeof text), ours);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(proc_start_ticks(child, text, sizeof text) >= ours);
    kill(child, SIGKILL);
    waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT);
    CHECK(proc_start_ticks(child, text, sizeof text) >= ours); /* a zombie */
    waitpid(child, NULL, 0);
    CHECK_EQ(proc_start_ticks(child, text, sizeof text), 0);
    prctl(PR_SET_NAME, ") (R 1 2");
    CHECK_EQ(proc_start_ticks(0, text, sizeof text), ours);
}

/* A process that has PIDs of another namespace than its /proc: nothing is said of them. */
static void a_proc_of_another_namespace(void) {
    char text[400];
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
            _exit(0);
        if ((child = fork()) == 0) {
            static struct asker askers[ASKERS];
            static _Atomic uint64_t head;
            struct event event = {.code = SI_USER, .pid = getpid()};
            static struct sender_entry senders[SENDER_ENTRIES];
            struct sender_entry *entry = sender_count(senders, &event);
            CHECK(proc_names_ours());
            CHECK(proc_start_ticks(0, text, sizeof text) > 0);
            CHECK(!proc_names_ours());
            CHECK_EQ(proc_start_ticks(getpid(), text, sizeof text), 0);
            asker_note(askers, &head, SIGTERM, 0, getpid(), true);
            CHECK(askers[0].pid == getpid() && askers[0].size == 0 && askers[0].parent == 0);
            sender_name(entry, 500);
            CHECK_EQ(entry->named_ns, 0);
            CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                  mount("proc", "/proc", "proc", 0, NULL) == 0);
            CHECK(proc_names_ours());
            sender_name(entry, 500);
            CHECK(entry->named_ns > 0);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        /* That /proc is of a namespace in which we have no PID. */
        CHECK_EQ(proc_start_ticks(0, text, sizeof text), 0);
        CHECK(!proc_names_ours());
        _exit(status != 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(proc_names_ours());
}

int main(void) {
    numbers_are_as_stdio_writes_them();
    a_file_is_a_string_of_what_fits();
    values_are_found_by_their_keys();
    no_descriptor_is_left();
    nothing_is_read_where_a_sandbox_would_punish_it();
    when_a_process_began();
    a_proc_of_another_namespace();
    return 0;
}
