/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/adopted.h"

#include "events/event.h"
#include "ground/memory.h"

#include <string.h>

#define LEVELS 4

_Atomic uint64_t adopted_signals;

#define LOOKS 100 /* at what another thread is changing */

/* The newest last. Who would change it while another does is told that there is none. */
static struct stack {
    atomic_uint version, count; /* version: odd while it is being changed */
    struct sigaction before[LEVELS];
} stacks[SIGREC_NSIG] SELDOM;

static bool begin_stack_change(struct stack *stack) {
    unsigned version = atomic_load(&stack->version);
    return !(version & 1) && atomic_compare_exchange_strong(&stack->version, &version, version + 1);
}

static void end_stack_change(struct stack *stack) { atomic_fetch_add(&stack->version, 1); }

void adopted_push(int signum, const struct sigaction *before) {
    struct stack *stack = &stacks[signum];
    if (!begin_stack_change(stack))
        return;
    unsigned count = atomic_load_explicit(&stack->count, memory_order_relaxed);
    if (count == LEVELS) { /* the oldest is forgotten */
        memmove(&stack->before[0], &stack->before[1], (LEVELS - 1) * sizeof *before);
        count--;
    }
    stack->before[count] = *before;
    atomic_store_explicit(&stack->count, count + 1, memory_order_relaxed);
    end_stack_change(stack);
    atomic_fetch_or(&adopted_signals, signal_bit(signum));
}

bool adopted_pop(int signum, struct sigaction *before) {
    struct stack *stack = &stacks[signum];
    if (!adopted_any(signum) || !begin_stack_change(stack))
        return false;
    unsigned count = atomic_load_explicit(&stack->count, memory_order_relaxed);
    if (count) {
        *before = stack->before[count - 1];
        atomic_store_explicit(&stack->count, count - 1, memory_order_relaxed);
    }
    end_stack_change(stack);
    return count > 0;
}

/* Whoever looks never fails for who changes it: a handler would be passed over. If that is the code
 * that this handler has interrupted, what it has not changed yet is read, and is whole. */
bool adopted_beneath(int signum, unsigned level, struct sigaction *before) {
    const struct stack *stack = &stacks[signum];
    bool found = false;
    if (!adopted_any(signum))
        return false;
    for (int looks = 0; looks < LOOKS; looks++) {
        unsigned version = atomic_load(&stack->version), count = atomic_load(&stack->count);
        found = level < count;
        if (found)
            *before = stack->before[count - 1 - level];
        if (!(version & 1) && atomic_load(&stack->version) == version)
            break;
    }
    return found;
}
