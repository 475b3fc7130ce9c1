/* SPDX-License-Identifier: MIT
 * Where a recording is made, and what is in the way there. */
#define _GNU_SOURCE
#include "recording/publish.h"

#include "check.h"
#include "host/places.h"
#include "recording/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[] = "/tmp/sigrec-publish-XXXXXX";

static const char *under(const char *name) {
    static char paths[4][4200];
    static int n;
    char *path = paths[n++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", base, name);
    return path;
}

/* In a process of its own, as each has one recording. */
static void in_child(void (*test)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(process_start(), 0);
        test();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static const struct publish_options usual = {.capacity = 16};
static char notes[1024];

static void test_capacity(void) {
    CHECK_EQ(publish_capacity("16"), 16);
    CHECK_EQ(publish_capacity("1000"), 1024);
    CHECK_EQ(publish_capacity("16777216"), 16777216);
    const char *wrong[] = {"", "15", "16777217", "1e6", "-1", "20 ", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_EQ(publish_capacity(wrong[i]), 0);
}

static void test_places(void) {
    char found[PLACES_SIZE], wanted[64];
    snprintf(wanted, sizeof wanted, "/dev/shm/sigrec-%lu", (unsigned long)geteuid());
    setenv("SIGREC_DIR", "", 1);
    CHECK(!places_candidate(0, found));
    unsetenv("SIGREC_DIR");
    CHECK(places_candidate(0, found) && strcmp(found, wanted) == 0);
    setenv("SIGREC_DIR", "relative", 1);
    CHECK(places_candidate(0, found) && *found == '/' && strstr(found, "/relative"));
    CHECK(places_candidate(1, found) && strcmp(found, wanted) == 0);
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", "/t", 1);
    CHECK(places_candidate(2, found) && strncmp(found, "/t/sigrec-", 10) == 0);
    CHECK(!places_candidate(3, found));
    setenv("XDG_RUNTIME_DIR", "/r", 1);
    CHECK(places_candidate(2, found) && strcmp(found, "/r/sigrec") == 0);
    CHECK(places_candidate(3, found) && !places_candidate(4, found));
    static const char *const paths[][2] = {
        {"/a//b/./c/../d/", "/a/b/d"}, {"//", "/"}, {"/../x/..", "/"}, {"/.a/..b/", "/.a/..b"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        setenv("SIGREC_DIR", paths[i][0], 1);
        CHECK(places_candidate(0, found) && strcmp(found, paths[i][1]) == 0);
    }
}

static void test_unusable(void) {
    char reason[PLACES_REASON];
    CHECK(!places_prepare(under("made"), reason));
    CHECK(symlink(under("made"), under("link")) == 0);
    CHECK(strcmp(places_prepare(under("link"), reason), "is a symbolic link") == 0);
    CHECK(chmod(under("made"), 0770) == 0);
    CHECK(strstr(places_prepare(under("made"), reason), "writable by others (mode 0770)"));
    CHECK(strstr(places_prepare(under("not/there"), reason), "No such file"));
    setenv("SIGREC_DIR", under("link/"), 1); /* a "/" would have lstat(2) follow it */
    setenv("XDG_RUNTIME_DIR", base, 1);
    char found[PLACES_SIZE];
    CHECK(places_first(found, "") && strcmp(found, under("link")) && strcmp(found, under("made")));
    setenv("SIGREC_DIR", under("a:b"), 1);
    CHECK(places_first(found, "") && strcmp(found, under("a:b")) == 0);
    CHECK(places_first(found, " :") && !strchr(found, ':'));
    rmdir(under("a:b"));
    setenv("SIGREC_DIR", "", 1);
    CHECK(!places_first(found, ""));
    rmdir(under("sigrec"));
    unlink(under("link"));
    rmdir(under("made"));
}

static void test_passed_over(void) {
    setenv("SIGREC_DIR", "/proc/nowhere", 1);
    setenv("TMPDIR", base, 1);
    unsetenv("XDG_RUNTIME_DIR");
    CHECK_EQ(publish(&usual, notes, sizeof notes), 0);
    CHECK(strstr(notes, "/proc/nowhere: ") == notes);
    CHECK(process_adopted() && *process_path());
    unlink(process_path());
}

/* The umask(2) does not keep its owner from a recording. */
static void test_umask(void) {
    struct stat st;
    char directory[PLACES_SIZE];
    setenv("SIGREC_DIR", under("masked"), 1);
    umask(0777);
    CHECK_EQ(publish(&usual, notes, sizeof notes), 0);
    CHECK(stat(under("masked"), &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(stat(process_path(), &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(process_directory(directory) && strcmp(directory, under("masked")) == 0);
    CHECK(strstr(process_path(), "/masked/") && unlink(process_path()) == 0);
    CHECK(rmdir(under("masked")) == 0);
}

static void test_private(void) {
    setenv("SIGREC_DIR", "", 1);
    CHECK_EQ(publish(&usual, notes, sizeof notes), 0);
    char directory[PLACES_SIZE];
    CHECK(process_adopted() && !*process_path() && !*notes);
    CHECK(!process_directory(directory));
}

static const char *own(uint64_t n, const char *suffix) {
    char name[64];
    places_name(name, places_namespace(), n, suffix);
    return under(name);
}

static const char *own_name(uint64_t n) { return own(n, ".sigrec"); }

static bool is_there(const char *path) { return access(path, F_OK) == 0; }

/* Readers are led to it, under the first name that is free. */
static void test_named(void) {
    struct publish_options options = usual;
    char target[4200] = "";
    setenv("SIGREC_DIR", base, 1);
    CHECK(symlink("/elsewhere", own(1, ".named")) == 0);
    options.file = under("mine.sigrec");
    CHECK_EQ(publish(&options, notes, sizeof notes), 0);
    CHECK(strcmp(process_path(), options.file) == 0 && !*notes);
    CHECK(readlink(own(2, ".named"), target, sizeof target - 1) > 0);
    CHECK(strcmp(target, options.file) == 0 && !is_there(own_name(1)));
    unlink(options.file);
    unlink(own(1, ".named"));
    unlink(own(2, ".named"));
}

/* The first program of a process, as a forked child leaves it before the exec. */
static void leave_one(bool with_signal) {
    CHECK_EQ(publish(&usual, notes, sizeof notes), 0);
    if (with_signal)
        ledger_add(&process_recording()->ledger[SIGUSR1].delivered, 1);
    process_leaving(EXIT_KIND_EXEC, 0, "/bin/next");
}

/* What the program that it became finds, which begins with new memory. */
static void become_with(const struct publish_options *options) {
    memset(process_self, 0, sizeof *process_self);
    CHECK_EQ(process_start(), 0);
    CHECK_EQ(publish(options, notes, sizeof notes), 0);
}

static void become(void) { become_with(&usual); }

static void test_after_exec(void) {
    setenv("SIGREC_DIR", base, 1);
    leave_one(false);
    CHECK(is_there(own_name(1)));
    become();
    CHECK(!is_there(own_name(1)) && is_there(own_name(2)));
    process_leaving(EXIT_KIND_EXEC, 0, "/bin/next");
    become();
    CHECK(is_there(own_name(1)) && !is_there(own_name(2)));
    unlink(own_name(1));
}

static void test_after_exec_with_a_signal(void) {
    setenv("SIGREC_DIR", base, 1);
    leave_one(true);
    become();
    CHECK(is_there(own_name(1)) && is_there(own_name(2)));
    unlink(own_name(1));
    unlink(own_name(2));
}

static void test_after_exec_that_stays(void) {
    struct publish_options options = usual;
    options.former_stays = true;
    setenv("SIGREC_DIR", base, 1);
    leave_one(false);
    become_with(&options);
    CHECK(is_there(own_name(1)) && is_there(own_name(2)));
    unlink(own_name(1));
    unlink(own_name(2));
}

static void test_given_directories(void) {
    static char too_long[PLACES_SIZE + 16];
    memset(too_long, '/', sizeof too_long - 1);
    memcpy(too_long + PLACES_SIZE - sizeof base, base, sizeof base - 1); /* cut, it is ours */
    const char *const directories[] = {too_long, "/proc/nowhere", base, NULL};
    struct publish_options options = usual;
    options.directories = directories;
    CHECK_EQ(publish(&options, notes, sizeof notes), 0);
    CHECK(strstr(notes, "/proc/nowhere: "));
    CHECK(strcmp(process_path(), own_name(1)) == 0);
    unlink(own_name(1));
}

int main(void) {
    CHECK(mkdtemp(base));
    test_capacity();
    in_child(test_places);
    in_child(test_unusable);
    in_child(test_umask);
    in_child(test_private);
    in_child(test_named);
#ifdef __linux__
    in_child(test_passed_over);
    in_child(test_after_exec);
    in_child(test_after_exec_with_a_signal);
    in_child(test_after_exec_that_stays);
    in_child(test_given_directories);
    char left[64];
    snprintf(left, sizeof left, "sigrec-%lu", (unsigned long)geteuid());
    rmdir(under(left));
#endif
    CHECK(rmdir(base) == 0);
    return 0;
}
