/* A library whose handler calls the one that it found, in a way that the caller chooses. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void (*found)(int);
static struct sigaction action;

static void one_argument(int signum) {
    if (write(1, "", 0) == 0) /* and what the registers held is gone */
        found(signum);
}

static void nothing_more(int signum) {
    ((void (*)(int, siginfo_t *, void *))found)(signum, NULL, NULL);
}

static void a_copy(int signum, siginfo_t *info, void *context) {
    siginfo_t copy = *info;
    ((void (*)(int, siginfo_t *, void *))found)(signum, &copy, context);
}

static void raises(int signum) {
    struct sigaction mine;
    sigaction(signum, &action, &mine);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, signum);
    sigprocmask(SIG_UNBLOCK, &set, &old);
    kill(getpid(), signum); /* with its siginfo, also in another's flood */
    sigprocmask(SIG_SETMASK, &old, NULL);
    sigaction(signum, &mine, NULL);
}

static void twice(int signum, siginfo_t *info, void *context) {
    for (int i = 0; i < 2; i++)
        ((void (*)(int, siginfo_t *, void *))found)(signum, info, context);
}

void take(int signum, const char *how) {
    struct sigaction three = {.sa_flags = SA_SIGINFO};
    sigaction(signum, NULL, &action);
    found = action.sa_handler; /* before it can be called */
    if (!strcmp(how, "one argument"))
        found = signal(signum, one_argument);
    else if (!strcmp(how, "NULL"))
        found = signal(signum, nothing_more);
    else if (!strcmp(how, "raises"))
        found = signal(signum, raises);
    else {
        three.sa_sigaction = strcmp(how, "twice") ? a_copy : twice;
        sigaction(signum, &three, NULL);
    }
}
