/* SPDX-License-Identifier: MIT
 * A forked child has a recording from its first instruction on: of its own, and no other's. */
#define _GNU_SOURCE
#include "recording/spare.h"

#include "check.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/proc.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "host/places.h"
#include "recording/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define CAPACITY 64
#define MANY 64
#define TICK_NS UINT64_C(10000000) /* of field 22 of proc_pid_stat(5) */

static char directory[] = "/tmp/sigrec-spare-XXXXXX";
static char within[32]; /* the PID namespace, where it is not the machine's first */

static const struct recording_section *section(const struct recording_header *header, int type) {
    return &header->sections[type - 1]; /* in the order of types */
}

/* Of that process, as a reader maps it; NULL: it has none. */
static const struct recording_header *left_by(pid_t pid, const char *again) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%d%s%s.sigrec", directory, (int)pid, within, again);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return NULL;
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    close(fd);
    return p;
}

static const struct ledger_entry *entry(const struct recording_header *header, int signum) {
    return (const void *)((const char *)header + section(header, SECTION_LEDGER)->offset +
                          (size_t)signum * sizeof(struct ledger_entry));
}

static int spares_left(void) {
    int n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *one; (one = readdir(d));)
        n += strstr(one->d_name, ".spare") != NULL;
    closedir(d);
    return n;
}

static void remove_all(const char *ending) {
    DIR *d = opendir(directory);
    for (struct dirent *one; (one = readdir(d));)
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0 &&
            strstr(one->d_name, ending))
            CHECK(unlinkat(dirfd(d), one->d_name, 0) == 0);
    closedir(d);
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) != pid)
        CHECK_EQ(errno, EINTR);
    return status;
}

static pid_t sleeper(void) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    while (pid == 0)
        pause();
    return pid;
}

/* It has all of one child, and nothing of another. */
static bool tells_of_the_end(pid_t pid, pid_t parent) {
    const struct recording_header *header = left_by(pid, "");
    if (!header)
        return false;
    CHECK_EQ(header->pid, pid);
    CHECK(header->start_ticks > 0);
    CHECK_EQ(header->fatal_signal, SIGTERM);
    CHECK_EQ(header->fatal_ordinal, 0);
    CHECK_EQ(entry(header, SIGTERM)->delivered, 1);
    CHECK_EQ(entry(header, SIGTERM)->recorded, 1);
    CHECK_EQ(entry(header, SIGUSR1)->delivered, 0);
    CHECK_EQ(header->head, 1);
    const struct owner_identity *identity =
        (const void *)((const char *)header + section(header, SECTION_IDENTITY)->offset);
    CHECK_EQ(identity->ppid, parent);
    CHECK_EQ(identity->pgid, getpgid(0));
    CHECK_EQ(identity->oom_kills, -1);
    CHECK_EQ(identity->cgroup[0], 0);
    return true;
}

static int recorded_of(int burst) {
    pid_t pids[MANY];
    int recorded = 0;
    uint64_t forked_ns = monotonic_ns();
    for (int i = 0; i < burst; i++)
        pids[i] = sleeper();
    uint64_t sent_ns = monotonic_ns();
    for (int i = 0; i < burst; i++)
        CHECK_EQ(kill(pids[i], SIGTERM), 0);
    for (int i = 0; i < burst; i++) {
        int status = wait_for(pids[i]);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        if (!tells_of_the_end(pids[i], getpid()))
            continue;
        recorded++;
        /* It is younger than its file, and older than all that could be sent to it. */
        const struct recording_header *header = left_by(pids[i], "");
        CHECK_EQ(header->anchor_count, 1);
        CHECK(header->anchors[0].monotonic_ns + TICK_NS >= forked_ns);
        CHECK(header->anchors[0].monotonic_ns <= sent_ns);
        CHECK_EQ(header->anchors[0].realtime_ns, header->started_ns);
    }
    return recorded;
}

static void all_or_at_least_eight(void) {
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(recorded_of(1), 1);
        usleep(3000); /* each takes the file that was made eight forks before: two ticks */
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQ(recorded_of(8), 8);
    for (int i = 0; i < 5; i++)
        CHECK(recorded_of(MANY) >= 8);
}

static void parent_and_child_count_apart(void) {
    const struct recording *mine = process_recording();
    uint64_t before = mine->ledger[SIGUSR1].delivered, head = *mine->history.head;
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGUSR1); /* takes a spare */
        CHECK(process_adopted() == NULL);
        const struct recording *first = process_recording();
        CHECK(first != mine);
        raise(SIGUSR1);
        CHECK_EQ(process_adopt_spare(0, 0), 0); /* the same */
        CHECK(process_adopted() == first && process_recording() == first);
        CHECK(strstr(process_path(), ".sigrec"));
        raise(SIGUSR1);
        CHECK_EQ(first->ledger[SIGUSR1].delivered, 3);
        struct event e;
        CHECK(ring_read(&first->history, 2, &e));
        CHECK_EQ(e.ordinal, 2);
        CHECK(first->identity->oom_kills == -1 || first->identity->cgroup[0]);
        _exit(0);
    }
    raise(SIGUSR1);
    CHECK_EQ(wait_for(pid), 0);
    raise(SIGUSR1);
    CHECK_EQ(mine->ledger[SIGUSR1].delivered, before + 2);
    CHECK_EQ(*mine->history.head, head + 2);
    const struct recording_header *header = left_by(pid, "");
    CHECK(header);
    CHECK_EQ(header->pid, pid);
    CHECK_EQ(entry(header, SIGUSR1)->delivered, 3);
    CHECK_EQ(header->sections_count, RECORDING_SECTIONS);
    CHECK(section(header, SECTION_ARGV)->count > 0);
    CHECK(memcmp(header->id, mine->header->id, sizeof header->id) != 0);
}

static void a_hook_takes_one_without_a_signal(void) {
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(process_adopt_spare(0, 0), 0);
        raise(SIGTERM);
    }
    CHECK(WIFSIGNALED(wait_for(pid)));
    const struct recording_header *header = left_by(pid, "");
    CHECK(header && header->pid == pid);
    CHECK_EQ(entry(header, SIGTERM)->delivered, 1);
}

/* Where each takes its own at once, each has that one mapped, and no eight. */
static void only_its_own_is_mapped(void) {
    for (int i = 0; i < SPARES; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char line[512];
            int mapped = 0;
            FILE *maps = fopen("/proc/self/maps", "r");
            while (fgets(line, sizeof line, maps))
                mapped += strstr(line, directory) != NULL;
            CHECK_EQ(process_adopt_spare(0, 0), 0);
            _exit(mapped == 1 ? 0 : 1);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
}

/* Whether its parent described it, or, after a while, it did that itself. */
static void it_is_described_as_it_is(void) {
    signal(SIGURG, SIG_IGN);
    for (int round = 0; round < 2; round++) {
        sigset_t some;
        sigemptyset(&some);
        sigaddset(&some, SIGUSR2);
        sigprocmask(SIG_BLOCK, &some, NULL);
        if (round)
            usleep(1100000); /* what the parent said of itself is too old */
        else
            spare_forked();
        pid_t pid = fork();
        if (pid == 0) {
            struct owner own;
            owner_describe(&own, NULL);
            CHECK_EQ(process_adopt_spare(UINT64_C(1) << (SIGURG - 1), UINT64_C(1) << (SIGURG - 1)),
                     0);
            const struct recording *mine = process_recording();
            CHECK_EQ(mine->header->start_ticks, own.start_ticks);
            CHECK_EQ(mine->header->pid_namespace, own.pid_namespace);
            CHECK(strcmp(mine->header->boot_id, own.boot_id) == 0);
            CHECK_EQ(section(mine->header, SECTION_ARGV)->count, own.argv_size);
            CHECK(memcmp((const char *)mine->header + section(mine->header, SECTION_ARGV)->offset,
                         own.argv, own.argv_size) == 0);
            CHECK(memcmp(mine->identity, &own.identity, sizeof own.identity) == 0);
            _exit(0);
        }
        CHECK_EQ(wait_for(pid), 0);
        sigprocmask(SIG_UNBLOCK, &some, NULL);
    }
    signal(SIGURG, SIG_DFL);
}

/* A parent that describes itself again, and finds all the same, leaves its spares as they are. */
static void it_need_not_describe_itself(uint64_t first_ns) {
    for (int i = 0; i < SPARES; i++) { /* which leave theirs */
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        CHECK_EQ(wait_for(pid), 0);
    }
    while (monotonic_ns() - first_ns < UINT64_C(510000000))
        usleep(5000);
    spare_forked();
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(process_adopt_spare(0, 0), 0);
        CHECK(!process_self->described);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static _Atomic int describing = 2; /* so many began; the first waits until this is set anew */

/* Instead of the C library's, in the core too. */
int gethostname(char *name, size_t size) {
    struct utsname it;
    for (atomic_fetch_add(&describing, 1); describing == 1;)
        usleep(1000);
    snprintf(name, size, "%s", uname(&it) == 0 ? it.nodename : "");
    return 0;
}

static void *describes(void *nothing) {
    spare_forked();
    return nothing;
}

/* Another thread of its parent was about to describe the parent, as it was forked. That one is
 * right, too, where something has changed. The last description is old when this is called. */
static void it_describes_itself_for_its_children(void) {
    pthread_t thread;
    describing = 0;
    signal(SIGURG, SIG_IGN);
    CHECK(pthread_create(&thread, NULL, describes, NULL) == 0);
    while (!describing)
        usleep(1000);
    pid_t pid = fork();
    if (pid == 0) {
        spare_forked();
        _exit(describing == 2 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    describing = 2;
    CHECK(pthread_join(thread, NULL) == 0);
    if ((pid = fork()) == 0) {
        CHECK_EQ(process_adopt_spare(0, 0), 0);
        CHECK(process_recording()->identity->ignored & UINT64_C(1) << (SIGURG - 1));
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    signal(SIGURG, SIG_DFL);
}

/* Its parent's namespaces are not its own, where the parent has asked for that: unshare(2). */
static void in_other_namespaces(int which) {
    pid_t between = fork();
    if (between == 0) {
        spare_forked();
        CHECK_EQ(recorded_of(SPARES), SPARES); /* the next ones have that description */
        if (unshare(which) != 0)
            _exit(errno == EPERM || errno == EINVAL || errno == ENOSYS ? 0 : 1);
        int offsets = open("/proc/self/timens_offsets", O_WRONLY);
        if (which & CLONE_NEWTIME)
            CHECK(write(offsets, "monotonic 0 50000000", 20) == 20);
        close(offsets);
        pid_t pid = fork();
        if (pid == 0) {
            if (which & CLONE_NEWPID) /* it sees itself in its own /proc only */
                CHECK(unshare(CLONE_NEWNS) == 0 &&
                      mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0 &&
                      mount("proc", "/proc", "proc", 0, NULL) == 0);
            struct owner own;
            owner_describe(&own, NULL);
            CHECK_EQ(process_adopt_spare(0, 0), 0);
            const struct recording *mine = process_recording();
            CHECK_EQ(mine->header->pid_namespace, own.pid_namespace);
            CHECK_EQ(mine->header->start_ticks, own.start_ticks);
            CHECK_EQ(mine->identity->time_namespace, own.identity.time_namespace);
            CHECK(!(which & CLONE_NEWPID) || strchr(process_path(), '@'));
            _exit(0);
        }
        _exit(wait_for(pid) ? 1 : 0);
    }
    CHECK_EQ(wait_for(between), 0);
}

/* The first process of a namespace has the PID 1, and so has the first of another within that. */
static int first_in_a_namespace(int within_it) {
    pid_t pid = fork();
    if (pid == 0) {
        char name[64];
        CHECK_EQ(process_adopt_spare(0, 0), 0);
        places_name(name, places_namespace(), 1, ".sigrec");
        CHECK_EQ(strcmp(strrchr(process_path(), '/') + 1, name), 0);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    if (!within_it || unshare(CLONE_NEWPID) != 0)
        return 0;
    if ((pid = fork()) == 0)
        _exit(first_in_a_namespace(within_it - 1));
    return wait_for(pid) != 0;
}

static void in_nested_namespaces(void) {
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            _exit(0);
        if ((pid = fork()) == 0) {
            CHECK_EQ(process_adopt_spare(0, 0), 0);
            CHECK(!proc_names_ours());
            _exit(first_in_a_namespace(1));
        }
        _exit(wait_for(pid) != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void a_name_that_is_taken_is_left(void) {
    pid_t pid = fork();
    if (pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/%d%s.sigrec", directory, (int)getpid(), within);
        CHECK(close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600)) == 0);
        raise(SIGTERM);
    }
    CHECK(WIFSIGNALED(wait_for(pid)));
    const struct recording_header *header = left_by(pid, "+2");
    CHECK(header && header->pid == pid);
}

static void a_child_of_a_child_has_its_own(void) {
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGUSR1);
        const struct recording *mine = process_recording();
        CHECK_EQ(recorded_of(8), 8);
        if (fork() == 0) { /* nor does one that was forked and has adopted share with its child */
            unsigned char there;
            CHECK(process_recording() != mine);
            CHECK(mincore(mine->header, 4096, &there) != 0 && errno == ENOMEM);
            CHECK_EQ(process_adopt_spare(0, 0), 0);
            CHECK_EQ(recorded_of(1), 1);
            _exit(0);
        }
        int status;
        CHECK(wait(&status) > 0 && status == 0);
        CHECK_EQ(mine->ledger[SIGUSR1].delivered, 1);
        spare_discard();
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void *forks(void *ignored) {
    for (int i = 0; i < 8; i++) {
        pid_t pid = sleeper();
        CHECK_EQ(kill(pid, SIGTERM), 0);
        CHECK(WIFSIGNALED(wait_for(pid)));
        tells_of_the_end(pid, getpid()); /* or has none, where others had them all */
    }
    return ignored;
}

static void threads_may_fork(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, forks, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(recorded_of(8), 8);
}

static volatile pid_t forked;

static void fork_here(int signum) {
    (void)signum;
    forked = sleeper();
}

static void a_handler_may_fork(void) {
    struct sigaction now = {.sa_handler = fork_here}, before;
    CHECK(sigaction(SIGUSR2, &now, &before) == 0);
    CHECK_EQ(install_record(SIGUSR2, false), 0);
    raise(SIGUSR2);
    CHECK(forked > 0);
    CHECK_EQ(kill(forked, SIGTERM), 0);
    CHECK(WIFSIGNALED(wait_for(forked)));
    CHECK(tells_of_the_end(forked, getpid()));
    passive_stop(SIGUSR2);
    CHECK(sigaction(SIGUSR2, &before, NULL) == 0);
}

/* Someone removes the files: no child is harmed, and the next one's are there. */
static void one_that_is_removed_is_for_nobody(void) {
    pid_t pid = sleeper();
    remove_all(".spare");
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK(WIFSIGNALED(wait_for(pid)));
    CHECK(!left_by(pid, ""));
    for (int i = 0; i < SPARES; i++)
        recorded_of(1);
    CHECK_EQ(recorded_of(8), 8);
}

/* A sandbox that would end us for the calls. */
static void nothing_is_taken_where_it_is_forbidden(void) {
    pid_t pid = fork();
    if (pid == 0) {
        filter_denied |= 1u << FILTERED_RENAME;
        raise(SIGUSR1);
        CHECK_EQ(process_recording()->ledger[SIGUSR1].delivered, 1);
        CHECK_EQ(process_adopt_spare(0, 0), ENOENT);
        raise(SIGTERM);
    }
    CHECK(WIFSIGNALED(wait_for(pid)));
    CHECK(!left_by(pid, ""));
}

static int sent_in_call; /* before its mask is set for the so manieth time, from 1 */
static int send_what;

/* Instead of the C library's, in the core too. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    if (sent_in_call && --sent_in_call == 0)
        raise(send_what);
    return syscall(SYS_rt_sigprocmask, how, set, before, sizeof(uint64_t)) ? errno : 0;
}

/* Whenever a signal comes while a hook takes a spare, it is written there, and in no other. */
static void a_signal_comes_as_its_hook_takes_one(void) {
    for (int call = 1; call <= 2; call++) {
        pid_t pid = fork();
        if (pid == 0) {
            sent_in_call = call;
            send_what = SIGTERM;
            process_adopt_spare(0, 0);
            _exit(0);
        }
        CHECK(WIFSIGNALED(wait_for(pid)));
        CHECK(tells_of_the_end(pid, getpid()) && !left_by(pid, "+2"));
        pid = fork();
        if (pid == 0) {
            sent_in_call = call;
            send_what = SIGUSR1;
            CHECK_EQ(process_adopt_spare(0, 0), 0);
            CHECK_EQ(process_recording()->ledger[SIGUSR1].delivered, 1);
            _exit(0);
        }
        CHECK_EQ(wait_for(pid), 0);
        CHECK(!left_by(pid, "+2"));
    }
}

static void ignored(int signum) { (void)signum; }

int main(void) {
    char name[32];
    CHECK(mkdtemp(directory));
    umask(0777); /* it does not keep the owner from the files */
    struct stat namespace;
    CHECK(stat("/proc/self/ns/pid", &namespace) == 0);
    if (namespace.st_ino != 0xEFFFFFFC)
        snprintf(within, sizeof within, "@%llu", (unsigned long long)namespace.st_ino);
    CHECK_EQ(process_start(), 0);
    handler_start();
    snprintf(name, sizeof name, "%d.sigrec", (int)getpid());
    CHECK_EQ(process_publish(directory, name, false, false, CAPACITY), 0);
    CHECK(signal(SIGUSR1, ignored) != SIG_ERR);
    CHECK_EQ(install_record(SIGUSR1, false), 0);
    CHECK_EQ(install_record(SIGTERM, false), 0);
    CHECK(!spare_kept());
    CHECK_EQ(process_keep_spares(directory, true, CAPACITY), 0);
    CHECK_EQ(spares_left(), 0); /* who never forks has none */
    spare_forked();
    uint64_t first_ns = monotonic_ns();
    only_its_own_is_mapped(); /* before anything else is mapped here */
    all_or_at_least_eight();
    parent_and_child_count_apart();
    a_hook_takes_one_without_a_signal();
    a_signal_comes_as_its_hook_takes_one();
    it_need_not_describe_itself(first_ns);
    it_is_described_as_it_is();
    it_describes_itself_for_its_children();
    in_nested_namespaces();
    in_other_namespaces(CLONE_NEWPID);
    in_other_namespaces(CLONE_NEWTIME);
    in_other_namespaces(CLONE_NEWPID | CLONE_NEWTIME);
    a_name_that_is_taken_is_left();
    a_child_of_a_child_has_its_own();
    threads_may_fork();
    a_handler_may_fork();
    one_that_is_removed_is_for_nobody();
    nothing_is_taken_where_it_is_forbidden();
    CHECK_EQ(recorded_of(1), 1);
    CHECK(spares_left() > 0);
    spare_discard();
    CHECK_EQ(spares_left(), 0);
    remove_all("");
    CHECK(rmdir(directory) == 0);
    return 0;
}
