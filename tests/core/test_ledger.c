/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ledger.h"

#include "check.h"

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
    struct event e;
    for (uint64_t n = 0; n < 5; n++) {
        e = at(n);
        ledger_keep(&entry, &e);
    }
    CHECK_EQ(kept(&entry.first), 0);
    CHECK_EQ(kept(&entry.last), 4);
    e = at(2); /* a thread that was late does not replace a newer one */
    ledger_keep(&entry, &e);
    CHECK_EQ(kept(&entry.last), 4);
    entry.last.sequence |= 1; /* nor does anybody wait for one that never finishes */
    e = at(9);
    ledger_keep(&entry, &e);
    CHECK_EQ(kept(&entry.last), 4);
}

static void fold_moves_each_count_once(void) {
    static struct ledger_entry from, to;
    ledger_add(&from.delivered, 3);
    ledger_add(&from.recorded, 2);
    ledger_add(&from.dropped, 1);
    ledger_add(&to.delivered, 10);
    struct event e = at(7);
    ledger_keep(&from, &e);
    ledger_fold(&from, &to);
    ledger_fold(&from, &to);
    CHECK_EQ(to.delivered, 13);
    CHECK_EQ(to.recorded, 2);
    CHECK_EQ(to.dropped, 1);
    CHECK_EQ(from.delivered, 0);
    CHECK_EQ(kept(&to.last), 7);
}

int main(void) {
    keeps_the_first_and_the_newest();
    fold_moves_each_count_once();
    return 0;
}
