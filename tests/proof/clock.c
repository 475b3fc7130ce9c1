/* SPDX-License-Identifier: MIT
 * For LD_PRELOAD: CLOCK_REALTIME as after a settimeofday(2), which nobody may call where others
 * work. By how many seconds it was set says the file that CLOCK_IS_OFF names, which may change. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile long *off;

/* At the first call, which is made before any constructor of this library. */
static void begin(void) {
    static const long none;
    const char *path = getenv("CLOCK_IS_OFF");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *file = mmap(NULL, sizeof *off, PROT_READ, MAP_SHARED, fd, 0);
    off = file == MAP_FAILED ? &none : file;
    if (fd >= 0)
        close(fd);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (!off)
        begin();
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *off;
    return result;
}
