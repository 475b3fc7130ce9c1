/* SPDX-License-Identifier: MIT
 *
 * A program that knows nothing of sigrec, for library.c: it handles one signal,
 * counts the calls in a file that it shares, and stops at a trap again and again.
 *
 *     library_target FILE SIGNUM */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *course;

static void handler(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
    ++*course;
    errno = ENOTTY; /* the program's own business */
}

/* Whoever else takes a signal takes it here. */
static void *another(void *ignored) {
    for (;;)
        pause();
    return ignored;
}

int main(int argc, char **argv) {
    int fd = argc == 3 ? open(argv[1], O_RDWR) : -1, signum = atoi(argv[2]);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct sigaction action;
    pthread_t thread;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    if (p == MAP_FAILED || sigaction(signum, &action, NULL) != 0 ||
        pthread_create(&thread, NULL, another, NULL) != 0)
        return 1;
    course = p;
    for (;;)
        __asm__ volatile("int3" ::: "memory"); /* the signal comes here */
}
