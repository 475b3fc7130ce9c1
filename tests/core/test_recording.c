/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/recording.h"

#include "check.h"
#include "events/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

static char directory[] = "/dev/shm/sigrec-test-XXXXXX";
static bool in_memory;
static struct owner owner;

static void write_n(const struct recording *recording, uint32_t signo, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        struct event e = {.signo = signo, .ordinal = i};
        ledger_add(&recording->ledger[signo].delivered, 1);
        recording_write(recording, &e);
    }
}

static void check_balance(const struct recording *recording, uint32_t signo, uint64_t delivered,
                          uint64_t overwritten) {
    const struct ledger_entry *entry = &recording->ledger[signo];
    CHECK_EQ(entry->delivered, delivered);
    CHECK_EQ(entry->recorded + entry->dropped, delivered);
    CHECK_EQ(entry->overwritten, overwritten);
}

static void counts_what_it_overwrites(void) {
    struct recording recording;
    CHECK(recording_private(&recording, 16, &owner) == 0);
    write_n(&recording, 15, 1);
    write_n(&recording, 10, 40);
    check_balance(&recording, 15, 1, 1);
    check_balance(&recording, 10, 40, 24);
    struct event e;
    const struct slot *block =
        &recording.recent.slots[(recording.ledger[15].recent - 1) * RECENT_SLOTS];
    CHECK(keep_read(block, &e));
    CHECK_EQ(e.signo, 15); /* not lost behind the forty */
    CHECK_EQ(recording.header->recent_owner[recording.ledger[15].recent - 1], 15);
    recording_unmap(&recording);
}

static void a_published_one_is_complete_private_and_not_inherited(void) {
    struct recording recording;
    CHECK(recording_publish(&recording, directory, "a.sigrec", false, false, 16, &owner) == 0);
    CHECK(recording.published);
    char path[128];
    snprintf(path, sizeof path, "%s/a.sigrec", directory);
    struct stat st;
    CHECK(stat(path, &st) == 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(st.st_size, recording.header->file_size);
    CHECK(st.st_blocks * 512 >= st.st_size); /* no holes */
    write_n(&recording, 10, 3);

    struct recording_header header;
    int fd = open(path, O_RDONLY);
    CHECK(read(fd, &header, sizeof header) == sizeof header);
    close(fd);
    CHECK(memcmp(header.magic, RECORDING_MAGIC, 8) == 0);
    for (uint32_t i = 0; i < header.sections_count; i++) {
        const struct recording_section *section = &header.sections[i];
        CHECK_EQ(section->type, i + 1);
        CHECK(section->offset % 64 == 0 &&
              section->offset + section->count * section->entry_size <= header.file_size);
    }
    CHECK_EQ(header.head, 3);
    CHECK_EQ(header.pid, getpid());
    CHECK(header.anchor_count >= 1);

    pid_t child = fork();
    if (child == 0) {
        unsigned char in_core;
        errno = 0;
        int rc = mincore(recording.header, 4096, &in_core);
        _exit(rc == -1 && errno == ENOMEM ? 0 : 1); /* not mapped */
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);

    recording_unmap(&recording);
    unlink(path);
}

/* Neither the recording before it, nor a link that squats on the name. */
static void takes_the_place_of_nothing(void) {
    struct recording recording;
    char path[128];
    snprintf(path, sizeof path, "%s/b.sigrec", directory);
    CHECK(symlink("nowhere", path) == 0);
    CHECK_EQ(recording_publish(&recording, directory, "b.sigrec", false, false, 16, &owner),
             EEXIST);
    struct stat st;
    CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
    unlink(path);
    CHECK(recording_publish(&recording, directory, "b.sigrec", false, false, 16, &owner) == 0);
    CHECK(stat(path, &st) == 0);
    ino_t inode = st.st_ino;
    struct recording second;
    CHECK_EQ(recording_publish(&second, directory, "b.sigrec", false, false, 16, &owner), EEXIST);
    CHECK(stat(path, &st) == 0 && st.st_ino == inode);
    recording_unmap(&recording);
    unlink(path);
    CHECK(rmdir(directory) == 0 && mkdir(directory, 0700) == 0); /* nothing half made is left */
}

static void refuses_a_directory_that_is_not_safe(void) {
    struct recording recording;
    char path[128], link[160];
    snprintf(path, sizeof path, "%s/open", directory);
    snprintf(link, sizeof link, "%s/link", directory);
    CHECK(mkdir(path, 0700) == 0 && chmod(path, 0777) == 0);
    CHECK(symlink(path, link) == 0);
    CHECK_EQ(recording_publish(&recording, path, "x", false, false, 16, &owner), EPERM);
    CHECK(chmod(path, 0700) == 0);
    int error = recording_publish(&recording, link, "x", false, false, 16, &owner);
    CHECK(error == ELOOP || error == ENOTDIR);
    CHECK_EQ(recording_publish(&recording, "/nowhere/at/all", "x", false, false, 16, &owner),
             ENOENT);
    CHECK(recording_publish(&recording, link, "x", true, false, 16, &owner) == 0);
    recording_unmap(&recording);
    snprintf(link, sizeof link, "%s/open/x", directory);
    unlink(link);
    snprintf(link, sizeof link, "%s/link", directory);
    unlink(link);
    rmdir(path);
}

static void a_file_size_limit_is_an_error_and_not_a_signal(void) {
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        setrlimit(RLIMIT_FSIZE, &limit);
        struct recording recording;
        CHECK_EQ(recording_publish(&recording, directory, "f", false, false, 16, &owner), EFBIG);
        CHECK_EQ(recording_publish(&recording, directory, "f", false, true, 16, &owner), EFBIG);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

static void of_a_short_program_only_pages_that_are_written_are_there(void) {
    struct recording recording;
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/short", directory);
    for (int as_written = 0; as_written < 2; as_written++) {
        CHECK(recording_publish(&recording, directory, "short", false, as_written, 1024, &owner) ==
              0);
        CHECK(stat(path, &st) == 0 && (size_t)st.st_size == recording.size);
        CHECK((st.st_blocks * 512 < st.st_size) == (as_written && in_memory));
        unlink(path);
        recording_unmap(&recording);
    }
}

static void fold_moves_counts_and_events(void) {
    struct recording from, to;
    CHECK(recording_private(&from, 16, &owner) == 0);
    CHECK(recording_private(&to, 64, &owner) == 0);
    write_n(&from, 10, 20);
    uint64_t next[RECORDING_RINGS] = {0};
    recording_fold(&from, &to, next);
    write_n(&from, 10, 2); /* a straggler */
    recording_fold(&from, &to, next);
    recording_fold(&from, &to, next);
    CHECK_EQ(to.ledger[10].delivered, 22);
    CHECK_EQ(to.ledger[10].recorded, 22);
    CHECK_EQ(*to.history.head, 18); /* 16 that were still there, and 2 */
    recording_unmap(&from);
    recording_unmap(&to);
}

int main(void) {
    owner_describe(&owner, NULL);
    CHECK(owner.boot_id[0] && owner.pid_namespace && owner.argv_size);
    CHECK(owner.identity.executable[0] == '/' && owner.identity.pgid == getpgid(0));
    struct owner again;
    owner_describe(&again, NULL);
    CHECK(memcmp(owner.id, again.id, sizeof owner.id) != 0);
#ifdef __linux__
    struct statfs fs;
    in_memory = statfs("/dev/shm", &fs) == 0 && fs.f_type == TMPFS_MAGIC;
#endif
    if (!mkdtemp(directory))
        CHECK(mkdtemp(strcpy(directory, "/tmp/sigrec-test-XXXXXX")));
    counts_what_it_overwrites();
    a_published_one_is_complete_private_and_not_inherited();
    takes_the_place_of_nothing();
    refuses_a_directory_that_is_not_safe();
    a_file_size_limit_is_an_error_and_not_a_signal();
    of_a_short_program_only_pages_that_are_written_are_there();
    fold_moves_counts_and_events();
    CHECK(rmdir(directory) == 0);
    return 0;
}
