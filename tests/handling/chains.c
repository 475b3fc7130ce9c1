/* A library whose handler writes NAME and calls what it found, directly; where that is the default,
   it exits with 8. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct sigaction found;

static void handler(int signum, siginfo_t *info, void *context) {
    if (write(1, NAME, 1) != 1)
        _exit(9);
    if (found.sa_flags & SA_SIGINFO)
        found.sa_sigaction(signum, info, context);
    else if (found.sa_handler != SIG_DFL && found.sa_handler != SIG_IGN)
        found.sa_handler(signum);
    else if (found.sa_handler == SIG_DFL && signum != SIGCHLD)
        _exit(8);
}

void take(int signum, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(signum, &action, &found);
}

void leave(int signum) { sigaction(signum, &found, NULL); }
