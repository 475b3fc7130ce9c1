/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "attach/tracee.h"

#ifdef TRACEE_SUPPORTED

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/proc.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

#define SYSTEM_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define SOON_NS UINT64_C(250000000)
#define HANGS_NS UINT64_C(10000000000)

/* What a system call that a stop interrupted returns inside of the kernel, which then makes it
 * again: <linux/errno.h>. */
#define IS_RESTART(result)                                                                         \
    ((result) == -512 || (result) == -513 || (result) == -514 || (result) == -516)

#ifdef __x86_64__

/* syscall; int3 */
const uint8_t tracee_system_call[] = {0x0f, 0x05}, tracee_mask[] = {0xff, 0xff};
const uint8_t tracee_trap[] = {0xcc}, tracee_trap_mask[] = {0xff};
const size_t tracee_system_call_size = 2, tracee_trap_size = 1, tracee_step = 1;
#define TRAP_SIZE 1 /* the program counter is behind it then */

uint64_t tracee_pc(const struct tracee *tracee) { return tracee->before.rip; }
uint64_t tracee_sp(const struct tracee *tracee) { return tracee->before.rsp; }

/* Whether the tracee was stopped in a system call that it goes on with. */
static bool waits_in_kernel(const struct tracee *tracee, const tracee_registers *registers) {
    (void)tracee;
    return (long)registers->orig_rax >= 0 && IS_RESTART((long)registers->rax);
}

static bool read_system_call(struct tracee *tracee) {
    tracee->number = (long)tracee->before.orig_rax;
    tracee->result = (long)tracee->before.rax;
    tracee->goes_on = waits_in_kernel(tracee, &tracee->before);
    return tracee->before.cs == 0x33; /* 64 bits */
}

static bool put_system_call(const struct tracee *tracee) {
    (void)tracee; /* orig_rax is one of the registers */
    return true;
}

static void prepare_registers(tracee_registers *registers) {
    registers->orig_rax = (unsigned long long)-1; /* nothing is made again */
    registers->eflags &= ~0x500ULL;               /* direction, and single steps */
}

static void prepare_system(tracee_registers *registers, uint64_t at, long number,
                           const uint64_t argument[6]) {
    prepare_registers(registers);
    registers->rip = at;
    registers->rax = (unsigned long long)number;
    registers->rdi = argument[0];
    registers->rsi = argument[1];
    registers->rdx = argument[2];
    registers->r10 = argument[3];
    registers->r8 = argument[4];
    registers->r9 = argument[5];
}

static bool prepare_call(const struct tracee *tracee, tracee_registers *registers,
                         uint64_t function, const uint64_t argument[3], uint64_t top) {
    prepare_registers(registers);
    uint64_t at = (top & ~UINT64_C(15)) - 8; /* as after a call: System V ABI */
    if (pwrite(tracee->memory, &tracee->trap, 8, (off_t)at) != 8)
        return false;
    registers->rsp = at;
    registers->rbp = 0;
    registers->rip = function;
    registers->rdi = argument[0];
    registers->rsi = argument[1];
    registers->rdx = argument[2];
    registers->rax = 0;
    return true;
}

static uint64_t pc_of(const tracee_registers *registers) { return registers->rip; }
static uint64_t result_of(const tracee_registers *registers) { return registers->rax; }

/* mov $15, %rax (or %eax); syscall: every libc's restorer, and Go's */
static bool is_sigreturn(const struct tracee *tracee, uint64_t at) {
    static const uint8_t one[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t other[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
    uint8_t code[9];
    if (pread(tracee->memory, code, sizeof code, (off_t)at) != sizeof code)
        return false;
    return memcmp(code, one, sizeof one) == 0 || memcmp(code, other, sizeof other) == 0;
}

static uint64_t link_register(const struct tracee *tracee) {
    (void)tracee;
    return 0;
}

/* tcbhead_t: its third word is its own address. */
bool tracee_has_control_block(const struct tracee *tracee) {
    uint64_t self;
    return tracee->before.fs_base &&
           pread(tracee->memory, &self, sizeof self, (off_t)(tracee->before.fs_base + 16)) ==
               sizeof self &&
           self == tracee->before.fs_base;
}

#else

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

/* svc #0; brk #any */
const uint8_t tracee_system_call[] = {0x01, 0x00, 0x00, 0xd4},
              tracee_mask[] = {0xff, 0xff, 0xff, 0xff};
const uint8_t tracee_trap[] = {0x00, 0x00, 0x20, 0xd4},
              tracee_trap_mask[] = {0x1f, 0x00, 0xe0, 0xff};
const size_t tracee_system_call_size = 4, tracee_trap_size = 4, tracee_step = 4;
#define TRAP_SIZE 0 /* the program counter is at it then */

uint64_t tracee_pc(const struct tracee *tracee) { return tracee->before.pc; }
uint64_t tracee_sp(const struct tracee *tracee) { return tracee->before.sp; }

/* Before the stop the kernel has set a call that is to be made again back to its beginning, with
 * its first argument, and forgotten its number: do_signal() in arch/arm64/kernel/signal.c. So a
 * thread that stands before an svc is in that call, or was just about to make it, which is the
 * same; one for which it returned something else stands behind it. */
static bool waits_in_kernel(const struct tracee *tracee, const tracee_registers *registers) {
    uint32_t code = 0;
    return pread(tracee->memory, &code, sizeof code, (off_t)registers->pc) == 4 &&
           code == 0xd4000001;
}

static bool read_system_call(struct tracee *tracee) {
    tracee->goes_on = waits_in_kernel(tracee, &tracee->before);
    tracee->number = tracee->goes_on ? (long)tracee->before.regs[8] : -1;
    tracee->result = (long)tracee->before.regs[0];
    return true;
}

static bool set_system_call(const struct tracee *tracee, int number) {
    struct iovec part = {&number, sizeof number};
    return ptrace(PTRACE_SETREGSET, tracee->tid, (void *)NT_ARM_SYSTEM_CALL, &part) == 0;
}

/* Nothing is made again by the kernel: the thread makes the call itself, from its svc. */
static bool put_system_call(const struct tracee *tracee) { return set_system_call(tracee, -1); }

static void prepare_system(tracee_registers *registers, uint64_t at, long number,
                           const uint64_t argument[6]) {
    registers->pc = at;
    registers->regs[8] = (uint64_t)number;
    for (int i = 0; i < 6; i++)
        registers->regs[i] = argument[i];
}

static bool prepare_call(const struct tracee *tracee, tracee_registers *registers,
                         uint64_t function, const uint64_t argument[3], uint64_t top) {
    registers->sp = top & ~UINT64_C(15);
    registers->regs[29] = 0;
    registers->regs[30] = tracee->trap;
    registers->pc = function;
    registers->pstate &= ~UINT64_C(0xc00); /* BTYPE: a jump to any instruction */
    for (int i = 0; i < 3; i++)
        registers->regs[i] = argument[i];
    return set_system_call(tracee, -1);
}

static uint64_t pc_of(const tracee_registers *registers) { return registers->pc; }
static uint64_t result_of(const tracee_registers *registers) { return registers->regs[0]; }

/* mov x8, #139; svc #0 */
static bool is_sigreturn(const struct tracee *tracee, uint64_t at) {
    static const uint32_t one[] = {0xd2801168, 0xd4000001};
    uint32_t code[2];
    return at % 4 == 0 && pread(tracee->memory, code, sizeof code, (off_t)at) == sizeof code &&
           memcmp(code, one, sizeof one) == 0;
}

static uint64_t link_register(const struct tracee *tracee) { return tracee->before.regs[30]; }

bool tracee_has_control_block(const struct tracee *tracee) {
    uint64_t pointer = 0;
    struct iovec part = {&pointer, sizeof pointer};
    return ptrace(PTRACE_GETREGSET, tracee->tid, (void *)NT_ARM_TLS, &part) == 0 && pointer;
}

#endif

/* --- registers ------------------------------------------------------------------------ */

/* The first of these that the machine has: SVE's registers have those of floating point in them. */
#ifdef __x86_64__
static const long vectors[] = {NT_X86_XSTATE};
#else
#ifndef NT_ARM_SVE
#define NT_ARM_SVE 0x405
#endif
static const long vectors[] = {NT_ARM_SVE, NT_PRFPREG};
#endif

static bool get_registers(const struct tracee *tracee, tracee_registers *registers) {
    struct iovec part = {registers, sizeof *registers};
    return ptrace(PTRACE_GETREGSET, tracee->tid, (void *)NT_PRSTATUS, &part) == 0;
}

static bool put_registers(const struct tracee *tracee, const tracee_registers *registers) {
    struct iovec part = {(void *)(uintptr_t)registers, sizeof *registers};
    return ptrace(PTRACE_SETREGSET, tracee->tid, (void *)NT_PRSTATUS, &part) == 0;
}

static bool get_vectors(struct tracee *tracee) {
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct iovec part = {tracee->state, sizeof tracee->state};
        if (ptrace(PTRACE_GETREGSET, tracee->tid, (void *)vectors[i], &part) != 0)
            continue;
        tracee->state_kind = vectors[i];
        tracee->state_size = part.iov_len;
        return tracee->state_size < sizeof tracee->state; /* else there may be more */
    }
    return false;
}

static bool put_vectors(const struct tracee *tracee) {
    struct iovec part = {(void *)(uintptr_t)tracee->state, tracee->state_size};
    return ptrace(PTRACE_SETREGSET, tracee->tid, (void *)tracee->state_kind, &part) == 0;
}

/* --- waiting --------------------------------------------------------------------------- */

static bool resume_tracee(struct tracee *tracee, int how, int signum) {
    tracee->stopped = tracee->can_go = false;
    return ptrace((enum __ptrace_request)how, tracee->tid, 0, (void *)(long)signum) == 0;
}

/* What the thread does next. TRACEE_STOPPED, and its status. */
static enum tracee_event await_tracee(struct tracee *tracee, uint64_t until, int *status) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t got = waitpid(tracee->tid, status, __WALL | WNOHANG);
        if (got < 0 || (got > 0 && !WIFSTOPPED(*status)))
            return TRACEE_ENDED;
        if (got > 0 && *status >> 16 == PTRACE_EVENT_EXEC) {
            ptrace(PTRACE_DETACH, tracee->tid, 0, 0);
            return TRACEE_ENDED; /* another program: nothing of what we know is there */
        }
        if (got > 0) {
            tracee->stopped = true;
            return TRACEE_STOPPED;
        }
        uint64_t now = monotonic_ns();
        if (now >= until)
            return TRACEE_LATE;
        struct timespec rest = clock_timespec(until - now);
        sigtimedwait(&child, NULL, &rest);
    }
}

static bool is_event_stop(int status) { return status >> 16 == PTRACE_EVENT_STOP; }

char tracee_state(pid_t tid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
    proc_read(path, text, sizeof text);
    const char *state = strrchr(text, ')');
    return state ? state[2] : 'X';
}

/* Brings a running thread to a stop of its own, in which its registers can be set. */
static enum tracee_event interrupt_tracee(struct tracee *tracee, uint64_t limit_ns) {
    uint64_t began = monotonic_ns(), until = began + limit_ns;
    if (ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0) != 0)
        return errno == ESRCH ? TRACEE_ENDED : TRACEE_REFUSED;
    for (;;) {
        int status;
        enum tracee_event event = await_tracee(tracee, until, &status);
        if (event == TRACEE_LATE && until < began + HANGS_NS && tracee_state(tracee->tid) == 'R') {
            until += limit_ns; /* it waits for a processor, and is not stopped yet */
            continue;
        }
        if (event != TRACEE_STOPPED)
            return event;
        if (is_event_stop(status)) {
            tracee->can_go = true;
            return WSTOPSIG(status) == SIGTRAP ? TRACEE_STOPPED : TRACEE_HALTED;
        }
        /* The tracee was about to get a signal: that is its own, with its siginfo. */
        bool of_signal = status >> 16 == 0 && WSTOPSIG(status) != SYSTEM_STOP;
        if (!resume_tracee(tracee, PTRACE_CONT, of_signal ? WSTOPSIG(status) : 0))
            return TRACEE_ENDED;
    }
}

enum tracee_event tracee_stop(struct tracee *tracee, uint64_t limit_ns) {
    if (ptrace(PTRACE_SEIZE, tracee->tid, 0,
               (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)) != 0)
        return errno == ESRCH ? TRACEE_ENDED : TRACEE_REFUSED;
    enum tracee_event event = interrupt_tracee(tracee, limit_ns);
    if (event == TRACEE_HALTED) {
        tracee_leave(tracee);
        return event;
    }
    if (event != TRACEE_STOPPED)
        return event;
    if (!get_registers(tracee, &tracee->before) || !read_system_call(tracee) ||
        ptrace(PTRACE_GETSIGMASK, tracee->tid, (void *)8, &tracee->mask) != 0) {
        tracee_leave(tracee);
        return TRACEE_REFUSED;
    }
    return TRACEE_STOPPED;
}

void tracee_leave(struct tracee *tracee) { ptrace(PTRACE_DETACH, tracee->tid, 0, 0); }

/* A fault that is blocked would set its disposition back: force_sig_fault(). */
int tracee_take(struct tracee *tracee) {
    uint64_t blocked = ~(signal_bit(SIGTRAP) | signal_bit(SIGSEGV) | signal_bit(SIGBUS) |
                         signal_bit(SIGILL) | signal_bit(SIGFPE));
    if (!get_vectors(tracee) || ptrace(PTRACE_SETSIGMASK, tracee->tid, (void *)8, &blocked) != 0)
        return errno ? errno : EIO;
    return 0;
}

/* A signal is about to reach the function that was called in the thread. True: it is a fault
 * of that function. */
static bool is_fault_of_call(struct tracee *tracee, int signum, int *pass) {
    siginfo_t info;
    *pass = 0;
    if (signum == SIGSTOP) { /* cannot wait */
        *pass = signum;
        return false;
    }
    if (ptrace(PTRACE_GETSIGINFO, tracee->tid, 0, &info) != 0)
        return false;
    if (info.si_code > 0)
        return true;
    if (tracee->kept_count < TRACEE_KEPT)
        tracee->kept[tracee->kept_count++] = info;
    return false;
}

/* Until it traps with its program counter there, or is in the stop of a system call. */
static enum tracee_event run_tracee(struct tracee *tracee, int how, uint64_t at, uint64_t until) {
    int pass = 0;
    bool late = false;
    uint64_t began = monotonic_ns(), pause = until > began ? until - began : 0;
    uint64_t end = until + HANGS_NS;
    for (;;) {
        int status;
        tracee_registers now;
        if (tracee->stopped && !resume_tracee(tracee, how, pass))
            return TRACEE_ENDED;
        enum tracee_event event = await_tracee(tracee, until, &status);
        if (event == TRACEE_LATE && !late && ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0) == 0) {
            late = true;
            until = end;
            continue;
        }
        if (event != TRACEE_STOPPED)
            return event;
        pass = 0;
        if (late && is_event_stop(status)) {
            if (get_registers(tracee, &now) && waits_in_kernel(tracee, &now)) {
                tracee->can_go = true;
                return TRACEE_LATE;
            }
            late = false; /* it is slow, and may wait yet */
            until = monotonic_ns() + pause;
            if (until > end)
                until = end;
        }
        if (status >> 16)
            continue; /* its process was stopped by job control: what we called goes on */
        int signum = WSTOPSIG(status);
        if (signum == SYSTEM_STOP)
            return TRACEE_STOPPED;
        if (is_fault_of_call(tracee, signum, &pass)) {
            tracee->can_go = true;
            return signum == SIGTRAP && get_registers(tracee, &now) && pc_of(&now) == at
                       ? TRACEE_RETURNED
                       : TRACEE_FAULT;
        }
    }
}

enum tracee_event tracee_system(struct tracee *tracee, long number, const uint64_t argument[6],
                                int64_t *result) {
    tracee_registers registers = tracee->before;
    prepare_system(&registers, tracee->system_call, number, argument);
#ifdef __aarch64__
    if (!set_system_call(tracee, -1))
        return TRACEE_ENDED;
#endif
    if (!put_registers(tracee, &registers))
        return TRACEE_ENDED;
    /* One step, which ends by a trap; or, where none may come, a
     * stop at its entry, and one at its exit. */
    for (int stops = tracee->all_held ? 2 : 1; stops > 0; stops--) {
        enum tracee_event event =
            run_tracee(tracee, tracee->all_held ? PTRACE_SYSCALL : PTRACE_SINGLESTEP,
                       tracee->system_call + tracee_system_call_size, monotonic_ns() + 4 * SOON_NS);
        if (event != (tracee->all_held ? TRACEE_STOPPED : TRACEE_RETURNED))
            return event;
    }
    if (!get_registers(tracee, &registers))
        return TRACEE_ENDED;
    *result = (int64_t)result_of(&registers);
    return TRACEE_RETURNED;
}

enum tracee_event tracee_call(struct tracee *tracee, uint64_t function, const uint64_t argument[3],
                              uint64_t top, uint64_t limit_ns, uint64_t *result) {
    tracee_registers registers = tracee->before;
    if (!prepare_call(tracee, &registers, function, argument, top) ||
        !put_registers(tracee, &registers))
        return TRACEE_ENDED;
    enum tracee_event event =
        run_tracee(tracee, PTRACE_CONT, tracee->trap + TRAP_SIZE, monotonic_ns() + limit_ns);
    if (event == TRACEE_RETURNED) {
        if (!get_registers(tracee, &registers))
            return TRACEE_ENDED;
        *result = result_of(&registers);
    }
    return event;
}

void tracee_send_again(struct tracee *tracee, uint64_t room) {
    uint64_t all_blocked = ~UINT64_C(0);
    uint64_t none[6] = {0};
    int64_t pid, tid; /* in its own PID namespace */
    if (!tracee->kept_count || ptrace(PTRACE_SETSIGMASK, tracee->tid, (void *)8, &all_blocked) != 0)
        return;
    tracee->all_held = true;
    if (tracee_system(tracee, SYS_getpid, none, &pid) != TRACEE_RETURNED ||
        tracee_system(tracee, SYS_gettid, none, &tid) != TRACEE_RETURNED)
        return;
    for (int i = 0; i < tracee->kept_count; i++) {
        const siginfo_t *info = &tracee->kept[i];
        uint64_t argument[6] = {(uint64_t)pid, (uint64_t)tid, (uint64_t)info->si_signo, room};
        int64_t result;
        if (pwrite(tracee->memory, info, sizeof *info, (off_t)room) != sizeof *info ||
            tracee_system(tracee, SYS_rt_tgsigqueueinfo, argument, &result) != TRACEE_RETURNED)
            return;
    }
    tracee->kept_count = 0;
}

bool tracee_give_back(struct tracee *tracee) {
    /* From a stop in which the kernel looks afterwards whether a system call has to be made
     * again: that of a system call's exit is none. */
    if (!tracee->can_go && ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0) != 0)
        return false;
    while (!tracee->can_go) {
        int status;
        if (tracee->stopped && !resume_tracee(tracee, PTRACE_CONT, 0))
            return false;
        enum tracee_event event = await_tracee(tracee, monotonic_ns() + 240 * SOON_NS, &status);
        if (event != TRACEE_STOPPED)
            return false;
        tracee->can_go = is_event_stop(status);
    }
    tracee->all_held = false;
    bool whole = put_vectors(tracee) && put_system_call(tracee) &&
                 put_registers(tracee, &tracee->before) &&
                 ptrace(PTRACE_SETSIGMASK, tracee->tid, (void *)8, &tracee->mask) == 0;
    return ptrace(PTRACE_DETACH, tracee->tid, 0, 0) == 0 && whole;
}

/* --- restartable sequences --------------------------------------------------------------- */

#define GET_RSEQ_CONFIGURATION 0x420f /* Linux 5.13; glibc has it since 2.33 */

/* Before Linux 5.13 no tracer can tell whether a thread is in
 * one, and few programs have such sequences. */
bool tracee_in_sequence(const struct tracee *tracee) {
    struct {
        uint64_t area;
        uint32_t size, signature, flags, pad;
    } found = {0};
    struct {
        uint32_t version, flags;
        uint64_t from, length, abort;
    } sequence;
    uint64_t at = 0;
    if (ptrace((enum __ptrace_request)GET_RSEQ_CONFIGURATION, tracee->tid, (void *)sizeof found,
               &found) < 0 ||
        !found.area)
        return false;
    if (pread(tracee->memory, &at, sizeof at, (off_t)(found.area + 8)) != sizeof at)
        return true;
    return at && (pread(tracee->memory, &sequence, sizeof sequence, (off_t)at) != sizeof sequence ||
                  tracee_pc(tracee) - sequence.from < sequence.length);
}

/* --- signal handlers --------------------------------------------------------------------- */

bool tracee_in_handler(const struct tracee *tracee, bool (*is_code)(void *, uint64_t),
                       void *context, uint64_t *stack, size_t words) {
    uint64_t sp = tracee_sp(tracee) & ~UINT64_C(7), link = link_register(tracee);
    size_t size = 0;
    while (size < words * 8) { /* to the end of what is mapped */
        size_t in_page = 4096 - ((sp + size) & 4095);
        if (in_page > words * 8 - size)
            in_page = words * 8 - size;
        ssize_t got = pread(tracee->memory, (char *)stack + size, in_page, (off_t)(sp + size));
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    if (!size || (link && is_code(context, link) && is_sigreturn(tracee, link)))
        return true;
    for (size_t i = 0; i < size / 8; i++)
        if (is_code(context, stack[i]) && is_sigreturn(tracee, stack[i]))
            return true;
    return false;
}

#endif
