/* SPDX-License-Identifier: MIT
 * The dispatch queue keeps the order of a thread: what it queued comes out
 * before what it counted as undetailed afterwards. */
#include "core.hpp"

struct order : rl::test_suite<order, 2> {
    queue_state state;
    slot slots[1];
    queue q;
    rl::atomic<uint64_t> ordinal;

    void before() {
        slots[0].clear();
        for (auto *p : {&state.head, &state.tail, &state.undetailed})
            p->store(0, rl::mo_relaxed, $);
        state.base = state.consumed = state.undetailed_taken = state.stuck_ns = 0;
        q = queue{ring{slots, 1, &state.head, &state.tail}, &state};
    }
    void thread(unsigned index) {
        if (index == 0) {
            for (uint64_t n = 0; n < 2; n++) {
                event e = make(n);
                queue_add(&q, &e); /* the second finds it full, or not */
            }
        } else {
            event e;
            for (uint64_t next = 0, n = 0; n < 3; n++) {
                queue_item item = queue_next(&q, &e);
                if (item == QUEUE_NONE)
                    continue;
                CHECK(item == QUEUE_EVENT ? e.ordinal == next : next == 1);
                queue_take(&q, item);
                next++;
            }
        }
    }
};

int main(int argc, char **argv) { return run<order>(argc, argv); }
