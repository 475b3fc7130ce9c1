/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/sigbus.h"

#include "ground/filter.h"
#include "handler/passive.h"
#include "handler/registry.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

static struct sigaction bus_before; /* written while SIGBUS has another handler than on_bus */

static _Atomic bool bus_taken; /* and not given back; the program may have replaced us since */

/* A fault comes again by itself; one that was sent, or that the kernel found on
 * its own (BUS_MCEERR_AO: sigaction(2)), is sent again, as it was. */
static bool truncation_comes_again(const siginfo_t *info) {
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

static void on_bus(int signum, siginfo_t *info, void *context) {
    (void)context;
    if (sigbus_repair(signum, info))
        return;
    int saved_errno = errno;
    sigaction(SIGBUS, &bus_before, NULL);
    if (!truncation_comes_again(info))
        syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), syscall(SYS_gettid), SIGBUS, info);
    errno = saved_errno;
}

static bool is_on_bus(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_bus;
}

static bool kernel_has(struct sigaction *now) {
    return filter_allows(FILTERED_SIGACTION) && sigaction(SIGBUS, NULL, now) == 0;
}

static void put_on_bus(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    signals_but_faults(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void sigbus_take(void) {
    struct sigaction now;
    if (registry_has(SIGBUS) || passive_records(SIGBUS)) {
        /* By the handler of all signals, which repairs as well. A forked child, which has it so
         * from its parent, has a page copied for whatever it writes. */
        if (bus_taken)
            bus_taken = false;
    } else if (!bus_taken && process_path()[0] && kernel_has(&now) && !registry_is_ours(&now)) {
        if (!is_on_bus(&now)) {
            bus_before = now;
            put_on_bus();
        }
        bus_taken = true;
    }
}

void sigbus_give_back(void) {
    struct sigaction now;
    if (!bus_taken || registry_signals() || passive_any() || !kernel_has(&now))
        return;
    bus_taken = false;
    if (is_on_bus(&now))
        sigaction(SIGBUS, &bus_before, NULL);
}

void sigbus_before_exec(void) {
    struct sigaction now;
    if (bus_taken && bus_before.sa_handler == SIG_IGN && kernel_has(&now) && is_on_bus(&now))
        sigaction(SIGBUS, &bus_before, NULL);
}

void sigbus_exec_failed(void) {
    struct sigaction now;
    if (bus_taken && bus_before.sa_handler == SIG_IGN && kernel_has(&now) &&
        now.sa_handler == SIG_IGN)
        put_on_bus();
}

void sigbus_start(void) { process_guard(sigbus_take); }

/* How many signals have an ordinal, and are not queued yet: the one that a handler was just
 * recording, as it met the lost page. It goes on with that, and counts it then. */
static uint64_t signals_in_hand(const struct registered *entry, uint64_t taken) {
    const struct queue_state *state = entry->queue.state;
    return taken - state->base - state->consumed - queue_length(&entry->queue);
}

/* Counts into a new ledger what the registry and the queues, which are private memory, tell. */
static void recount(struct ledger_entry *ledger) {
    for (int signum = 1; signum < SIGREC_NSIG; signum++) {
        const struct registered *entry = &registry[signum];
        uint64_t taken = atomic_load_explicit(&process_self->ordinal[signum], memory_order_relaxed);
        uint32_t kind = atomic_load_explicit(&entry->mode, memory_order_relaxed);
        struct ledger_entry *to = &ledger[signum];
        uint64_t whole = taken - (kind == MODE_REGISTERED ? signals_in_hand(entry, taken) : 0);
        ledger_add(&to->delivered, taken);
        ledger_add(&to->recorded, whole);
        ledger_add(&to->overwritten, whole);
        if (kind == MODE_REGISTERED || kind == MODE_UNREGISTERED) {
            ledger_add(&to->queued, whole);
            ledger_add(&to->handled, whole - queue_length(&entry->queue));
        }
        uint32_t shown = kind == MODE_RELEASED && passive_records(signum) ? MODE_RECORDED : kind;
        atomic_store_explicit(&to->mode, shown, memory_order_relaxed);
    }
}

bool sigbus_repair(int signum, const siginfo_t *info) {
    if (signum != SIGBUS || info->si_code != BUS_ADRERR)
        return false;
    struct recording *own = (struct recording *)process_adopted();
    return own && recording_repair(own, info->si_addr, recount);
}

void sigbus_prevent(void) {
    struct recording *own = (struct recording *)process_adopted();
    if (own && !recording_fill(own))
        recording_repair(own, own->header, recount);
}

void sigbus_underlying(struct sigaction *action) {
    if (is_on_bus(action))
        *action = bus_before;
}

#endif
