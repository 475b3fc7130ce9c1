/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/event.h"

#include "check.h"

#include <string.h>

static struct event from(int signum, siginfo_t *info) {
    struct event e = {.monotonic_ns = 1, .ordinal = 2, .tid = 3};
    event_from_siginfo(&e, signum, info);
    CHECK_EQ(e.monotonic_ns, 1);
    CHECK_EQ(e.ordinal, 2);
    CHECK_EQ(e.tid, 3);
    CHECK_EQ(e.signo, signum);
    return e;
}

int main(void) {
    siginfo_t info;
    memset(&info, 0x77, sizeof info); /* whatever is not defined must not leak out */
    info.si_errno = 0;

    info.si_code = SI_USER;
    info.si_pid = 42, info.si_uid = 7;
    struct event e = from(SIGTERM, &info);
    CHECK_EQ(e.pid, 42);
    CHECK_EQ(e.uid, 7);
    CHECK_EQ(e.datum, 0);
    CHECK_EQ(e.detail, 0);
    CHECK_EQ(e.timerid, 0);

    info.si_code = SI_QUEUE;
    info.si_value.sival_ptr = (void *)(intptr_t)-5;
    e = from(SIGRTMIN, &info);
    CHECK_EQ(e.pid, 42);
    CHECK_EQ((int64_t)e.datum, -5);

    info.si_code = SI_TKILL;
    e = from(SIGUSR1, &info);
    CHECK_EQ(e.datum, 0);

    memset(&info, 0x77, sizeof info);
    info.si_code = SI_TIMER;
    info.si_timerid = 4, info.si_overrun = 9;
    info.si_value.sival_ptr = (void *)(intptr_t)11;
    e = from(SIGALRM, &info);
    CHECK_EQ(e.timerid, 4);
    CHECK_EQ(e.detail, 9);
    CHECK_EQ(e.datum, 11);
    CHECK_EQ(e.pid, 0);

    memset(&info, 0x77, sizeof info);
    info.si_code = CLD_EXITED;
    info.si_pid = 43, info.si_uid = 8, info.si_status = 3;
    e = from(SIGCHLD, &info);
    CHECK_EQ(e.pid, 43);
    CHECK_EQ(e.detail, 3);

    memset(&info, 0x77, sizeof info);
    info.si_code = SEGV_MAPERR;
    info.si_addr = (void *)(uintptr_t)0x1234;
    e = from(SIGSEGV, &info);
    CHECK_EQ(e.datum, 0x1234);
    CHECK_EQ(e.pid, 0);

    info.si_code = SI_KERNEL;
    e = from(SIGSEGV, &info);
    CHECK_EQ(e.datum, 0);

    memset(&info, 0x77, sizeof info);
    info.si_code = POLL_IN;
    info.si_band = 1, info.si_fd = 5;
    e = from(SIGIO, &info);
    CHECK_EQ(e.datum, 1);
    CHECK_EQ(e.detail, 5);

    struct slot slot;
    memset(&slot, 0, sizeof slot);
    struct event back;
    event_store(&slot, &e);
    event_load(&slot, &back);
    CHECK(memcmp(&e, &back, sizeof e) == 0);
    return 0;
}
