/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/ledger.h"

#include "check.h"

#include <string.h>

static struct slot slots[RECENT_BLOCKS * RECENT_SLOTS], to_slots[RECENT_BLOCKS * RECENT_SLOTS];
static _Atomic uint32_t owner[RECENT_BLOCKS], to_owner[RECENT_BLOCKS];
static const struct recent recent = {slots, owner}, to_recent = {to_slots, to_owner};

static struct event at(uint64_t ordinal) {
    struct event e = {.ordinal = ordinal, .signo = 15, .pid = (int32_t)ordinal + 1000};
    return e;
}

static uint64_t kept(const struct slot *slot) {
    struct event e;
    event_load(slot, &e);
    return e.ordinal;
}

static void keeps_the_first_and_the_newest(void) {
    static struct ledger_entry entry;
    for (uint64_t n = 0; n < 500; n++) {
        struct event e = at(n);
        ledger_keep(&entry, &recent, &e);
    }
    CHECK_EQ(kept(&entry.first), 0);
    CHECK_EQ(entry.recent, 1);
    for (uint64_t n = 500 - RECENT_SLOTS; n < 500; n++)
        CHECK_EQ(kept(&slots[n % RECENT_SLOTS]), n);
    CHECK_EQ(entry.last.sequence, 0);
}

static void keeps_the_last_where_there_is_no_block(void) {
    static struct ledger_entry entry;
    for (int b = 0; b < RECENT_BLOCKS; b++)
        owner[b] = 10;
    for (uint64_t n = 0; n < 5; n++) {
        struct event e = at(n);
        ledger_keep(&entry, &recent, &e);
    }
    CHECK_EQ(kept(&entry.first), 0);
    CHECK_EQ(kept(&entry.last), 4);
    memset((void *)owner, 0, sizeof owner);
    memset((void *)slots, 0, sizeof slots);
}

static void fold_moves_each_count_once(void) {
    static struct ledger_entry from, to;
    ledger_add(&from.delivered, 3);
    ledger_add(&from.recorded, 2);
    ledger_add(&from.dropped, 1);
    ledger_add(&to.delivered, 10);
    for (uint64_t n = 0; n < 8; n++) {
        struct event e = at(n);
        ledger_keep(&from, &recent, &e);
    }
    ledger_fold(&from, &recent, &to, &to_recent);
    ledger_fold(&from, &recent, &to, &to_recent);
    CHECK_EQ(to.delivered, 13);
    CHECK_EQ(to.recorded, 2);
    CHECK_EQ(to.dropped, 1);
    CHECK_EQ(from.delivered, 0);
    CHECK_EQ(kept(&to.first), 0);
    for (uint64_t n = 0; n < 8; n++)
        CHECK_EQ(kept(&to_slots[n]), n);
}

int main(void) {
    keeps_the_first_and_the_newest();
    keeps_the_last_where_there_is_no_block();
    fold_moves_each_count_once();
    return 0;
}
