/* SPDX-License-Identifier: MIT
 * A shared library that stands for the program: test_interpose.c loads it, once
 * bound at once and read-only after that, and once bound lazily. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*sigaction_function)(int, const struct sigaction *, struct sigaction *);

/* An address in its data, and one that nobody must touch. */
sigaction_function in_data = sigaction;
static int own_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    (void)signum, (void)next, (void)previous;
    return 4711;
}
sigaction_function of_its_own = own_sigaction;

/* A call that is the last thing a function does may become a jump, which returns to its caller;
 * after these something is done. */
#define NO_JUMP() __asm__ volatile("" ::: "memory")

int by_call(int signum, const struct sigaction *next, struct sigaction *previous) {
    int result = sigaction(signum, next, previous);
    NO_JUMP();
    return result;
}

int by_lookup(int signum, const struct sigaction *next, struct sigaction *previous) {
    sigaction_function found;
    *(void **)&found = dlsym(RTLD_DEFAULT, "sigaction");
    int result = found ? found(signum, next, previous) : -2;
    NO_JUMP();
    return result;
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

void (*by_signal(int signum, void (*handler)(int)))(int) {
    void (*before)(int) = signal(signum, handler);
    NO_JUMP();
    return before;
}

void (*by_sigset(int signum, void (*handler)(int)))(int) {
    void (*before)(int) = sigset(signum, handler);
    NO_JUMP();
    return before;
}

int by_sigignore(int signum) {
    int result = sigignore(signum);
    NO_JUMP();
    return result;
}

int mask_by_thread(int how, const sigset_t *set, sigset_t *old) {
    int result = pthread_sigmask(how, set, old);
    NO_JUMP();
    return result;
}

int mask_by_process(int how, const sigset_t *set, sigset_t *old) {
    int result = sigprocmask(how, set, old);
    NO_JUMP();
    return result;
}

int by_sighold(int signum) {
    int result = sighold(signum);
    NO_JUMP();
    return result;
}

int by_sigrelse(int signum) {
    int result = sigrelse(signum);
    NO_JUMP();
    return result;
}

/* What a vfork child blocks is not its parent's. */
pid_t vfork_and_block(const sigset_t *set) {
    pid_t child = vfork();
    if (child == 0) {
        sigprocmask(SIG_BLOCK, set, NULL);
        _exit(0);
    }
    return child;
}

void leave(int status) { _exit(status); }

int become(const char *path, char *const argv[]) { return execv(path, argv); }

int send_by_kill(pid_t pid, int signum) { return kill(pid, signum); }
int send_by_killpg(pid_t group, int signum) { return killpg(group, signum); }
int send_by_raise(int signum) { return raise(signum); }
int send_to_thread(pthread_t thread, int signum) { return pthread_kill(thread, signum); }
int send_by_sigqueue(pid_t pid, int signum, union sigval value) {
    return sigqueue(pid, signum, value);
}
long by_number(long number, long a, long b, long c) { return syscall(number, a, b, c, 0, 0, 0); }
pid_t wait_for(pid_t pid, int *status, int options) { return waitpid(pid, status, options); }
int to_group(pid_t pid, pid_t group) { return setpgid(pid, group); }

pid_t to_session(void) { return setsid(); }

#ifdef __linux__
extern int pidfd_send_signal(int, int, siginfo_t *, unsigned) __attribute__((weak));
int send_through_pidfd(int pidfd, int signum) {
    if (pidfd_send_signal)
        return pidfd_send_signal(pidfd, signum, NULL, 0);
    return (int)syscall(424, pidfd, signum, NULL, 0);
}
#endif
int run_by_system(const char *command) { return system(command); }
int run_by_popen(const char *command) {
    FILE *stream = popen(command, "r");
    return stream ? pclose(stream) : -1;
}
int wait_by_id(pid_t pid, siginfo_t *info, int options) {
    return waitid(P_PID, (id_t)pid, info, options);
}

/* What a vfork child sets is not its parent's. */
pid_t vfork_and_set(int signum) {
    pid_t child = vfork();
    if (child == 0) {
        signal(signum, SIG_IGN);
        struct sigaction action = {.sa_handler = SIG_IGN};
        sigaction(signum, &action, NULL);
        _exit(0);
    }
    return child;
}

/* What a vfork child sends is not its parent's. */
pid_t vfork_and_kill(pid_t pid, int signum) {
    pid_t child = vfork();
    if (child == 0) {
        kill(pid, signum);
        _exit(0);
    }
    return child;
}
