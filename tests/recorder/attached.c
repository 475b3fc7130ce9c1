/* Programs that somebody attaches to, by name: test_attach.py, and python -m tests.proof attach.
 * Each says "ready", works until SIGUSR1 has come, says "fine" if all is as it should be, and ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t asked, alarms;

static void on_usr1(int signum) { (void)signum, asked = 1; }

static void catch_signal(int signum, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signum, &action, NULL);
}

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0)
        _exit(9);
}

static int end(int fine) {
    say(fine ? "fine\n" : "harmed\n");
    return fine ? 0 : 1;
}

/* --- in the allocator ------------------------------------------------------------------ */

static void storm(void) {
    static void *kept[64];
    while (!asked)
        for (int i = 0; i < 64; i++) {
            free(kept[i]);
            kept[i] = malloc(2000 + (size_t)(i * 977) % 60000);
            memset(kept[i], i, 16);
        }
}

static void on_alarm(int signum) {
    struct timespec rest = {0, 1500000}; /* no allocator makes this call */
    (void)signum;
    alarms++;
    nanosleep(&rest, NULL);
}

static void *wait_for_ever(void *nothing) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;)
        pause();
    return nothing;
}

static void handler_above_malloc(void) {
    struct itimerval often = {{0, 2000}, {0, 2000}};
    pthread_t other;
    pthread_create(&other, NULL, wait_for_ever, NULL); /* now malloc takes its locks */
    catch_signal(SIGALRM, on_alarm, 0);
    setitimer(ITIMER_REAL, &often, NULL);
    storm();
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, NULL);
}

/* --- registers, errno and small stacks --------------------------------------------------- */

static int vectors(void) {
    int fine = 1;
    errno = 77;
    while (!asked && fine) {
        uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
#ifdef __x86_64__
        __asm__ volatile("movdqu (%1), %%xmm7\n\tmovdqu 16(%1), %%xmm15\n\tmov $2000000, %%ecx\n"
                         "1:\tdec %%ecx\n\tjnz 1b\n\t"
                         "movdqu %%xmm7, (%0)\n\tmovdqu %%xmm15, 16(%0)"
                         :
                         : "r"(out), "r"(in)
                         : "rcx", "xmm7", "xmm15", "memory");
#else
        memcpy(out, in, sizeof out);
#endif
        fine = memcmp(in, out, sizeof in) == 0 && errno == 77;
    }
    return fine;
}

static ucontext_t main_context, coroutine_context;

static void count(void) {
    volatile uint64_t n = 0;
    while (!asked)
        n++;
}

static void on_a_small_stack(void) {
    size_t size = 8192;
    char *stack =
        mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(stack, 4096, PROT_NONE);
    getcontext(&coroutine_context);
    coroutine_context.uc_stack.ss_sp = stack + 4096;
    coroutine_context.uc_stack.ss_size = size;
    coroutine_context.uc_link = &main_context;
    makecontext(&coroutine_context, count, 0);
    swapcontext(&main_context, &coroutine_context);
}

/* --- restartable sequences --------------------------------------------------------------- */

#if defined(__x86_64__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

/* Counts down within one. It begins anew after each stop; else the kernel has forgotten it before
 * it was over. Whether it came to its end; *kept: and the kernel knew of it until then. */
static int is_sequence_over(struct rseq *area, int *kept) {
    uint64_t turns = 20000000, known = 1;
    int over = 1;
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n\t.balign 32\n"
        "1:\t.long 0, 0\n\t.quad 2f, 3f - 2f, 4f\n\t.popsection\n\t"
        "leaq 1b(%%rip), %%rax\n\tmovq %%rax, %[area]\n"
        "2:\tdecq %[turns]\n\tjnz 2b\n\tmovq %[area], %[known]\n"
        "3:\tjmp 5f\n\t.byte 0x0f, 0xb9, 0x3d\n\t.long %c[signature]\n"
        "4:\tmovl $0, %[over]\n"
        "5:"
        : [area] "+m"(area->rseq_cs), [turns] "+r"(turns), [known] "+r"(known), [over] "+r"(over)
        : [signature] "i"(RSEQ_SIG)
        : "rax", "memory", "cc");
    *kept = !over || known;
    return over;
}

static int sequences(void) {
    char *thread;
    int fine = 1;
    __asm__("mov %%fs:0, %0" : "=r"(thread));
    struct rseq *area = (struct rseq *)(void *)(thread + __rseq_offset);
    while (__rseq_size && !asked && fine)
        if (!is_sequence_over(area, &fine))
            for (volatile int n = 0; n < 3000000; n++)
                ;
    return fine;
}
#else
static int sequences(void) { return 1; }
#endif

/* --- what waits: returns what errno is after the call; 0: it went on -------------------------- */

static int wait_in(const char *name, int fds[2]) {
    struct timespec limit = {3, 0};
    struct timeval limit_too = {3, 0};
    char byte;
    int result = 0;
    errno = 0;
    if (strcmp(name, "epoll") == 0) {
        struct epoll_event event;
        result = epoll_wait(epoll_create1(0), &event, 1, 20000);
    } else if (strcmp(name, "poll") == 0) {
        result = poll(NULL, 0, 3000);
    } else if (strcmp(name, "select") == 0) {
        result = select(0, NULL, NULL, NULL, &limit_too);
    } else if (strcmp(name, "nanosleep") == 0) {
        result = nanosleep(&limit, NULL);
    } else if (strcmp(name, "read") == 0) {
        result = (int)read(fds[0], &byte, 1);
    } else if (strcmp(name, "recv-with-a-time-limit") == 0) {
        int pair[2];
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        limit_too.tv_sec = 20;
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit_too, sizeof limit_too);
        result = (int)recv(pair[0], &byte, 1, 0);
        if (result < 0 && errno == EAGAIN)
            result = 0;
    } else if (strcmp(name, "semaphore") == 0) {
        sem_t semaphore;
        sem_init(&semaphore, 0, 0);
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 3;
        result = sem_timedwait(&semaphore, &limit);
        if (result < 0 && errno == ETIMEDOUT)
            result = 0;
    } else {
        return -1;
    }
    return result < 0 ? errno : 0;
}

/* --- hung, for good ----------------------------------------------------------------------- */

static pthread_mutex_t own[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER},
                       *locks = own;

static void *lock_both(void *first) {
    int n = *(int *)first;
    pthread_mutex_lock(&locks[n]);
    usleep(50000);
    pthread_mutex_lock(&locks[!n]);
    return first;
}

static int sleep_in_child(void *nothing) {
    (void)nothing;
    sleep(30);
    _exit(0);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    int fds[2], fine = 1, one = 1, zero = 0;
    sigset_t set;
    if (pipe(fds) != 0)
        return 9;
    catch_signal(SIGUSR1, on_usr1, 0);
    say("ready\n");
    if (strcmp(name, "malloc") == 0) {
        storm();
    } else if (strcmp(name, "handler") == 0) {
        handler_above_malloc();
        fine = alarms > 0;
    } else if (strcmp(name, "vectors") == 0) {
        fine = vectors();
    } else if (strcmp(name, "sequence") == 0) {
        fine = sequences();
        count();
    } else if (strcmp(name, "coroutine") == 0) {
        on_a_small_stack();
    } else if (strcmp(name, "sleeping") == 0) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        sigemptyset(&set);
        while (!asked)
            sigsuspend(&set);
    } else if (strcmp(name, "deadlock") == 0) { /* it never says anything */
        pthread_t other;
        if (argc > 2) { /* where an allocator might have its own */
            locks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memcpy(locks, own, sizeof own);
        }
        pthread_create(&other, NULL, lock_both, &one);
        lock_both(&zero);
    } else if (strcmp(name, "vfork") == 0) { /* ditto */
        static char stack[65536];
        clone(sleep_in_child, stack + sizeof stack, CLONE_VFORK | CLONE_VM | SIGCHLD, NULL);
    } else {
        int error = wait_in(name, fds);
        say(error == EINTR ? "EINTR\n" : error ? "error\n" : "went on\n");
        return 0;
    }
    return end(fine);
}
