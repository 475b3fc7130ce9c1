/* SPDX-License-Identifier: MIT
 * For emulators that lack MADV_WIPEONFORK (qemu-user): linked with
 * -Wl,--wrap=madvise, it wipes at fork(3) what the kernel would. And
 * MADV_POPULATE_WRITE tells what can be written: of that they say that it is done, whatever it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    void *start;
    size_t size;
} wiped[256];
static int count;

int __real_madvise(void *start, size_t size, int advice);
int __real_munmap(void *start, size_t size);

static bool can_be_written(const void *start) {
    unsigned long from, to, at = (unsigned long)start;
    char line[512], may_write = 0;
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && !found && fgets(line, sizeof line, maps))
        found = sscanf(line, "%lx-%lx %*c%c", &from, &to, &may_write) == 3 && at >= from && at < to;
    if (maps)
        fclose(maps);
    return found && may_write == 'w';
}

static void wipe(void) {
    for (int i = 0; i < count; i++)
        memset(wiped[i].start, 0, wiped[i].size);
}

int __wrap_madvise(void *start, size_t size, int advice) {
    if (advice == 23) { /* MADV_POPULATE_WRITE: <linux/mman.h> */
        errno = EFAULT;
        return can_be_written(start) ? 0 : -1;
    }
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

/* Of what one call has mapped, and another wiped, a part. */
int __wrap_munmap(void *start, size_t size) {
    for (int i = 0; i < count; i++) {
        char *from = wiped[i].start, *to = from + wiped[i].size, *hole = start;
        if (hole < from || hole >= to)
            continue;
        wiped[i].size = (size_t)(hole - from);
        if (hole + size < to && count < (int)(sizeof wiped / sizeof wiped[0])) {
            wiped[count].start = hole + size;
            wiped[count++].size = (size_t)(to - hole) - size;
        }
        break;
    }
    return __real_munmap(start, size);
}
