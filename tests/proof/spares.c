/* SPDX-License-Identifier: MIT
 * fork(2), _exit(2) and waitpid(2), many times, in turns: in a process that has nothing of sigrec,
 * and in one that keeps recordings ready for its children. Prints the median of each, in ns, and
 * their ratio. argv: a directory. */
#define _GNU_SOURCE
#include "ground/clock.h"
#include "recording/process.h"

#include "../core/check.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 50
#define BATCHES 40

static int earlier(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void forks(int to, int from) {
    char c;
    uint64_t ns[BATCH];
    while (read(from, &c, 1) == 1) {
        for (int i = 0; i < BATCH; i++) {
            uint64_t began = monotonic_ns();
            pid_t pid = fork();
            if (pid == 0)
                _exit(0);
            CHECK(waitpid(pid, NULL, 0) == pid);
            ns[i] = monotonic_ns() - began;
        }
        CHECK(write(to, ns, sizeof ns) == sizeof ns);
    }
    _exit(0);
}

int main(int argc, char **argv) {
    static uint64_t all[2][BATCHES * BATCH];
    int asks[2][2], answers[2][2];
    CHECK_EQ(argc, 2);
    for (int kind = 0; kind < 2; kind++) {
        CHECK(pipe(asks[kind]) == 0 && pipe(answers[kind]) == 0);
        if (fork() == 0) {
            close(asks[kind][1]);
            if (kind == 1) {
                CHECK_EQ(process_start(), 0);
                CHECK_EQ(process_keep_spares(argv[1], true, 16384), 0);
                CHECK_EQ(process_publish(argv[1], "forks.sigrec", true, true, 16384), 0);
            }
            forks(answers[kind][1], asks[kind][0]);
        }
    }
    for (int n = 0; n < BATCHES; n++)
        for (int kind = 0; kind < 2; kind++) {
            CHECK(write(asks[kind][1], "", 1) == 1);
            CHECK(read(answers[kind][0], all[kind] + n * BATCH, BATCH * sizeof(uint64_t)) ==
                  BATCH * sizeof(uint64_t));
        }
    for (int kind = 0; kind < 2; kind++)
        qsort(all[kind], BATCHES * BATCH, sizeof(uint64_t), earlier);
    uint64_t plain = all[0][BATCHES * BATCH / 2], ours = all[1][BATCHES * BATCH / 2];
    printf("%llu %llu %.2f\n", (unsigned long long)plain, (unsigned long long)ours,
           (double)ours / (double)plain);
    return 0;
}
