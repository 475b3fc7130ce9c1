/* SPDX-License-Identifier: MIT
 *
 * The tracer takes no lock and allocates nothing: it was forked by a raw clone(2), from a process
 * that may have other threads.
 */
#define _GNU_SOURCE
#include "attach/attach.h"

#include "attach/images.h"
#include "attach/ranks.h"
#include "attach/tracee.h"
#include "ground/clock.h"
#include "ground/proc.h"

#include <errno.h>
#include <string.h>

#ifdef TRACEE_SUPPORTED

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_NS UINT64_C(5000000000)    /* to find a moment */
#define NOTHING_NS UINT64_C(1000000000)  /* to find a thread that can be stopped at all */
#define STOP_NS UINT64_C(250000000)      /* for a thread to stop */
#define STOPPED_NS UINT64_C(100000000)   /* after so much of a stop no step is begun */
#define EASY_NS UINT64_C(10000000)       /* of a stop in which no step waits for a processor */
#define LOCKED_TRIALS 3                  /* so many moments may find a lock held, then it is over */
#define LOAD_NS UINT64_C(10000000000)    /* a call that takes longer hangs for good */
#define STOPS 4                          /* stops of one thread, one after another */
#define CALL_STACK (UINT64_C(256) << 10) /* dlopen and begin_attached() touch 17 KiB */
#define STACK_WORDS ((256U << 10) / 8)   /* of the thread's own stack that are searched */

struct tracer {
    struct attach_request request;
    struct attach_result result;
    char library[4096];
    struct images images;
    struct tracee tracee;
    uint64_t stack[STACK_WORDS];
    struct ranks ranks;
    uint64_t base;   /* of the memory that is mapped in the process for us */
    bool tried;      /* the process's locks, which were free; the calls after that take some */
    uint64_t handle; /* of our library, once it is loaded */
    bool done;
    bool same_file; /* the process has our library at the same path */
    /* The functions that are called in the process, and the libraries that have them. They are
     * looked up before anything is stopped, and again only if the process has mapped another C
     * library or allocator meanwhile. */
    struct functions {
        uint64_t libc, libdl, allocator;
        uint64_t open_library, library_error; /* dlopen(3), dlerror(3) */
        uint64_t locate_errno, take, give;    /* malloc(3), free(3) */
    } functions;
};

/* --- which moment ------------------------------------------------------------------------ */

static bool is_code(void *context, uint64_t address) {
    return images_code(context, address) != NULL;
}

static bool find_instructions(struct tracer *tracer) {
    struct tracee *tracee = &tracer->tracee;
    tracee->system_call = images_find(&tracer->images, tracee_system_call, tracee_mask,
                                      tracee_system_call_size, tracee_step);
    tracee->trap =
        images_find(&tracer->images, tracee_trap, tracee_trap_mask, tracee_trap_size, tracee_step);
    return tracee->system_call && tracee->trap;
}

static uint64_t of_c_library(const struct tracer *tracer, const char *name) {
    uint64_t at = images_symbol(&tracer->images, tracer->images.libc, name);
    return at ? at : images_symbol(&tracer->images, tracer->images.libdl, name);
}

/* False: the process has no C library that can load others. */
static bool find_functions(struct tracer *tracer) {
    const struct images *images = &tracer->images;
    struct functions *known = &tracer->functions;
    if (known->open_library && known->libc == images->libc && known->libdl == images->libdl &&
        known->allocator == images->allocator)
        return true;
    uint64_t of = images->allocator ? images->allocator : images->libc;
    *known = (struct functions){
        .libc = images->libc,
        .libdl = images->libdl,
        .allocator = images->allocator,
        .open_library = of_c_library(tracer, "dlopen"),
        .library_error = of_c_library(tracer, "dlerror"),
        .locate_errno = of_c_library(tracer, "__errno_location"),
        .take = images_symbol(images, of, "malloc"),
        .give = images_symbol(images, of, "free"),
    };
    bool found = known->open_library && find_instructions(tracer);
    known->open_library = found ? known->open_library : 0;
    return found;
}

/* Whether the thread, which the tracer has stopped, may be used now. */
static bool is_good_moment(struct tracer *tracer) {
    struct tracee *tracee = &tracer->tracee;
    struct images *images = &tracer->images;
    if (images_read(images, tracee->pid, tracee->tid) != 0 || !images->whole)
        return false;
    if (!find_functions(tracer))
        return false;
    const struct images_range *code = images_code(images, tracee_pc(tracee));
    if (!code || !tracee_has_control_block(tracee))
        return false;
    if (tracee->number >= 0) {
        uint64_t first, second;
#ifdef __x86_64__
        first = tracee->before.rdi;
        second = tracee->before.rsi;
#else
        first = tracee->before.regs[0];
        second = tracee->before.regs[1];
#endif
        enum rank rank = ranks_of_call(images, tracee->pid, tracee->tid, tracee->number, first,
                                       second, tracee_pc(tracee));
        if (rank == RANK_WAITS ? !tracee->goes_on
                               : rank != RANK_BREAKS || !(tracee->goes_on || tracer->ranks.breaks))
            return false;
    } else if (code->unsafe || tracee_in_sequence(tracee)) {
        return false;
    }
    return !tracee_in_handler(tracee, is_code, images, tracer->stack, STACK_WORDS);
}

static enum attach_end end_of(enum tracee_event event) {
    switch (event) {
    case TRACEE_ENDED: return ATTACH_ENDED;
    case TRACEE_HALTED: return ATTACH_HALTED;
    case TRACEE_LATE: return ATTACH_NOT_STOPPED;
    case TRACEE_REFUSED: return ATTACH_REFUSED;
    default: return ATTACH_FAULT;
    }
}

static void note_stop(struct tracer *tracer, uint64_t since) {
    uint64_t took = monotonic_ns() - since;
    if (took > tracer->result.stopped_ns)
        tracer->result.stopped_ns = took;
}

/* Stops the thread, up to STOPS times. ATTACH_DONE: it is stopped at a good moment, since *since.
 */
static enum attach_end try_thread(struct tracer *tracer, pid_t tid, uint64_t *since) {
    struct tracee *tracee = &tracer->tracee;
    tracee->tid = tid;
    for (int n = 0; n < STOPS; n++) {
        *since = monotonic_ns();
        enum tracee_event event = tracee_stop(tracee, STOP_NS);
        tracer->result.stops++;
        if (event != TRACEE_STOPPED) {
            tracer->result.error = errno;
            return end_of(event);
        }
        *since = monotonic_ns();
        if (is_good_moment(tracer))
            return ATTACH_DONE;
        tracee_leave(tracee);
        note_stop(tracer, *since);
        if (tracee->number >= 0 && !tracee->goes_on && tracer->ranks.breaks)
            break; /* the stop broke off its system call: not once more for nothing */
        struct timespec pause = {0, 100000 + 50000 * n};
        nanosleep(&pause, NULL);
    }
    return ATTACH_NO_MOMENT;
}

/* Stops one thread after another, those that wait first, until the moment is good. */
static enum attach_end find_moment(struct tracer *tracer, uint64_t until, uint64_t *since) {
    const struct ranks *ranks = &tracer->ranks;
    uint64_t began = monotonic_ns();
    for (int round = 0;; round++) {
        ranks_look(&tracer->ranks, &tracer->images, tracer->request.pid);
        if (!ranks->threads)
            return ATTACH_ENDED;
        int gone = 0;
        for (enum rank rank = RANK_WAITS; rank <= RANK_BREAKS; rank++) {
            if (rank == RANK_BREAKS && !ranks->breaks)
                continue;
            for (int i = 0; i < ranks->threads && monotonic_ns() < until; i++) {
                if (ranks->thread[i].rank != rank)
                    continue;
                enum attach_end end = try_thread(tracer, ranks->thread[i].tid, since);
                if (end == ATTACH_ENDED)
                    gone++; /* perhaps only that thread has ended */
                else if (end != ATTACH_NO_MOMENT)
                    return end;
            }
        }
        if (gone == ranks->threads)
            return ATTACH_ENDED;
        if (monotonic_ns() >= (tracer->result.stops ? until : began + NOTHING_NS))
            return ATTACH_NO_MOMENT;
        struct timespec pause = {0, 2000000 + 1000000 * (round % 8)};
        nanosleep(&pause, NULL);
    }
}

/* --- what is called in it ------------------------------------------------------------------ */

/* The room, which is memory that is mapped for us: our data at these offsets, and then the stack.
 */
#define ROOM_TEXT UINT64_C(0)
#define ROOM_INFO UINT64_C(8192)
#define ROOM_REQUEST UINT64_C(12288)
#define ROOM (ROOM_REQUEST + ((sizeof(struct begin_request) + 4095) & ~UINT64_C(4095)))

static bool put_memory(const struct tracer *tracer, uint64_t at, const void *from, size_t size) {
    return pwrite(tracer->tracee.memory, from, size, (off_t)(tracer->base + at)) == (ssize_t)size;
}

static enum tracee_event call(struct tracer *tracer, uint64_t function, uint64_t a, uint64_t b,
                              uint64_t c, uint64_t limit_ns, uint64_t *result) {
    uint64_t argument[3] = {a, b, c};
    return tracee_call(&tracer->tracee, function, argument, tracer->base + ROOM + CALL_STACK,
                       limit_ns, result);
}

static enum tracee_event make_room(struct tracer *tracer) {
    int64_t at;
    if (tracer->base)
        return TRACEE_RETURNED;
    uint64_t argument[6] = {
        0, ROOM + CALL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0};
    enum tracee_event event = tracee_system(&tracer->tracee, SYS_mmap, argument, &at);
    if (event == TRACEE_RETURNED && at < 0 && at > -4096)
        return errno = (int)-at, TRACEE_REFUSED;
    tracer->base = event == TRACEE_RETURNED ? (uint64_t)at : 0;
    return event;
}

static void remove_room(struct tracer *tracer) {
    int64_t result;
    uint64_t argument[6] = {tracer->base, ROOM + CALL_STACK};
    tracee_system(&tracer->tracee, SYS_munmap, argument, &result);
    tracer->base = 0;
}

static uint64_t rest_ns(uint64_t until) {
    uint64_t now = monotonic_ns();
    return now < until ? until - now : 0;
}

/* Whether the process's allocator and dynamic linker answer in time. A thread that hangs may hold
 * one of their locks for good. To wait for it, and to give up, does no harm as long as the thread
 * that we use holds none itself. */
static enum attach_end try_locks(struct tracer *tracer, uint64_t until) {
    const struct functions *functions = &tracer->functions;
    uint64_t memory, ignored;
    if (!functions->take || !functions->give)
        return ATTACH_NO_LIBRARY;
    if (!rest_ns(until))
        return ATTACH_SLOW;
    enum tracee_event event = call(tracer, functions->take, 5000, 0, 0, rest_ns(until), &memory);
    if (event == TRACEE_RETURNED)
        event = call(tracer, functions->give, memory, 0, 0, rest_ns(until), &ignored);
    if (event == TRACEE_RETURNED)
        event = call(tracer, functions->open_library, 0, RTLD_LAZY | RTLD_NOLOAD, 0, rest_ns(until),
                     &ignored);
    if (event == TRACEE_RETURNED)
        return rest_ns(until) ? ATTACH_DONE : ATTACH_SLOW;
    return event == TRACEE_LATE ? ATTACH_LOCKED : end_of(event);
}

/* Whether the process sees the same file at that path. Whether it may read the file shows later. */
static bool sees_library(const struct tracer *tracer) {
    char path[sizeof tracer->library + 32];
    struct stat there, ours;
    snprintf(path, sizeof path, "/proc/%d/root%s", (int)tracer->request.pid, tracer->library);
    return tracer->library[0] == '/' && stat(path, &there) == 0 &&
           stat(tracer->library, &ours) == 0 && there.st_dev == ours.st_dev &&
           there.st_ino == ours.st_ino;
}

/* Makes a file in memory in the process, with our library in it. Returns the descriptor there;
 * -1: it cannot be made. */
static int64_t give_library(struct tracer *tracer) {
    static const char name[] = "libsigrec.so";
    char path[64], chunk[4096];
    int64_t fd = -1;
    uint64_t argument[6] = {tracer->base + ROOM_TEXT, 1 /* MFD_CLOEXEC */};
    if (!put_memory(tracer, ROOM_TEXT, name, sizeof name) ||
        tracee_system(&tracer->tracee, SYS_memfd_create, argument, &fd) != TRACEE_RETURNED ||
        fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)tracer->request.pid, (int)fd);
    int from = open(tracer->library, O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = -1;
    while (from >= 0 && to >= 0 && (n = read(from, chunk, sizeof chunk)) > 0)
        if (write(to, chunk, (size_t)n) != n)
            break;
    close(from);
    close(to);
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)fd);
    if (n != 0 || !put_memory(tracer, ROOM_TEXT, path, sizeof path))
        tracer->library[0] = 0;
    return fd;
}

/* *text: where the process has the text that says why it could not load the library; 0: nowhere. */
static enum tracee_event open_library(struct tracer *tracer, uint64_t *handle, uint64_t *text) {
    const struct functions *functions = &tracer->functions;
    enum tracee_event event = call(tracer, functions->open_library, tracer->base + ROOM_TEXT,
                                   RTLD_NOW | RTLD_GLOBAL, 0, LOAD_NS, handle);
    *text = 0;
    if (event == TRACEE_RETURNED && !*handle && functions->library_error)
        event = call(tracer, functions->library_error, 0, 0, 0, LOAD_NS, text);
    return event;
}

static enum attach_end load_library(struct tracer *tracer, uint64_t *handle) {
    int64_t fd = -1, ignored;
    if (!put_memory(tracer, ROOM_TEXT, tracer->library, strlen(tracer->library) + 1))
        return ATTACH_ENDED;
    enum tracee_event event = TRACEE_RETURNED;
    uint64_t text = 0;
    if (tracer->same_file)
        event = open_library(tracer, handle, &text);
    /* If that has failed, the process usually may not read the file. */
    if (event == TRACEE_RETURNED && !*handle && (fd = give_library(tracer)) >= 0)
        event = open_library(tracer, handle, &text);
    if (!tracer->same_file && fd < 0)
        strcpy(tracer->result.text, "no file in memory can be made there, memfd_create(2)");
    if (text)
        for (size_t i = 0; i < sizeof tracer->result.text - 1; i++)
            if (!images_memory(&tracer->images, text + i, &tracer->result.text[i], 1) ||
                !tracer->result.text[i])
                break;
    if (fd >= 0 && event == TRACEE_RETURNED) {
        uint64_t argument[6] = {(uint64_t)fd};
        tracee_system(&tracer->tracee, SYS_close, argument, &ignored);
    }
    if (event != TRACEE_RETURNED)
        return event == TRACEE_LATE ? ATTACH_LOCKED : end_of(event);
    return *handle ? ATTACH_DONE : ATTACH_NOT_LOADED;
}

/* Finds the function of our library in the process, by its offset in the library's table. handle:
 * the address of a struct link_map, which begins with the library's own address. */
static enum attach_end find_function(struct tracer *tracer, uint64_t handle, size_t offset,
                                     uint64_t *function) {
    uint64_t base = 0, table = 0;
    if (!images_memory(&tracer->images, handle, &base, sizeof base))
        return ATTACH_ENDED;
    uint64_t give = images_symbol(&tracer->images, base, "sigrec_core");
    enum tracee_event event =
        give ? call(tracer, give, attach_entry.abi, 0, 0, LOAD_NS, &table) : TRACEE_RETURNED;
    if (event != TRACEE_RETURNED)
        return end_of(event);
    if (!table || !images_memory(&tracer->images, table + offset, function, sizeof *function))
        return ATTACH_OTHER_BUILD;
    return ATTACH_DONE;
}

static enum attach_end load_and_call(struct tracer *tracer, uint64_t until) {
    bool ends = tracer->request.end;
    uint64_t function = 0, result = 0;
    enum attach_end end = ATTACH_DONE;
    if (!tracer->handle) {
        end = try_locks(tracer, until);
        tracer->tried = end == ATTACH_DONE;
        if (end == ATTACH_DONE)
            end = load_library(tracer, &tracer->handle);
        if (end == ATTACH_DONE && !rest_ns(until))
            end = ATTACH_SLOW;
    }
    if (end == ATTACH_DONE)
        end = find_function(tracer, tracer->handle, ends ? attach_entry.end : attach_entry.begin,
                            &function);
    if (end != ATTACH_DONE)
        return end;
    tracer->request.begin.in_main = tracer->tracee.tid == tracer->tracee.pid;
    tracer->request.begin.blocked = tracer->tracee.mask;
    if (!put_memory(tracer, ROOM_REQUEST, &tracer->request.begin, sizeof tracer->request.begin))
        return ATTACH_ENDED;
    enum tracee_event event =
        call(tracer, function, tracer->base + ROOM_REQUEST, 0, 0, LOAD_NS, &result);
    if (event != TRACEE_RETURNED)
        return event == TRACEE_LATE ? ATTACH_LOCKED : end_of(event);
    tracer->result.error = (int)result;
    return result ? ATTACH_NOT_BEGUN : ATTACH_DONE;
}

/* Keeps the thread's errno: the thread may be between a call and its look at errno. */
static enum attach_end keeping_errno(struct tracer *tracer, uint64_t until) {
    uint64_t locate = tracer->functions.locate_errno, at = 0;
    int before = 0;
    if (!locate || call(tracer, locate, 0, 0, 0, LOAD_NS, &at) != TRACEE_RETURNED ||
        !images_memory(&tracer->images, at, &before, sizeof before))
        return ATTACH_NO_LIBRARY;
    enum attach_end end = load_and_call(tracer, until);
    if (end != ATTACH_ENDED &&
        pwrite(tracer->tracee.memory, &before, sizeof before, (off_t)at) != sizeof before)
        return ATTACH_ENDED;
    return end;
}

/* Works at this moment. Where each step takes long, the room is removed at another moment. */
static enum attach_end work_in_room(struct tracer *tracer, uint64_t since) {
    enum attach_end end = tracer->done ? ATTACH_DONE : keeping_errno(tracer, since + STOPPED_NS);
    /* A call that has not come back still uses our stack. */
    if (end == ATTACH_ENDED || end == ATTACH_LOCKED || end == ATTACH_FAULT)
        return end;
    bool later = end == ATTACH_DONE && !tracer->done && monotonic_ns() - since > EASY_NS;
    tracee_send_again(&tracer->tracee, tracer->base + ROOM_INFO);
    if (!later)
        remove_room(tracer);
    tracer->done = end == ATTACH_DONE;
    return later ? ATTACH_SLOW : end;
}

static enum attach_end use_moment(struct tracer *tracer, uint64_t since) {
    enum attach_end end;
    int error = tracee_take(&tracer->tracee);
    if (error) {
        tracee_leave(&tracer->tracee);
        tracer->result.error = error;
        return ATTACH_REFUSED;
    }
    enum tracee_event event = make_room(tracer);
    if (event == TRACEE_RETURNED) {
        end = work_in_room(tracer, since);
    } else {
        tracer->result.error = errno;
        end = end_of(event);
    }
    if (!tracee_give_back(&tracer->tracee) && end == ATTACH_DONE)
        end = ATTACH_ENDED;
    note_stop(tracer, since);
    return end;
}

/* Uses one moment after another, until all is done: each step may take long where the process
 * waits for a processor, and no thread is stopped for all of them. A lock that other threads use a
 * lot may be free the next time. */
static enum attach_end work(struct tracer *tracer) {
    uint64_t since, until = monotonic_ns() + LIMIT_NS;
    enum attach_end end, last = ATTACH_NO_MOMENT;
    for (int locked = 0;;) {
        end = find_moment(tracer, until, &since);
        if (end == ATTACH_DONE)
            end = use_moment(tracer, since);
        if (end != ATTACH_SLOW &&
            !(end == ATTACH_LOCKED && !tracer->tried && ++locked < LOCKED_TRIALS))
            return tracer->done ? ATTACH_DONE : end == ATTACH_NO_MOMENT ? last : end;
        last = end;
        struct timespec pause = {0, STOPPED_NS}; /* as long as a stop may take */
        nanosleep(&pause, NULL);
    }
}

/* --- the tracer ------------------------------------------------------------------------------ */

/* Looks at the process before anything is stopped: what cannot work is found without a stop. */
static enum attach_end look_before(struct tracer *tracer) {
    pid_t pid = tracer->request.pid;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    tracer->tracee.memory = tracer->images.memory = open(path, O_RDWR | O_CLOEXEC);
    if (tracer->images.memory < 0) {
        tracer->result.error = errno;
        return errno == ENOENT ? ATTACH_ENDED : ATTACH_REFUSED;
    }
    int error = images_read(&tracer->images, pid, pid);
    if (error) {
        tracer->result.error = error;
        return error == ESRCH || error == ENOENT ? ATTACH_ENDED : ATTACH_REFUSED;
    }
    tracer->same_file = sees_library(tracer);
    return find_functions(tracer) ? ATTACH_DONE : ATTACH_NO_LIBRARY;
}

/* Whether the kernel refused because the process has ended: by ESRCH, or for a zombie by EPERM. */
static bool is_gone(const struct tracer *tracer) {
    return tracer->result.error == ESRCH || strchr("ZX", tracee_state(tracer->request.pid));
}

static void trace(struct tracer *tracer) {
    setsid();
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &by_default, NULL); /* or the kernel may tell us nothing of stops */
    tracer->tracee.pid = tracer->request.pid;
    /* The process waits for the tracer, also on a busy machine. The tracer soon ends. Where it may
     * not have this priority, it keeps its own. */
    setpriority(PRIO_PROCESS, 0, -20);
    enum attach_end end = look_before(tracer);
    end = end == ATTACH_DONE ? work(tracer) : end;
    tracer->result.end = end == ATTACH_REFUSED && is_gone(tracer) ? ATTACH_ENDED : end;
    syscall(SYS_exit_group, 0);
}

int attach(const struct attach_request *request, struct attach_result *result) {
    memset(result, 0, sizeof *result);
#ifndef __x86_64__
    result->end = ATTACH_UNSUPPORTED; /* nobody has tried it there: docs/explanation/attach.md */
    return 0;
#endif
    if (strlen(request->library) >= sizeof((struct tracer *)NULL)->library)
        return ENAMETOOLONG;
    struct tracer *tracer =
        mmap(NULL, sizeof *tracer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tracer == MAP_FAILED)
        return errno;
    tracer->request = *request;
    strcpy(tracer->library, request->library);
    tracer->result.end = ATTACH_NO_TRACER;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* The tracer's end sends no signal, so that the caller's handler gets no SIGCHLD. */
    long tracer_pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
    int error = tracer_pid < 0 ? errno : 0;
    if (tracer_pid == 0)
        trace(tracer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (tracer_pid > 0) {
        int status;
        while (waitpid((pid_t)tracer_pid, &status, __WALL) < 0 && errno == EINTR)
            ;
        *result = tracer->result;
    }
    munmap(tracer, sizeof *tracer);
    return error;
}

#else

int attach(const struct attach_request *request, struct attach_result *result) {
    (void)request;
    memset(result, 0, sizeof *result);
    result->end = ATTACH_UNSUPPORTED;
    return 0;
}

#endif
