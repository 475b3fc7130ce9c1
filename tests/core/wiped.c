/* SPDX-License-Identifier: MIT
 * For emulators that lack MADV_WIPEONFORK (qemu-user): linked with
 * -Wl,--wrap=madvise, it wipes at fork(3) what the kernel would. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    void *start;
    size_t size;
} wiped[256];
static int count;

int __real_madvise(void *start, size_t size, int advice);
int __real_munmap(void *start, size_t size);

static void wipe(void) {
    for (int i = 0; i < count; i++)
        memset(wiped[i].start, 0, wiped[i].size);
}

int __wrap_madvise(void *start, size_t size, int advice) {
    if (advice != MADV_WIPEONFORK)
        return __real_madvise(start, size, advice);
    if (count == 0)
        pthread_atfork(NULL, NULL, wipe);
    if (count == sizeof wiped / sizeof wiped[0])
        return -1;
    wiped[count].start = start;
    wiped[count++].size = size;
    return 0;
}

int __wrap_munmap(void *start, size_t size) {
    for (int i = 0; i < count; i++)
        if (wiped[i].start == start)
            wiped[i] = wiped[--count];
    return __real_munmap(start, size);
}
