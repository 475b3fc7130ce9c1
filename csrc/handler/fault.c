/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/fault.h"

#include "recording/process.h"

#ifdef __linux__
#include <ucontext.h>

#define HANDLER_STACK (UINT64_C(64) << 10) /* bytes that one is assumed to use at most */

bool fault_comes_again(int signum, const siginfo_t *info) {
    if (info->si_code <= 0) /* sent */
        return false;
    if (signum == SIGBUS)
        return info->si_code != BUS_MCEERR_AO;
    return signum == SIGSEGV || signum == SIGFPE || signum == SIGILL;
}

static uint64_t interrupted_at(const void *context) {
#if defined(__x86_64__)
    return (uint64_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return ((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* Whether this is called from within the handler that was called for the fault. That handler
 * may have been left by siglongjmp(3), which we do not see; then the stack is shorter again. */
static bool within_handler(void) {
    uintptr_t our_frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t frame = atomic_load_explicit(&process_self->fault_frame, memory_order_relaxed);
    return our_frame < frame && frame - our_frame < HANDLER_STACK;
}

void fault_begins(int signum, const siginfo_t *info, const void *context, uint32_t tid,
                  uint64_t ordinal, const void *frame) {
    struct process *self = process_self;
    atomic_store_explicit(&self->fault_tid, tid, memory_order_relaxed);
    atomic_store_explicit(&self->fault_ordinal, ordinal, memory_order_relaxed);
    atomic_store_explicit(&self->fault_address, (uintptr_t)info->si_addr, memory_order_relaxed);
    atomic_store_explicit(&self->fault_pc, interrupted_at(context), memory_order_relaxed);
    atomic_store_explicit(&self->fault_frame, (uintptr_t)frame, memory_order_relaxed);
    atomic_store_explicit(&self->fault_signal, (uint32_t)signum, memory_order_relaxed);
}

void fault_returned(void) {
    atomic_store_explicit(&process_self->fault_frame, 0, memory_order_relaxed);
}

bool fault_was_of(int signum) {
    return atomic_load_explicit(&process_self->fault_signal, memory_order_relaxed) ==
           (uint32_t)signum;
}

void fault_forget(int signum) {
    if (fault_was_of(signum) && !within_handler())
        atomic_store_explicit(&process_self->fault_signal, 0, memory_order_relaxed);
}

/* Whether the kernel had no room for the siginfo (RLIMIT_SIGPENDING): then the sender is not known,
 * even if the process has sent the signal itself. */
static bool lost_siginfo(const siginfo_t *info) {
    return info->si_code == SI_USER && info->si_pid == 0;
}

bool fault_is_same(const siginfo_t *info, const void *context) {
    struct process *self = process_self;
    /* It is the same fault if the same instruction is interrupted: either that was executed again,
     * or the handler has raised the fault while it was blocked, and then returned. */
    bool same =
        interrupted_at(context) == atomic_load_explicit(&self->fault_pc, memory_order_relaxed);
    if (info->si_code > 0)
        same = same && (uintptr_t)info->si_addr ==
                           atomic_load_explicit(&self->fault_address, memory_order_relaxed);
    else
        same = (info->si_pid == process_pid() || lost_siginfo(info)) && (same || within_handler());
    atomic_store_explicit(&self->fault_signal, 0, memory_order_relaxed);
    return same;
}

#endif
