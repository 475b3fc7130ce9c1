/* SPDX-License-Identifier: MIT
 * What the handler needs of a signal's stack: as much of an alternate one as install.h says,
 * with a page below it that nothing may touch. */
#define _GNU_SOURCE
#include "handler/install.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/passive.h"
#include "recording/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__

static char directory[] = "/tmp/sigrec-test-XXXXXX";

static void nothing(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
}

static void small_stack(void) {
    uint64_t size, needed;
    install_alternate_stack(&size, &needed);
    CHECK_EQ(size, 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (needed / page + 2) * page;
    char *base = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base != MAP_FAILED);
    CHECK_EQ(mprotect(base, page, PROT_NONE), 0);
    size_t ours = needed - INSTALL_STACK + 2048;
    stack_t stack = {.ss_sp = base + page, .ss_size = ours};
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    install_alternate_stack(&size, &needed);
    CHECK_EQ(size, ours);
}

static void from_another(int signum, int count) {
    pid_t to = getpid(), pid = fork();
    if (pid == 0) {
        while (count--)
            kill(to, signum);
        _exit(0);
    }
    while (waitpid(pid, NULL, 0) != pid)
        ;
}

static void on_alternate(int signum, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = nothing;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
    CHECK_EQ(passive_sigaction(signum, &action, NULL), 0);
}

static void every_way(void) {
    small_stack();
    CHECK_EQ(install_prepare(SIGUSR1, 1024), 0);
    CHECK_EQ(install_handler(SIGUSR1, false), 0);
    raise(SIGUSR1);             /* with an anchor, the first */
    from_another(SIGUSR1, 100); /* with the sender's name, and dequeuing */
    CHECK_EQ(install_record(SIGHUP, false), 0);
    on_alternate(SIGHUP, 0);
    raise(SIGHUP);
    on_alternate(SIGHUP, (int)SA_RESETHAND);
    from_another(SIGHUP, 1);
    CHECK_EQ(install_record(SIGCHLD, true), 0);
    raise(SIGCHLD);
    CHECK_EQ(install_record(SIGTERM, false), 0);
    from_another(SIGTERM, 1); /* its default action */
    _exit(99);
}

int main(int argc, char **argv) {
    (void)argc;
    if (!getenv("LD_BIND_NOW")) { /* as the extension is built */
        setenv("LD_BIND_NOW", "1", 1);
        execv("/proc/self/exe", argv);
    }
    CHECK(mkdtemp(directory));
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(process_start(), 0);
        handler_start();
        CHECK_EQ(process_publish(directory, "file", false, true, 64), 0);
        every_way();
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    char path[64];
    snprintf(path, sizeof path, "%s/file", directory);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    return 0;
}

#else
int main(void) { return 0; }
#endif
