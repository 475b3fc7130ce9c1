/* SPDX-License-Identifier: MIT
 * The history: two producers lap each other in a ring of two slots, and a
 * reader never takes an event that is made of two, nor one under a wrong ticket. */
#include "core.hpp"

struct history : rl::test_suite<history, 3> {
    slot slots[2];
    rl::atomic<uint64_t> head;
    ring r;
    unsigned written, refused, replaced_count;

    void before() {
        for (auto &s : slots)
            s.clear();
        head.store(0, rl::mo_relaxed, $);
        r = ring{slots, 2, &head, nullptr};
        written = refused = replaced_count = 0;
    }
    void thread(unsigned index) {
        if (index < 2) {
            for (unsigned n = 0; n < 2; n++) {
                event e = make(1 + index * 2 + n);
                uint64_t replaced;
                if (ring_push(&r, &e, &replaced))
                    written++;
                else
                    refused++;
                if (replaced) {
                    /* Its tag word, and that of no half-written one. */
                    CHECK(replaced >= 1 && replaced <= 4 && replaced != e.ordinal);
                    replaced_count++;
                }
            }
        } else {
            for (uint64_t t = 0; t < 4; t++) {
                event e;
                if (ring_read(&r, t, &e))
                    CHECK(whole(e) && e.ordinal >= 1);
            }
        }
    }
    void after() {
        unsigned found = 0;
        for (uint64_t t = 0; t < head.load(rl::mo_relaxed, $); t++) {
            event e;
            if (ring_read(&r, t, &e)) {
                CHECK(whole(e));
                found++;
            }
        }
        CHECK(written + refused == 4);
        CHECK(found == written - replaced_count);
    }
};

int main(int argc, char **argv) { return run<history>(argc, argv); }
