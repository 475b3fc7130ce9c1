/* SPDX-License-Identifier: MIT
 * The program's calls that change a mask: what they do is what they do without us, and it is
 * written down, with the library that made the call. */
#define _GNU_SOURCE
#include "interpose/interpose_mask.h"

#include "check.h"
#include "events/keep.h"
#include "events/signals.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "interpose/interpose.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*function)(int, const sigset_t *, sigset_t *);

static void *library;

static function find(const char *name) {
    function found;
    *(void **)&found = dlsym(library, name);
    CHECK(found);
    return found;
}

static uint64_t changes(int row) { return process_self->masks[row]; }

static struct event newest(int row) {
    struct event event;
    uint64_t ordinal = changes(row) - 1;
    const struct notes *in = &process_recording()->masks;
    CHECK(keep_read(&in->changes[notes_slot(in, (uint64_t)row, ordinal)], &event));
    CHECK_EQ(event.ordinal, ordinal);
    return event;
}

static void by_the_library(const struct event *event) {
    char text[SITE_TEXT + 1] = "";
    CHECK(event->uid);
    memcpy(text, (const char *)process_recording()->masks.sites[event->uid - 1].text, SITE_TEXT);
    const char *base = strrchr(text, '/');
    CHECK_EQ(strcmp(base ? base + 1 : text, "now.so"), 0);
}

static uint64_t now(void) {
    sigset_t set;
    uint64_t word;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0); /* our own call: not seen */
    memcpy(&word, &set, sizeof word);
    return word;
}

static sigset_t of(int signum) {
    sigset_t set;
    sigemptyset(&set);
    if (signum)
        sigaddset(&set, signum);
    return set;
}

static void blocks_and_lets_in(function call, enum mask_how how) {
    sigset_t term = of(SIGTERM), usr1 = of(SIGUSR1), none = of(0), old = of(SIGHUP);
    uint64_t before = changes(SIGTERM);
    errno = 4711;
    CHECK_EQ(call(SIG_BLOCK, &term, &old), 0);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(memcmp(&old, &none, sizeof(uint64_t)), 0);
    CHECK_EQ(now(), signal_bit(SIGTERM));
    struct event event = newest(SIGTERM);
    CHECK_EQ(event.pid, 1);
    CHECK_EQ(event.code, how);
    CHECK_EQ(event.tid, getpid());
    by_the_library(&event);
    CHECK_EQ(call(SIG_BLOCK, &term, NULL), 0); /* no change */
    CHECK_EQ(call(SIG_BLOCK, NULL, &old), 0);  /* a question */
    CHECK_EQ(memcmp(&old, &term, sizeof(uint64_t)), 0);
    CHECK_EQ(changes(SIGTERM), before + 1);
    CHECK_EQ(call(SIG_SETMASK, &usr1, NULL), 0);
    CHECK_EQ(newest(SIGTERM).pid, 0);
    CHECK_EQ(newest(SIGUSR1).pid, 1);
    CHECK_EQ(newest(SIGUSR1).datum, signal_bit(SIGUSR1));
    /* Where the new one is, too: it is read before. */
    old = of(SIGUSR1);
    CHECK_EQ(call(SIG_UNBLOCK, &old, &old), 0);
    CHECK_EQ(memcmp(&old, &usr1, sizeof(uint64_t)), 0);
    CHECK_EQ(newest(SIGUSR1).pid, 0);
    CHECK_EQ(now(), 0);
}

static void all_at_once(function call) {
    sigset_t all, old;
    uint64_t before = changes(SIGTERM), of_all = changes(0);
    sigfillset(&all);
    CHECK_EQ(call(SIG_SETMASK, &all, &old), 0);
    CHECK_EQ(newest(0).pid, 1);
    CHECK_EQ(call(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(newest(0).pid, 0);
    CHECK_EQ(changes(SIGTERM), before);
    CHECK_EQ(changes(0), of_all + 2);
}

/* As the kernel refuses it, with nothing written down. */
static void what_is_wrong(void) {
    uint64_t before = changes(SIGTERM);
    sigset_t term = of(SIGTERM);
    CHECK_EQ(find("mask_by_thread")(4711, &term, NULL), EINVAL);
    CHECK_EQ(find("mask_by_process")(4711, &term, NULL), -1);
    CHECK_EQ(errno, EINVAL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
    sigset_t *nowhere = (sigset_t *)(uintptr_t)8; /* the C library itself reads the new one */
    CHECK_EQ(find("mask_by_process")(SIG_SETMASK, &term, nowhere), -1);
    CHECK_EQ(errno, EFAULT);
    const size_t size = 4096;
    sigset_t *readable = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(readable != MAP_FAILED);
    CHECK_EQ(find("mask_by_process")(SIG_SETMASK, readable, readable), -1);
    CHECK_EQ(errno, EFAULT);
    CHECK_EQ(munmap(readable, size), 0);
    CHECK_EQ(now(), 0);
#endif
    CHECK_EQ(changes(SIGTERM), before);
}

static void *in_another_thread(void *ignored) {
    sigset_t hup = of(SIGHUP);
    CHECK_EQ(find("mask_by_thread")(SIG_BLOCK, &hup, NULL), 0);
    return ignored;
}

static void another_thread(void) {
    pthread_t thread;
    uint64_t before = changes(SIGHUP);
    CHECK_EQ(pthread_create(&thread, NULL, in_another_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(changes(SIGHUP), before);
    struct event event = newest(SIGREC_NSIG + SIGHUP);
    CHECK_EQ(event.pid, 1);
    CHECK(event.tid && event.tid != (uint32_t)getpid());
}

static uint64_t changes_of_any_thread(int signum) {
    return changes(signum) + changes(SIGREC_NSIG + signum);
}

static void a_vfork_child(void) {
    uint64_t before = changes_of_any_thread(SIGTERM);
    sigset_t term = of(SIGTERM);
    pid_t (*vfork_and_block)(const sigset_t *);
    *(void **)&vfork_and_block = dlsym(library, "vfork_and_block");
    int status;
    pid_t child = vfork_and_block(&term);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(changes_of_any_thread(SIGTERM), before);
}

#ifdef SIG_HOLD
static void by_system_v(void) {
    int (*hold)(int), (*release)(int);
    void (*(*set)(int, void (*)(int)))(int);
    *(void **)&hold = dlsym(library, "by_sighold");
    *(void **)&release = dlsym(library, "by_sigrelse");
    *(void **)&set = dlsym(library, "by_sigset");
    CHECK_EQ(hold(SIGALRM), 0);
    struct event event = newest(SIGALRM);
    CHECK_EQ(event.code, MASK_SYSTEM_V);
    CHECK_EQ(now(), signal_bit(SIGALRM));
    by_the_library(&event);
    CHECK_EQ(release(SIGALRM), 0);
    CHECK_EQ(newest(SIGALRM).pid, 0);
    CHECK_EQ(hold(0), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK(set(SIGUSR1, SIG_HOLD) == SIG_DFL);
    CHECK_EQ(newest(SIGUSR1).pid, 1);
    CHECK(set(SIGUSR1, SIG_DFL) == SIG_HOLD);
    CHECK_EQ(newest(SIGUSR1).pid, 0);
}
#endif

int main(int argc, char **argv) {
    CHECK_EQ(argc, 3);
    CHECK_EQ(process_start(), 0);
    handler_start();
    library = dlopen(argv[1], RTLD_NOW);
    CHECK(library);
    if (!interpose_install())
        return 0; /* not on this platform */
    sigset_t none = of(0), term = of(SIGTERM);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
    CHECK_EQ(find("mask_by_thread")(SIG_BLOCK, &term, NULL), 0); /* nothing is recorded yet */
    CHECK_EQ(changes(SIGTERM), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
    CHECK_EQ(install_record(SIGUSR1, true), 0);
    blocks_and_lets_in(find("mask_by_thread"), MASK_THREAD);
    blocks_and_lets_in(find("mask_by_process"), MASK_PROCESS);
    all_at_once(find("mask_by_thread"));
    what_is_wrong();
    another_thread();
    a_vfork_child();
#ifdef SIG_HOLD
    by_system_v();
#endif
    return 0;
}
