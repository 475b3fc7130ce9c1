/* SPDX-License-Identifier: MIT
 * The dispatch queue: two producers, and a dispatcher that takes, and gives up
 * what is not finished. Each event comes out at most once, whole, in its
 * producer's order; what was refused is handed out without detail, and never
 * before what the same thread queued earlier. */
#include "core.hpp"

struct dispatch : rl::test_suite<dispatch, 3> {
    queue_state state;
    slot slots[2];
    queue q;
    rl::atomic<uint64_t> ordinal;
    unsigned queued, refused, events, undetailed;
    uint64_t seen;
    bool gave_up;

    void before() {
        for (auto &s : slots)
            s.clear();
        for (auto *p : {&state.head, &state.tail, &state.undetailed})
            p->store(0, rl::mo_relaxed, $);
        ordinal.store(0, rl::mo_relaxed, $);
        state.base = state.consumed = state.undetailed_taken = state.stuck_ns = 0;
        q = queue{ring{slots, 2, &state.head, &state.tail}, &state};
        queued = refused = events = undetailed = 0;
        seen = 0;
        gave_up = false;
    }
    /* One turn of a dispatcher. */
    bool take(bool may_give_up) {
        event e;
        queue_item item = queue_next(&q, &e);
        if (item == QUEUE_NONE) {
            if (may_give_up && ring_peek(&q.ring, &e) == RING_UNFINISHED) {
                ring_give_up(&q.ring);
                gave_up = true;
            }
            return false;
        }
        if (item == QUEUE_EVENT) {
            CHECK(whole(e));
            CHECK(!(seen >> e.ordinal & 1));
            seen |= UINT64_C(1) << e.ordinal;
            events++;
        } else {
            undetailed++;
        }
        queue_take(&q, item);
        return true;
    }
    void thread(unsigned index) {
        if (index < 2) {
            for (unsigned n = 0; n < 2; n++) {
                event e = make(atomic_fetch_add_explicit(&ordinal, 1, memory_order_relaxed));
                if (queue_add(&q, &e))
                    queued++;
                else
                    refused++;
            }
        } else {
            for (unsigned n = 0; n < 4; n++)
                take(true);
        }
    }
    void after() {
        while (take(false))
            ;
        CHECK(events == queued && undetailed == refused);
        CHECK(queued + refused == 4);
        for (auto &s : slots) /* none is held */
            CHECK(!(s.sequence.load(rl::mo_relaxed, $) & (UINT64_C(1) << 63 | 1)));
    }
};

int main(int argc, char **argv) { return run<dispatch>(argc, argv); }
