/* SPDX-License-Identifier: MIT
 * Changes its mask in ways that call no function of the C library for it: argv[1] is "siglongjmp"
 * or "context", argv[2] "blocks" or "unblocks" SIGTERM. Then it says "ready", and waits. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static int jumps, blocks;
static sigset_t term;
static sigjmp_buf back;

static void on_signal(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info;
    if (jumps)
        siglongjmp(back, 1);
    (blocks ? sigaddset : sigdelset)(&((ucontext_t *)context)->uc_sigmask, SIGTERM);
}

int main(int argc, char **argv) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, NULL);
    if (argc != 3)
        return 2;
    jumps = strcmp(argv[1], "siglongjmp") == 0;
    blocks = strcmp(argv[2], "blocks") == 0;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &term, NULL); /* what comes back */
    if (sigsetjmp(back, 1) == 0) {
        sigprocmask(blocks ? SIG_UNBLOCK : SIG_BLOCK, &term, NULL); /* what is written down */
        raise(SIGUSR1);
    }
    puts("ready");
    fflush(stdout);
    pause();
}
