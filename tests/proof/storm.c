/* SPDX-License-Identifier: MIT
 *
 * The C program under the storm of native.py. It knows nothing of sigrec: it has handlers that
 * count their calls, and does, by the numbers that follow from its seed, what programs do.
 *
 *     storm SEED [PLUGIN]
 *
 * It talks by lines: "ready"; once it has heard a line it begins, and after another one it says
 * "report" and what it counted; and ends at the next one. PLUGIN: storm_plugin.c, as a library. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3
#define SIGNALS 12
#define TIDS 65536

extern char **environ;
static int signals[SIGNALS];
static _Atomic uint64_t calls[65], raised[65], killed[65];
static _Atomic int calm, tid_count, children;
static int tids[TIDS];
static unsigned seed;
static const char *plugin;

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "storm: line %d: %s: %s\n", __LINE__, #what, strerror(errno));         \
            _exit(70);                                                                             \
        }                                                                                          \
    } while (0)

static unsigned draw(unsigned below) { return (unsigned)rand_r(&seed) % below; }

static void note_thread(void) {
    int n = tid_count++;
    MUST(n < TIDS);
    tids[n] = (int)syscall(SYS_gettid);
}

static void plain(int signum) {
    calls[signum]++;
#ifndef __SANITIZE_THREAD__ /* which complains of it, though it is a program's own business */
    errno = ENOTTY;
#endif
}

static void with_siginfo(int signum, siginfo_t *info, void *context) {
    if (info->si_signo != signum || !context)
        _exit(71);
    calls[signum]++;
}

static void set_handler(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    if (draw(5) == 0) {
        MUST(signal(signum, plain) != SIG_ERR);
        return;
    }
    action.sa_flags = draw(2) ? SA_SIGINFO : 0;
    if (action.sa_flags)
        action.sa_sigaction = with_siginfo;
    else
        action.sa_handler = plain;
    action.sa_flags |= (draw(2) ? SA_RESTART : 0) | (draw(2) ? SA_ONSTACK : 0);
    if (draw(3) == 0)
        sigaddset(&action.sa_mask, signals[draw(SIGNALS)]);
    if (draw(4) == 0)
        sigfillset(&action.sa_mask);
    MUST(sigaction(signum, &action, NULL) == 0);
}

static void some(sigset_t *set, unsigned *random) {
    sigemptyset(set);
    for (int i = 0; i < SIGNALS; i++)
        if (rand_r(random) & 1)
            sigaddset(set, signals[i]);
}

static void *work(void *which) {
    unsigned random = (unsigned)(uintptr_t)which;
    sigset_t set;
    note_thread();
    while (!calm) {
        some(&set, &random);
        pthread_sigmask(rand_r(&random) & 1 ? SIG_BLOCK : SIG_SETMASK, &set, NULL);
        usleep((useconds_t)(rand_r(&random) % 3000));
        sigemptyset(&set);
        pthread_sigmask(SIG_SETMASK, &set, NULL);
        for (volatile int i = 0; i < 20000; i++)
            ;
    }
    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    for (;;)
        pause();
    return NULL;
}

static void *passes(void *ignored) {
    note_thread();
    return ignored;
}

/* Again, where there was no room for one more: RLIMIT_SIGPENDING. */
static void send_own(int signum, int how) {
    int error;
    union sigval value = {.sival_int = 7};
    do {
        error = how == 0   ? raise(signum)
                : how == 1 ? kill(getpid(), signum)
                           : sigqueue(getpid(), signum, value);
    } while (error != 0 && errno == EAGAIN);
    MUST(error == 0);
    raised[signum]++;
}

static void wait_for(pid_t pid, int signum) {
    int status;
    while (waitpid(pid, &status, 0) != pid)
        MUST(errno == EINTR);
    MUST(signum ? WIFSIGNALED(status) && WTERMSIG(status) == signum : status == 0);
    children++;
}

/* What it inherits it has, and its counts begin at zero. */
static void in_child(int signum) {
    uint64_t before = calls[signum];
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 50; i++)
        send_own(signum, i % 3);
    _exit(calls[signum] == before + 50 ? 0 : 72);
}

static pid_t vfork_one(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(73);
    }
    return pid;
}

static void fork_one(int how) {
    char *const sleeps[] = {"sleep", "60", NULL};
    int signum = 0;
    pid_t pid;
    if (how == 0) {
        pid = fork();
        if (pid == 0)
            _exit(0);
    } else if (how == 1) {
        int real_time = SIGRTMIN + 1 + (int)draw(5);
        pid = fork();
        if (pid == 0)
            in_child(real_time);
    } else if (how == 2) {
        pid = vfork_one();
    } else {
        MUST(posix_spawn(&pid, "/bin/sleep", NULL, NULL, sleeps, environ) == 0);
        signum = draw(2) ? SIGKILL : SIGTERM;
        MUST(kill(pid, signum) == 0);
        killed[signum]++;
    }
    MUST(pid > 0);
    wait_for(pid, signum);
}

static void block_some(void) {
    sigset_t set, before;
    some(&set, &seed);
    MUST(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
    usleep(draw(3000));
    MUST(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

static void one_thread(void) {
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, passes, NULL) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

static void other_stack(void) {
    static char stacks[2][65536];
    stack_t stack = {.ss_sp = stacks[draw(2)], .ss_size = sizeof stacks[0]};
    MUST(sigaltstack(&stack, NULL) == 0 || errno == EPERM);
}

static void open_and_close(void) {
    void *library = dlopen(plugin, RTLD_NOW);
    MUST(library);
    int (*set_and_raise)(int, void (*)(int)) =
        (int (*)(int, void (*)(int)))(uintptr_t)dlsym(library, "set_and_raise");
    int signum = signals[draw(SIGNALS)];
    if (set_and_raise(signum, plain) == 0)
        raised[signum]++;
    else
        MUST(errno == EAGAIN);
    MUST(dlclose(library) == 0);
}

static void act(void) {
    switch (draw(plugin ? 11 : 10)) {
    case 0: set_handler(signals[draw(SIGNALS)]); break;
    case 1: block_some(); break;
    case 2: one_thread(); break;
    case 3: fork_one((int)draw(4)); break;
    case 4: other_stack(); break;
    case 5:
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        break;
    case 6:
        for (unsigned n = draw(30), signum = draw(SIGNALS); n; n--)
            send_own(signals[signum], (int)draw(3));
        break;
    case 7: sched_yield(); break;
    case 8: usleep(draw(2000)); break;
    case 10: open_and_close(); break;
    default:
        for (volatile int i = 0; i < 100000; i++)
            ;
    }
}

/* Whether a signal waits for the process, or for any of its threads. */
static int is_pending(void) {
    char path[300], line[256];
    DIR *tasks = opendir("/proc/self/task");
    int found = 0;
    MUST(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            if (strncmp(line, "SigPnd:", 7) == 0 || strncmp(line, "ShdPnd:", 7) == 0)
                found |= strtoull(line + 7, NULL, 16) != 0;
            else if (strncmp(line, "State:", 6) == 0 && atoi(task->d_name) != getpid())
                found |= !strchr(line, 'S');
        }
        if (status)
            fclose(status);
    }
    closedir(tasks);
    return found;
}

static void settle(void) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    calm = 1;
    for (int quiet = 0; quiet < 3; quiet = is_pending() ? 0 : quiet + 1)
        usleep(3000);
}

static void show(const char *name, const _Atomic uint64_t *counts) {
    const char *between = "";
    printf("\"%s\": {", name);
    for (int n = 1; n < 65; n++)
        if (counts[n]) {
            printf("%s\"%d\": %llu", between, n, (unsigned long long)counts[n]);
            between = ", ";
        }
    printf("}, ");
}

static void report(void) {
    printf("report {");
    show("calls", calls);
    show("raised", raised);
    show("killed", killed);
    printf("\"children\": %d, \"tids\": [%d", (int)children, tids[0]);
    for (int i = 1; i < tid_count; i++)
        printf(", %d", tids[i]);
    printf("]}\n");
    fflush(stdout);
}

static void hear(void) {
    char c = 0;
    while (c != '\n')
        if (read(0, &c, 1) == 0)
            _exit(74); /* who drives is gone */
}

int main(int argc, char **argv) {
    static const int standard[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGPROF, SIGIO, SIGWINCH};
    struct pollfd input = {0, POLLIN, 0};
    MUST(argc == 2 || argc == 3);
    plugin = argv[2];
    seed = (unsigned)atoi(argv[1]);
    for (int i = 0; i < SIGNALS; i++)
        signals[i] = i < 7 ? standard[i] : SIGRTMIN + i - 6;
    note_thread();
    for (int i = 0; i < SIGNALS; i++)
        set_handler(signals[i]);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, work, (void *)(uintptr_t)(seed + i + 1)) == 0);
    }
    printf("ready\n");
    fflush(stdout);
    hear();
    while (poll(&input, 1, 0) <= 0)
        act();
    hear();
    settle();
    report();
    hear();
    return 0;
}
