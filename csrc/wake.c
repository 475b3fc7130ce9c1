/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wake.h"

#include "filter.h"
#include "process.h"

#ifdef __linux__

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool wake_possible(void) { return true; }

/* 0: nobody posted since the last wait; 1: someone did. In the process's wiped
 * memory: a forked child begins with 0, and nobody waits there. */
void wake_post(void) {
    _Atomic uint32_t *word = &process_self->wake;
    /* Release: whoever takes the 1 sees the work. */
    if (atomic_exchange_explicit(word, 1, memory_order_release))
        return;
    if (!filter_allows(FILTERED_FUTEX))
        return; /* the thread cannot have waited without it */
    int saved_errno = errno;
    /* One system call, futex(2) with FUTEX_WAKE: it takes no lock of ours and
     * never waits. */
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

bool wake_wait(uint64_t timeout_ns) {
    _Atomic uint32_t *word = &process_self->wake;
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    /* Acquire: see wake_post. */
    if (atomic_exchange_explicit(word, 0, memory_order_acquire))
        return true;
    /* EAGAIN: posted since; EINTR: the caller looks again. */
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0);
    return atomic_exchange_explicit(word, 0, memory_order_acquire);
}

#endif
