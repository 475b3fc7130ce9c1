/* SPDX-License-Identifier: MIT
 * Recorded signals take the course that they would have taken: in children
 * that are forked for each case, by their wait status and what they write. */
#define _GNU_SOURCE
#include "handler/passive.h"

#include "check.h"
#include "handler/course.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "recording/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static struct ledger_entry *ledger(int signum) { return &process_recording()->ledger[signum]; }

static volatile int one_more; /* comes when our handler was put back, while it still runs */
static volatile bool coming, nested;
static volatile bool continued; /* when it is about to stop */

/* In the place of the C library's. */
int sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    static int (*real)(int, const struct sigaction *, struct sigaction *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    int result = real(signum, next, previous);
    if (coming && next)
        nested = true;
    if (continued && signum == SIGTSTP && next && next->sa_handler == SIG_DFL) {
        continued = false;
        kill(getpid(), SIGCONT);
    }
    if (one_more == signum && next && next->sa_sigaction == handler_on_recorded) {
        one_more = 0;
        coming = true;
        raise(signum);
        coming = false;
    }
    return result;
}

static volatile bool continued_early; /* before our handler has even counted */

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (continued_early) {
        continued_early = false;
        kill(getpid(), SIGCONT);
        for (uint64_t set = ~UINT64_C(0); set & signal_bit(SIGCONT);) /* another thread takes it */
            syscall(SYS_rt_sigpending, &set, sizeof set);
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

/* Runs `body` in a child of its own process group; returns its wait status. */
static int status_of(void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        body();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void record(int signum) { CHECK_EQ(install_record(signum, true), 0); }

static void set(int signum, void (*handler)(int, siginfo_t *, void *), int flags, int blocked) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    if (blocked)
        sigaddset(&action.sa_mask, blocked);
    CHECK_EQ(passive_sigaction(signum, &action, NULL), 0);
}

/* --- default actions ------------------------------------------------------------------ */

static _Atomic int signum_now;
static int *volatile nowhere = (int *)16;

static void die_of_it(void) {
    record(signum_now);
    WITH_ROOM(raise(signum_now));
    _exit(99); /* never */
}

static void default_actions_end_it_with_the_same_status(void) {
    static const int ending[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGPIPE,
                                 SIGALRM, SIGTERM, SIGXCPU, SIGPROF, SIGSYS,
                                 SIGABRT, SIGSEGV, SIGTRAP, 40,      64};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        signum_now = ending[i];
        int status = status_of(die_of_it);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), ending[i]);
    }
}

static void fault(void) {
    record(SIGSEGV);
    *nowhere = 1;
    _exit(99);
}

static void ignored(void) {
    signal(SIGTERM, SIG_IGN);
    record(SIGTERM);
    record(SIGCHLD); /* ignored by default */
    raise(SIGTERM);
    raise(SIGCHLD);
    CHECK_EQ(ledger(SIGTERM)->delivered, 1);
    CHECK_EQ(ledger(SIGCHLD)->delivered, 1);
    CHECK_EQ(ledger(SIGTERM)->recorded, 1);
}

static void ignored_is_left_alone_unless_named(void) {
    struct sigaction now;
    signal(SIGTERM, SIG_IGN);
    CHECK_EQ(install_record(SIGTERM, false), 0);
    CHECK_EQ(install_record(SIGWINCH, false), 0);
    CHECK_EQ(sigaction(SIGTERM, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_IGN);
    CHECK_EQ(sigaction(SIGWINCH, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    raise(SIGTERM);
    CHECK_EQ(ledger(SIGTERM)->delivered, 0);
    CHECK_EQ(ledger(SIGTERM)->mode, MODE_RELEASED);
    CHECK(!(process_recording()->header->recorded & UINT64_C(1) << (SIGTERM - 1)));
    /* Until the program wants it. */
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    CHECK_EQ(passive_sigaction(SIGTERM, &by_default, NULL), 0);
    CHECK(process_recording()->header->recorded & UINT64_C(1) << (SIGTERM - 1));
    now.sa_handler = SIG_IGN;
    CHECK_EQ(passive_sigaction(SIGTERM, &now, NULL), 0);
    CHECK(!(process_recording()->header->recorded & UINT64_C(1) << (SIGTERM - 1)));
    CHECK_EQ(passive_sigaction(SIGTERM, &by_default, NULL), 0);
    raise(SIGTERM);
    _exit(99);
}

static void stops_and_continues(void) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        record(SIGTSTP);
        raise(SIGTSTP);
        raise(SIGTSTP); /* and again, when it was continued */
        _exit((int)ledger(SIGTSTP)->delivered);
    }
    int status;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        CHECK(WIFSTOPPED(status));
        CHECK_EQ(WSTOPSIG(status), SIGTSTP);
        kill(pid, SIGCONT);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 2);
}

/* --- the program's handlers ------------------------------------------------------------ */

static volatile int calls, saw_value, saw_blocked, saw_errno;

static void handler(int signum, siginfo_t *info, void *context) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    calls++;
    saw_value = info->si_value.sival_int;
    saw_blocked = sigismember(&blocked, SIGUSR2) + 2 * sigismember(&blocked, signum) +
                  4 * sigismember(&blocked, SIGHUP);
    CHECK(context != NULL);
    saw_errno = errno;
    errno = 77; /* a careless handler: it is the program's to be */
}

static void a_handler_gets_what_it_asked_for(void) {
    union sigval value = {.sival_int = 1234};
    record(SIGRTMIN);
    set(SIGRTMIN, handler, SA_NODEFER, SIGUSR2);
    do
        errno = 33;
    while (sigqueue(getpid(), SIGRTMIN, value) != 0 && errno == EAGAIN);
    CHECK_EQ(calls, 1);
    CHECK_EQ(saw_value, 1234);
    CHECK_EQ(saw_blocked, 1); /* its mask, its SA_NODEFER, and nothing of ours */
    CHECK_EQ(saw_errno, 33);
    CHECK_EQ(errno, 77);
    set(SIGRTMIN, handler, 0, 0);
    WITH_ROOM(sigqueue(getpid(), SIGRTMIN, value));
    CHECK_EQ(saw_blocked, 2);
    struct sigaction now;
    CHECK_EQ(passive_sigaction(SIGRTMIN, NULL, &now), 0);
    CHECK(now.sa_sigaction == handler && (now.sa_flags & ~0x04000000) == SA_SIGINFO);
    CHECK_EQ(ledger(SIGRTMIN)->delivered, 2);
}

static void once(void) {
    record(SIGUSR1);
    set(SIGUSR1, handler, (int)SA_RESETHAND, 0);
    struct sigaction now;
    raise(SIGUSR1);
    CHECK_EQ(calls, 1);
    CHECK_EQ(passive_sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    raise(SIGUSR1);
    _exit(99);
}

static bool raises, without_room; /* for its siginfo, as in a flood */

static void gives_up_in_a_fault(int signum, siginfo_t *info, void *context) {
    (void)info, (void)context;
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    passive_sigaction(signum, &by_default, NULL);
    /* It was recorded, and is what ends it: not once more. */
    CHECK_EQ(ledger(signum)->delivered, 1);
    CHECK_EQ(process_recording()->header->fatal_signal, 0); /* it may leave by siglongjmp(3) */
    struct rlimit none = {0, 0};
    if (without_room)
        CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    if (raises)
        raise(signum);
}

static char directory[] = "/tmp/sigrec-test-XXXXXX";

static void publish(void) { CHECK_EQ(process_publish(directory, "file", false, true, 64), 0); }

static void as_faulthandler_does(void) {
    publish();
    record(SIGSEGV);
    set(SIGSEGV, gives_up_in_a_fault, SA_NODEFER, 0);
    *nowhere = 1;
    _exit(99);
}

/* Of the process that published it: ended by its only SIGSEGV. */
static void one_fault_ended_it(void) {
    char path[64];
    snprintf(path, sizeof path, "%s/file", directory);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    struct recording_header header;
    struct ledger_entry entry;
    CHECK_EQ(pread(fd, &header, sizeof header, 0), sizeof header);
    CHECK_EQ(pread(fd, &entry, sizeof entry,
                   (off_t)(header.sections[SECTION_LEDGER - 1].offset + SIGSEGV * sizeof entry)),
             sizeof entry);
    close(fd);
    unlink(path);
    CHECK_EQ(entry.delivered, 1);
    CHECK_EQ(header.fatal_signal, SIGSEGV);
    CHECK_EQ(header.fatal_ordinal, 0);
}

static sigjmp_buf elsewhere;

static void leaves_a_fault(int signum, siginfo_t *info, void *context) {
    (void)info, (void)context;
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    if (raises) /* before, and not after */
        passive_sigaction(signum, &by_default, NULL);
    siglongjmp(elsewhere, 1);
}

static void probe(void) {
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    set(SIGSEGV, leaves_a_fault, 0, 0);
    if (sigsetjmp(elsewhere, 1) == 0)
        *nowhere = 1;
    CHECK_EQ(passive_sigaction(SIGSEGV, &by_default, NULL), 0);
}

static void probes_memory(void) {
    record(SIGSEGV);
    for (int i = 0; i < 4; i++) {
        raises = i % 2;
        probe();
        CHECK_EQ(ledger(SIGSEGV)->delivered, i + 1);
        CHECK_EQ(process_recording()->header->fatal_signal, 0);
    }
}

static void probes_and_crashes_elsewhere(void) {
    publish();
    record(SIGSEGV);
    probe();
    ledger(SIGSEGV)->delivered = 0; /* for one_fault_ended_it */
    process_self->ordinal[SIGSEGV] = 0;
    *(nowhere + 1) = 2;
}

static void probes_and_raises(void) {
    publish();
    record(SIGSEGV);
    probe();
    ledger(SIGSEGV)->delivered = 0;
    process_self->ordinal[SIGSEGV] = 0;
    raise(SIGSEGV);
}

/* Another thread makes the address good, say: what was to end it does not. */
static void a_fault_that_does_not_come_again(void) {
    record(SIGSEGV);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SEGV_MAPERR;
    ucontext_t context;
    memset(&context, 0, sizeof context);
    handler_on_recorded(SIGSEGV, &info, &context);
    CHECK_EQ(process_recording()->header->fatal_signal, SIGSEGV);
    struct sigaction now;
    course_goes_on(process_self->ending_ns + 1000);
    CHECK_EQ(process_recording()->header->fatal_signal, SIGSEGV);
    course_goes_on(process_self->ending_ns + 2000000000);
    CHECK_EQ(process_recording()->header->fatal_signal, 0);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_sigaction == handler_on_recorded);
    handler_on_recorded(SIGSEGV, &info, &context);
    process_leaving(EXIT_KIND_EXIT, 0, NULL);
    CHECK_EQ(process_recording()->header->fatal_signal, 0);
}

static void *takes_what_comes(void *nothing) {
    for (;;)
        pause();
    return nothing;
}

/* SIGCONT cancels a stop that was taken, and not yet done; also where another thread takes it. */
static void a_stop_that_was_cancelled(bool another_thread, bool early) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        pthread_t thread;
        if (another_thread)
            pthread_create(&thread, NULL, takes_what_comes, NULL);
        record(SIGTSTP);
        *(early ? &continued_early : &continued) = true; /* from within the handler */
        pthread_kill(pthread_self(), SIGTSTP);
        _exit((int)ledger(SIGTSTP)->delivered);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 1);
}

/* Likewise if the SIGCONT has come before our handler begins, and is pending. */
static void a_stop_that_was_cancelled_before(void) {
    sigset_t one;
    siginfo_t info = {.si_signo = SIGTSTP, .si_code = SI_USER, .si_pid = getpid()};
    ucontext_t context = {0};
    record(SIGTSTP);
    sigemptyset(&one);
    sigaddset(&one, SIGCONT);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    kill(getpid(), SIGCONT);
    handler_on_recorded(SIGTSTP, &info, &context);
    CHECK_EQ(ledger(SIGTSTP)->delivered, 1);
}

static void calls_ours(int signum, siginfo_t *info, void *context) {
    calls++;
    handler_on_recorded(signum, info, context);
}

/* Nor does it stop, or come a second time, if a handler that we do not know of has it, and calls
 * ours. */
static void a_stop_that_another_handler_has(void) {
    struct sigaction other = {.sa_sigaction = calls_ours, .sa_flags = SA_SIGINFO};
    pthread_t thread;
    pthread_create(&thread, NULL, takes_what_comes, NULL);
    record(SIGTSTP);
    CHECK_EQ(sigaction(SIGTSTP, &other, NULL), 0);
    raise(SIGTSTP);
    CHECK_EQ(calls, 1);
    CHECK_EQ(ledger(SIGTSTP)->delivered, 1);
}

static void reaped_at_once(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    record(SIGCHLD);
    CHECK_EQ(passive_sigaction(SIGCHLD, &action, NULL), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    CHECK_EQ(waitpid(pid, NULL, 0), -1); /* and no zombie to wait for */
    CHECK_EQ(errno, ECHILD);
}

/* --- the end of it ------------------------------------------------------------------------ */

static void stop_gives_back_what_the_program_set(void) {
    struct sigaction now;
    record(SIGUSR1);
    set(SIGUSR1, handler, SA_RESTART, SIGUSR2);
    passive_stop(SIGUSR1);
    CHECK(!passive_records(SIGUSR1));
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_sigaction == handler);
    CHECK_EQ(now.sa_flags & ~0x04000000, SA_SIGINFO | SA_RESTART); /* SA_RESTORER is glibc's */
    CHECK(sigismember(&now.sa_mask, SIGUSR2));
    raise(SIGUSR1);
    CHECK_EQ(calls, 1);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 0);
}

static void in_a_vfork_child_the_table_is_its_parents(void) {
    record(SIGTERM);
    set(SIGTERM, handler, 0, 0);
    pid_t pid = vfork();
    if (pid == 0) {
        struct sigaction by_default, before;
        memset(&by_default, 0, sizeof by_default);
        /* As subprocess does with its restore_signals. */
        if (passive_sigaction(SIGTERM, &by_default, &before) != 0 || before.sa_sigaction != handler)
            _exit(1);
        kill(getpid(), SIGTERM);
        _exit(2);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    struct sigaction now;
    CHECK_EQ(passive_sigaction(SIGTERM, NULL, &now), 0);
    CHECK(now.sa_sigaction == handler);
    raise(SIGTERM);
    CHECK_EQ(calls, 1);
    CHECK_EQ(ledger(SIGTERM)->delivered, 1);
}

static _Atomic int sending = 1;

static void *changes_its_mind(void *argument) {
    (void)argument;
    while (sending) {
        set(SIGUSR1, handler, SA_RESTART, SIGUSR2);
        set(SIGUSR1, handler, 0, 0);
    }
    return NULL;
}

static void changes_lose_nothing(void) {
    record(SIGUSR1);
    set(SIGUSR1, handler, 0, 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, changes_its_mind, NULL), 0);
    for (int i = 0; i < 20000; i++)
        pthread_kill(pthread_self(), SIGUSR1);
    sending = 0;
    pthread_join(thread, NULL);
    CHECK_EQ(calls, 20000);
    CHECK_EQ(ledger(SIGUSR1)->delivered, 20000);
}

/* --- what it notes ------------------------------------------------------------------------- */

static void knows_what_ends_it(void) {
    CHECK(!course_ends(SIGTERM));
    record(SIGTERM);
    CHECK(course_ends(SIGTERM));
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    CHECK_EQ(passive_sigaction(SIGTERM, &ignore, NULL), 0);
    CHECK(!course_ends(SIGTERM));
    CHECK(passive_ignores(SIGTERM));
    record(SIGCHLD);
    CHECK(!course_ends(SIGCHLD));
}

static void goes_on_as_pid_1(void) {
    course_as_init(getpid());
    signum_now = SIGTERM;
    record(SIGTERM);
    CHECK(!course_ends(SIGTERM));
    raise(SIGTERM);
    record(SIGTSTP);
    raise(SIGTSTP);
    CHECK_EQ(ledger(SIGTERM)->delivered, 1);
    if (!fork()) /* has another pid */
        die_of_it();
    int status;
    wait(&status);
    CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static void faults_as_pid_1(void) {
    course_as_init(getpid());
    fault();
}

/* A library above a registered signal that is recorded: what it passes on has been counted. */
static struct sigaction found;
static void chains(int signum, siginfo_t *info, void *context) {
    found.sa_sigaction(signum, info, context);
}

static void passed_on_and_counted_once(void) {
    record(SIGUSR1);
    CHECK_EQ(install_prepare(SIGUSR1, 16), 0);
    CHECK_EQ(install_handler(SIGUSR1, false), 0);
    CHECK_EQ(passive_sigaction(SIGUSR1, NULL, &found), 0);
    set(SIGUSR1, chains, 0, 0);
    for (int i = 0; i < 3; i++)
        kill(getpid(), SIGUSR1); /* with its siginfo, also in another's flood: see check.h */
    CHECK_EQ(ledger(SIGUSR1)->delivered, 3);
    CHECK_EQ(ledger(SIGUSR1)->queued, 3);
    struct event event;
    for (uint64_t i = 0; i < 3; i++) {
        enum queue_item item = queue_next(registry_queue(SIGUSR1), &event);
        CHECK_EQ(event.ordinal, i);
        CHECK_EQ(event.pid, getpid());
        queue_take(registry_queue(SIGUSR1), item);
    }
}

static void survived(void) {
    /* A stop signal in an orphaned process group does nothing: tcsetpgrp(3), and
     * such a group is ours after setsid. What was noted is taken back. */
    pid_t pid = fork(); /* who leads no group yet */
    if (pid > 0) {
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        return;
    }
    CHECK(setsid() > 0);
    record(SIGTTIN);
    raise(SIGTTIN);
    CHECK_EQ(process_recording()->header->fatal_signal, 0);
    CHECK_EQ(ledger(SIGTTIN)->delivered, 1);
    one_more = SIGTTIN;
    raise(SIGTTIN); /* and is recorded again: our handler is back */
    CHECK_EQ(one_more, 0);
    CHECK_EQ(ledger(SIGTTIN)->delivered, 3);
    CHECK(!nested); /* one after the other, or a flood uses up the stack */
}

/* --- where the kernel refuses what it needs: seccomp(2) --------------------------------------- */

static const int needed[] = {SYS_rt_tgsigqueueinfo, SYS_tgkill, SYS_kill, SYS_rt_sigprocmask,
                             SYS_rt_sigpending};
#define REFUSALS ((int)(sizeof needed / sizeof *needed))

static void refuse(int number) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static int refused;

static void refused_everything_before(void) {
    pid_t parent = getpid();
    record(SIGTERM);
    int ready[2];
    char c;
    CHECK_EQ(pipe(ready), 0);
    pid_t sender = fork();
    if (sender == 0) { /* raise(3) is tgkill */
        close(ready[1]);
        CHECK_EQ(read(ready[0], &c, 1), 0);
        kill(parent, SIGTERM);
        _exit(0);
    }
    for (int i = 0; i <= refused; i++)
        refuse(needed[i]);
    close(ready[1]);
    for (;;)
        pause();
}

static void ok(void (*body)(void)) { CHECK_EQ(status_of(body), 0); }

static void dies(void (*body)(void), int signum) {
    int status = status_of(body);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), signum);
}

int main(void) {
    CHECK(mkdtemp(directory));
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(install_record(SIGKILL, true), EINVAL);
    CHECK_EQ(install_record(0, true), EINVAL);
    CHECK_EQ(install_record(65, true), EINVAL);
    default_actions_end_it_with_the_same_status();
    dies(fault, SIGSEGV);
    ok(ignored);
    dies(ignored_is_left_alone_unless_named, SIGTERM);
    stops_and_continues();
    ok(a_handler_gets_what_it_asked_for);
    dies(once, SIGUSR1);
    for (int i = 0; i < 3; i++) {
        raises = i > 0;
        without_room = i == 2;
        dies(as_faulthandler_does, SIGSEGV);
        one_fault_ended_it();
    }
    raises = without_room = false;
    ok(probes_memory);
    dies(probes_and_crashes_elsewhere, SIGSEGV);
    one_fault_ended_it();
    dies(probes_and_raises, SIGSEGV);
    one_fault_ended_it();
    ok(a_fault_that_does_not_come_again);
    a_stop_that_was_cancelled(false, false);
    a_stop_that_was_cancelled(true, false);
    a_stop_that_was_cancelled(true, true);
    ok(a_stop_that_was_cancelled_before);
    ok(a_stop_that_another_handler_has);
    for (int i = 0; i < REFUSALS; i++) {
        refused = i;
        int status, tries = 0; /* what the kernel has no room for a timer for, exits: again */
        do
            status = status_of(refused_everything_before);
        while (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM && ++tries < 1000);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGTERM);
    }
    CHECK_EQ(rmdir(directory), 0);
    ok(reaped_at_once);
    ok(stop_gives_back_what_the_program_set);
    ok(in_a_vfork_child_the_table_is_its_parents);
    ok(changes_lose_nothing);
    ok(knows_what_ends_it);
    ok(goes_on_as_pid_1);
    dies(faults_as_pid_1, SIGSEGV);
    ok(passed_on_and_counted_once);
    ok(survived);
    return 0;
}
