/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ground/filter.h"

_Atomic uint32_t filter_denied;
_Atomic bool filter_added;

void filter_undo(uint32_t denied_before) { atomic_store(&filter_denied, denied_before); }

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define AUDITED_MACHINE AUDIT_ARCH_X86_64
#else
#define AUDITED_MACHINE AUDIT_ARCH_AARCH64
#endif
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif
#ifndef SECCOMP_RET_ACTION_FULL
#define SECCOMP_RET_ACTION_FULL 0xffff0000U
#endif

/* Each system call that a filter may forbid, with our arguments, as far as they never change. */
static const struct {
    enum filtered call;
    int number;
    uint64_t arguments[3];
} filtered_calls[] = {
    {FILTERED_GETTID, SYS_gettid, {0}},
    {FILTERED_GETPID, SYS_getpid, {0}},
    {FILTERED_SIGACTION, SYS_rt_sigaction, {SIGTERM}},
    {FILTERED_SIGPROCMASK, SYS_rt_sigprocmask, {SIG_UNBLOCK}},
    {FILTERED_SIGPENDING, SYS_rt_sigpending, {0}},
    {FILTERED_SIGTIMEDWAIT, SYS_rt_sigtimedwait, {0}},
    {FILTERED_QUEUE, SYS_rt_tgsigqueueinfo, {0, 0, SIGTERM}},
    {FILTERED_TGKILL, SYS_tgkill, {0, 0, SIGTERM}},
    {FILTERED_KILL, SYS_kill, {0, SIGTERM}},
    {FILTERED_FUTEX, SYS_futex, {0, FUTEX_WAKE_PRIVATE, 1}},
    {FILTERED_MREMAP, SYS_mremap, {0}},
    {FILTERED_OPEN, SYS_openat, {(uint64_t)AT_FDCWD, 0, O_RDONLY | O_CLOEXEC}},
    {FILTERED_READ, SYS_read, {3}},
    {FILTERED_CLOSE, SYS_close, {3}},
    {FILTERED_TIMER_CREATE, SYS_timer_create, {0}},
    {FILTERED_TIMER_SETTIME, SYS_timer_settime, {0}},
    {FILTERED_STAT, SYS_newfstatat, {(uint64_t)AT_FDCWD}},
#ifdef SYS_unlink
    {FILTERED_UNLINK, SYS_unlink, {0}},
#else
    {FILTERED_UNLINK, SYS_unlinkat, {(uint64_t)AT_FDCWD}},
#endif
    {FILTERED_CREATE, SYS_openat, {0, 0, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC}},
    {FILTERED_RENAME, SYS_renameat2, {(uint64_t)AT_FDCWD, 0, (uint64_t)AT_FDCWD}},
    {FILTERED_PRCTL, SYS_prctl, {PR_GET_CHILD_SUBREAPER}},
    {FILTERED_PRCTL, SYS_prctl, {PR_GET_PDEATHSIG}},
    {FILTERED_PRCTL, SYS_getppid, {0}},
};

static uint32_t bpf_arithmetic(uint16_t operation, uint32_t a, uint32_t b) {
    switch (operation) {
    case BPF_ADD: return a + b;
    case BPF_SUB: return a - b;
    case BPF_MUL: return a * b;
    case BPF_DIV: return b ? a / b : 0;
    case BPF_OR: return a | b;
    case BPF_AND: return a & b;
    case BPF_XOR: return a ^ b;
    case BPF_LSH: return b < 32 ? a << b : 0;
    case BPF_RSH: return b < 32 ? a >> b : 0;
    default: return (uint32_t)-(int32_t)a; /* BPF_NEG */
    }
}

static bool bpf_holds(uint16_t operation, uint32_t a, uint32_t b) {
    switch (operation) {
    case BPF_JEQ: return a == b;
    case BPF_JGT: return a > b;
    case BPF_JGE: return a >= b;
    default: return a & b; /* BPF_JSET */
    }
}

/* What the filter answers: the classic BPF that seccomp(2) takes, which only jumps forward. An
 * instruction that is not known here is answered as the kernel would: not allowed. */
static uint32_t filter_verdict(const struct sock_fprog *program, const struct seccomp_data *data) {
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};
    for (uint64_t at = 0; at < program->len; at++) {
        const struct sock_filter *instruction = &program->filter[at];
        uint32_t source = BPF_SRC(instruction->code) == BPF_X ? x : instruction->k;
        switch (BPF_CLASS(instruction->code)) {
        case BPF_LD:
        case BPF_LDX: {
            uint32_t loaded = instruction->k; /* BPF_IMM */
            if (BPF_MODE(instruction->code) == BPF_ABS) {
                if (instruction->k > sizeof *data - sizeof loaded)
                    return SECCOMP_RET_KILL_PROCESS;
                memcpy(&loaded, (const char *)data + instruction->k, sizeof loaded);
            } else if (BPF_MODE(instruction->code) == BPF_MEM) {
                loaded = memory[instruction->k % BPF_MEMWORDS];
            } else if (BPF_MODE(instruction->code) == BPF_LEN) {
                loaded = sizeof *data;
            }
            *(BPF_CLASS(instruction->code) == BPF_LD ? &a : &x) = loaded;
            break;
        }
        case BPF_ST: memory[instruction->k % BPF_MEMWORDS] = a; break;
        case BPF_STX: memory[instruction->k % BPF_MEMWORDS] = x; break;
        case BPF_ALU: a = bpf_arithmetic(BPF_OP(instruction->code), a, source); break;
        case BPF_JMP:
            at += BPF_OP(instruction->code) == BPF_JA               ? instruction->k
                  : bpf_holds(BPF_OP(instruction->code), a, source) ? instruction->jt
                                                                    : instruction->jf;
            break;
        case BPF_RET: return BPF_RVAL(instruction->code) == BPF_A ? a : instruction->k;
        case BPF_MISC:
            if (BPF_MISCOP(instruction->code) == BPF_TAX)
                x = a;
            else
                a = x;
            break;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool filter_punishes(uint32_t answer) {
    uint32_t action = answer & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL ||
           action == SECCOMP_RET_TRAP;
}

uint32_t filter_add(const void *program) {
    uint32_t denied = 0;
    atomic_store(&filter_added, true);
    for (size_t n = 0; n < sizeof filtered_calls / sizeof *filtered_calls; n++) {
        struct seccomp_data data;
        memset(&data, 0, sizeof data);
        data.nr = filtered_calls[n].number;
        data.arch = AUDITED_MACHINE;
        memcpy(data.args, filtered_calls[n].arguments, sizeof filtered_calls[n].arguments);
        bool allowed = program ? !filter_punishes(filter_verdict(program, &data))
                               : filtered_calls[n].call == FILTERED_READ;
        denied |= (uint32_t)!allowed << filtered_calls[n].call;
    }
    return atomic_fetch_or(&filter_denied, denied);
}

#endif
