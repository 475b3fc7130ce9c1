/* SPDX-License-Identifier: MIT
 * Memory that a child finds wiped, also where the kernel does not do it: before Linux
 * 4.14, in emulators and some sandboxes. */
#define _GNU_SOURCE
#include "ground/memory.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/sigbus.h"
#include "recording/process.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void refuse_to_wipe(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ(madvise(page, 4096, MADV_WIPEONFORK), -1);
}

static void child_of(void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static char *wiped, *freed_and_mapped_again;

static void finds_it_wiped(void) {
    CHECK_EQ(wiped[0] | wiped[9999], 0);
    CHECK_EQ(freed_and_mapped_again[0], 7);
}

static void a_region(void) {
    wiped = memory_wiped(10000);
    char *freed = memory_wiped(4096);
    CHECK(wiped && freed);
    memset(wiped, 1, 10000);
    memory_free(freed, 4096);
    freed_and_mapped_again =
        mmap(freed, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    freed_and_mapped_again[0] = 7;
    child_of(finds_it_wiped);
    CHECK_EQ(wiped[0], 1);
    for (int i = 0; i < 1000; i++) { /* freed ones take no place */
        char *one = memory_wiped(4096);
        CHECK(one && one[0] == 0 && one[4095] == 0);
        memset(one, 2, 4096);
        memory_free(one, 4096);
    }
    CHECK_EQ(wiped[0] & wiped[9999], 1);
    wiped = memory_wiped(10000); /* of what is mapped at first, nothing is left */
    memset(wiped, 1, 10000);
    child_of(finds_it_wiped);
}

static char directory[] = "/tmp/sigrec-test-XXXXXX";

static const struct ledger_entry *ledger(int signum) {
    return &process_recording()->ledger[signum];
}

static void counts_for_itself(void) {
    CHECK(!process_adopted());
    CHECK_EQ(ledger(SIGUSR1)->delivered, 0);
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    struct event e;
    CHECK_EQ(queue_next(registry_queue(SIGUSR1), &e), QUEUE_EVENT);
    CHECK_EQ(e.ordinal, 0);
    queue_take(registry_queue(SIGUSR1), QUEUE_EVENT);
    CHECK_EQ(queue_next(registry_queue(SIGUSR1), &e), QUEUE_NONE);
    CHECK_EQ(process_pid(), getpid());
}

static bool sends;

/* Before anything else in the child. It is the child's, and not its parent's. */
static void send_itself_one(void) {
    if (sends)
        kill(getpid(), SIGUSR1);
}

static void a_process(void) {
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(install_prepare(SIGUSR1, 64), 0);
    CHECK_EQ(install_handler(SIGUSR1, false), 0);
    CHECK_EQ(process_publish(directory, "file", false, true, 64), 0);
    raise(SIGUSR1);
    child_of(counts_for_itself);
    sigset_t mask;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    CHECK(!sigismember(&mask, SIGUSR1));
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    sends = true;
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)ledger(SIGUSR1)->delivered);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 1 << 8);
    sends = false;
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    CHECK_EQ(truncate(process_path(), 0), 0);
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 2);
    child_of(counts_for_itself);
}

int main(void) {
    CHECK(mkdtemp(directory));
    CHECK_EQ(pthread_atfork(NULL, NULL, send_itself_one), 0); /* before any of ours */
    child_of(a_region);
    child_of(a_process);
    char path[64];
    snprintf(path, sizeof path, "%s/file", directory);
    unlink(path);
    refuse_to_wipe();
    a_region();
    a_process();
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
    return 0;
}

#else
int main(void) { return 0; }
#endif
