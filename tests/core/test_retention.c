/* SPDX-License-Identifier: MIT
 * Of many recordings of processes that are gone the newest stay, and whatever else is there. */
#define _GNU_SOURCE
#include "retention.h"

#include "check.h"
#include "places.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/sigrec-retention-XXXXXX";
static char within[64]; /* the PID namespace, as it is in names */

static const char *path(const char *name) {
    static char full[256];
    snprintf(full, sizeof full, "%s/%s", directory, name);
    return full;
}

static void make(const char *name, long age) {
    int fd = open(path(name), O_CREAT | O_EXCL | O_WRONLY, 0600);
    const struct timespec times[2] = {{1000000 - age, 0}, {1000000 - age, 0}};
    CHECK(fd >= 0 && futimens(fd, times) == 0);
    close(fd);
}

static bool is_there(const char *name) { return access(path(name), F_OK) == 0; }

static const char *gone(int n) { /* no machine has such PIDs: pid_max */
    static char name[128];
    snprintf(name, sizeof name, "%d%s%s.sigrec", 100000000 + n / 2, within, n % 2 ? "+2" : "");
    return name;
}

int main(void) {
#ifdef __linux__
    static const char *const others[] = {"100000000@4026.sigrec", "100000000.sigrec.1",
                                         "mine.sigrec", "100000000+.sigrec", "+2.sigrec"};
    char alive[64];
    CHECK(mkdtemp(directory));
    places_name(alive, places_namespace(), 1, ".sigrec");
    strncpy(within, alive + strspn(alive, "0123456789"), sizeof within - 1);
    *strchr(within, '.') = 0;
    make(alive, 5000);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        make(others[i], 5000);
    for (int n = 0; n < RETENTION_MOST; n++)
        make(gone(n), n);
    retention_clean(directory);
    for (int n = 0; n < RETENTION_MOST; n++)
        CHECK(is_there(gone(n)));
    make(gone(RETENTION_MOST), 4000);
    retention_clean(directory);
    for (int n = 0; n <= RETENTION_MOST; n++) {
        CHECK_EQ(is_there(gone(n)), n < RETENTION_LEFT);
        unlink(path(gone(n)));
    }
    CHECK(is_there(alive) && unlink(path(alive)) == 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(is_there(others[i]) && unlink(path(others[i])) == 0);
    CHECK(rmdir(directory) == 0);
    retention_clean("/nowhere");
#endif
    return 0;
}
