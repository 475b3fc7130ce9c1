/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ground/proc.h"

#include "ground/filter.h"
#include "ground/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

const char *proc_root = "/proc";

#ifdef __linux__
#include <sys/syscall.h>

/* A descriptor of /proc that could not be closed: no more of these. */
static _Atomic bool cannot_close;

/* /proc is that of another PID namespace, as it was seen last. */
static _Atomic bool names_others;

bool proc_names_ours(void) {
    char text[400];
    if (atomic_load_explicit(&names_others, memory_order_relaxed))
        proc_start_ticks(0, text, sizeof text); /* it may have mounted its own since */
    return !atomic_load_explicit(&names_others, memory_order_relaxed);
}

static bool may_read(void) {
    return filter_allows(FILTERED_OPEN) && filter_allows(FILTERED_READ) &&
           filter_allows(FILTERED_CLOSE) &&
           !atomic_load_explicit(&cannot_close, memory_order_relaxed);
}

/* The raw calls: glibc's open, read and close are cancellation points. */
size_t proc_read(const char *path, char *text, size_t size) {
    text[0] = 0;
    if (!may_read())
        return 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long n = syscall(SYS_read, fd, text, size - 1);
    if (syscall(SYS_close, fd) != 0)
        atomic_store_explicit(&cannot_close, true, memory_order_relaxed);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

const char *proc_field(const char *text, int n) {
    const char *field = strrchr(text, ')'); /* field 2, the name, may hold anything */
    for (int at = 2; field && at < n; at++)
        field = strchr(field + 1, ' ');
    return field ? field + 1 : NULL;
}

const char *proc_after(const char *text, const char *key) {
    const char *value = strstr(text, key);
    if (!value)
        return NULL;
    value += strlen(key);
    while (*value == ' ' || *value == '\t')
        value++;
    return value;
}

uint64_t proc_mask(const char *text, const char *key) {
    const char *mask = proc_after(text, key);
    return mask ? text_hexadecimal(mask) : 0;
}

/* "pid:[4026531836]": namespaces(7) */
uint64_t proc_namespace(const char *name) {
    char path[64], text[64];
    text_put(text_put(path, "/proc/self/ns/"), name);
    if (!filter_allows(FILTERED_OPEN) || !filter_allows(FILTERED_STAT))
        return 0;
    ssize_t n = readlink(path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    const char *number = strchr(text, '[');
    return number ? text_number(number + 1) : 0;
}

uint64_t proc_start_ticks(int32_t pid, char *text, size_t size) {
    char path[32], *at = text_put(path, "/proc/");
    if (pid && !proc_names_ours())
        return 0;
    at = pid ? text_put_number(at, (uint64_t)pid) : text_put(at, "self");
    text_put(at, "/stat");
    int saved_errno = errno;
    errno = 0;
    proc_read(path, text, size);
    bool is_absent = errno == ENOENT; /* /proc/self, where we have no PID in that namespace */
    errno = saved_errno;
    const char *field = proc_field(text, 22);
    if (!pid && (field ? filter_allows(FILTERED_GETPID) : is_absent))
        atomic_store_explicit(&names_others,
                              !field || text_number(text) != (uint64_t)syscall(SYS_getpid),
                              memory_order_relaxed);
    return field ? text_number(field) : 0;
}
#endif
