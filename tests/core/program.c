/* SPDX-License-Identifier: MIT
 * A shared library that stands for the program: test_interpose.c loads it, once
 * bound at once and read-only after that, and once bound lazily. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

typedef int (*sigaction_function)(int, const struct sigaction *, struct sigaction *);

/* An address in its data, and one that nobody must touch. */
sigaction_function in_data = sigaction;
static int own_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    (void)signum, (void)next, (void)previous;
    return 4711;
}
sigaction_function of_its_own = own_sigaction;

int by_call(int signum, const struct sigaction *next, struct sigaction *previous) {
    return sigaction(signum, next, previous);
}

int by_lookup(int signum, const struct sigaction *next, struct sigaction *previous) {
    sigaction_function found;
    *(void **)&found = dlsym(RTLD_DEFAULT, "sigaction");
    return found ? found(signum, next, previous) : -2;
}

/* As an interposer asks for what it stands before. */
void *next_malloc(void) { return dlsym(RTLD_NEXT, "malloc"); }
void *next_sigaction(void) { return dlsym(RTLD_NEXT, "sigaction"); }

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* A function of its own with a name of the C library's, and a call of it. */
int siginterrupt(int signum, int flag) {
    (void)signum, (void)flag;
    return 4711;
}
int by_its_own_name(void) { return siginterrupt(0, 0); }

void (*by_signal(int signum, void (*handler)(int)))(int) { return signal(signum, handler); }

void leave(int status) { _exit(status); }

int become(const char *path, char *const argv[]) { return execv(path, argv); }
