/* SPDX-License-Identifier: MIT
 * check: assertions that stay on whatever NDEBUG says, and show both values. */
#ifndef SIGREC_CHECK_H
#define SIGREC_CHECK_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        if (a_ != b_) {                                                                            \
            fprintf(stderr, "%s:%d: failed: %s == %s: %lld != %lld\n", __FILE__, __LINE__, #a, #b, \
                    a_, b_);                                                                       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A call that needs room for one more signal, or timer, is made again until there is. How many may
 * be queued (RLIMIT_SIGPENDING) is counted for all processes of a user together. What is sent by
 * kill(2) needs none. A standard signal that raise(3) or sigqueue(3) sends is delivered even
 * then, but without its siginfo: as from nobody, see LOST. */
#define WITH_ROOM(call)                                                                            \
    do {                                                                                           \
        long long result_;                                                                         \
        do                                                                                         \
            result_ = (long long)(call);                                                           \
        while (result_ == EAGAIN || (result_ == -1 && errno == EAGAIN));                           \
        CHECK_EQ(result_, 0);                                                                      \
    } while (0)

#define LOST(info) ((info)->si_code == SI_USER && (info)->si_pid == 0)

#endif
