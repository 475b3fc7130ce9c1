/* SPDX-License-Identifier: MIT
 * Handlers of a C library, for programs under test: ctypes loads it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void handler(int signum, siginfo_t *info, void *context) {
    sigset_t blocked;
    char text[128];
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    int n = snprintf(
        text, sizeof text, "handler: signal %d, code %d, value %d, usr2 %d, self %d, context %d\n",
        signum, info->si_code, info->si_code == SI_QUEUE ? info->si_value.sival_int : 0,
        sigismember(&blocked, SIGUSR2), sigismember(&blocked, signum), context != NULL);
    if (write(1, text, (size_t)n) != n)
        _exit(70);
}

static void old_handler(int signum) {
    if (write(1, signum == SIGUSR1 ? "plain\n" : "PLAIN\n", 6) != 6)
        _exit(70);
}

int install(int signum, int flags, int blocked) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    if (blocked)
        sigaddset(&action.sa_mask, blocked);
    return sigaction(signum, &action, NULL);
}

void install_plain(int signum) { signal(signum, old_handler); }

/* "default", "ignore", or the flags of a handler. */
void show(int signum) {
    struct sigaction now;
    sigaction(signum, NULL, &now);
    char text[64];
    int n = now.sa_handler == SIG_DFL
                ? snprintf(text, sizeof text, "default %#x\n", (unsigned)now.sa_flags)
            : now.sa_handler == SIG_IGN
                ? snprintf(text, sizeof text, "ignore %#x\n", (unsigned)now.sa_flags)
                : snprintf(text, sizeof text, "handler %#x\n", (unsigned)now.sa_flags);
    if (write(1, text, (size_t)n) != n)
        _exit(70);
}
