/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ground/memory.h"

#include "ground/filter.h"
#include "ground/glibc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* --- where the kernel does not wipe ------------------------------------------ */

#define REGIONS_MOST 128 /* a queue for each signal, and a few recordings */

/* start is NULL while the region is free. */
static struct region {
    _Atomic(void *) start;
    size_t size; /* written while the region is claimed, and not in use yet */
} regions[REGIONS_MOST] SELDOM;

static char claimed_pages; /* the start of a region that is claimed, and not in use yet */

/* The masks of threads that are forking. (Thread-local storage would be the dynamic linker's, and
 * is allocated when it is touched first.) */
#define FORKING_THREADS 64
enum { NOT_FORKING, BEGINS_FORK, FORKS };
static struct forking {
    _Atomic int state;
    pthread_t thread;
    sigset_t mask;
} forking[FORKING_THREADS] SELDOM;

static void before_fork(void) {
    sigset_t all;
    sigfillset(&all);
    for (int i = 0; i < FORKING_THREADS && filter_allows(FILTERED_SIGPROCMASK); i++) {
        struct forking *forks = &forking[i];
        int state = NOT_FORKING;
        if (!atomic_compare_exchange_strong(&forks->state, &state, BEGINS_FORK))
            continue;
        forks->thread = pthread_self();
        pthread_sigmask(SIG_BLOCK, &all, &forks->mask);
        atomic_store(&forks->state, FORKS);
        return;
    }
}

static void let_pages_in(void) {
    for (int i = 0; i < FORKING_THREADS; i++) {
        struct forking *forks = &forking[i];
        if (atomic_load(&forks->state) != FORKS || !pthread_equal(forks->thread, pthread_self()))
            continue;
        sigset_t mask = forks->mask;
        atomic_store(&forks->state, NOT_FORKING);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        return;
    }
}

static void in_child(void) {
    for (int i = 0; i < REGIONS_MOST; i++) {
        void *pages = atomic_load(&regions[i].start);
        if (pages && pages != &claimed_pages)
            memset(pages, 0, regions[i].size);
    }
    let_pages_in();
    for (int i = 0; i < FORKING_THREADS; i++) /* masks of threads that are not in the child */
        atomic_store(&forking[i].state, NOT_FORKING);
}

/* Hooks of a child run in the order that they were set in: that of process.c finds it wiped. */
static int hook_fork(void) {
    static _Atomic int wipe_hooked;
    int before = 0;
    if (!atomic_compare_exchange_strong(&wipe_hooked, &before, 1))
        return 0;
    int error = at_fork(before_fork, let_pages_in, in_child);
    if (error)
        atomic_store(&wipe_hooked, 0);
    return error;
}

static int note_wiped(void *start, size_t size) {
    int error = hook_fork();
    for (int i = 0; i < REGIONS_MOST && !error; i++) {
        void *nobody = NULL;
        if (!atomic_compare_exchange_strong(&regions[i].start, &nobody, (void *)&claimed_pages))
            continue;
        regions[i].size = size;
        atomic_store(&regions[i].start, start);
        return 0;
    }
    return error ? error : ENOMEM;
}

/* ------------------------------------------------------------------------------ */

static void *map_pages(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static bool kernel_wipes(void *pages, size_t size) {
#ifdef MADV_WIPEONFORK
    return madvise(pages, size, MADV_WIPEONFORK) == 0;
#else
    (void)pages, (void)size;
    return false;
#endif
}

/* Pages for a program without Python come out of one mapping, since each costs some microseconds of
 * a program that lives shortly. A page is given out once: what goes back goes to the kernel. */
#define WIPED_POOL (832U << 10)
#define PAGE_MOST (64U << 10) /* of any machine */
static char no_pool;          /* where the kernel does not wipe */
static _Atomic(char *) pool;  /* NULL: no pages are there yet */
static atomic_size_t given_out;

static void *from_pool(size_t size) {
    size_t whole = (size + PAGE_MOST - 1) & ~(size_t)(PAGE_MOST - 1);
    char *there = atomic_load(&pool);
    if (whole > WIPED_POOL)
        return NULL;
    if (!there) {
        char *made = map_pages(WIPED_POOL);
        if (made && !kernel_wipes(made, WIPED_POOL)) {
            munmap(made, WIPED_POOL);
            made = NULL;
        }
        char *mine = made ? made : &no_pool;
        if (atomic_compare_exchange_strong(&pool, &there, mine))
            there = mine;
        else if (made)
            munmap(made, WIPED_POOL); /* another thread was faster */
    }
    if (there == &no_pool || atomic_load(&given_out) > WIPED_POOL - whole)
        return NULL;
    size_t at = atomic_fetch_add(&given_out, whole);
    return at <= WIPED_POOL - whole ? there + at : NULL;
}

void *memory_wiped(size_t size) {
    void *pages = from_pool(size);
    if (pages)
        return pages;
    pages = map_pages(size);
    if (!pages || kernel_wipes(pages, size))
        return pages;
    int error = note_wiped(pages, size);
    if (!error)
        return pages;
    munmap(pages, size);
    errno = error;
    return NULL;
}

void memory_leave(const void *start) {
    for (int i = 0; i < REGIONS_MOST; i++)
        if (atomic_load(&regions[i].start) == start)
            atomic_store(&regions[i].start, NULL);
}

void memory_free(void *start, size_t size) {
    memory_leave(start);
    munmap(start, size);
}
