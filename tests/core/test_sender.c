/* SPDX-License-Identifier: MIT
 * The table of senders: counts, a full table, names, folding. */
#define _GNU_SOURCE
#include "events/sender.h"

#include "check.h"
#include "recording/recording.h"

#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sender_entry table[SENDER_ENTRIES], other[SENDER_ENTRIES];

static struct event from(int signum, int code, int pid) {
    struct event event;
    memset(&event, 0, sizeof event);
    event.signo = (uint32_t)signum;
    event.code = code;
    event.pid = pid;
    event.uid = 5;
    event.monotonic_ns = 1000;
    return event;
}

static struct sender_entry *add(struct sender_entry *to, int signum, int code, int pid) {
    struct event event = from(signum, code, pid);
    return sender_count(to, &event);
}

static void one_entry_for_each_sender_and_signal(void) {
    struct sender_entry *entry = add(table, SIGUSR1, SI_USER, 77);
    CHECK(entry && add(table, SIGUSR1, SI_TKILL, 77) == entry);
    CHECK_EQ(entry->count, 2);
    CHECK_EQ(entry->code, (uint32_t)SI_TKILL); /* of the newest */
    CHECK_EQ(entry->key, UINT64_C(1) << 63 | (uint64_t)SIGUSR1 << 32 | 77);
    struct sender_entry *says_so = add(table, SIGUSR1, SI_QUEUE, 77); /* and may be another */
    CHECK(says_so && says_so != entry && add(table, SIGUSR1, SI_MESGQ, 77) == says_so);
    CHECK_EQ(says_so->key, entry->key | UINT64_C(1) << 48);
    CHECK(add(table, SIGUSR2, SI_USER, 77) != entry);
    CHECK(add(table, SIGUSR1, SI_USER, 78) != entry);
    struct sender_entry *timer = add(table, SIGALRM, SI_TIMER, 3); /* its pid is a timer's id */
    CHECK(timer == add(table, SIGALRM, SI_TIMER, 4));
    CHECK_EQ(timer->key >> 40 & 0xff, SENDER_TIMER);
    CHECK(add(table, SIGCHLD, CLD_EXITED, 10) == add(table, SIGCHLD, CLD_KILLED, 11));
    CHECK_EQ(add(table, SIGINT, SI_KERNEL, 0)->key >> 40 & 0xff, SENDER_KERNEL);
    CHECK_EQ(add(table, SIGUSR1, SI_USER, 0)->key >> 40 & 0xff, SENDER_PROCESS);
    CHECK_EQ((uint32_t)add(table, SIGUSR1, SI_USER, -1)->key,
             UINT32_MAX); /* hostile, and harmless */
}

static void a_full_table_counts_no_more_and_loses_nobody(void) {
    memset(table, 0, sizeof table);
    uint64_t counted = 0;
    for (int pid = 1; pid <= SENDER_ENTRIES; pid++)
        counted += add(table, SIGUSR2, SI_USER, pid) != NULL;
    CHECK(counted > SENDER_ENTRIES * 9 / 10); /* hardly one is turned away before it is full */
    for (int pid = 1; pid <= 4 * SENDER_ENTRIES; pid++)
        counted += add(table, SIGUSR1, SI_USER, pid) != NULL;
    CHECK(counted <= SENDER_ENTRIES);
    uint64_t sum = 0;
    for (int i = 0; i < SENDER_ENTRIES; i++)
        sum += table[i].count;
    CHECK_EQ(sum, counted);
    CHECK(add(table, SIGUSR2, SI_USER, 1) != NULL); /* who was in time still is */
}

static void what_finds_no_place_is_in_the_ledger(void) {
    struct owner owner = {0};
    struct recording recording;
    CHECK_EQ(recording_private(&recording, 16, &owner), 0);
    for (int pid = 1; pid <= 4 * SENDER_ENTRIES; pid++) {
        struct event event = from(SIGUSR1, SI_USER, pid);
        event.ordinal = (uint64_t)pid - 1;
        recording_write(&recording, &event);
    }
    uint64_t sum = recording.ledger[SIGUSR1].unattributed;
    CHECK(sum > 0);
    for (int i = 0; i < SENDER_ENTRIES; i++)
        sum += recording.senders[i].count;
    CHECK_EQ(sum, 4 * SENDER_ENTRIES);
    recording_unmap(&recording);
}

static void names(void) {
    int ready[2], stay[2];
    CHECK_EQ(pipe(ready), 0);
    CHECK_EQ(pipe(stay), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        prctl(PR_SET_NAME, "fifteen-letters");
        CHECK_EQ(write(ready[1], "x", 1), 1);
        close(stay[1]);
        _exit(read(stay[0], &c, 1) != 0);
    }
    char c;
    CHECK_EQ(read(ready[0], &c, 1), 1);
    memset(table, 0, sizeof table);
    struct sender_entry *entry = add(table, SIGTERM, SI_USER, pid);
    sender_name(entry, 500);
    CHECK_EQ(entry->named_ns, 500);
    CHECK_EQ(entry->since_ns, 500);
    char name[17] = {0};
    memcpy(name, (const void *)entry->name, 16);
    CHECK_EQ(strcmp(name, "fifteen-letters"), 0);
    sender_name(entry, 900); /* the same name: since then, seen again */
    CHECK_EQ(entry->named_ns, 900);
    CHECK_EQ(entry->since_ns, 500);

    memset(other, 0, sizeof other);
    add(other, SIGTERM, SI_USER, pid);
    add(table, SIGTERM, SI_USER, pid);
    sender_fold(table, other);
    CHECK_EQ(entry->count, 0);
    struct sender_entry *moved = add(other, SIGTERM, SI_USER, pid);
    CHECK_EQ(moved->count, 4);
    CHECK_EQ(moved->named_ns, 900);
    CHECK_EQ(moved->name[0], entry->name[0]);

    close(stay[1]);
    close(stay[0]);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    sender_name(entry, 1200); /* it is gone: the name that it had stays */
    CHECK_EQ(entry->named_ns, 900);
    struct sender_entry *nobody = add(table, SIGTERM, SI_USER, 0);
    sender_name(nobody, 1300);
    CHECK_EQ(nobody->named_ns, 0);
}

static void *count_many(void *argument) {
    for (int n = 0; n < 100000; n++)
        add(table, SIGUSR1, SI_USER, n % 7 + 1);
    return argument;
}

static void exact_under_threads(void) {
    memset(table, 0, sizeof table);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    uint64_t sum = 0, entries = 0;
    for (int i = 0; i < SENDER_ENTRIES; i++) {
        sum += table[i].count;
        entries += table[i].key != 0;
    }
    CHECK_EQ(sum, 400000);
    CHECK_EQ(entries, 7);
}

int main(void) {
    one_entry_for_each_sender_and_signal();
    a_full_table_counts_no_more_and_loses_nobody();
    what_finds_no_place_is_in_the_ledger();
    names();
    exact_under_threads();
    return 0;
}
