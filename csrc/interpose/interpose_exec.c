/* SPDX-License-Identifier: MIT
 *
 * Any context: execve(2) and execv(3) are async-signal-safe (signal-safety(7)), and so are
 * these; a child may call them between vfork(2) and exec. They allocate nothing, and what they
 * need is on the stack. posix_spawn, popen and pthread_create are not async-signal-safe.
 */
#define _GNU_SOURCE
#include "interpose/interpose_exec.h"

#include "handler/borrow.h"
#include "handler/inherit.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "host/environment.h"
#include "host/target.h"
#include "recording/process.h"
#include "recording/spare.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__

#define ENVIRONMENT_ROOM (128 * 1024) /* bytes of the stack that a changed environment may take */

/* --- with which environment ---------------------------------------------------------- */

struct environment_change {
    enum { AS_IT_IS, WITHOUT_OURS, WITH_OURS } kind;
    size_t room;
};

static enum target target_for(const char *file, int fd, const char *library, size_t size) {
    return file ? target_of(file, library, size) : target_of_fd(fd, library, size);
}

/* The target is `file`, or fd where that is NULL. in_place: it replaces this process, which may be
 * one that is recorded while its children are not. */
static struct environment_change exec_change_for(const char *file, int fd,
                                                 char *const environment[], bool in_place) {
    struct environment_change change = {AS_IT_IS, 0};
    size_t size;
    const char *library = environment_library(environment, &size);
    if (library) {
        /* A file that is not in ELF format may be a script, for which the C library or a shell
         * starts sh(1). */
        enum target target = target_for(file, fd, library, size);
        if (target != TARGET_FINE && target != TARGET_NO_ELF)
            change = (struct environment_change){WITHOUT_OURS, environment_room(environment)};
    } else if (in_place && (library = environment_noted()) && process_is_first()) {
        if (target_for(file, fd, library, strlen(library)) == TARGET_FINE)
            change = (struct environment_change){WITH_OURS, environment_room_with(environment)};
    }
    return change.room <= ENVIRONMENT_ROOM ? change : (struct environment_change){AS_IT_IS, 0};
}

static char *const *exec_environment(char *const environment[], struct environment_change change,
                                     void *space) {
    switch (change.kind) {
    case WITHOUT_OURS: return environment_without(environment, space);
    case WITH_OURS: return environment_with(environment, space);
    default: return environment;
    }
}

/* For a program that is searched for in PATH. */
static struct environment_change exec_change_by_search(const char *file, char *const environment[],
                                                       bool in_place) {
    /* The path is on a stack that may be small, and so no larger than it has to be. */
    const char *list = getenv("PATH");
    size_t room = (list ? strlen(list) : 0) + (file ? strlen(file) : 0) + 32;
    char path[room < PATH_MAX ? room : PATH_MAX];
    const char *exec_path = file ? target_search(file, path, sizeof path) : NULL;
    return exec_path ? exec_change_for(exec_path, -1, environment, in_place)
                     : (struct environment_change){AS_IT_IS, 0};
}

/* --- exec ------------------------------------------------------------------------------ */

/* exec keeps SIG_IGN, and resets a handler to the default action: execve(2). */
static void before_exec(const char *path) {
    inherit_begin();
    borrow_before_exec();
    process_leaving(EXIT_KIND_EXEC, 0, path);
    spare_discard();
    passive_before_exec();
    sigbus_before_exec();
}

static int exec_failed(int result) {
    int error = errno;
    /* Where a vfork child fails, nothing has changed for its parent. */
    if (!process_is_vfork_child()) {
        sigbus_exec_failed();
        process_leaving(EXIT_KIND_NONE, 0, "");
        passive_exec_failed();
        sigbus_give_back();
        borrow_go_on();
    }
    errno = error;
    return result;
}

static int our_execve(const char *path, char *const argv[], char *const environment[]) {
    struct environment_change change = exec_change_for(path, -1, environment, true);
    char *space[change.room / sizeof(char *) + 1];
    char *const *passed = exec_environment(environment, change, space);
    before_exec(path);
    return exec_failed(execve(path, argv, passed));
}

static int our_execv(const char *path, char *const argv[]) {
    return our_execve(path, argv, environ);
}

static int our_execvpe(const char *file, char *const argv[], char *const environment[]) {
    struct environment_change change = exec_change_by_search(file, environment, true);
    char *space[change.room / sizeof(char *) + 1];
    char *const *passed = exec_environment(environment, change, space);
    before_exec(file);
    return exec_failed(execvpe(file, argv, passed));
}

static int our_execvp(const char *file, char *const argv[]) {
    return our_execvpe(file, argv, environ);
}

static int our_fexecve(int fd, char *const argv[], char *const environment[]) {
    struct environment_change change = exec_change_for(NULL, fd, environment, true);
    char *space[change.room / sizeof(char *) + 1];
    char *const *passed = exec_environment(environment, change, space);
    before_exec(argv && argv[0] ? argv[0] : "");
    return exec_failed(fexecve(fd, argv, passed));
}

/* The functions that take a list of arguments. */

static size_t count_arguments(va_list *rest) {
    size_t n = 1;
    while (va_arg(*rest, char *))
        n++;
    return n;
}

static void collect_arguments(char **argv, const char *first, va_list *rest) {
    *argv = (char *)(uintptr_t)first;
    while (*argv)
        *++argv = va_arg(*rest, char *);
}

#define LIST(argv, first)                                                                          \
    va_list list;                                                                                  \
    va_start(list, first);                                                                         \
    char *argv[(first) ? count_arguments(&list) + 1 : 1];                                          \
    va_end(list);                                                                                  \
    va_start(list, first);                                                                         \
    collect_arguments(argv, first, &list)

static int our_execl(const char *path, const char *first, ...) {
    LIST(argv, first);
    va_end(list);
    return our_execve(path, argv, environ);
}

static int our_execlp(const char *file, const char *first, ...) {
    LIST(argv, first);
    va_end(list);
    return our_execvpe(file, argv, environ);
}

static int our_execle(const char *path, const char *first, ...) {
    LIST(argv, first);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return our_execve(path, argv, environment);
}

/* --- spawn ----------------------------------------------------------------------------- */

static int our_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[],
                           char *const environment[]) {
    struct environment_change change = exec_change_for(path, -1, environment, false);
    char *space[change.room / sizeof(char *) + 1];
    inherit_begin();
    borrow_hold();
    int error = posix_spawn(pid, path, actions, attributes, argv,
                            exec_environment(environment, change, space));
    borrow_go_on();
    return error;
}

static int our_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                            const posix_spawnattr_t *attributes, char *const argv[],
                            char *const environment[]) {
    struct environment_change change = exec_change_by_search(file, environment, false);
    char *space[change.room / sizeof(char *) + 1];
    inherit_begin();
    borrow_hold();
    int error = posix_spawnp(pid, file, actions, attributes, argv,
                             exec_environment(environment, change, space));
    borrow_go_on();
    return error;
}

/* The C library starts a shell here; system(3) is in interpose_send.c. */
static FILE *our_popen(const char *command, const char *type) {
    inherit_begin();
    borrow_hold();
    FILE *file = popen(command, type);
    int error = errno;
    borrow_go_on();
    errno = error;
    return file;
}

/* --- threads --------------------------------------------------------------------------- */

struct beginning {
    void *(*start)(void *);
    void *argument;
    uint64_t lent;
};

static void *begin_thread(void *argument) {
    struct beginning beginning = *(struct beginning *)argument;
    free(argument);
    borrow_begin_thread(beginning.lent);
    return beginning.start(beginning.argument);
}

/* A new thread inherits its creator's mask, without what the intake thread has borrowed of it. */
static int our_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*start)(void *), void *argument) {
    inherit_begin();
    bool kept = borrow_keep_mask();
    uint64_t lent = kept ? borrow_lent() : 0;
    struct beginning *beginning = lent ? malloc(sizeof *beginning) : NULL;
    int error = lent && !beginning ? EAGAIN : 0;
    if (beginning)
        *beginning = (struct beginning){start, argument, lent};
    if (!error)
        error = pthread_create(thread, attributes, beginning ? begin_thread : start,
                               beginning ? beginning : argument);
    if (error)
        free(beginning);
    if (kept)
        borrow_let_mask_go();
    return error;
}

void interpose_exec(void) {
    INTERPOSE("execv", execv, our_execv);
    INTERPOSE("execve", execve, our_execve);
    INTERPOSE("execvp", execvp, our_execvp);
    INTERPOSE("execvpe", execvpe, our_execvpe);
    INTERPOSE("fexecve", fexecve, our_fexecve);
    INTERPOSE("execl", execl, our_execl);
    INTERPOSE("execlp", execlp, our_execlp);
    INTERPOSE("execle", execle, our_execle);
    INTERPOSE("posix_spawn", posix_spawn, our_posix_spawn);
    INTERPOSE("posix_spawnp", posix_spawnp, our_posix_spawnp);
    INTERPOSE("popen", popen, our_popen);
    INTERPOSE("pthread_create", pthread_create, our_pthread_create);
}

#endif
