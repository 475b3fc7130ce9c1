/* SPDX-License-Identifier: MIT
 * The trip: whatever a dispatcher did not see when it looked has tripped it
 * again, and a call that our trips have led to is never taken for another's. Two
 * producers, one of which finds a trip of the other out of date, and a dispatcher
 * that takes back, or clears, and looks twice. */
#include "core.hpp"

struct trip_model : rl::test_suite<trip_model, 3> {
    process self;
    rl::atomic<uint64_t> work[2], tripped;
    uint64_t handled[2];
    bool takes, may_come_twice;

    static trip_model *current;
    static void on_trip(int, trip_from) { current->tripped.store(1, rl::mo_seq_cst, $); }

    void before() {
        for (auto &t : self.trip_ns)
            t.store(0, rl::mo_relaxed, $);
        for (auto *counts : {self.again_begun, self.again_done})
            for (int i = 0; i < 2; i++)
                counts[i].store(0, rl::mo_relaxed, $);
        self.again_seen[1] = 0;
        may_come_twice = false;
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
        uint64_t since;
        uint32_t again;
        if (takes) {
            trip_call call = trip_take(signum, &since, &again);
            CHECK(call != TRIP_NOT_OURS || may_come_twice);
            may_come_twice |= call == TRIP_OR_TWO;
        } else {
            trip_clear(&signum, 1);
        }
        for (int i = 0; i < 2; i++)
            handled[i] = work[i].load(rl::mo_relaxed, $);
    }
    void thread(unsigned index) {
        if (index < 2) {
            work[index].store(1, rl::mo_relaxed, $);
            trip(1, index ? 5 : 5 + TRIP_AGAIN_NS, 0);
        } else {
            takes = rl::rand(2);
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
