/* SPDX-License-Identifier: MIT
 * The C peers of the benchmarks: a handler that only counts, one that does
 * nothing, a loop of raise(3), and a long call. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static _Atomic uint64_t counted;

static void count(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
    atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed);
}

static void nothing(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
}

static int install(int signum, void (*handler)(int, siginfo_t *, void *), int blocks_all) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    if (blocks_all)
        sigfillset(&action.sa_mask);
    return sigaction(signum, &action, NULL);
}

int install_counting(int signum) { return install(signum, count, 1); }
int install_empty(int signum) { return install(signum, nothing, 1); }
int install_usual(int signum) { return install(signum, nothing, 0); }
uint64_t get_counted(void) { return atomic_load(&counted); }

static uint64_t now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ns for n calls of raise(3). */
uint64_t raise_loop(int signum, uint64_t n) {
    uint64_t start = now();
    for (uint64_t i = 0; i < n; i++)
        raise(signum);
    return now() - start;
}

/* To another process. */
uint64_t kill_loop(int pid, int signum, uint64_t n) {
    uint64_t start = now();
    for (uint64_t i = 0; i < n; i++)
        kill(pid, signum);
    return now() - start;
}

/* A call that computes in C until fd can be read, whatever signals come: asleep
 * in poll(2) it would be the other state. Looks at fd each millisecond. */
void wait_in_c(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    while (poll(&p, 1, 0) <= 0)
        for (uint64_t until = now() + 1000000; now() < until;)
            ;
}
