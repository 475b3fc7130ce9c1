/* Preloaded: notes which dispositions of SIGUSR1 anybody sets, one after the other. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static char seen[64];
static unsigned n;
static int (*real)(int, const struct sigaction *, struct sigaction *);

static pthread_t other;
static volatile int others_turns, calls;

static void handler(int signum) {
    (void)signum;
    calls++;
}

static void *takes_signals(void *ignored) {
    for (;; others_turns++)
        pause();
    return ignored;
}

void begin_other(void) { pthread_create(&other, NULL, takes_signals, NULL); }
int handler_calls(void) { return calls; }

/* d: the default, c: the handler above, s: one with SA_SIGINFO, p: the interpreter's. */
int sigaction(int signum, const struct sigaction *next, struct sigaction *before) {
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    if (signum == SIGUSR1 && next && n < sizeof seen - 1)
        seen[n++] = next->sa_handler == SIG_DFL     ? 'd'
                    : next->sa_handler == handler   ? 'c'
                    : (next->sa_flags & SA_SIGINFO) ? 's'
                                                    : 'p';
    /* Another thread takes one when the handler above is about to be there again. */
    if (other && signum == SIGUSR1 && next && next->sa_handler == handler) {
        int turn = others_turns;
        for (usleep(1000); others_turns == turn; usleep(1000))
            pthread_kill(other, signum);
        other = 0;
    }
    return real(signum, next, before);
}

void take(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigaction(signum, &action, NULL);
}

const char *all(void) { return seen; }
