/* SPDX-License-Identifier: MIT
 *
 * Any context: between fork or vfork and exec only async-signal-safe functions may be called,
 * and the wrappers of these are cancellation points.
 */
#define _GNU_SOURCE
#include "host/target.h"

#include "ground/text.h"

#include <string.h>

const char *target_reason(enum target target) {
    switch (target) {
    case TARGET_FINE: return NULL;
    case TARGET_UNREADABLE: return "cannot be read";
    case TARGET_NO_ELF: return "is no program that the kernel knows";
    case TARGET_MACHINE: return "is of another machine, or of 32 bits";
    case TARGET_STATIC: return "is statically linked";
    case TARGET_C_LIBRARY: return "uses another C library than sigrec was built for";
    case TARGET_PRIVILEGED: return "is setuid or setgid, and the dynamic linker ignores LD_PRELOAD";
    case TARGET_SANITIZER: return "is built with a sanitizer, whose runtime has to come first";
    case TARGET_LIBRARY: return "cannot load sigrec's library from where that is";
    }
    return "is unknown";
}

#ifdef __linux__

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAD 1024          /* bytes of a file that are looked at first */
#define SEGMENTS 32        /* program headers */
#define NEEDED 64          /* entries of the dynamic section */
#define FLAG_NOEXEC 0x0008 /* ST_NOEXEC: statfs(2) */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_NONE
#endif

static int open_target(const char *path) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        0);
}

static void close_target(int fd) { syscall(SYS_close, fd); }

static bool read_target(int fd, void *to, size_t size, uint64_t at) {
    return syscall(SYS_pread64, fd, to, size, at) == (long)size;
}

/* Where it stands in the file. */
static uint64_t target_offset_of(const ElfW(Phdr) *segments, int n, uint64_t address) {
    for (int i = 0; i < n; i++)
        if (segments[i].p_type == PT_LOAD && address >= segments[i].p_vaddr &&
            address - segments[i].p_vaddr < segments[i].p_filesz)
            return address - segments[i].p_vaddr + segments[i].p_offset;
    return 0;
}

/* Their runtimes refuse to come second: "runtime does not come first in initial library list". */
static bool is_sanitizer(const char *library) {
    static const char *const names[] = {"libasan.so",   "libtsan.so", "liblsan.so",
                                        "libhwasan.so", "libmsan.so", "libclang_rt."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(library, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool needs_sanitizer(int fd, const ElfW(Phdr) *segments, int n) {
    ElfW(Dyn) entries[NEEDED];
    for (int i = 0; i < n; i++) {
        if (segments[i].p_type != PT_DYNAMIC)
            continue;
        size_t count = segments[i].p_filesz / sizeof *entries;
        if (count > NEEDED)
            count = NEEDED;
        if (!read_target(fd, entries, count * sizeof *entries, segments[i].p_offset))
            return false;
        uint64_t strings = 0;
        for (size_t k = 0; k < count; k++)
            if (entries[k].d_tag == DT_STRTAB)
                strings = target_offset_of(segments, n, entries[k].d_un.d_ptr);
        for (size_t k = 0; strings && k < count && entries[k].d_tag != DT_NULL; k++) {
            char name[16] = "";
            if (entries[k].d_tag == DT_NEEDED &&
                read_target(fd, name, sizeof name - 1, strings + entries[k].d_un.d_val) &&
                is_sanitizer(name))
                return true;
        }
    }
    return false;
}

static enum target target_of_elf(int fd, const char *head) {
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[SEGMENTS];
    char interpreter[256] = "";
    memcpy(&header, head, sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != MACHINE)
        return TARGET_MACHINE;
    int n = header.e_phnum < SEGMENTS ? header.e_phnum : SEGMENTS;
    if (header.e_phentsize != sizeof *segments ||
        !read_target(fd, segments, (size_t)n * sizeof *segments, header.e_phoff))
        return TARGET_NO_ELF;
    for (int i = 0; i < n; i++) {
        size_t size = segments[i].p_filesz;
        if (segments[i].p_type == PT_INTERP && size < sizeof interpreter)
            read_target(fd, interpreter, size, segments[i].p_offset);
    }
    const char *slash = strrchr(interpreter, '/');
    if (!slash)
        return TARGET_STATIC;
#ifdef __GLIBC__
    bool ours = strncmp(slash, "/ld-linux", 9) == 0;
#else
    bool ours = strncmp(slash, "/ld-musl", 8) == 0;
#endif
    if (!ours)
        return TARGET_C_LIBRARY;
    return needs_sanitizer(fd, segments, n) ? TARGET_SANITIZER : TARGET_FINE;
}

static enum target target_of_library(const char *library, size_t size) {
    char path[4096];
    struct statfs fs;
    if (size >= sizeof path)
        return TARGET_LIBRARY;
    memcpy(path, library, size);
    path[size] = 0;
    /* Not only open(2): a capability that we have may be gone after the exec, and then so is our
     * right to read the file. access(2) does without. */
    int fd = syscall(SYS_faccessat, AT_FDCWD, path, R_OK) == 0 ? open_target(path) : -1;
    if (fd < 0)
        return TARGET_LIBRARY;
    bool usable = syscall(SYS_fstatfs, fd, &fs) == 0 && !(fs.f_flags & FLAG_NOEXEC);
    close_target(fd);
    return usable ? TARGET_FINE : TARGET_LIBRARY;
}

/* script: it is what a script names, and may be no script itself. */
static enum target target_of_open(int fd, const char *library, size_t size, bool script) {
    char head[HEAD] = "";
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return TARGET_UNREADABLE;
    long n = syscall(SYS_pread64, fd, head, sizeof head - 1, (off_t)0);
    if (n > 2 && head[0] == '#' && head[1] == '!' && !script) { /* execve(2) */
        char *path = head + 2 + strspn(head + 2, " \t");
        path[strcspn(path, " \t\n")] = 0;
        int interpreter = open_target(path);
        if (interpreter < 0)
            return TARGET_UNREADABLE;
        enum target found = target_of_open(interpreter, library, size, true);
        close_target(interpreter);
        return found;
    }
    if (n < (long)sizeof(ElfW(Ehdr)) || memcmp(head, ELFMAG, SELFMAG) != 0)
        return TARGET_NO_ELF;
    if (st.st_mode & S_ISUID || (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        return TARGET_PRIVILEGED;
    enum target found = target_of_elf(fd, head);
    return found == TARGET_FINE && library ? target_of_library(library, size) : found;
}

enum target target_of_fd(int fd, const char *library, size_t size) {
    return target_of_open(fd, library, size, false);
}

enum target target_of(const char *path, const char *library, size_t size) {
    int fd = open_target(path);
    if (fd < 0)
        return TARGET_UNREADABLE;
    enum target found = target_of_open(fd, library, size, false);
    close_target(fd);
    return found;
}

const char *target_search(const char *file, char path[4096]) {
    size_t n = strlen(file);
    if (strchr(file, '/'))
        return file;
    const char *list = getenv("PATH"); /* glibc's: "/bin:/usr/bin" where there is none */
    for (const char *at = list ? list : "/bin:/usr/bin"; n; at++) {
        size_t size = strcspn(at, ":");
        if (size + n + 2 <= 4096) {
            memcpy(path, at, size);
            path[size] = 0;
            text_put(text_put(path + size, size ? "/" : ""), file);
            if (syscall(SYS_faccessat, AT_FDCWD, path, X_OK) == 0)
                return path;
        }
        at += size;
        if (!*at)
            break;
    }
    return NULL;
}

#else

enum target target_of(const char *path, const char *library, size_t size) {
    return (void)path, (void)library, (void)size, TARGET_UNREADABLE;
}
enum target target_of_fd(int fd, const char *library, size_t size) {
    return (void)fd, (void)library, (void)size, TARGET_UNREADABLE;
}
const char *target_search(const char *file, char path[4096]) { return (void)path, file; }

#endif
