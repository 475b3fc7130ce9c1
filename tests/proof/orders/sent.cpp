/* SPDX-License-Identifier: MIT
 * What is sent: two threads write down what they send, lap each other in a ring of two slots,
 * and write each result later. No reader finds a result at another's event, and none that was
 * written before its own. */
#include "core.hpp"

/* The word with the result has the ordinal, too, as sent.c has it. */
static uint64_t word_of(uint64_t n, uint32_t result) { return n << 32 | result; }
static bool is_of_one(const event &e) {
    uint32_t result = (uint32_t)e.copy;
    return e.copy >> 32 == e.ordinal && (result == UINT32_C(0x7fffffff) || result == e.ordinal);
}

struct sent : rl::test_suite<sent, 3> {
    slot slots[2];
    rl::atomic<uint64_t> head;
    ring r;

    void before() {
        for (auto &s : slots)
            s.clear();
        head.store(0, rl::mo_relaxed, $);
        r = ring{slots, 2, &head, nullptr};
    }
    void thread(unsigned index) {
        event e;
        uint64_t replaced;
        if (index < 2) {
            sent_call calls[2];
            for (unsigned n = 0; n < 2; n++) {
                e.ordinal = 1 + index * 2 + n;
                e.copy = calls[n].unknown_result = word_of(e.ordinal, UINT32_C(0x7fffffff));
                calls[n].written[0] = ring_push(&r, &e, &replaced);
                calls[n].written[1] = nullptr;
            }
            for (unsigned n = 0; n < 2; n++)
                sent_end(&calls[n], (int)(1 + index * 2 + n));
        } else {
            for (uint64_t t = 0; t < 4; t++)
                if (ring_read(&r, t, &e))
                    CHECK(is_of_one(e));
        }
    }
    void after() {
        for (uint64_t t = 0; t < head.load(rl::mo_relaxed, $); t++) {
            event e;
            if (ring_read(&r, t, &e)) {
                CHECK(is_of_one(e));
                CHECK((uint32_t)e.copy == e.ordinal); /* every call has come back */
            }
        }
    }
};

int main(int argc, char **argv) { return run<sent>(argc, argv); }
