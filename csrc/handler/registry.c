/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/registry.h"

#include "ground/memory.h"

#include <string.h>

struct registered registry[SIGREC_NSIG];
struct sigaction registry_found[SIGREC_NSIG][REGISTRY_PLACES] SELDOM;

/* Bit n-1 for signal n that is registered. */
static _Atomic uint64_t registered_signals;

/* Set once, before the first handler is installed. */
static _Atomic(registry_handler) on_registered[REGISTRY_PLACES], on_recorded;

void registry_start(const registry_handler registered[REGISTRY_PLACES], registry_handler recorded) {
    for (int place = 0; place < REGISTRY_PLACES; place++)
        atomic_store(&on_registered[place], registered[place]);
    atomic_store(&on_recorded, recorded);
}

void registry_deliver(int signum, siginfo_t *info, void *context) {
    atomic_load (&on_registered[registry[signum].place])(signum, info, context);
}

static void make_action(struct sigaction *action, registry_handler handler, int flags) {
    memset(action, 0, sizeof *action);
    action->sa_sigaction = handler;
    action->sa_flags = SA_SIGINFO | flags;
    signals_but_faults(&action->sa_mask);
}

void registry_action(int signum, struct sigaction *action, int flags) {
    make_action(action, atomic_load(&on_registered[registry[signum].place]), flags);
}

void registry_recording_action(struct sigaction *action) {
    make_action(action, atomic_load(&on_recorded), 0);
}

int registry_place_of(registry_handler handler) {
#pragma GCC unroll 4 // REGISTRY_PLACES
    for (int place = 0; place < REGISTRY_PLACES; place++)
        if (handler == atomic_load(&on_registered[place]))
            return place;
    return -1;
}

int registry_place(const struct sigaction *action) {
    return action->sa_flags & SA_SIGINFO ? registry_place_of(action->sa_sigaction) : -1;
}

bool registry_is_ours(const struct sigaction *action) { return registry_place(action) >= 0; }

bool registry_only_records(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == atomic_load(&on_recorded);
}

void registry_beneath(int signum, int place, struct sigaction *action) {
    struct registered *entry = &registry[signum];
    *action = registry_found[signum][place];
    if (place == 0 && (action->sa_flags & (int)SA_RESETHAND) && action->sa_handler != SIG_IGN &&
        atomic_exchange(&entry->spent, true))
        action->sa_handler = SIG_DFL;
}

uint64_t registry_signals(void) { return atomic_load(&registered_signals); }
void registry_add(int signum) { atomic_fetch_or(&registered_signals, signal_bit(signum)); }

bool registry_has(int signum) {
    /* Acquire: pairs with install_handler; the queue is ready. proof: registered-look */
    return atomic_load_explicit(&registry[signum].mode, memory_order_acquire) == MODE_REGISTERED;
}

bool registry_in_place(int signum) {
    struct sigaction now;
    return registry_has(signum) && sigaction(signum, NULL, &now) == 0 && registry_is_ours(&now);
}

void registry_release(int signum) {
    atomic_fetch_and(&registered_signals, ~signal_bit(signum));
    /* Release: pass_on reads what was there before. proof: registry-release */
    atomic_store_explicit(&registry[signum].mode, MODE_UNREGISTERED, memory_order_release);
}

struct queue *registry_queue(int signum) {
    return registry[signum].queue.state ? &registry[signum].queue : NULL;
}
