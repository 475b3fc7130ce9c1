/* SPDX-License-Identifier: MIT
 * What is told from another process's memory, what is called in one of its threads, and that
 * it does not notice: images, tracee, attach. argv: a library that is not ours. */
#define _GNU_SOURCE
#include "attach/attach.h"

#include "attach/images.h"
#include "attach/tracee.h"
#include "check.h"
#include "ground/clock.h"
#include "ground/proc.h"

#if defined(TRACEE_SUPPORTED) && defined(__GLIBC__)

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_NS UINT64_C(10000000000)

/* --- the process ------------------------------------------------------------------------ */

static volatile int usr1, faults, sender;
static volatile uint64_t variable = UINT64_C(0x0123456789abcdef);
static int channel[2]; /* a byte ends it */

static void on_usr1(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)context;
    usr1++;
    sender = info->si_pid;
}

static void on_fault(int signum) {
    (void)signum;
    faults++;
}

static void waits_in_handler(int signum) {
    (void)signum;
    char byte;
    _exit(read(channel[0], &byte, 1) == 1 ? 0 : 1);
}

static void handle(int signum, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(signum, &action, NULL), 0);
}

/* Exits with 0 if nothing but what it should see has happened to it. */
static void wait_for_byte(void) {
    CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    struct sigaction action = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    handle(SIGFPE, on_fault);
    handle(SIGUSR2, waits_in_handler);
    char byte = 0;
    errno = 4711;
    CHECK_EQ(read(channel[0], &byte, 1), 1);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(usr1, byte);
    CHECK_EQ(faults, byte);
    CHECK(!byte || sender == getppid());
    _exit(0);
}

static bool is_in(pid_t pid, long call) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    return atol(text) == call && *text >= '0' && *text <= '9';
}

/* As it is let go it is in its system call, and handles what came meanwhile only then. */
static bool waits_for_handlers(pid_t pid) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    CHECK(proc_read(path, text, sizeof text));
    return proc_mask(text, "SigPnd:") || proc_mask(text, "ShdPnd:");
}

static pid_t start(void) {
    CHECK_EQ(pipe(channel), 0);
    pid_t pid = fork();
    if (pid == 0)
        wait_for_byte();
    while (!is_in(pid, SYS_read))
        ;
    return pid;
}

static void finish(pid_t pid, char byte) {
    int status;
    CHECK_EQ(write(channel[1], &byte, 1), 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(channel[0]);
    close(channel[1]);
}

static int open_memory(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* --- images -------------------------------------------------------------------------------- */

static struct images images;

static uint64_t address_of(void *pointer) { return (uint64_t)(uintptr_t)pointer; }
static uint64_t code_of(void (*function)(void)) { return (uint64_t)(uintptr_t)function; }

/* A fork has everything where we have it. */
static void test_images(pid_t pid) {
    void *function = dlsym(RTLD_DEFAULT, "getppid"); /* which no sanitizer replaces */
    uint64_t own = code_of((void (*)(void))start), word = 0;
    images.memory = open_memory(pid);
    CHECK_EQ(images_read(&images, pid, pid), 0);
    CHECK(images.whole && images.libc);
    CHECK_EQ(images_symbol(&images, images.libc, "getppid"), address_of(function));
    CHECK_EQ(images_symbol(&images, images.libc, "no_such_function"), 0);
    CHECK_EQ(images_symbol(&images, 0, "getppid"), 0);
    CHECK_EQ(images_symbol(&images, address_of((void *)&variable), "getppid"), 0); /* no object */
    CHECK(images_code(&images, own) && !images_code(&images, own)->unsafe);
    CHECK(images_code(&images, address_of(function))->unsafe);
    CHECK(!images_code(&images, 8) && !images_code(&images, UINT64_MAX));
    CHECK(!images_code(&images, address_of((void *)&variable)));
    /* A sanitizer is an allocator, whose locks may be anywhere. */
    CHECK_EQ(images_is_of_program(&images, address_of((void *)&variable)), !images.allocator);
    CHECK(!images_is_of_program(&images, address_of(&word)));
    CHECK(images_memory(&images, address_of((void *)&variable), &word, sizeof word));
    CHECK_EQ(word, variable);
    CHECK(!images_memory(&images, 8, &word, sizeof word));
    uint8_t code[8];
    uint64_t at =
        images_find(&images, tracee_system_call, tracee_mask, tracee_system_call_size, tracee_step);
    CHECK(at && images_code(&images, at) && images_memory(&images, at, code, sizeof code));
    CHECK_EQ(memcmp(code, tracee_system_call, tracee_system_call_size), 0);
    const uint8_t nowhere[16] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const uint8_t all[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                             255, 255, 255, 255, 255, 255, 255, 255};
    CHECK_EQ(images_find(&images, nowhere, all, sizeof nowhere, tracee_step), 0);
    CHECK(images_read(&images, -1, -1) != 0);
    CHECK_EQ(images_read(&images, pid, pid), 0);
}

/* --- tracee -------------------------------------------------------------------------------- */

static struct tracee tracee;
static uint64_t words[4096];
static uint64_t none[6];

static bool is_code(void *context, uint64_t address) {
    return images_code(context, address) != NULL;
}

static bool in_handler(void) {
    return tracee_in_handler(&tracee, is_code, &images, words, sizeof words / sizeof *words);
}

static enum tracee_event stop(pid_t pid) {
    memset(&tracee, 0, sizeof tracee);
    tracee.pid = tracee.tid = pid;
    tracee.memory = images.memory;
    tracee.system_call =
        images_find(&images, tracee_system_call, tracee_mask, tracee_system_call_size, tracee_step);
    tracee.trap =
        images_find(&images, tracee_trap, tracee_trap_mask, tracee_trap_size, tracee_step);
    return tracee_stop(&tracee, LIMIT_NS);
}

static uint64_t sum_of(uint64_t a, uint64_t b, uint64_t c) {
    errno = 17;
    return a + 10 * b + 100 * c;
}
static void crash(void) { __builtin_trap(); }
static uint64_t slow(void) {
    for (uint64_t until = monotonic_ns() + 20000000; monotonic_ns() < until;)
        ;
    return 17;
}
static void hang(void) {
    slow(); /* at the first look it does not wait yet */
    for (;;)
        pause();
}

static enum tracee_event call(uint64_t function, uint64_t top, uint64_t limit_ns, uint64_t *sum) {
    const uint64_t argument[3] = {1, 2, 3};
    return tracee_call(&tracee, function, argument, top, limit_ns, sum);
}

static void test_tracee(pid_t pid) {
    int64_t result = 0;
    uint64_t sum = 0;
    CHECK_EQ(stop(pid), TRACEE_STOPPED);
    CHECK_EQ(tracee.number, SYS_read);
    CHECK(tracee.goes_on && tracee_has_control_block(&tracee) && !in_handler());
    CHECK(images_code(&images, tracee_pc(&tracee))->unsafe);
    tracee_leave(&tracee);
    while (!is_in(pid, SYS_read))
        ;
    CHECK_EQ(stop(pid), TRACEE_STOPPED);
    CHECK_EQ(tracee_take(&tracee), 0);
    CHECK_EQ(tracee_system(&tracee, SYS_getpid, none, &result), TRACEE_RETURNED);
    CHECK_EQ(result, pid);
    CHECK_EQ(tracee_system(&tracee, SYS_close, (const uint64_t[6]){(uint64_t)-1}, &result),
             TRACEE_RETURNED);
    CHECK_EQ(result, -EBADF);
    const uint64_t room = 1 << 20, mapping[6] = {0, room, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1};
    CHECK_EQ(tracee_system(&tracee, SYS_mmap, mapping, &result), TRACEE_RETURNED);
    CHECK(result > 0);
    uint64_t top = (uint64_t)result + room;
    /* What comes meanwhile waits, and keeps its sender: also a fault that somebody sends. */
    CHECK(kill(pid, SIGUSR1) == 0 && kill(pid, SIGFPE) == 0);
    CHECK_EQ(call(code_of((void (*)(void))sum_of), top, LIMIT_NS, &sum), TRACEE_RETURNED);
    CHECK_EQ(sum, 321);
    CHECK_EQ(call(code_of(crash), top, LIMIT_NS, &sum), TRACEE_FAULT);
    CHECK_EQ(tracee.kept_count, 1);
    CHECK(tracee.kept[0].si_signo == SIGFPE && tracee.kept[0].si_pid == getpid());
    tracee_send_again(&tracee, top - room);
    /* What is slow may hold a lock, and is waited for; what waits is given up. */
    CHECK_EQ(call(code_of((void (*)(void))slow), top, 1000000, &sum), TRACEE_RETURNED);
    CHECK_EQ(sum, 17);
    CHECK_EQ(call(code_of(hang), top, 1000000, &sum), TRACEE_LATE);
    CHECK(tracee.stopped && tracee_give_back(&tracee));
    while (waits_for_handlers(pid) || !is_in(pid, SYS_read))
        ;
    CHECK_EQ(stop(pid), TRACEE_STOPPED);
    CHECK_EQ(tracee_take(&tracee), 0);
    uint64_t locate = images_symbol(&images, images.libc, "__errno_location"), at = 0;
    const int before = 4711;
    CHECK_EQ(call(locate, top, LIMIT_NS, &at), TRACEE_RETURNED);
    CHECK_EQ(pwrite(images.memory, &before, sizeof before, (off_t)at), (ssize_t)sizeof before);
    CHECK(tracee_give_back(&tracee));
}

static void test_in_handler(void) {
    pid_t pid = start();
    images.memory = open_memory(pid);
    CHECK_EQ(images_read(&images, pid, pid), 0);
    CHECK_EQ(kill(pid, SIGUSR2), 0);
    uint64_t until = monotonic_ns() + LIMIT_NS;
    for (bool inside = false; !inside;) {
        CHECK(monotonic_ns() < until);
        while (!is_in(pid, SYS_read))
            ;
        CHECK_EQ(stop(pid), TRACEE_STOPPED);
        inside = in_handler();
        tracee_leave(&tracee);
    }
    finish(pid, 0);
    close(images.memory);
}

/* --- restartable sequences --------------------------------------------------------------- */

#if defined(__x86_64__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

/* Goes round within the sequence until the kernel leaves it. */
static void be_in_sequence(struct rseq *area) {
    __asm__ volatile(".pushsection __rseq_cs, \"aw\"\n\t.balign 32\n"
                     "1:\t.long 0, 0\n\t.quad 2f, 3f - 2f, 4f\n\t.popsection\n\t"
                     "leaq 1b(%%rip), %%rax\n\tmovq %%rax, %0\n"
                     "2:\tjmp 2b\n"
                     "3:\tud2\n\t.byte 0x0f, 0xb9, 0x3d\n\t.long %c1\n"
                     "4:"
                     : "+m"(area->rseq_cs)
                     : "i"(RSEQ_SIG)
                     : "rax", "memory");
}

static void test_in_sequence(void) {
    _Atomic int *over =
        mmap(NULL, sizeof *over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!__rseq_size)
        return;
    CHECK(over != MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        char *thread;
        __asm__("mov %%fs:0, %0" : "=r"(thread));
        CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        while (!*over)
            be_in_sequence((struct rseq *)(void *)(thread + __rseq_offset));
        while (*over)
            pause();
        _exit(0);
    }
    images.memory = open_memory(pid);
    CHECK_EQ(images_read(&images, pid, pid), 0);
    uint64_t until = monotonic_ns() + LIMIT_NS;
    for (bool inside = false; !inside;) {
        CHECK(monotonic_ns() < until);
        CHECK_EQ(stop(pid), TRACEE_STOPPED);
        inside = tracee_in_sequence(&tracee);
        *over = inside;
        tracee_leave(&tracee); /* which it notices */
    }
    while (!is_in(pid, SYS_pause))
        ;
    CHECK_EQ(stop(pid), TRACEE_STOPPED);
    CHECK(!tracee_in_sequence(&tracee));
    tracee_leave(&tracee);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    close(images.memory);
    munmap((void *)over, sizeof *over);
}
#else
static void test_in_sequence(void) {}
#endif

static void test_halted_and_ended(void) {
    pid_t pid = start();
    int status;
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    images.memory = open_memory(pid);
    CHECK_EQ(stop(pid), TRACEE_HALTED);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    finish(pid, 0);
    close(images.memory);
    CHECK_EQ(stop(pid), TRACEE_ENDED);
    CHECK(images_read(&images, pid, pid) != 0);
}

/* --- attach ----------------------------------------------------------------------------------- */

static enum attach_end attach_to(pid_t pid, const char *library) {
    static struct attach_request request;
    struct attach_result result;
    request.pid = pid;
    request.library = library;
    request.begin.capacity = 16;
    CHECK_EQ(attach(&request, &result), 0);
    if (result.end == ATTACH_NOT_LOADED)
        CHECK(result.text[0]);
    return result.end;
}

/* cat(1) is built with no sanitizer, and waits for the end of its input. */
static pid_t start_another_program(void) {
    CHECK_EQ(pipe(channel), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(channel[0], 0);
        close(channel[1]);
        execlp("cat", "cat", NULL);
        _exit(127);
    }
    close(channel[0]);
    while (!is_in(pid, SYS_read))
        ;
    return pid;
}

static void test_attach(const char *library) {
    pid_t pid = start_another_program();
    enum attach_end found = attach_to(pid, library);
    bool supported = found != ATTACH_UNSUPPORTED; /* as on aarch64 */
    int status;
    if (supported) {
        CHECK_EQ(found, ATTACH_OTHER_BUILD);
        CHECK_EQ(attach_to(pid, "/nowhere/libsigrec.so"), ATTACH_NOT_LOADED);
        CHECK_EQ(kill(pid, SIGSTOP), 0);
        CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
        CHECK_EQ(attach_to(pid, library), ATTACH_HALTED);
        CHECK_EQ(kill(pid, SIGCONT), 0);
    }
    close(channel[1]);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    if (supported)
        CHECK_EQ(attach_to(pid, library), ATTACH_ENDED);
    char name[5000];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    struct attach_request request = {.pid = pid, .library = name};
    struct attach_result result;
    found = attach(&request, &result) ? ATTACH_REFUSED : result.end;
    CHECK(found == ATTACH_REFUSED || found == ATTACH_UNSUPPORTED);
}

int main(int argc, char *argv[]) {
    CHECK_EQ(argc, 3);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, NULL);
    pid_t pid = start();
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) { /* an emulator, or a container that forbids it */
        finish(pid, 0);
        return 0;
    }
    CHECK_EQ(ptrace(PTRACE_INTERRUPT, pid, 0, 0), 0);
    CHECK_EQ(waitpid(pid, NULL, __WALL), pid);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    test_images(pid);
    test_tracee(pid);
    finish(pid, 1);
    close(images.memory);
    test_in_handler();
    test_in_sequence();
    test_halted_and_ended();
    test_attach(argv[1]);
    return 0;
}

#else
int main(void) { return 0; }
#endif
