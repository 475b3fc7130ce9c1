/* A library whose constructor sets handlers, which call what they found: opens.c. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct sigaction found[NSIG];
static void (*found_by_signal[NSIG])(int);

static void say(const char *text) { (void)!write(1, text, strlen(text)); }

static void with_info(int signum, siginfo_t *info, void *context) {
    say("plugin\n");
    if (found[signum].sa_handler != SIG_DFL && found[signum].sa_handler != SIG_IGN)
        found[signum].sa_sigaction(signum, info, context);
}

static void plain(int signum) {
    say("plugin\n");
    if (found_by_signal[signum] != SIG_DFL && found_by_signal[signum] != SIG_IGN)
        found_by_signal[signum](signum);
}

static void set(int signum) {
    struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
    sigaction(signum, &action, &found[signum]);
}

__attribute__((constructor)) static void at_load(void) {
    set(SIGUSR1);
    set(SIGHUP);
    found_by_signal[SIGUSR2] = signal(SIGUSR2, plain);
    found_by_signal[SIGTERM] = signal(SIGTERM, plain);
}

void restore(void) {
    sigaction(SIGUSR1, &found[SIGUSR1], NULL);
    sigaction(SIGHUP, &found[SIGHUP], NULL);
    signal(SIGUSR2, found_by_signal[SIGUSR2]);
    signal(SIGTERM, found_by_signal[SIGTERM]);
}
