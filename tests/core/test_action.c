/* SPDX-License-Identifier: MIT
 * The table of dispositions, under several writers and readers at once. */
#define _GNU_SOURCE
#include "program/action.h"

#include "check.h"

#include <pthread.h>
#include <string.h>

#define THREADS 4
#define TURNS 50000

/* Its three words belong together, so that a torn one shows. */
static struct sigaction make(uint64_t n) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = (void (*)(int))(uintptr_t)(n + 2);
    action.sa_flags = (int)(n & 0x7fffffff);
    memcpy(&action.sa_mask, &n, sizeof n);
    return action;
}

static uint64_t number(const struct sigaction *action) {
    uint64_t mask;
    memcpy(&mask, &action->sa_mask, sizeof mask);
    CHECK_EQ((uintptr_t)action->sa_handler - 2, mask);
    CHECK_EQ(action->sa_flags, (int)(mask & 0x7fffffff));
    return mask;
}

static void one_thread(void) {
    struct sigaction a = make(7), b = make(8), found, by_default = a, ignored = a;
    by_default.sa_handler = SIG_DFL;
    ignored.sa_handler = SIG_IGN;
    struct action kept;
    action_get(SIGHUP, &found);
    CHECK(found.sa_handler == SIG_DFL && action_is_default(SIGHUP));
    CHECK(action_exchange(SIGHUP, &a, &found));
    CHECK(found.sa_handler == SIG_DFL && !action_is_default(SIGHUP));
    uint64_t version = action_get(SIGHUP, &found);
    CHECK_EQ(number(&found), 7);
    CHECK_EQ(action_read(SIGHUP, &kept), version);
    CHECK(kept.handler == a.sa_sigaction && kept.flags == 7 && kept.mask == 7);
    CHECK(action_calls(&kept));
    for (int i = 0; i < 2; i++) {
        kept.handler = (i ? by_default : ignored).sa_sigaction;
        CHECK(!action_calls(&kept));
    }
    CHECK_EQ(version, action_version(SIGHUP));
    CHECK(action_replace(SIGHUP, version, &b));
    CHECK(version != action_version(SIGHUP));
    CHECK(!action_replace(SIGHUP, version, &a)); /* someone was here meanwhile */
    CHECK(action_exchange(SIGHUP, &b, &found));
    CHECK_EQ(number(&found), 8);
    CHECK(!action_replace(SIGHUP, version, &a)); /* the same action, but not the same version */
    action_get(SIGINT, &found);
    CHECK(found.sa_handler == SIG_DFL); /* another signal has its own */
}

/* Each action that is set is what exactly one later change finds, but the last. */
static _Atomic unsigned char found_by[THREADS * TURNS + 1];
static _Atomic int writing = THREADS;

static void *writer(void *argument) {
    uint64_t first = (uint64_t)(uintptr_t)argument * TURNS + 1;
    for (uint64_t n = first; n < first + TURNS; n++) {
        struct sigaction next = make(n), previous;
        if (n % 3) {
            CHECK(action_exchange(SIGUSR1, &next, &previous));
            found_by[number(&previous)]++;
        } else {
            uint64_t version;
            do
                version = action_get(SIGUSR1, &previous);
            while (!action_replace(SIGUSR1, version, &next));
            found_by[number(&previous)]++;
        }
    }
    writing--;
    return NULL;
}

static void *reader(void *argument) {
    (void)argument;
    uint64_t last = 0;
    while (writing) {
        struct sigaction action;
        uint64_t version = action_get(SIGUSR1, &action);
        number(&action);
        CHECK(version >> 8 >= last);
        last = version >> 8;
    }
    return NULL;
}

static void threads(void) {
    struct sigaction zero = make(0), previous;
    CHECK(action_exchange(SIGUSR1, &zero, &previous));
    pthread_t writers[THREADS], readers[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&readers[i], NULL, reader, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&writers[i], NULL, writer, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(writers[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    action_get(SIGUSR1, &previous);
    found_by[number(&previous)]++; /* the last one */
    for (int n = 0; n <= THREADS * TURNS; n++)
        CHECK_EQ(found_by[n], 1);
    CHECK_EQ(action_version(SIGUSR1) >> 8, THREADS * TURNS + 1);
}

int main(void) {
    one_thread();
    threads();
    return 0;
}
