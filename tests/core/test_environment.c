/* SPDX-License-Identifier: MIT
 * What is ours is taken out of an environment, and nothing else. */
#include "host/environment.h"

#include "check.h"

#include <stdbool.h>
#include <string.h>

static bool same(char *const *a, char *const *b) {
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

static void check(char *const before[], char *const after[]) {
    size_t room = environment_room(before), size;
    CHECK(room > 0);
    CHECK(memcmp(environment_library(before, &size) + size - 8, "eload.so", 8) == 0);
    char *space[64] = {NULL};
    CHECK(room <= sizeof space / 2);
    memset((char *)space + room, 'x', sizeof space - room);
    CHECK(same(environment_without(before, space), after));
    for (size_t i = room; i < sizeof space; i++)
        CHECK_EQ(((char *)space)[i], 'x');
}

int main(void) {
    check((char *[]){"A=1", "LD_PRELOAD=/usr/lib/libsigrec-preload.so", "B=2", NULL},
          (char *[]){"A=1", "B=2", NULL});
    check((char *[]){"LD_PRELOAD=libjemalloc.so:/x/libsigrec-preload.so  libeatmydata.so",
                     "SIGREC_CHILDREN=1", "SIGREC_KEEP=7", "SIGREC_DIR=/tmp", NULL},
          (char *[]){"LD_PRELOAD=libjemalloc.so libeatmydata.so", "SIGREC_DIR=/tmp", NULL});

    size_t size;
    char *const others[] = {"LD_PRELOAD=libsigrec-preload.so.1:/x/notlibsigrec-preload.so",
                            "SIGREC_CHILDREN=1", "LD_PRELOADED=/x/libsigrec-preload.so", NULL};
    CHECK(!environment_library(others, &size));
    CHECK_EQ(environment_room(others), 0);
    CHECK_EQ(environment_room((char *[]){NULL}), 0);
    CHECK_EQ(environment_room(NULL), 0);

    char list[] = "LD_PRELOAD=a.so:/x/libsigrec-preload.so:b.so", kept[] = "A=1",
         keep[] = "SIGREC_KEEP=1";
    char *mine[] = {list, keep, kept, NULL};
    environment_forget_one(mine, "SIGREC_KEEP");
    CHECK(same(mine, (char *[]){"LD_PRELOAD=a.so:/x/libsigrec-preload.so:b.so", "A=1", NULL}));
    environment_forget(mine);
    CHECK(same(mine, (char *[]){"LD_PRELOAD=a.so b.so", "A=1", NULL}));
    return 0;
}
