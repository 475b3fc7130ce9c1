/* SPDX-License-Identifier: MIT
 *
 * Any context: a program file is looked at between fork or vfork and exec, where only
 * async-signal-safe functions may be called. Raw system calls, since the C library's wrappers are
 * cancellation points.
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
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAD 1024          /* bytes of a program file that are looked at first */
#define SEGMENTS 32        /* program headers of an ELF file */
#define DYNAMIC_ENTRIES 64 /* of a program file's dynamic section */
#define AT_ONCE 8          /* of these entries */
#define NEEDED 32          /* libraries that a program file needs */
#define FLAG_NOEXEC 0x0008 /* ST_NOEXEC: statfs(2) */

#define NOT_INLINE __attribute__((noinline)) /* so that their stack frames do not add up */

#if defined(__x86_64__)
#define ELF_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define ELF_MACHINE EM_AARCH64
#else
#define ELF_MACHINE EM_NONE
#endif

static int open_target(const char *path) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        0);
}

static void close_target(int fd) { syscall(SYS_close, fd); }

static bool read_target(int fd, void *to, size_t size, uint64_t at) {
    return syscall(SYS_pread64, fd, to, size, at) == (long)size;
}

/* An ELF file that is looked at. All of this stands on the stack, which may be a small one: a
 * handler that runs on an alternate stack may start a program, to report a crash (sigaltstack(2)).
 */
struct program {
    int fd;
    const char *head; /* its first bytes */
    size_t size;      /* so many */
    const ElfW(Ehdr) *header;
};

static bool read_program(const struct program *program, void *to, size_t size, uint64_t at) {
    if (size > program->size || at > program->size - size)
        return read_target(program->fd, to, size, at);
    memcpy(to, program->head + at, size);
    return true;
}

static bool read_segment(const struct program *program, int n, ElfW(Phdr) *segment) {
    return n < program->header->e_phnum && n < SEGMENTS &&
           read_program(program, segment, sizeof *segment,
                        program->header->e_phoff + (uint64_t)n * sizeof *segment);
}

/* Where the address stands in the program file. */
static uint64_t target_offset_of(const struct program *program, uint64_t address) {
    ElfW(Phdr) segment;
    for (int i = 0; read_segment(program, i, &segment); i++)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
            address - segment.p_vaddr < segment.p_filesz)
            return address - segment.p_vaddr + segment.p_offset;
    return 0;
}

/* Their runtimes refuse to come second: "runtime does not come first in initial library list". */
static bool is_sanitizer(const char *library) {
    static const char *const sanitizers[] = {"libasan.so",   "libtsan.so", "liblsan.so",
                                             "libhwasan.so", "libmsan.so", "libclang_rt."};
    for (size_t i = 0; i < sizeof sanitizers / sizeof *sanitizers; i++)
        if (strncmp(library, sanitizers[i], strlen(sanitizers[i])) == 0)
            return true;
    return false;
}

/* dynamic: the segment of that type. */
static NOT_INLINE bool needs_sanitizer(const struct program *program, const ElfW(Phdr) *dynamic) {
    ElfW(Dyn) entries[AT_ONCE];
    uint64_t needed[NEEDED], strings = 0, count = dynamic->p_filesz / sizeof *entries;
    int n = 0;
    for (uint64_t i = 0; i < count && i < DYNAMIC_ENTRIES; i++) {
        uint64_t rest = count - i;
        if (i % AT_ONCE == 0 &&
            !read_target(program->fd, entries, (rest < AT_ONCE ? rest : AT_ONCE) * sizeof *entries,
                         dynamic->p_offset + i * sizeof *entries))
            break;
        const ElfW(Dyn) *entry = &entries[i % AT_ONCE];
        if (entry->d_tag == DT_NULL)
            break;
        if (entry->d_tag == DT_STRTAB)
            strings = target_offset_of(program, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_NEEDED && n < NEEDED)
            needed[n++] = entry->d_un.d_val;
    }
    for (int i = 0; strings && i < n; i++) {
        char name[16] = "";
        if (read_target(program->fd, name, sizeof name - 1, strings + needed[i]) &&
            is_sanitizer(name))
            return true;
    }
    return false;
}

static NOT_INLINE enum target target_of_interpreter(const struct program *program,
                                                    const ElfW(Phdr) *segment) {
    char interpreter[256] = "";
    if (segment->p_filesz < sizeof interpreter)
        read_program(program, interpreter, segment->p_filesz, segment->p_offset);
    const char *slash = strrchr(interpreter, '/');
    if (!slash)
        return TARGET_STATIC;
#ifdef __GLIBC__
    bool ours = strncmp(slash, "/ld-linux", 9) == 0;
#else
    bool ours = strncmp(slash, "/ld-musl", 8) == 0;
#endif
    return ours ? TARGET_FINE : TARGET_C_LIBRARY;
}

static enum target target_of_elf(int fd, const char *head, size_t size) {
    ElfW(Ehdr) header;
    ElfW(Phdr) segment;
    memcpy(&header, head, sizeof header);
    const struct program program = {fd, head, size, &header};
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != ELF_MACHINE)
        return TARGET_MACHINE;
    enum target found = TARGET_STATIC;
    bool sanitizer = false;
    int n = 0;
    for (; header.e_phentsize == sizeof segment && read_segment(&program, n, &segment); n++) {
        if (segment.p_type == PT_INTERP)
            found = target_of_interpreter(&program, &segment);
        else if (segment.p_type == PT_DYNAMIC)
            sanitizer = sanitizer || needs_sanitizer(&program, &segment);
    }
    if (n < SEGMENTS && n < header.e_phnum)
        return TARGET_NO_ELF;
    return found == TARGET_FINE && sanitizer ? TARGET_SANITIZER : found;
}

static NOT_INLINE bool is_library_usable(const char *path) {
    struct statfs fs;
    /* Not only open(2): a capability that we have may be gone after the exec, and then so is our
     * right to read the file. access(2) does without. */
    int fd = syscall(SYS_faccessat, AT_FDCWD, path, R_OK) == 0 ? open_target(path) : -1;
    if (fd < 0)
        return false;
    bool usable = syscall(SYS_fstatfs, fd, &fs) == 0 && !(fs.f_flags & FLAG_NOEXEC);
    close_target(fd);
    return usable;
}

static NOT_INLINE enum target target_of_library(const char *library, size_t size) {
    if (size >= PATH_MAX)
        return TARGET_LIBRARY;
    char path[size + 1];
    memcpy(path, library, size);
    path[size] = 0;
    return is_library_usable(path) ? TARGET_FINE : TARGET_LIBRARY;
}

/* The first bytes of a program file, and a final 0. -1: it is no regular file. */
static NOT_INLINE long read_head(int fd, char head[HEAD], mode_t *mode) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return -1;
    *mode = st.st_mode;
    long n = syscall(SYS_pread64, fd, head, HEAD - 1, (off_t)0);
    n = n < 0 ? 0 : n;
    head[n] = 0;
    return n;
}

static enum target target_of_head(int fd, const char *head, long n, mode_t mode) {
    if (n < 0)
        return TARGET_UNREADABLE;
    if (n < (long)sizeof(ElfW(Ehdr)) || memcmp(head, ELFMAG, SELFMAG) != 0)
        return TARGET_NO_ELF;
    if (mode & S_ISUID || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        return TARGET_PRIVILEGED;
    return target_of_elf(fd, head, (size_t)n);
}

static enum target target_of_open(int fd, const char *library, size_t size) {
    char head[HEAD];
    mode_t mode = 0;
    int interpreter = -1;
    long n = read_head(fd, head, &mode);
    if (n > 2 && head[0] == '#' && head[1] == '!') { /* a script, which names no other: execve(2) */
        char *path = head + 2 + strspn(head + 2, " \t");
        path[strcspn(path, " \t\n")] = 0;
        fd = interpreter = open_target(path);
        n = fd < 0 ? -1 : read_head(fd, head, &mode);
    }
    enum target found = target_of_head(fd, head, n, mode);
    if (found == TARGET_FINE && library)
        found = target_of_library(library, size);
    if (interpreter >= 0)
        close_target(interpreter);
    return found;
}

enum target target_of_fd(int fd, const char *library, size_t size) {
    return target_of_open(fd, library, size);
}

enum target target_of(const char *path, const char *library, size_t size) {
    int fd = open_target(path);
    if (fd < 0)
        return TARGET_UNREADABLE;
    enum target found = target_of_open(fd, library, size);
    close_target(fd);
    return found;
}

const char *target_search(const char *program, char *path, size_t room) {
    size_t length = strlen(program);
    if (strchr(program, '/'))
        return program;
    const char *list = getenv("PATH"); /* glibc's: "/bin:/usr/bin" where there is none */
    for (const char *at = list ? list : "/bin:/usr/bin"; length; at++) {
        size_t size = strcspn(at, ":");
        if (size + length + 2 <= room) {
            memcpy(path, at, size);
            path[size] = 0;
            text_put(text_put(path + size, size ? "/" : ""), program);
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
    (void)path, (void)library, (void)size;
    return TARGET_UNREADABLE;
}
enum target target_of_fd(int fd, const char *library, size_t size) {
    (void)fd, (void)library, (void)size;
    return TARGET_UNREADABLE;
}
const char *target_search(const char *program, char *path, size_t room) {
    (void)path, (void)room;
    return program;
}

#endif
