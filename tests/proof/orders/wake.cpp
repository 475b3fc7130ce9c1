/* SPDX-License-Identifier: MIT
 * The wake-up of the dispatcher thread: it never sleeps over work (that would
 * be a deadlock), and it sees the work that it was woken for. */
#include "core.hpp"

struct wake_model : rl::test_suite<wake_model, 3> {
    process self;
    rl::atomic<uint64_t> work[2];

    void before() {
        self.wake.store(0, rl::mo_relaxed, $);
        for (auto &w : work)
            w.store(0, rl::mo_relaxed, $);
        process_self = &self;
    }
    void thread(unsigned index) {
        if (index < 2) {
            work[index].store(1, rl::mo_relaxed, $);
            wake_post();
            return;
        }
        for (;;) {
            uint64_t found = 0;
            for (auto &w : work)
                found += w.load(rl::mo_relaxed, $);
            if (found == 2)
                return;
            wake_wait(1);
        }
    }
};

int main(int argc, char **argv) { return run<wake_model>(argc, argv); }
