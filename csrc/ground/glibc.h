/* SPDX-License-Identifier: MIT
 *
 * glibc: what only glibc has of a C library. A program that uses another may be told to load this
 * library all the same: who starts it is not recorded, and passes LD_PRELOAD on. musl's dynamic
 * linker then ends the program for a reference that it cannot resolve. So these are weak: there
 * they are NULL, and the preload does nothing. And names of Linux's that glibc, or an older one,
 * does not have.
 *
 * Included after the headers that declare these functions.
 */
#ifndef SIGREC_GLIBC_H
#define SIGREC_GLIBC_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef __linux__
#include <sys/mman.h>

/* glibc's <sys/single_threaded.h>, since 2.32. */
extern char __libc_single_threaded __attribute__((weak));
static inline int is_single_threaded(void) {
    return &__libc_single_threaded && __libc_single_threaded;
}

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc has no name for it: timer_create(2) */
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; glibc has it since 2.35 */
#endif
#else
static inline int is_single_threaded(void) { return 0; }
#endif

#ifdef __GLIBC__

#pragma weak on_exit
#pragma weak pthread_sigqueue
#pragma weak sysv_signal
#pragma weak tgkill

extern const char *gnu_get_libc_version(void) __attribute__((weak));
static inline int is_glibc(void) { return gnu_get_libc_version != NULL; }

/* pthread_atfork(3) is in the part of glibc that is linked statically, and calls this. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *object) __attribute__((weak));
extern void *__dso_handle __attribute__((weak, visibility("hidden")));

static inline int at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    if (!__register_atfork)
        return ENOSYS;
    return __register_atfork(prepare, parent, child, &__dso_handle ? __dso_handle : NULL);
}

#else

static inline int is_glibc(void) { return 0; }

static inline int at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return pthread_atfork(prepare, parent, child);
}

#endif
#endif
