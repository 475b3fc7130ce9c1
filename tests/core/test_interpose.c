/* SPDX-License-Identifier: MIT
 * A loaded library's calls come to us: one that was there before, and one that
 * is loaded later. argv: the library bound at once, and bound lazily. */
#define _GNU_SOURCE
#include "interpose/interpose.h"

#include "check.h"
#include "events/keep.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/passive.h"
#include "program/adopted.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#ifdef __linux__
#include <link.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*sigaction_function)(int, const struct sigaction *, struct sigaction *);

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    CHECK(found);
    return found;
}

/* The newest change of the signal's disposition is this, by that library; NULL: the call came
 * back to our own object, as from a handler that ends with it, and nobody is named. */
static void was_set(int signum, enum disposition_how how, enum disposition_kind kind,
                    const char *library) {
    const struct notes *in = &process_recording()->dispositions;
    uint64_t ordinal = process_self->changes[signum] - 1;
    struct event event;
    CHECK(keep_read(&in->changes[notes_slot(in, (uint64_t)signum, ordinal)], &event));
    CHECK_EQ(event.ordinal, ordinal);
    CHECK_EQ(event.code, how);
    CHECK_EQ(event.pid, kind);
    CHECK_EQ(event.uid > 0, library != NULL);
    if (!library)
        return;
    char text[SITE_TEXT + 1] = "";
    memcpy(text, (const char *)in->sites[event.uid - 1].text, SITE_TEXT);
    const char *base = strrchr(text, '/');
    CHECK_EQ(strcmp(base ? base + 1 : text, library), 0);
}

static volatile int calls;
static void handler(int signum) {
    (void)signum;
    calls++;
}

static bool kernel_has_ours(int signum) {
    struct sigaction now;
    CHECK_EQ(sigaction(signum, NULL, &now), 0); /* this object's own calls are left alone */
    return now.sa_sigaction == handler_on_recorded;
}

static void goes_through(sigaction_function set, int signum, const char *name) {
    struct sigaction action, previous;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    int before = calls;
    CHECK_EQ(set(signum, &action, NULL), 0);
    CHECK_EQ(set(signum, NULL, &previous), 0);
    CHECK(previous.sa_handler == handler);
    CHECK(kernel_has_ours(signum));
    was_set(signum, DISPOSITION_SIGACTION, DISPOSITION_HANDLER, name);
    raise(signum);
    CHECK_EQ(calls, before + 1);
    action.sa_handler = SIG_DFL;
    CHECK_EQ(set(signum, &action, &previous), 0);
    CHECK(previous.sa_handler == handler);
    CHECK(kernel_has_ours(signum));
    was_set(signum, DISPOSITION_SIGACTION, DISPOSITION_DEFAULT, name);
}

/* They have functions of their own, before the C library's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#ifdef __GLIBC__
#define LIBC_IS_BEFORE false
#else
#define LIBC_IS_BEFORE true /* musl: of what is loaded later, RTLD_NEXT does not find it */
#endif

static void every_way(void *library, const char *name) {
    sigaction_function call;
    *(void **)&call = find(library, "by_call");
    goes_through(call, SIGUSR1, name);
    *(void **)&call = find(library, "by_lookup");
    goes_through(call, SIGUSR1, name);
    goes_through(*(sigaction_function *)find(library, "in_data"), SIGUSR1, NULL);
    CHECK_EQ((*(sigaction_function *)find(library, "of_its_own"))(0, NULL, NULL), 4711);
    void *(*next)(void);
    *(void **)&next = find(library, "next_malloc");
    CHECK(next() || LIBC_IS_BEFORE); /* dlsym sees its caller, and not us */
    *(void **)&next = find(library, "next_sigaction");
    if (!SANITIZED)
        CHECK(LIBC_IS_BEFORE ? !next() : next() == dlsym(RTLD_DEFAULT, "sigaction"));

    void (*(*set)(int, void (*)(int)))(int);
    *(void **)&set = find(library, "by_signal");
    CHECK(set(SIGUSR2, handler) == SIG_DFL);
    was_set(SIGUSR2, DISPOSITION_SIGNAL, DISPOSITION_HANDLER, name);
    CHECK(kernel_has_ours(SIGUSR2));
    CHECK(set(SIGUSR2, SIG_DFL) == handler);
    CHECK(set(SIGHUP, handler) == SIG_DFL); /* it is not recorded: the C library's own */
    CHECK(!kernel_has_ours(SIGHUP));
    CHECK_EQ(process_self->changes[SIGHUP], 0);
    CHECK(set(SIGHUP, SIG_DFL) == handler);
    CHECK(set(SIGKILL, handler) == SIG_ERR);
    uint64_t changes = process_self->changes[SIGUSR2];
    pid_t (*vfork_and_set)(int);
    *(void **)&vfork_and_set = find(library, "vfork_and_set");
    CHECK(waitpid(vfork_and_set(SIGUSR2), NULL, 0) > 0);
    CHECK_EQ(process_self->changes[SIGUSR2], changes);
}

#ifdef SIG_HOLD
static void by_system_v(void *library, const char *name) {
    void (*(*set)(int, void (*)(int)))(int);
    int (*ignore)(int);
    *(void **)&set = find(library, "by_sigset");
    *(void **)&ignore = find(library, "by_sigignore");
    int before = calls;
    sigset_t mask;
    CHECK(set(SIGUSR2, handler) == SIG_DFL);
    was_set(SIGUSR2, DISPOSITION_SIGNAL, DISPOSITION_HANDLER, name);
    CHECK(kernel_has_ours(SIGUSR2));
    CHECK(set(SIGUSR2, SIG_HOLD) == handler);
    CHECK(set(SIGUSR2, SIG_HOLD) == SIG_HOLD);
    raise(SIGUSR2);
    CHECK_EQ(calls, before);
    CHECK(set(SIGUSR2, handler) == SIG_HOLD); /* blocked no more */
    CHECK_EQ(calls, before + 1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR2) == 0);
    CHECK_EQ(ignore(SIGUSR2), 0);
    was_set(SIGUSR2, DISPOSITION_SIGNAL, DISPOSITION_IGNORE, name);
    CHECK(set(SIGUSR2, SIG_DFL) == SIG_IGN);
    CHECK(set(SIGHUP, SIG_DFL) == SIG_DFL); /* it is not recorded */
    CHECK(set(SIGKILL, handler) == SIG_ERR);
    CHECK_EQ(ignore(SIGKILL), -1);
}
#endif

#ifdef __linux__
static void no_call(int signum) { CHECK_EQ(signum, 0); }
#endif

/* A registered signal whose interpreter-level handler changes. */
static void is_kept(void *library) {
    sigaction_function call;
    *(void **)&call = find(library, "by_call");
    struct sigaction action, beneath;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    CHECK_EQ(install_prepare(SIGHUP, 8), 0);
    CHECK_EQ(install_handler(SIGHUP, false), 0);
    install_keep(SIGHUP);
    CHECK_EQ(call(SIGHUP, &action, NULL), 0);
    CHECK(registry_in_place(SIGHUP));
    CHECK_EQ(call(SIGALRM, &action, NULL), 0); /* another signal: as it was told */
    CHECK_EQ(call(SIGALRM, NULL, &beneath), 0);
    CHECK(beneath.sa_handler == handler);
    install_keep(0);
#ifdef __linux__
    /* That the interpreter sets another one is known by where it calls from: `handler` is its. */
    const void *within, *elsewhere;
    memcpy(&within, &action.sa_handler, sizeof within);
    memcpy(&elsewhere, &call, sizeof elsewhere);
    CHECK(!install_is_replaced(SIGHUP, &action, within)); /* nobody has asked */
    install_on_replace(no_call, no_call);
    CHECK(install_is_replaced(SIGHUP, &action, within));
    CHECK(!install_is_replaced(SIGHUP, &action, elsewhere));
    CHECK(!install_is_replaced(SIGALRM, &action, within)); /* is not registered */
    install_on_behalf(SIGHUP);
    CHECK(!install_is_replaced(SIGHUP, &action, within));
    install_on_behalf(0);
#endif
    CHECK_EQ(call(SIGHUP, &action, NULL), 0);
    CHECK(!registry_in_place(SIGHUP));
    registry_release(SIGHUP);
    CHECK(install_restore(SIGHUP, true));
}

static struct sigaction a_found, b_found;
static volatile int order;

static void call(const struct sigaction *found, int signum, siginfo_t *info, void *context) {
    if (found->sa_handler != SIG_DFL && found->sa_handler != SIG_IGN)
        found->sa_sigaction(signum, info, context);
}

static void a(int signum, siginfo_t *info, void *context) {
    order = 10 * order + 1;
    call(&a_found, signum, info, context);
}

static void b(int signum, siginfo_t *info, void *context) {
    order = 10 * order + 2;
    call(&b_found, signum, info, context);
}

static void was_called_in(int wanted, int of_the_program) {
    uint64_t delivered = process_recording()->ledger[SIGUSR1].delivered;
    order = calls = 0;
    raise(SIGUSR1);
    CHECK_EQ(order, wanted);
    CHECK_EQ(calls, of_the_program);
    CHECK_EQ(process_recording()->ledger[SIGUSR1].delivered, delivered + 1);
}

/* This object's own calls do not reach us, as those of a library's constructor. */
static void set_without_us(void (*function)(int, siginfo_t *, void *), struct sigaction *found) {
    struct sigaction action = {.sa_sigaction = function, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGUSR1, &action, found), 0);
}

static _Atomic bool changed_enough;

static void *changes(void *ignored) {
    for (int i = 0; !changed_enough; i++) {
        struct sigaction action, popped;
        memset(&action, i & 1 ? 0x55 : 0x11, sizeof action);
        adopted_push(SIGUSR2, &action);
        usleep(i % 8 == 0); /* who looks has to find a moment of rest */
        CHECK(adopted_pop(SIGUSR2, &popped));
        CHECK(memcmp(&popped, &action, sizeof action) == 0);
    }
    return ignored;
}

/* What a handler finds beneath it is one action, and not halves of two. */
static void looked_at_while_it_changes(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, changes, NULL) == 0);
    for (int seen = 0; seen < 100000;) {
        struct sigaction action, whole;
        if (!adopted_beneath(SIGUSR2, 0, &action))
            continue;
        memset(&whole, *(const char *)&action, sizeof whole);
        CHECK(memcmp(&whole, &action, sizeof whole) == 0);
        seen++;
    }
    changed_enough = true;
    pthread_join(thread, NULL);
}

static void handlers_are_adopted(void *library, bool with_handler) {
    struct sigaction program = {.sa_handler = with_handler ? handler : SIG_IGN}, now;
    sigaction_function set;
    *(void **)&set = find(library, "by_call");
    CHECK_EQ(set(SIGUSR1, &program, NULL), 0);
    set_without_us(a, &a_found);
    was_called_in(1, with_handler); /* ours is called by it */
    install_notice();
    CHECK(kernel_has_ours(SIGUSR1));
    was_called_in(1, with_handler);
    install_notice(); /* there is nothing new */
    was_called_in(1, with_handler);
    set_without_us(b, &b_found);
    install_notice();
    was_called_in(21, with_handler);
    CHECK_EQ(set(SIGUSR1, &b_found, NULL), 0); /* each puts back what it found */
    was_called_in(1, with_handler);
    CHECK_EQ(set(SIGUSR1, &a_found, NULL), 0);
    CHECK_EQ(set(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == program.sa_handler);
    was_called_in(0, with_handler);
    set_without_us(a, &a_found);
    CHECK_EQ(set(SIGUSR1, &a_found, NULL), 0); /* before anybody has looked */
    was_called_in(0, with_handler);
    program.sa_handler = SIG_DFL;
    CHECK_EQ(set(SIGUSR1, &program, NULL), 0);
}

static void how_it_leaves(void *library) {
    void (*leave)(int);
    *(void **)&leave = find(library, "leave");
    int (*become)(const char *, char *const[]);
    *(void **)&become = find(library, "become");
    char *argv[] = {NULL};
    const struct recording_header *header = process_recording()->header;
    errno = 0;
    CHECK_EQ(become("/nowhere", argv), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(header->exit_kind, EXIT_KIND_NONE);
    CHECK_EQ(header->exit_reason[0], 0);
    pid_t pid = vfork();
    if (pid == 0)
        leave(3); /* its own end, and not its parent's */
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(header->exit_kind, EXIT_KIND_NONE);
}

/* Its own definitions come first where it is loaded so; sanitizers forbid that. */
#if defined(RTLD_DEEPBIND) && !SANITIZED
#define OWN_FIRST RTLD_DEEPBIND
#else
#define OWN_FIRST 0
#endif

static void its_own_stays(void *library) {
    int (*call)(void);
    *(void **)&call = find(library, "by_its_own_name");
    if (OWN_FIRST)
        CHECK_EQ(call(), 4711);
}

#ifdef __linux__
/* The page on which its RELRO begins, and the first behind it; where it ends, as told. */
struct relro {
    uintptr_t base, first, end;
    ElfW(Xword) *told;
};

static int find_relro(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct relro *relro = context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; info->dlpi_addr == relro->base && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_GNU_RELRO)
            continue;
        relro->first = (relro->base + header->p_vaddr) & ~(page - 1);
        relro->end = (relro->base + header->p_vaddr + header->p_memsz) & ~(page - 1);
        relro->told = (ElfW(Xword) *)(uintptr_t)&header->p_memsz;
    }
    return 0;
}

static struct relro relro_of(void *symbol) {
    Dl_info info;
    struct relro relro = {0};
    CHECK(dladdr(symbol, &info));
    relro.base = (uintptr_t)info.dli_fbase;
    dl_iterate_phdr(find_relro, &relro);
    CHECK(relro.told);
    return relro;
}

static void can_be_written(const struct relro *relro) {
    for (uintptr_t at = relro->first; at < relro->end; at += (uintptr_t)sysconf(_SC_PAGESIZE))
        *(volatile char *)at = *(volatile char *)at;
}

/* Linkers think of pages smaller than they are, say: then the loader leaves alone
 * the last page of what is to be read-only, since data may follow in it. */
static void ends_inside_a_page(struct relro *relro) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)relro->told & ~(page - 1));
    CHECK_EQ(mprotect(start, page, PROT_READ | PROT_WRITE), 0);
    *relro->told += page / 2;
    relro->first = relro->end;
    relro->end += page;
    can_be_written(relro);
}
#endif

int main(int argc, char **argv) {
    CHECK_EQ(argc, 3);
    CHECK_EQ(process_start(), 0);
    handler_start();
    void *early = dlopen(argv[1], RTLD_NOW | OWN_FIRST);
    CHECK(early);
#ifdef __linux__
    struct relro writable = relro_of(find(early, "by_call"));
    CHECK_EQ(
        mprotect((void *)writable.first, writable.end - writable.first, PROT_READ | PROT_WRITE), 0);
#endif
    if (!interpose_install())
        return 0; /* not on this platform */
#ifdef __linux__
    can_be_written(&writable); /* as before */
#endif
    CHECK_EQ(install_record(SIGUSR1, true), 0);
    CHECK_EQ(install_record(SIGUSR2, true), 0);
    every_way(early, "now.so");
    its_own_stays(early);
    void *late = dlopen(argv[2], RTLD_LAZY);
    CHECK(late);
#ifdef __linux__
    struct relro shared = relro_of(find(late, "by_call"));
    ends_inside_a_page(&shared);
#endif
    sigaction_function looked_up;
    /* As Python: it looks a name up before it calls into an extension module, and
     * dlsym itself is a name that is redirected in the library, not in us. */
    *(void **)&looked_up = find(early, "by_lookup");
    looked_up(SIGUSR1, NULL, NULL);
#ifdef __linux__
    can_be_written(&shared);
#endif
    every_way(late, "lazy.so");
#ifdef SIG_HOLD
    by_system_v(early, "now.so");
#endif
    is_kept(early);
    handlers_are_adopted(early, true);
    handlers_are_adopted(early, false);
    looked_at_while_it_changes();
    how_it_leaves(early);
    CHECK(interpose_install()); /* once more changes nothing */
    every_way(early, "now.so");
    return 0;
}
