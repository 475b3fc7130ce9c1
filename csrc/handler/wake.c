/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handler/wake.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "recording/process.h"

#ifdef __linux__

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

bool wake_possible(void) { return true; }

/* One system call, futex(2) with FUTEX_WAKE: it takes no lock of ours and never waits. */
static void wake_one(_Atomic uint32_t *futex_word) {
    if (!filter_allows(FILTERED_FUTEX))
        return; /* the thread cannot have waited without it */
    int saved_errno = errno;
    syscall(SYS_futex, futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

/* EAGAIN: the word has changed since; EINTR: the caller looks again. */
static void wait_while(_Atomic uint32_t *futex_word, uint32_t value, uint64_t timeout_ns) {
    struct timespec timeout = clock_timespec(timeout_ns);
    syscall(SYS_futex, futex_word, FUTEX_WAIT_PRIVATE, value, &timeout, NULL, 0);
}

/* 0: nobody posted since the last wait; 1: someone did. In the process's wiped
 * memory: a forked child begins with 0, and nobody waits there. */
void wake_post(void) {
    _Atomic uint32_t *futex_word = &process_self->wake;
    /* Release: the thread that this wakes sees what it is woken for. */
    if (!atomic_exchange_explicit(futex_word, 1, memory_order_release))
        wake_one(futex_word);
}

bool wake_wait(uint64_t timeout_ns) {
    _Atomic uint32_t *futex_word = &process_self->wake;
    /* Acquire: see wake_post. */
    if (atomic_exchange_explicit(futex_word, 0, memory_order_acquire))
        return true;
    wait_while(futex_word, 0, timeout_ns);
    return atomic_exchange_explicit(futex_word, 0, memory_order_acquire);
}

/* What the word of the reader says, which is in wiped memory as well. */
enum { NO_READER, READER_WAITS, READER_IS_WOKEN };

bool wake_reader(void) {
    _Atomic uint32_t *futex_word = &process_self->reader;
    uint32_t seen = atomic_load(futex_word);
    /* It is written also if the reader is woken already, so that this reader sees the work. That
     * fails only where the word changes meanwhile, and the dispatcher thread is woken instead. */
    if (seen == NO_READER || !atomic_compare_exchange_strong(futex_word, &seen, READER_IS_WOKEN))
        return false;
    if (seen == READER_WAITS)
        wake_one(futex_word);
    return true;
}

bool wake_reader_begin(void) {
    uint32_t seen = NO_READER;
    return atomic_compare_exchange_strong(&process_self->reader, &seen, READER_WAITS);
}

bool wake_reader_wait(uint64_t timeout_ns) {
    _Atomic uint32_t *futex_word = &process_self->reader;
    wait_while(futex_word, READER_WAITS, timeout_ns);
    return atomic_load(futex_word) == READER_IS_WOKEN;
}

bool wake_reader_end(void) {
    return atomic_exchange(&process_self->reader, NO_READER) == READER_IS_WOKEN;
}

#endif
