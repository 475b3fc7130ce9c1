/* SPDX-License-Identifier: MIT
 * The core's C11 atomics, as Relacy's: every load may then give any value that
 * the memory model allows, and every schedule is tried (within a bound). The
 * sources themselves come in as core.hpp, made by orders.py. */
#include <relacy/relacy.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#define memory_order_relaxed rl::mo_relaxed
#define memory_order_acquire rl::mo_acquire
#define memory_order_release rl::mo_release
#define memory_order_acq_rel rl::mo_acq_rel
#define memory_order_seq_cst rl::mo_seq_cst

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("failed: %s\n", #condition);                                                    \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

template <typename T> struct same {
    typedef T type;
};

template <typename T>
static T atomic_load_explicit(const rl::atomic<T> *p, rl::memory_order order) {
    return p->load(order, $);
}
template <typename T>
static void atomic_store_explicit(rl::atomic<T> *p, typename same<T>::type v,
                                  rl::memory_order order) {
    p->store(v, order, $);
}
template <typename T>
static T atomic_exchange_explicit(rl::atomic<T> *p, typename same<T>::type v,
                                  rl::memory_order order) {
    return p->exchange(v, order, $);
}
template <typename T>
static T atomic_fetch_add_explicit(rl::atomic<T> *p, typename same<T>::type v,
                                   rl::memory_order order) {
    return p->fetch_add(v, order, $);
}
template <typename T>
static T atomic_fetch_or_explicit(rl::atomic<T> *p, typename same<T>::type v,
                                  rl::memory_order order) {
    return p->fetch_or(v, order, $);
}
template <typename T>
static T atomic_fetch_and_explicit(rl::atomic<T> *p, typename same<T>::type v,
                                   rl::memory_order order) {
    return p->fetch_and(v, order, $);
}
template <typename T>
static bool atomic_compare_exchange_strong_explicit(rl::atomic<T> *p, T *expected,
                                                    typename same<T>::type v, rl::memory_order yes,
                                                    rl::memory_order no) {
    return p->compare_exchange_strong(*expected, v, yes, $, no, $);
}
/* (Not weak: it fails for nothing only where the loop around it tries again.) */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit
/* Those without an order. */
template <typename T> static T atomic_load(const rl::atomic<T> *p) {
    return p->load(rl::mo_seq_cst, $);
}
template <typename T> static T atomic_exchange(rl::atomic<T> *p, typename same<T>::type v) {
    return p->exchange(v, rl::mo_seq_cst, $);
}
template <typename T> static T atomic_fetch_add(rl::atomic<T> *p, typename same<T>::type v) {
    return p->fetch_add(v, rl::mo_seq_cst, $);
}
template <typename T>
static bool atomic_compare_exchange_strong(rl::atomic<T> *p, T *expected,
                                           typename same<T>::type v) {
    return p->compare_exchange_strong(*expected, v, rl::mo_seq_cst, $, rl::mo_seq_cst, $);
}

static void fence(rl::memory_order order) {
    if (order != rl::mo_relaxed) /* a weakened one */
        rl::atomic_thread_fence(order, $);
}
#define atomic_thread_fence fence

/* What sigrec's event.h has, with two words: the second is a function of the
 * first, and so a torn event shows. */
#define EVENT_WORDS 2
#define EVENT_TAG 0
#define SIGREC_NSIG 2
struct event {
    uint64_t ordinal, copy;
    uint64_t signo() const { return 1; }
};
static event make(uint64_t n) { return event{n, n * 7 + 1}; }
static bool whole(const event &e) { return e.copy == e.ordinal * 7 + 1; }

struct slot {
    rl::atomic<uint64_t> sequence, word[EVENT_WORDS];
    void clear() {
        sequence.store(0, rl::mo_relaxed, $);
        for (auto &w : word)
            w.store(0, rl::mo_relaxed, $);
    }
};
static void event_store(struct slot *slot, const struct event *event) {
    atomic_store_explicit(&slot->word[0], event->ordinal, memory_order_relaxed);
    atomic_store_explicit(&slot->word[1], event->copy, memory_order_relaxed);
}
static void event_load(const struct slot *slot, struct event *event) {
    event->ordinal = atomic_load_explicit(&slot->word[0], memory_order_relaxed);
    event->copy = atomic_load_explicit(&slot->word[1], memory_order_relaxed);
}

/* usage: MODEL SCHEDULER(random|bound) ITERATIONS CONTEXT_SWITCHES */
template <typename suite> static int run(int argc, char **argv) {
    rl::test_params params;
    params.search_type = argc > 1 && !strcmp(argv[1], "bound") ? rl::sched_bound : rl::sched_random;
    params.iteration_count = argc > 2 ? strtoull(argv[2], nullptr, 10) : 100000;
    params.context_bound = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
    params.execution_depth_limit = 5000;
    params.progress_output_period = 1000000;
    std::ostringstream said, state;
    params.output_stream = params.progress_stream = &said;
    /* (Not rl::simulate: it goes on to replay an execution that failed, and crashes.) */
    rl::test_result_e result =
        params.search_type == rl::sched_bound
            ? rl::run_test<suite, rl::context_bound_scheduler<suite::params::thread_count>>(
                  params, state, false)
            : rl::run_test<suite, rl::random_scheduler<suite::params::thread_count>>(params, state,
                                                                                     false);
    printf("%s after %llu executions\n", rl::test_result_str(result),
           (unsigned long long)params.stop_iteration);
    fflush(stdout);
    _exit(result != rl::test_result_success);
}
