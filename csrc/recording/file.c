/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/file.h"

#include "ground/memory.h"
#include "ground/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#define PIECE 65536
#define ROOM_FOR_FILES 64 /* recordings of a size: file_reserve() */

/* Past RLIMIT_FSIZE a write raises SIGXFSZ, which kills, and so does ftruncate(2): setrlimit(2). */
static bool is_too_large(uint64_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           size > limit.rlim_cur;
}

int file_fill(int fd, uint64_t size) {
    if (is_too_large(size))
        return EFBIG;
#ifdef __linux__
    /* On a file system in memory an allocated page stays, and need not be written first. */
    struct statfs fs;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC) {
        while (fallocate(fd, 0, 0, (off_t)size) != 0)
            if (errno != EINTR)
                return errno;
        return 0;
    }
#endif
    static char zeros[PIECE] SELDOM; /* as a constant it would enlarge the library's file */
    for (uint64_t done = 0; done < size;) {
        size_t n = size - done < sizeof zeros ? (size_t)(size - done) : sizeof zeros;
        ssize_t wrote = pwrite(fd, zeros, n, (off_t)done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : ENOSPC;
        done += (uint64_t)wrote;
    }
    return 0;
}

int file_reserve(int fd, uint64_t size) {
#ifdef __linux__
    struct statfs fs;
    if (!is_too_large(size) && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
        (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / ROOM_FOR_FILES >= size)
        return ftruncate(fd, (off_t)size) != 0 ? errno : 0;
#endif
    return file_fill(fd, size);
}

int file_open_directory(const char *path, bool any, int *fd) {
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (any ? 0 : O_NOFOLLOW));
    if (*fd < 0)
        return errno;
    struct stat st;
    if (fstat(*fd, &st) != 0 ||
        (!any && (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))))) {
        close(*fd);
        return EPERM;
    }
    return 0;
}

int file_let_owner_read(int fd, struct stat *st) {
    if (fstat(fd, st) != 0)
        return errno;
    return (st->st_mode & 0600) == 0600 || fchmod(fd, 0600) == 0 ? 0 : errno;
}

int file_open_unnamed(int directory, const char *temporary, bool *named, int *fd) {
#ifdef O_TMPFILE
    *named = false;
    *fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
        return errno;
#endif
    *named = true;
    *fd = openat(directory, temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
    return *fd < 0 ? errno : 0;
}

int file_give_name(int directory, int fd, const char *temporary, bool named, const char *name) {
    char self[64];
    text_put_number(text_put(self, "/proc/self/fd/"), (uint64_t)fd); /* open(2), O_TMPFILE */
#ifdef AT_EMPTY_PATH
    /* To name the file so needs no /proc, but works only as root, or since Linux 6.10. */
    if (!named && linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0)
        return 0;
#endif
    if ((named ? linkat(directory, temporary, directory, name, 0)
               : linkat(AT_FDCWD, self, directory, name, AT_SYMLINK_FOLLOW)) == 0)
        return 0;
    if (!named || (errno != EPERM && errno != EOPNOTSUPP))
        return errno;
    /* A file system without links, as vfat: another file could take the name between these calls.
     */
    struct stat st;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    return renameat(directory, temporary, directory, name) != 0 ? errno : 0;
}
