/* SPDX-License-Identifier: MIT
 * A recording whose file is truncated: the program goes on, the counts stay,
 * and every other SIGBUS is the program's. */
#define _GNU_SOURCE
#include "handler/sigbus.h"

#include "check.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "recording/process.h"
#include "recording/sent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__

static char directory[] = "/tmp/sigrec-test-XXXXXX";
static const char zeros[65536];

static struct ledger_entry *ledger(int signum) { return &process_recording()->ledger[signum]; }

/* In a child of its own, which publishes. */
static int status_of(void (*body)(void)) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char path[sizeof directory + 8];
        snprintf(path, sizeof path, "%s/file", directory);
        unlink(path); /* the one before it */
        CHECK_EQ(process_publish(directory, "file", false, false, 64), 0);
        sigbus_take();
        body();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static long left; /* bytes of the file */

static void truncate_it(void) { CHECK_EQ(truncate(process_path(), left), 0); }

static void take(int signum) {
    CHECK_EQ(install_prepare(signum, 16), 0);
    CHECK_EQ(install_handler(signum, false), 0);
}

static void the_counts_stay(void) {
    take(SIGUSR1);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    CHECK_EQ(install_record(SIGUSR2, true), 0);
    for (int i = 0; i < 20; i++) { /* 16 of them in the queue */
        raise(SIGUSR1);
        raise(SIGUSR2);
    }
    struct event e;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(queue_next(registry_queue(SIGUSR1), &e), QUEUE_EVENT);
        queue_take(registry_queue(SIGUSR1), QUEUE_EVENT);
        process_handled(SIGUSR1, 1);
    }
    truncate_it();
    errno = 1234;
    raise(SIGUSR1);
    CHECK_EQ(errno, 1234);
    const struct ledger_entry *l = ledger(SIGUSR1);
    CHECK_EQ(l->delivered, 21);
    CHECK_EQ(l->recorded + l->dropped, 21);
    CHECK_EQ(l->queued + l->undetailed, 21);
    CHECK_EQ(l->handled, 5);
    CHECK_EQ(l->mode, MODE_REGISTERED);
    CHECK_EQ(ledger(SIGUSR2)->delivered, 20);
    CHECK_EQ(ledger(SIGUSR2)->queued, 0);
    CHECK_EQ(ledger(SIGUSR2)->mode, MODE_RECORDED);
    if (!left) { /* the newest, in a new history; else it had its place in the old one */
        CHECK(ring_read(&process_recording()->history, 0, &e));
        CHECK_EQ(e.ordinal, 20);
    }
    CHECK_EQ(process_path()[0], 0);                    /* nobody else sees it */
    const struct recording *own = process_recording(); /* and it says whose it is */
    CHECK(memcmp(own->header->magic, RECORDING_MAGIC, 8) == 0 && own->header->pid == getpid());
    CHECK(own->header->start_ticks && own->identity->executable[0] == '/');
    pid_t pid = fork(); /* and a child has nothing of it */
    if (pid == 0) {
        CHECK_EQ(process_recording()->ledger[SIGUSR1].delivered, 0);
        raise(SIGUSR1);
        CHECK_EQ(process_recording()->ledger[SIGUSR1].delivered, 1);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

/* A handler meets the lost page between the two counts of its signal. */
static void of_what_is_in_hand_too(void) {
    const struct recording *own = process_recording();
    left = (const char *)own->history.slots - (const char *)own->header;
    the_counts_stay();
}

static void *raises(void *count) {
    for (int i = 0; i < *(int *)count; i++)
        pthread_kill(pthread_self(), SIGUSR1);
    return NULL;
}

/* Each may have had one in hand. */
static void while_threads_take_signals(void) {
    int count = 20000;
    pthread_t threads[4];
    take(SIGUSR1);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, raises, &count), 0);
    usleep(2000);
    truncate_it();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(ledger(SIGUSR1)->delivered + 4 >= 80000 && ledger(SIGUSR1)->delivered <= 80000 + 4);
}

static char *broken; /* a page that its file does not have */

static void break_another(void) {
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, 4096), 0);
    broken = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(broken != MAP_FAILED);
    CHECK_EQ(ftruncate(fd, 0), 0);
}

static void another_fault_kills_as_before(void) {
    break_another();
    *broken = 1;
}

static void repair_theirs(int signum, siginfo_t *info, void *context) {
    (void)context;
    CHECK_EQ(signum, SIGBUS);
    CHECK(info->si_addr == broken);
    CHECK(mmap(broken, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == broken);
}

static void another_fault_is_the_programs(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = repair_theirs;
    action.sa_flags = SA_SIGINFO;
    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
    sigbus_give_back(); /* which the program did already */
    sigbus_take();      /* above it */
    break_another();
    *broken = 1;
    CHECK_EQ(*broken, 1);
}

static void one_that_is_sent_kills_as_before(void) { raise(SIGBUS); }

static _Atomic int sent;
static void on_sent(int signum, siginfo_t *info, void *context) {
    (void)signum;
    (void)context;
    CHECK(info->si_code == SI_USER && info->si_pid == getpid());
    sent++;
}

static void one_that_is_sent_is_the_programs(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sent;
    action.sa_flags = SA_SIGINFO;
    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
    sigbus_give_back();
    sigbus_take();
    kill(getpid(), SIGBUS); /* with its siginfo, also in another's flood: see check.h */
    CHECK_EQ(sent, 1);
    sigbus_give_back();
    sigbus_take();
    signal(SIGBUS, SIG_IGN); /* the program changes its mind, and we are gone */
    raise(SIGBUS);
    CHECK_EQ(sent, 1);
}

/* Where SIGBUS itself is recorded, it is repaired as well, and does not count. */
static void with_sigbus_recorded(void) {
    CHECK_EQ(install_record(SIGBUS, false), 0);
    struct sigaction seen;
    CHECK_EQ(passive_sigaction(SIGBUS, NULL, &seen), 0);
    CHECK(seen.sa_handler == SIG_DFL && !(seen.sa_flags & SA_SIGINFO));
    take(SIGUSR1);
    truncate_it();
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    CHECK_EQ(ledger(SIGBUS)->delivered, 0);
    passive_stop(SIGBUS);
    CHECK_EQ(sigaction(SIGBUS, NULL, &seen), 0);
    CHECK(seen.sa_handler == SIG_DFL && !(seen.sa_flags & SA_SIGINFO));
}

static bool ignored(void) {
    struct sigaction now;
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    return now.sa_handler == SIG_IGN;
}

static void given_back_with_the_last_signal(void) {
    sigbus_give_back(); /* status_of took it */
    CHECK(signal(SIGBUS, SIG_IGN) != SIG_ERR);
    sigbus_take();
    CHECK(!ignored());
    take(SIGUSR1);
    CHECK_EQ(install_record(SIGUSR2, false), 0);
    CHECK(install_restore(SIGUSR1, false));
    registry_release(SIGUSR1);
    sigbus_give_back();
    CHECK(!ignored());
    passive_stop(SIGUSR2);
    CHECK(!ignored());
    sigbus_give_back();
    CHECK(ignored());
    truncate_it(); /* each write takes it again, for as long */
    process_handled(SIGUSR1, 1);
    CHECK_EQ(ledger(SIGUSR1)->handled, 1);
    sigbus_give_back();
    CHECK(ignored());
}

static void ignored_before_an_exec(void) {
    sigbus_give_back();
    CHECK(signal(SIGBUS, SIG_IGN) != SIG_ERR);
    take(SIGUSR1);
    sigbus_take();
    sigbus_before_exec();
    CHECK(ignored());
    sigbus_exec_failed();
    CHECK(!ignored());
    truncate_it();
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
}

static void on_user(int signum, siginfo_t *info, void *context) {
    (void)signum, (void)info, (void)context;
    sigset_t blocked;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    CHECK_EQ(sigismember(&blocked, SIGBUS), 1);
    sent++;
}

/* A fault whose signal is blocked kills, and the program's handler blocks them all. */
static void beside_a_handler_that_blocks_all(void) {
    struct sigaction action, seen;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_user;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(install_record(SIGUSR1, false), 0);
    truncate_it();
    raise(SIGUSR1);
    CHECK_EQ(sent, 1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    CHECK_EQ(passive_sigaction(SIGUSR1, NULL, &seen), 0);
    CHECK_EQ(sigismember(&seen.sa_mask, SIGBUS), 1);
}

static void other_addresses_are_not_ours(void) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGBUS;
    info.si_code = BUS_ADRERR;
    info.si_addr = (char *)process_recording()->header + process_recording()->size;
    CHECK(!sigbus_repair(SIGBUS, &info));
    info.si_addr = (char *)process_recording()->header - 1;
    CHECK(!sigbus_repair(SIGBUS, &info));
    info.si_addr = process_recording()->header;
    CHECK(!sigbus_repair(SIGSEGV, &info));
    CHECK(sigbus_repair(SIGBUS, &info));
}

static void block_all_but(int signum) {
    sigset_t all;
    sigfillset(&all);
    if (signum)
        sigdelset(&all, signum);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
}

/* A page that was never written, where a thread blocks SIGBUS. */
static void at_the_first_signal(void) {
    block_all_but(SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 1);
    CHECK_EQ(process_path()[0], 0);
}

static void before_it_is_blocked(void) {
    sigbus_prevent();
    block_all_but(0);
    sent_child(process_recording(), 1, CLD_EXITED, 0);
    CHECK_EQ(process_path()[0], 0);
}

/* Others have left none since the recording began: of one that may live shortly not all is there.
 */
static void with_no_room_left(void (*body)(void)) {
    char path[sizeof directory + 8];
    snprintf(path, sizeof path, "%s/other", directory);
    process_is_short_lived(NULL);
    CHECK_EQ(process_publish(directory, "file", false, false, 64), 0);
    sigbus_take();
    take(SIGUSR1);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    for (size_t size = sizeof zeros; size; size /= 2)
        while (write(fd, zeros, size) > 0)
            ;
    CHECK_EQ(errno, ENOSPC);
    body();
    _exit(0);
}

/* 0, too, where the test may not mount anything. */
static int status_of_full(void (*body)(void)) {
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0 ||
            mount("none", directory, "tmpfs", 0, "size=24m,mode=0700") != 0)
            _exit(0);
        with_no_room_left(body);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static bool killed_by(int status, int signum) {
    return WIFSIGNALED(status) && WTERMSIG(status) == signum;
}

int main(void) {
    CHECK(mkdtemp(directory));
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(status_of(the_counts_stay), 0);
    CHECK_EQ(status_of(of_what_is_in_hand_too), 0);
    CHECK_EQ(status_of(while_threads_take_signals), 0);
    CHECK(killed_by(status_of(another_fault_kills_as_before), SIGBUS));
    CHECK_EQ(status_of(another_fault_is_the_programs), 0);
    CHECK(killed_by(status_of(one_that_is_sent_kills_as_before), SIGBUS));
    CHECK_EQ(status_of(one_that_is_sent_is_the_programs), 0);
    CHECK_EQ(status_of(with_sigbus_recorded), 0);
    CHECK_EQ(status_of(given_back_with_the_last_signal), 0);
    CHECK_EQ(status_of(ignored_before_an_exec), 0);
    CHECK_EQ(status_of(beside_a_handler_that_blocks_all), 0);
    CHECK_EQ(status_of(other_addresses_are_not_ours), 0);
    CHECK_EQ(status_of_full(at_the_first_signal), 0);
    CHECK_EQ(status_of_full(before_it_is_blocked), 0);
    char path[64];
    snprintf(path, sizeof path, "%s/file", directory);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
    return 0;
}

#else
int main(void) { return 0; }
#endif
