/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "events/asker.h"

#include "ground/proc.h"
#include "ground/text.h"

#include <string.h>

static void path_of_asker(char *path, int32_t pid, const char *file) {
    text_put(text_put_number(text_put(path, "/proc/"), (uint64_t)(uint32_t)pid), file);
}

void asker_note(struct asker askers[ASKERS], _Atomic uint64_t *head, uint32_t signo,
                uint64_t ordinal, int32_t pid, bool at_its_end) {
    static char text[400]; /* not on the stack: it may be a small one, sigaltstack(2) */
    char path[40];
    uint64_t n = atomic_load_explicit(head, memory_order_relaxed);
    struct asker *asker = &askers[n % ASKERS];
    atomic_store_explicit(&asker->sequence, 2 * n + 1, memory_order_relaxed);
    /* Whoever sees a byte of the new one sees that it is being written. proof: asker-fence */
    atomic_thread_fence(memory_order_release);
    asker->ordinal = ordinal;
    asker->signo = signo;
    asker->pid = pid;
    asker->parent = 0;
    asker->at_its_end = at_its_end;
    memset(asker->parent_name, 0, sizeof asker->parent_name);
    bool seen = proc_names_ours();
    path_of_asker(path, pid, "/cmdline");
    asker->size = seen ? (uint16_t)proc_read(path, asker->argv, sizeof asker->argv) : 0;
    path_of_asker(path, pid, "/stat");
    text[0] = 0;
    if (seen)
        proc_read(path, text, sizeof text);
    /* The asker's parent is field 4 of proc_pid_stat(5); field 2, the name, may hold anything. */
    const char *field = strrchr(text, ')');
    if (field && strlen(field) > 4)
        asker->parent = (int32_t)text_number(field + 4);
    if (asker->parent > 0) {
        path_of_asker(path, asker->parent, "/comm");
        size_t size = proc_read(path, text, sizeof asker->parent_name + 1);
        if (size && text[size - 1] == '\n')
            size--;
        memcpy(asker->parent_name, text,
               size < sizeof asker->parent_name ? size : sizeof asker->parent_name);
    }
    /* Release: whoever sees it written sees all of it. proof: asker-publish */
    atomic_store_explicit(&asker->sequence, 2 * n + 2, memory_order_release);
    atomic_store_explicit(head, n + 1, memory_order_relaxed);
}
