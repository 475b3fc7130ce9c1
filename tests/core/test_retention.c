/* SPDX-License-Identifier: MIT
 * Of many recordings of processes that are gone the newest of each kind stay, and whatever else is
 * there. */
#define _GNU_SOURCE
#include "recording/retention.h"

#include "check.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/places.h"
#include "recording/recording.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEP 3
#define NOBODY 100000000 /* no machine has such PIDs: pid_max */

#ifdef __linux__

static char directory[] = "/tmp/sigrec-retention-XXXXXX";
static char others[4096];
static struct recording_header header;
static struct ledger_entry ledger[SIGREC_NSIG];

static const char *path(const char *name) {
    static char full[256];
    snprintf(full, sizeof full, "%s/%s", directory, name);
    return full;
}

static void age(const char *name, long seconds) {
    const struct timespec times[2] = {{1000000 - seconds, 0}, {1000000 - seconds, 0}};
    CHECK(utimensat(AT_FDCWD, path(name), times, AT_SYMLINK_NOFOLLOW) == 0);
}

static void make(const char *name, const void *text, size_t size) {
    int fd = open(path(name), O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    close(fd);
}

static bool is_there(const char *name) {
    struct stat st;
    return lstat(path(name), &st) == 0;
}

static const char *name_of(int n, const char *again) {
    static char name[64];
    char *at = places_put_process(name, NOBODY + n, places_namespace());
    text_put(text_put(at, again), ".sigrec");
    return name;
}

/* One that exited with that status, and was sent SIGTERM so often. */
static void leave_as(const char *name, int32_t pid, int status, uint64_t asked) {
    char all[sizeof header + sizeof ledger];
    memcpy(header.magic, RECORDING_MAGIC, sizeof header.magic);
    header.endian = RECORDING_ENDIAN;
    header.version = RECORDING_VERSION;
    header.sections_offset = offsetof(struct recording_header, sections);
    header.sections[0] = (struct recording_section){.type = SECTION_LEDGER,
                                                    .offset = sizeof header,
                                                    .entry_size = sizeof *ledger,
                                                    .count = SIGREC_NSIG};
    proc_read("/proc/sys/kernel/random/boot_id", header.boot_id, 37);
    header.pid_namespace = places_namespace();
    header.pid = pid;
    header.state = RECORDING_EXITED;
    header.exit_kind = EXIT_KIND_EXIT;
    header.exit_status = status;
    ledger[SIGTERM].delivered = asked;
    memcpy(all, &header, sizeof header);
    memcpy(all + sizeof header, ledger, sizeof ledger);
    make(name, all, sizeof all);
}

static void leave(int n, int status, uint64_t asked) {
    leave_as(name_of(n, ""), NOBODY + n, status, asked);
    age(name_of(n, ""), n);
}

/* Which of `n` are there, as bits; they are removed. */
static unsigned left(int n) {
    unsigned bits = 0;
    while (n--)
        bits |= (unsigned)(unlink(path(name_of(n, ""))) == 0) << n;
    return bits;
}

static size_t clean(size_t most) {
    return retention_clean(directory, most, KEEP, others, sizeof others);
}

static void test_newest_of_each_kind(void) {
    for (int n = 0; n < 12; n++) /* 0, 3, ...: clean; others: a status; a SIGTERM */
        leave(n, n % 3 == 1, n % 3 == 2);
    CHECK_EQ(clean(12), 0);
    CHECK(is_there(name_of(11, "")));
    CHECK_EQ(clean(11), 0);
    CHECK_EQ(left(12), 1 << 0 | 1 << 3 | 1 << 6 | 1 << 1 | 1 << 2 | 1 << 4);
}

static void test_others(void) {
    static const char *const precious[] = {"100000000.sigrec.1", "mine.sigrec",
                                           "100000000+.sigrec",  "+2.sigrec",
                                           "0100000000.sigrec",  ".notes.tmp"};
    for (size_t i = 0; i < sizeof precious / sizeof *precious; i++) {
        make(precious[i], "", 0);
        age(precious[i], 100);
    }
    make("100000000@4026.sigrec", "x", 1);
    make(name_of(1, "+2"), "x", 1);
    make(name_of(2, ""), "", 0); /* empty: it lost what it had */
    size_t n = clean(0);
    CHECK(n > 0 && others[n - 1] == 0);
    CHECK(memmem(others, n, "100000000@4026.sigrec", 22));
    CHECK(memmem(others, n, name_of(1, "+2"), strlen(name_of(1, "+2")) + 1));
    CHECK(!is_there(name_of(2, "")));
    for (size_t i = 0; i < sizeof precious / sizeof *precious; i++)
        CHECK(is_there(precious[i]) && unlink(path(precious[i])) == 0);
    CHECK_EQ(retention_clean(directory, 0, 0, others, 3), 0); /* there is no room to tell */
    CHECK(unlink(path("100000000@4026.sigrec")) == 0 && unlink(path(name_of(1, "+2"))) == 0);
}

static void test_alive(void) {
    char own[64], again[64];
    places_name(own, places_namespace(), 1, ".sigrec");
    places_name(again, places_namespace(), 2, ".sigrec");
    struct stat st;
    make(own, "x", 1);
    age(own, 1000);
    CHECK_EQ(clean(0), 0);
    CHECK(stat(path(own), &st) == 0 && st.st_mtime > time(NULL) - 600);
    make(again, "x", 1);
    CHECK_EQ(clean(0), strlen(own) + strlen(again) + 2);
    CHECK(unlink(path(own)) == 0 && unlink(path(again)) == 0);
}

static void test_links(void) {
    char name[64];
    for (int n = 0; n < 5; n++) {
        strcpy(strrchr(strcpy(name, name_of(n, "")), '.'), ".named");
        CHECK(symlink("/nowhere", path(name)) == 0);
        age(name, n);
    }
    CHECK_EQ(clean(0), 0);
    for (int n = 0; n < 5; n++) {
        strcpy(strrchr(strcpy(name, name_of(n, "")), '.'), ".named");
        CHECK_EQ(unlink(path(name)) == 0, n < KEEP);
    }
}

static void test_half_made(void) {
    char spare[64] = ".";
    strcpy(strrchr(strcat(spare, name_of(0, "")), '.'), ".7.spare");
    static const struct {
        const char *name;
        bool old, stays;
    } all[] = {
        {".100000000.abc.tmp", true, false},
        {".100000001.abc.tmp", false, true},
        {".1.abc.tmp", true, true},
        {".100000000@4026.7.spare", false, true},
        {".100000000@4026.8.spare", true, false},
        {".100000000@4026.x.spare", true, true},
        {".100000000@4026.8.spare.mine", true, true},
    };
    make(spare, "", 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make(all[i].name, "", 0);
        if (all[i].old)
            age(all[i].name, 0);
    }
    CHECK_EQ(clean(0), 0);
    CHECK(!is_there(spare));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHECK_EQ(unlink(path(all[i].name)) == 0, all[i].stays);
}

/* Where there is no /proc no process is known to be gone. */
static void test_without_proc(void) {
    const char *name = ".1.7.spare";
    if (geteuid() != 0)
        return;
    make(name, "", 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(chroot(directory), 0);
        retention_clean("/", 0, 0, others, sizeof others);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(unlink(path(name)) == 0);
}

static int32_t is_no_pid(void) {
    char path[32];
    for (int32_t pid = 32000;; pid--) {
        text_put_number(text_put(path, "/proc/"), (uint64_t)pid);
        if (access(path, F_OK) != 0)
            return pid;
    }
}

/* The first process of a PID namespace, where /proc is still that of the machine. */
static void within_namespace(void) {
    char name[64], text[16];
    text_put_number(text, (uint64_t)is_no_pid() - 1);
    int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
    CHECK(last < 0 || write(last, text, strlen(text)) > 0);
    pid_t member = fork();
    if (member == 0)
        for (;;)
            pause();
    text_put(places_put_process(name, member, places_namespace()), ".sigrec");
    leave_as(name, member, 1, 0);
    retention_clean(directory, 0, 0, others, sizeof others);
    CHECK(is_there(name) && unlink(path(name)) == 0);
    _exit(0); /* and so it ends */
}

static void test_proc_of_another_namespace(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            _exit(0);
        if ((pid = fork()) == 0)
            within_namespace();
        CHECK(waitpid(pid, &status, 0) == pid);
        _exit(status != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

#endif

int main(void) {
#ifdef __linux__
    CHECK(mkdtemp(directory));
    test_newest_of_each_kind();
    test_others();
    test_alive();
    test_links();
    test_half_made();
    test_without_proc();
    test_proc_of_another_namespace();
    CHECK(rmdir(directory) == 0);
    CHECK_EQ(retention_clean("/nowhere", 0, 0, others, sizeof others), 0);
#endif
    return 0;
}
