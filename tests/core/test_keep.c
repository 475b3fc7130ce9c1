/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/keep.h"

#include "check.h"

static struct event at(uint64_t ordinal) {
    struct event e = {.ordinal = ordinal, .signo = 15};
    return e;
}

static void keeps_the_newest_and_waits_for_nobody(void) {
    static struct slot slot;
    struct event e, read;
    CHECK(!keep_read(&slot, &read));
    for (uint64_t n = 0; n < 5; n++) {
        e = at(n);
        keep_event(&slot, 2 * n, &e);
        CHECK(keep_read(&slot, &read));
        CHECK_EQ(read.ordinal, n);
    }
    e = at(2); /* a thread that was late does not replace a newer one */
    keep_event(&slot, 4, &e);
    CHECK(keep_read(&slot, &read));
    CHECK_EQ(read.ordinal, 4);
    slot.sequence |= 1; /* nor does anybody wait for one that never finishes */
    CHECK(!keep_read(&slot, &read));
    e = at(9);
    keep_event(&slot, 18, &e);
    CHECK(!keep_read(&slot, &read));
}

int main(void) {
    keeps_the_newest_and_waits_for_nobody();
    return 0;
}
