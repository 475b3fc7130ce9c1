/* Opens plugin.c, whose file it is given, and sends itself signals: test_preload.py,
 * test_attach.py. */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text) { (void)!write(1, text, strlen(text)); }

static void own(int signum) {
    (void)signum;
    say("program\n");
}

int main(int argc, char *argv[]) {
    char line;
    signal(SIGUSR1, own);
    signal(SIGUSR2, own);
    say("ready\n");
    (void)!read(0, &line, 1);
    void *plugin = dlopen(argv[argc - 1], RTLD_NOW);
    if (!plugin) {
        say(dlerror());
        return 1;
    }
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    void (*restore)(void) = (void (*)(void))(uintptr_t)dlsym(plugin, "restore");
    restore();
    say("restored\n");
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGHUP); /* which ends it */
    return 2;
}
