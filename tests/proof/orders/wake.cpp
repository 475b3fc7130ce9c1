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

/* A thread that waits in place of the dispatcher thread: it is woken, and it sees all work that it
 * was told of; the rest goes to the dispatcher thread. */
struct reader_model : rl::test_suite<reader_model, 3> {
    process self;
    rl::atomic<uint64_t> work[2], passed_on;
    uint64_t found;

    void before() {
        self.wake.store(0, rl::mo_relaxed, $);
        self.reader.store(0, rl::mo_relaxed, $);
        passed_on.store(0, rl::mo_relaxed, $);
        for (auto &w : work)
            w.store(0, rl::mo_relaxed, $);
        process_self = &self;
        found = 0;
        wake_reader_begin();
    }
    void thread(unsigned index) {
        if (index < 2) {
            work[index].store(1, rl::mo_relaxed, $);
            if (!wake_reader())
                passed_on.fetch_add(1, rl::mo_relaxed, $);
            return;
        }
        while (!wake_reader_wait(1))
            ;
        CHECK(wake_reader_end());
        for (auto &w : work)
            found += w.load(rl::mo_relaxed, $);
    }
    void after() {
        CHECK(found + passed_on.load(rl::mo_relaxed, $) >= 2);
        CHECK(found);
    }
};

int main(int argc, char **argv) {
    return run<wake_model>(argc, argv) || run<reader_model>(argc, argv);
}
