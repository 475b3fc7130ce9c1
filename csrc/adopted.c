/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "adopted.h"

#include "event.h"
#include "memory.h"

#include <string.h>

#define LEVELS 4

_Atomic uint64_t adopted_signals;

/* The newest last. Who looks while another thread changes it is told that there is none. */
static struct stack {
    atomic_uint changing, count;
    struct sigaction before[LEVELS];
} stacks[SIGREC_NSIG] SELDOM;

static bool begin(struct stack *stack) {
    unsigned nobody = 0;
    return atomic_compare_exchange_strong(&stack->changing, &nobody, 1);
}

static void end(struct stack *stack) { atomic_store(&stack->changing, 0); }

void adopted_push(int signum, const struct sigaction *before) {
    struct stack *stack = &stacks[signum];
    if (!begin(stack))
        return;
    unsigned count = atomic_load_explicit(&stack->count, memory_order_relaxed);
    if (count == LEVELS) { /* the oldest is forgotten */
        memmove(&stack->before[0], &stack->before[1], (LEVELS - 1) * sizeof *before);
        count--;
    }
    stack->before[count] = *before;
    atomic_store_explicit(&stack->count, count + 1, memory_order_relaxed);
    end(stack);
    atomic_fetch_or(&adopted_signals, signal_bit(signum));
}

static bool take(int signum, unsigned level, bool forget, struct sigaction *before) {
    struct stack *stack = &stacks[signum];
    if (!adopted_any(signum) || !begin(stack))
        return false;
    unsigned count = atomic_load_explicit(&stack->count, memory_order_relaxed);
    bool found = level < count;
    if (found)
        *before = stack->before[count - 1 - level];
    if (found && forget)
        atomic_store_explicit(&stack->count, count - 1, memory_order_relaxed);
    end(stack);
    return found;
}

bool adopted_pop(int signum, struct sigaction *before) { return take(signum, 0, true, before); }

bool adopted_beneath(int signum, unsigned level, struct sigaction *before) {
    return take(signum, level, false, before);
}
