/* SPDX-License-Identifier: MIT
 * The trip: whatever a dispatcher did not see when it looked has tripped it
 * again. Two producers, and a dispatcher that clears and looks twice. */
#include "core.hpp"

struct trip_model : rl::test_suite<trip_model, 3> {
    process self;
    rl::atomic<uint64_t> work[2], tripped;
    uint64_t handled[2];

    static trip_model *current;
    static void on_trip(int, uint32_t) { current->tripped.store(1, rl::mo_seq_cst, $); }

    void before() {
        for (auto &t : self.trip_ns)
            t.store(0, rl::mo_relaxed, $);
        for (auto &w : work)
            w.store(0, rl::mo_relaxed, $);
        tripped.store(0, rl::mo_relaxed, $);
        handled[0] = handled[1] = 0;
        process_self = &self;
        current = this;
        trip_function = on_trip;
    }
    /* The dispatcher is called for a trip, as CPython's eval loop does it. */
    void dispatcher() {
        if (!tripped.exchange(0, rl::mo_seq_cst, $))
            return;
        int signum = 1;
        trip_clear(&signum, 1);
        for (int i = 0; i < 2; i++)
            handled[i] = work[i].load(rl::mo_relaxed, $);
    }
    void thread(unsigned index) {
        if (index < 2) {
            work[index].store(1, rl::mo_relaxed, $);
            trip(1, 5, 0);
        } else {
            dispatcher();
            dispatcher();
        }
    }
    void after() {
        dispatcher();
        CHECK(handled[0] == 1 && handled[1] == 1);
    }
};
trip_model *trip_model::current;

int main(int argc, char **argv) { return run<trip_model>(argc, argv); }
