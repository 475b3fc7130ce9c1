/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "retention.h"

#include "memory.h"
#include "places.h"
#include "text.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/syscall.h>

#define MOST 1024 /* that are looked at; the others are of another time */

struct entry { /* struct linux_dirent64: getdents(2) */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

static struct gone {
    struct timespec written;
    char name[64];
    bool removed;
} gone[MOST] SELDOM;
static char buffer[16384] SELDOM __attribute__((aligned(8))); /* no malloc: opendir(3) */

/* "4242.sigrec", "4242+2.sigrec", with "@4026532345" where that is our namespace. */
static bool is_gone(const char *name) {
    char begins[64], path[48];
    uint64_t pid = text_number(name), again = 1;
    if (!pid || pid > INT32_MAX || strlen(name) >= sizeof gone->name)
        return false;
    char *end = places_put_process(begins, (int32_t)pid, places_namespace());
    const char *rest = name + (end - begins);
    if (strncmp(name, begins, (size_t)(end - begins)) != 0)
        return false;
    if (*rest == '+' && (again = text_number(++rest)) > 1)
        rest += strspn(rest, "0123456789");
    if (again == 0 || strcmp(rest, ".sigrec") != 0)
        return false;
    text_put_number(text_put(path, "/proc/"), pid);
    return access(path, F_OK) != 0;
}

static int collect(int directory) {
    int n = 0;
    long got;
    while (n < MOST && (got = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got && n < MOST;) {
            const struct entry *entry = (const void *)(buffer + at);
            struct stat st;
            if (is_gone(entry->name) &&
                fstatat(directory, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode)) {
                gone[n] = (struct gone){.written = st.st_mtim};
                text_put(gone[n++].name, entry->name);
            }
            at += entry->size;
        }
    return n;
}

static bool is_older(const struct gone *a, const struct gone *b) {
    return a->written.tv_sec != b->written.tv_sec ? a->written.tv_sec < b->written.tv_sec
                                                  : a->written.tv_nsec < b->written.tv_nsec;
}

void retention_clean(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int n = fd < 0 ? 0 : collect(fd);
    for (int left = n; n > RETENTION_MOST && left > RETENTION_LEFT; left--) {
        struct gone *oldest = NULL;
        for (int i = 0; i < n; i++)
            if (!gone[i].removed && (!oldest || is_older(&gone[i], oldest)))
                oldest = &gone[i];
        oldest->removed = true;
        unlinkat(fd, oldest->name, 0);
    }
    if (fd >= 0)
        close(fd);
}

#else

void retention_clean(const char *directory) { (void)directory; }

#endif
