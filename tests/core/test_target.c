/* SPDX-License-Identifier: MIT
 * Which programs our library could be loaded into, told from their files. */
#define _GNU_SOURCE
#include "host/target.h"

#include "check.h"

#ifdef __linux__

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/sigrec-target-XXXXXX", path[64];
static char *self; /* this program's file */
static size_t self_size;

static void read_self(void) {
    int fd = open("/proc/self/exe", O_RDONLY);
    struct stat st;
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    self_size = (size_t)st.st_size;
    self = malloc(self_size);
    CHECK(self && read(fd, self, self_size) == st.st_size);
    close(fd);
}

static const char *write_file(const void *bytes, size_t size, mode_t mode) {
    snprintf(path, sizeof path, "%s/program", directory);
    unlink(path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0700);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fchmod(fd, mode) == 0);
    close(fd);
    return path;
}

static enum target of(const void *bytes, size_t size, mode_t mode) {
    return target_of(write_file(bytes, size, mode), NULL, 0);
}

static ElfW(Phdr) *segment(unsigned type) {
    ElfW(Ehdr) *header = (void *)self;
    ElfW(Phdr) *segments = (void *)(self + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == type)
            return &segments[i];
    abort();
}

/* Of this program's file, with something else at that place. */
static enum target changed(void *at, const void *bytes, size_t size) {
    char before[64];
    CHECK(size <= sizeof before);
    memcpy(before, at, size);
    memcpy(at, bytes, size);
    enum target found = of(self, self_size, 0700);
    memcpy(at, before, size);
    return found;
}

static void test_what_it_is(void) {
    ElfW(Ehdr) *header = (void *)self;
    ElfW(Phdr) *interpreter = segment(PT_INTERP);
    CHECK_EQ(of(self, self_size, 0700), TARGET_FINE);
    CHECK_EQ(of(self, self_size, 06711), TARGET_PRIVILEGED);
    CHECK_EQ(of(self, self_size, 02700), TARGET_FINE); /* that is mandatory locking: chmod(2) */
    const uint32_t none = PT_NULL;
    CHECK_EQ(changed(&interpreter->p_type, &none, sizeof none), TARGET_STATIC);
    CHECK_EQ(changed(self + interpreter->p_offset, "/lib/other.so.1", 16), TARGET_C_LIBRARY);
    const unsigned char small = ELFCLASS32;
    CHECK_EQ(changed(&header->e_ident[EI_CLASS], &small, 1), TARGET_MACHINE);
    const uint16_t machine = EM_S390;
    CHECK_EQ(changed(&header->e_machine, &machine, sizeof machine), TARGET_MACHINE);
    CHECK_EQ(of(self, 100, 0700), TARGET_NO_ELF);
    CHECK_EQ(of("", 0, 0700), TARGET_NO_ELF);
    CHECK_EQ(of("echo\n", 5, 0700), TARGET_NO_ELF);
    CHECK_EQ(target_of("/nowhere", NULL, 0), TARGET_UNREADABLE);
    CHECK_EQ(target_of("/", NULL, 0), TARGET_UNREADABLE);
    CHECK_EQ(target_of("/dev/null", NULL, 0), TARGET_UNREADABLE);
    CHECK_EQ(target_of("/proc/self/exe", NULL, 0), TARGET_FINE);
}

/* A library that it needs is called as the runtime of a sanitizer is: over "libc.so.6". */
static void test_sanitizer(void) {
    ElfW(Phdr) *dynamic = segment(PT_DYNAMIC);
    for (char *at = self; at < self + dynamic->p_offset; at++)
        if (memcmp(at, "libc.so.6", 10) == 0) {
            CHECK_EQ(changed(at, "libasan.so", 11), TARGET_SANITIZER);
            return;
        }
}

static void test_script(void) {
    char text[128], other[80];
    snprintf(other, sizeof other, "%s/other", directory);
    CHECK_EQ(of(text, (size_t)snprintf(text, sizeof text, "#! /proc/self/exe -x\nls\n"), 0700),
             TARGET_FINE);
    CHECK_EQ(of(text, (size_t)snprintf(text, sizeof text, "#!%s\n", other), 0700),
             TARGET_UNREADABLE);
    CHECK(rename(write_file("#!/proc/self/exe\n", 17, 0700), other) == 0);
    CHECK_EQ(of(text, (size_t)snprintf(text, sizeof text, "#!%s\n", other), 0700), TARGET_NO_ELF);
}

static void test_library(void) {
    const char *here = "/proc/self/exe and more";
    CHECK_EQ(target_of("/proc/self/exe", here, 14), TARGET_FINE);
    CHECK_EQ(target_of("/proc/self/exe", here, 13), TARGET_LIBRARY);
    CHECK_EQ(target_of("/proc/self/exe", here, 100000), TARGET_LIBRARY);
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK_EQ(target_of_fd(fd, "/nowhere", 8), TARGET_LIBRARY);
    CHECK_EQ(target_of_fd(-1, here, 14), TARGET_UNREADABLE);
    close(fd);
}

static void test_search(void) {
    char found[4096], list[128];
    write_file("", 0, 0700);
    snprintf(list, sizeof list, "/nowhere:%s", directory);
    setenv("PATH", list, 1);
    CHECK(target_search("program", found, sizeof found) && strcmp(found, path) == 0);
    CHECK(!target_search("nothing", found, sizeof found) &&
          !target_search("", found, sizeof found));
    CHECK(strcmp(target_search("./nothing", found, sizeof found), "./nothing") == 0);
    setenv("PATH", "/nowhere:", 1); /* the second is the working directory */
    CHECK(chdir(directory) == 0);
    CHECK(target_search("program", found, sizeof found) && strcmp(found, "program") == 0);
    setenv("PATH", "", 1);
    CHECK(target_search("program", found, sizeof found) && strcmp(found, "program") == 0);
}

static void look(int signum) {
    (void)signum;
    const char *here = "/proc/self/exe";
    _exit(target_of(here, here, strlen(here)) == TARGET_FINE ? 0 : 1);
}

/* As a handler does that reports a crash, on a stack of the usual size: what the kernel needs, ours
 * and the program's handler are there before. */
static void on_a_small_stack(void) {
#ifndef __SANITIZE_ADDRESS__
    pid_t pid = fork();
    if (pid == 0) {
        const size_t page = 65536, size = getauxval(51 /* AT_MINSIGSTKSZ */) + 4096;
        char *base =
            mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(base != MAP_FAILED && mprotect(base, page, PROT_NONE) == 0);
        stack_t stack = {.ss_sp = base + page, .ss_size = size > 4096 ? size : 8192};
        struct sigaction action = {.sa_handler = look, .sa_flags = SA_ONSTACK};
        CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
        raise(SIGUSR1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
#endif
}

int main(void) {
    CHECK(mkdtemp(directory));
    read_self();
    test_what_it_is();
    test_sanitizer();
    test_script();
    test_library();
    on_a_small_stack();
    test_search();
    for (enum target one = TARGET_FINE; one <= TARGET_LIBRARY; one++)
        CHECK(!target_reason(one) == (one == TARGET_FINE));
    unlink(path);
    snprintf(path, sizeof path, "%s/other", directory);
    unlink(path);
    CHECK(rmdir(directory) == 0);
    free(self);
    return 0;
}

#else
int main(void) { return 0; }
#endif
