/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/retention.h"

#include "events/signals.h"
#include "ground/filter.h"
#include "ground/proc.h"
#include "ground/text.h"
#include "host/places.h"
#include "recording/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/syscall.h>

#define FILES_MOST 2048 /* files that one call looks at; the rest is left to later calls */
#define HOUR 3600
#define DIGITS "0123456789"

struct file_entry { /* struct linux_dirent64: getdents(2) */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

enum kind { LIVES, LINK, GONE, CLEAN, OF_INTEREST, DONE };

struct found_file {
    struct timespec written;
    ino_t inode;
    uint64_t pid;
    enum kind kind;
    char name[64];
};

struct cleaning { /* mapped while it is needed: without malloc, and a short program keeps no page */
    int directory, count;
    uint64_t here; /* this PID namespace */
    char *others;
    size_t room;
    char boot[40];
    _Alignas(8) char buffer[16384]; /* for getdents(2), since opendir(3) allocates */
    struct recording_header header;
    struct found_file found[FILES_MOST];
};

static void leave_to_others(struct cleaning *cleaning, const char *name) {
    size_t size = strlen(name) + 1;
    if (size > cleaning->room)
        return;
    memcpy(cleaning->others, name, size);
    cleaning->others += size;
    cleaning->room -= size;
}

/* --- names -------------------------------------------------------------------------- */

/* Returns what comes after the numbers in "4242.sigrec" or "4242@4026532345+2.named". NULL: it is
 * no name of sigrec's own making. */
static const char *parse_name(const char *name, uint64_t *pid, uint64_t *namespace) {
    char own_name[160]; /* as sigrec makes it of these numbers */
    const char *at = name + strspn(name, DIGITS);
    uint64_t number = 1;
    *pid = text_number(name);
    *namespace = 0;
    if (*at == '@') {
        *namespace = text_number(++at);
        at += strspn(at, DIGITS);
    }
    if (*at == '+') {
        number = text_number(++at);
        at += strspn(at, DIGITS);
    }
    if (!*pid || *pid > INT32_MAX || !number ||
        strlen(name) >= sizeof((struct found_file *)0)->name)
        return NULL;
    char *end = places_put_process(own_name, (int32_t)*pid, *namespace);
    if (number != 1)
        end = text_put_number(text_put(end, "+"), number);
    text_put(end, at);
    if (!*namespace)
        *namespace = PLACES_FIRST;
    return strcmp(own_name, name) == 0 ? at : NULL;
}

/* Whether there is such a process, as far as this one can tell. /proc alone may not: it may be that
 * of another PID namespace (unshare(1) without --mount-proc), and with hidepid= it hides also those
 * of the same user that are not dumpable: proc(5). */
static bool is_pid(uint64_t pid) {
    char path[48];
    text_put_number(text_put(path, "/proc/"), pid);
    return access(path, F_OK) == 0 ||
           (filter_allows(FILTERED_KILL) && (kill((pid_t)pid, 0) == 0 || errno != ESRCH));
}

/* Whether a process that is gone has left the file half made: a ".4242.something.tmp", of
 * recording_publish(), or a ".4242.7.spare", of spare.h. */
static bool is_left_half_made(const struct cleaning *cleaning, const char *name,
                              const struct stat *st) {
    char stem[sizeof((struct found_file *)0)->name];
    const char *dot = strchr(name + 1, '.'), *suffix = strrchr(name, '.');
    uint64_t pid, namespace;
    if (!dot || suffix == dot || (size_t)(dot - name) > sizeof stem - sizeof ".sigrec")
        return false;
    memcpy(stem, name + 1, (size_t)(dot - name - 1));
    text_put(stem + (dot - name - 1), ".sigrec");
    if (!parse_name(stem, &pid, &namespace))
        return false;
    time_t age = time(NULL) - st->st_mtime;
    bool lives = is_pid(pid);
    /* Not at once: a process of another PID namespace may be making that recording just now. */
    if (strcmp(suffix, ".tmp") == 0)
        return namespace == PLACES_FIRST && !lives && age > HOUR;
    if (strcmp(suffix, ".spare") != 0 || strspn(dot + 1, DIGITS) != (size_t)(suffix - dot - 1))
        return false;
    /* A child that has mapped the spare keeps it when the name is removed. */
    return namespace == cleaning->here ? !lives : age > 24 * HOUR;
}

/* --- one file ----------------------------------------------------------------------- */

static void collect_one(struct cleaning *cleaning, const char *name) {
    struct stat st;
    uint64_t pid = 0, namespace = 0;
    const char *suffix = *name == '.' ? ".hidden" : parse_name(name, &pid, &namespace);
    bool link = suffix && strcmp(suffix, ".named") == 0;
    bool recording = suffix && strcmp(suffix, ".sigrec") == 0;
    if (fstatat(cleaning->directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (!*cleaning->boot) { /* there is no /proc, as in a chroot(2), and all processes seem gone */
        if (recording)
            leave_to_others(cleaning, name);
        return;
    }
    if (*name == '.' && is_left_half_made(cleaning, name, &st))
        unlinkat(cleaning->directory, name, 0);
    if (!link && !(recording && S_ISREG(st.st_mode)))
        return;
    bool there = is_pid(pid), lives = there && namespace == cleaning->here;
    /* An empty file is no recording: a recording is complete before it has a name. */
    if (recording && !there && !st.st_size) {
        unlinkat(cleaning->directory, name, 0);
    } else if (recording && namespace != cleaning->here) {
        leave_to_others(cleaning, name);
    } else if (recording || !lives) {
        struct found_file *file = &cleaning->found[cleaning->count++];
        *file = (struct found_file){.written = st.st_mtim, .inode = st.st_ino, .pid = pid};
        file->kind = link ? LINK : lives ? LIVES : GONE;
        text_put(file->name, name);
    }
}

static void collect(struct cleaning *cleaning) {
    long got = 1;
    while (got > 0 && cleaning->count < FILES_MOST) {
        got =
            syscall(SYS_getdents64, cleaning->directory, cleaning->buffer, sizeof cleaning->buffer);
        for (long at = 0; at < got && cleaning->count < FILES_MOST;) {
            const struct file_entry *file_entry = (const void *)(cleaning->buffer + at);
            collect_one(cleaning, file_entry->name);
            at += file_entry->size;
        }
    }
}

static bool was_asked_to_end(int fd, const struct recording_section *ledger) {
    for (size_t i = 0; i < sizeof ending_signals / sizeof *ending_signals; i++) {
        uint64_t delivered = 0;
        off_t at =
            (off_t)(ledger->offset + (uint64_t)ending_signals[i] * sizeof(struct ledger_entry) +
                    offsetof(struct ledger_entry, delivered));
        if (pread(fd, &delivered, sizeof delivered, at) > 0 && delivered)
            return true;
    }
    return false;
}

/* GONE: the recording is of another boot, process or version, and left to others. */
static enum kind kind_of(struct cleaning *cleaning, const struct found_file *file, int fd) {
    struct recording_header *header = &cleaning->header;
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != file->inode)
        return DONE;
    if (pread(fd, header, sizeof *header, 0) != (ssize_t)sizeof *header)
        return GONE;
    const struct recording_section *ledger = recording_ledger_of(header, (uint64_t)st.st_size);
    uint64_t namespace = header->pid_namespace ? header->pid_namespace : PLACES_FIRST;
    if (!ledger || (uint64_t)header->pid != file->pid || namespace != cleaning->here ||
        !*cleaning->boot || strncmp(header->boot_id, cleaning->boot, sizeof header->boot_id) != 0)
        return GONE;
    bool well = header->state == RECORDING_EXITED && header->exit_kind == EXIT_KIND_EXIT &&
                header->exit_status == 0 && !header->exit_reason[0];
    return well && !was_asked_to_end(fd, ledger) ? CLEAN : OF_INTEREST;
}

static void look_at(struct cleaning *cleaning, struct found_file *file) {
    int fd =
        openat(cleaning->directory, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    file->kind = fd < 0 ? DONE : kind_of(cleaning, file, fd);
    if (fd >= 0)
        close(fd);
    if (file->kind == GONE)
        leave_to_others(cleaning, file->name);
}

/* For a file whose process lives, or whose pid another process has now. It is looked at another
 * time, and marked as new, so that it is not among the oldest when a process that lived long ends:
 * a tmpfs does not note when a mapped file is written. If several files have that pid, a reader has
 * to tell which one is in use. */
static void touch(struct cleaning *cleaning, const struct found_file *file) {
    bool alone = true;
    for (const struct found_file *other = cleaning->found;
         other < cleaning->found + cleaning->count; other++)
        alone &= other == file || other->kind != LIVES || other->pid != file->pid;
    if (alone)
        utimensat(cleaning->directory, file->name, NULL, AT_SYMLINK_NOFOLLOW);
    else
        leave_to_others(cleaning, file->name);
}

/* --- all of them -------------------------------------------------------------------- */

static bool is_older(const struct found_file *a, const struct found_file *b) {
    return a->written.tv_sec != b->written.tv_sec     ? a->written.tv_sec < b->written.tv_sec
           : a->written.tv_nsec != b->written.tv_nsec ? a->written.tv_nsec < b->written.tv_nsec
                                                      : a->inode < b->inode;
}

static size_t number_of(const struct cleaning *cleaning, enum kind kind) {
    size_t number = 0;
    for (int n = 0; n < cleaning->count; n++)
        number += cleaning->found[n].kind == kind;
    return number;
}

static void drop_all_but(size_t keep, struct cleaning *cleaning, enum kind kind) {
    struct stat st;
    for (size_t left = number_of(cleaning, kind); left > keep; left--) {
        struct found_file *oldest = NULL;
        for (struct found_file *file = cleaning->found; file < cleaning->found + cleaning->count;
             file++)
            if (file->kind == kind && (!oldest || is_older(file, oldest)))
                oldest = file;
        oldest->kind = DONE;
        /* A new process may have got the pid, and have published there since. (It still could
         * between these two calls: then its file loses its name, and the process goes on.) */
        if (fstatat(cleaning->directory, oldest->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_ino == oldest->inode)
            unlinkat(cleaning->directory, oldest->name, 0);
    }
}

static void clean(struct cleaning *cleaning, size_t most, size_t keep) {
    uint64_t here = places_namespace();
    cleaning->here = here ? here : PLACES_FIRST;
    if (proc_read("/proc/sys/kernel/random/boot_id", cleaning->boot, sizeof cleaning->boot) == 37)
        cleaning->boot[36] = 0; /* a newline */
    collect(cleaning);
    for (int n = 0; n < cleaning->count; n++)
        if (cleaning->found[n].kind == LIVES)
            touch(cleaning, &cleaning->found[n]);
    drop_all_but(keep, cleaning, LINK);
    if (number_of(cleaning, GONE) <= most)
        return;
    for (int n = 0; n < cleaning->count; n++)
        if (cleaning->found[n].kind == GONE)
            look_at(cleaning, &cleaning->found[n]);
    drop_all_but(keep, cleaning, CLEAN);
    drop_all_but(keep, cleaning, OF_INTEREST);
}

size_t retention_clean(const char *path, size_t most, size_t keep, char *others, size_t size) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t left = size;
    if (directory < 0)
        return 0;
    struct cleaning *cleaning =
        mmap(NULL, sizeof *cleaning, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (cleaning != MAP_FAILED) {
        cleaning->directory = directory;
        cleaning->others = others;
        cleaning->room = size;
        clean(cleaning, most, keep);
        left = cleaning->room;
        munmap(cleaning, sizeof *cleaning);
    }
    close(directory);
    return size - left;
}

#else

size_t retention_clean(const char *path, size_t most, size_t keep, char *others, size_t size) {
    (void)path, (void)most, (void)keep, (void)others, (void)size;
    return 0;
}

#endif
