/* SPDX-License-Identifier: MIT
 * What a filter says of the system calls that we make, and that it is heeded. */
#define _GNU_SOURCE
#include "ground/filter.h"

#include "check.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include "handler/handler.h"
#include "handler/install.h"
#include "recording/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define PROGRAM(code) &(struct sock_fprog){sizeof(code) / sizeof *(code), code}

static uint32_t denied_by(const struct sock_fprog *program) {
    filter_undo(0);
    CHECK_EQ(filter_add(program), 0);
    return filter_denied;
}

static void answers(void) {
    uint32_t all = (UINT32_C(1) << FILTERED_COUNT) - 1;
    struct sock_filter none[] = {ANSWER(SECCOMP_RET_ALLOW)};
    CHECK_EQ(denied_by(PROGRAM(none)), 0);
    struct sock_filter refuses[] = {ANSWER(SECCOMP_RET_ERRNO | EPERM)};
    CHECK_EQ(denied_by(PROGRAM(refuses)), 0);
    struct sock_filter traps[] = {ANSWER(SECCOMP_RET_TRAP)};
    CHECK_EQ(denied_by(PROGRAM(traps)), all);
    CHECK_EQ(denied_by(NULL), all & ~(UINT32_C(1) << FILTERED_READ));
    struct sock_filter opens[] = {
        NUMBER,
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        ANSWER(SECCOMP_RET_KILL),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    uint32_t to_create = UINT32_C(1) << FILTERED_CREATE;
    CHECK_EQ(denied_by(PROGRAM(opens)), to_create | UINT32_C(1) << FILTERED_OPEN);
    /* One after the other: what one forbids, no other allows again. */
    CHECK_EQ(filter_add(PROGRAM(none)), to_create | UINT32_C(1) << FILTERED_OPEN);
    CHECK(!filter_allows(FILTERED_OPEN) && filter_allows(FILTERED_KILL));
    /* By an argument, with arithmetic, memory and jumps: to write is forbidden. */
    struct sock_filter writes[] = {
        NUMBER,
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_STMT(BPF_JMP | BPF_JA, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE),
        BPF_STMT(BPF_ST, 3),
        BPF_STMT(BPF_LDX | BPF_MEM, 3),
        BPF_STMT(BPF_LD | BPF_IMM, O_RDONLY),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0),
        ANSWER(SECCOMP_RET_KILL),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    CHECK_EQ(denied_by(PROGRAM(writes)), to_create);
    writes[7].k = O_RDWR;
    CHECK_EQ(denied_by(PROGRAM(writes)), UINT32_C(1) << FILTERED_OPEN);
    /* A broken one, which the kernel does not take: not allowed, and no harm. */
    struct sock_filter no_end[] = {NUMBER, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096)};
    CHECK_EQ(denied_by(PROGRAM(no_end)), all);
    filter_undo(0);
}

/* SIGTERM to a process that may make no more than these: it ends by it. */
static void end_with(const int *refused, int count, uint32_t answer) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(install_record(SIGTERM, true), 0);
        CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        for (int i = 0; i < count; i++) {
            struct sock_filter code[] = {
                NUMBER,
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused[i], 0, 1),
                ANSWER(answer),
                ANSWER(SECCOMP_RET_ALLOW),
            };
            filter_add(PROGRAM(code)); /* as interpose.c does */
            CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PROGRAM(code)), 0);
        }
        kill(process_pid(), SIGSTOP); /* ready */
        for (;;)
            pause();
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void) {
    answers();
    CHECK_EQ(process_start(), 0);
    handler_start();
    static const int calls[] = {SYS_rt_tgsigqueueinfo, SYS_tgkill, SYS_openat, SYS_gettid};
    end_with(calls, 4, SECCOMP_RET_ERRNO | EPERM);
    end_with(calls, 4, SECCOMP_RET_KILL);
    return 0;
}

#else
int main(void) { return 0; }
#endif
