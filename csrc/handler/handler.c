/* SPDX-License-Identifier: MIT
 *
 * Signal context: the two handlers and all that they call (take, dequeue, recording_write,
 * queue_add, trip, course_take, and what these call). There is no lock, no allocation, no
 * stdio, no Python and no thread-local storage of ours, and no code waits for another producer.
 *
 * The system calls that the handlers make; each is async-signal-safe as a raw call:
 *   gettid             unless this is known to be the main thread, or the process sent the
 *                      signal to itself and has one thread; and getpid off the main thread
 *   clock_gettime      always; in the vDSO on the machines that we support
 *   rt_sigtimedwait    in a flood, with a zero timeout: never blocks. The raw
 *                      call: glibc's wrapper is a cancellation point.
 *   rt_sigaction       in a flood, once for each signal number in a batch; in a vfork
 *                      child, with kill; and for a signal that was unregistered
 *   write              from the trip, where the program set a wakeup fd
 *   futex              to wake the dispatcher thread, or a reader of a stream: wake.c
 *   rt_sigaction,      off the main thread, from the trip: kick.c
 *   rt_tgsigqueueinfo
 *   madvise            at the first signal, looks whether there is room for the recording: sigbus.c
 *   mremap             where there is none, or someone truncated the recording's file: sigbus.c
 *   getpid, newfstatat, a recording for a forked child that has none yet, at its
 *   openat, read,      first signal: spare.c
 *   close, renameat2,
 *   rt_sigprocmask
 *   openat, read,      for the sender's name: if the signal is about to end the process;
 *   close              and of a new sender, at most four times a second. If the signal ends
 *                      the process or asks it to end, for the sender's command line, too
 *   getppid, prctl     and then, if the parent seems to have sent it, whether that has ended
 *   mmap, madvise      for a signal that may have a backlog, if its queue is full: backlog.c
 *   sched_getscheduler, where a flood begins to be taken by the intake thread: borrow.c
 *   sched_getparam
 * and those of the course that a recorded signal takes: course.c. Each may be refused:
 * then the signal is counted all the same, and what the call was for is left out. A call
 * that would end the program is not made: filter.h.
 */
#define _GNU_SOURCE
#include "handler/handler.h"

#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "handler/borrow.h"
#include "handler/course.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/registry.h"
#include "handler/sigbus.h"
#include "handler/trip.h"
#include "program/adopted.h"
#include "program/passage.h"
#include "recording/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#endif

/* --- how the handler dequeues (docs: "dequeue in the handler") --------------- */

#define CLOSE_NS UINT64_C(1000000) /* two calls of the handler so close may be a flood */
#define BATCH_SIGNALS 1000         /* one call dequeues at most so many, for the thread to go on */
#define BATCH_NS UINT64_C(1000000) /* and for at most so long */
#define LINGER_POLLS 16            /* after a hit, so many empty polls in a row end the call */
#define TURN_SIGNALS 16            /* so many of one signal number, before another has its turn */
#define TURN_NS UINT64_C(5000)     /* or fewer, if the kernel took so long for the last one */
#define BACKOFF_MAX 64             /* so many calls do not probe after one that found nothing */

#define NAME_NS UINT64_C(250000000)         /* the least time between two looks for a name */
#define NAME_AGAIN_NS UINT64_C(10000000000) /* after this, another process may have the pid */

/* Returns the thread that runs this, or 0 in a vfork child of ours. Such a child has our memory
 * until it execs, and only its pid tells it from us. (For a child that has its own memory, pid
 * is 0 until a fork hook has run.) Each of the two system calls may be refused, or must not be
 * made: filter.h. */
#ifdef __linux__
static uint32_t told_apart(long tid, int32_t pid) {
    if (tid <= 0)
        tid = filter_allows(FILTERED_GETTID) ? syscall(SYS_gettid) : -1;
    long now = filter_allows(FILTERED_GETPID) ? syscall(SYS_getpid) : -1;
    if (pid && now > 0 && now != pid)
        return 0;
    return (uint32_t)(tid > 0 ? tid : now > 0 ? now : pid ? pid : -1);
}

static uint32_t this_thread(void) { return told_apart(0, process_pid()); }
#else
static uint32_t this_thread(void) { return (uint32_t)process_pid(); }
#endif

/* Returns the thread that runs this, if it is surely no vfork child. Else the caller has to call
 * told_apart() with the returned number, negated: the thread's number, or 0 if it is not known. */
static inline long thread_id(const siginfo_t *info, int32_t pid) {
#ifdef __linux__
    if (process_in_main(pid))
        return pid;
    long tid = 0;
    /* We sent the signal ourselves (a process cannot forge kill and tgkill: rt_sigqueueinfo(2)).
     * If there is one thread, this is it: while a vfork child runs, its parent is asleep. */
    if ((info->si_code == SI_TKILL || info->si_code == SI_USER) && info->si_pid == pid &&
        is_single_threaded())
        tid = pid;
    else if (!atomic_load_explicit(&filter_denied, memory_order_relaxed))
        tid = syscall(SYS_gettid);
    if (tid > 0 && tid == pid) {
        process_is_main();
        return tid;
    }
    return tid > 0 ? -tid : 0;
#else
    (void)info;
    return pid;
#endif
}

/* --- signal context ----------------------------------------------------------- */

struct taken {
    struct sender_entry *sender;
    uint32_t mode; /* the signal's mode at that time: it may have been unregistered since */
};

/* A signal is taken by its handler, for the program or for dispatch, or by the intake thread. */
enum taker { FOR_PROGRAM, FOR_DISPATCH, BY_INTAKE };

static inline uint64_t backlog_of(const struct registered *entry) {
    return atomic_load_explicit(&entry->backlog, memory_order_relaxed);
}

static inline void enqueue(int signum, const struct event *event, struct ledger_entry *ledger) {
    const struct registered *entry = &registry[signum];
    uint64_t backlog = backlog_of(entry);
    /* A sandbox may forbid the mmap(2) of queue_grow(). */
    bool detailed = backlog && !atomic_load_explicit(&filter_denied, memory_order_relaxed)
                        ? queue_grow(&entry->queue, event, backlog)
                        : queue_add(&entry->queue, event);
    ledger_add(detailed ? &ledger->queued : &ledger->undetailed, 1);
    trip(signum, event->monotonic_ns, event->tid);
}

/* Whether it is one of many that the program needs for its work, and that would push all others
 * out of the history: a fault for which it has a handler, as a JVM has for null pointers, or the
 * SIGURG that Go sends to its own threads. */
static bool is_routine(int signum, const siginfo_t *info) {
    bool own = signum == SIGURG && info->si_code <= 0 && info->si_pid == process_pid();
    return (own || (signal_is_fault(signum) && info->si_code > 0)) && passive_handled(signum);
}

/* Counts and records one signal, and queues it if it is registered. The event has its time and its
 * thread, and gets all else here. */
static inline __attribute__((always_inline)) struct taken
take(int signum, const siginfo_t *info, struct event *event, enum taker taker) {
    const struct recording *recording = process_recording_of_signal();
    struct ledger_entry *ledger = &recording->ledger[signum];
    ledger_add(&ledger->delivered, 1); /* first, whatever happens next */

    event->ordinal =
        atomic_fetch_add_explicit(&process_self->ordinal[signum], 1, memory_order_relaxed);
    event_from_siginfo(event, signum, info);
    struct registered *entry = &registry[signum];
    struct taken taken = {NULL, MODE_RECORDED};
    if (taker != FOR_PROGRAM) {
        /* Acquire: pairs with install_handler(), so that the queue is ready. proof: handler-mode */
        taken.mode = atomic_load_explicit(&entry->mode, memory_order_acquire);
        taken.sender = recording_write(recording, event);
    } else if (event->ordinal >= RECENT_SLOTS && is_routine(signum, info)) {
        taken.sender = recording_write_aside(recording, event);
    } else {
        taken.sender = recording_write(recording, event);
    }
#ifdef __linux__
    if (event->code == SI_TIMER && event->detail > 0)
        ledger_add(&ledger->overruns, (uint64_t)event->detail);
#endif

    if (taker == FOR_DISPATCH && taken.mode == MODE_REGISTERED)
        enqueue(signum, event, ledger);
    else if (taker == BY_INTAKE && taken.mode == MODE_REGISTERED)
        ledger_add(queue_put(&entry->queue, event, backlog_of(entry)) ? &ledger->queued
                                                                      : &ledger->undetailed,
                   1);
    return taken;
}

/* A sender's name is read again after NAME_AGAIN_NS. */
static inline bool name_is_old(const struct sender_entry *sender, uint64_t now) {
    uint64_t named = atomic_load_explicit(&sender->named_ns, memory_order_relaxed);
    return !named || now - named >= NAME_AGAIN_NS;
}

/* One sender's name is read at most each NAME_NS. */
static bool name_is_due(const struct sender_entry *sender, uint64_t now) {
    if (!name_is_old(sender, now))
        return false;
    uint64_t last = atomic_load_explicit(&process_self->named_ns, memory_order_relaxed);
    return (!last || now - last >= NAME_NS) &&
           atomic_compare_exchange_strong_explicit(&process_self->named_ns, &last, now,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Whether the kernel has sent the signal as the parent ended, since this thread wished for that:
 * prctl(2), PR_SET_PDEATHSIG. What it tells of the sender is as if the parent had called kill(2).
 */
static bool is_of_parents_end(int signum, const siginfo_t *info) {
#ifdef __linux__
    const struct owner_identity *identity = process_recording()->identity;
    int wished = 0;
    return info->si_code == SI_USER && identity && info->si_pid == identity->ppid &&
           filter_allows(FILTERED_PRCTL) && syscall(SYS_getppid) != info->si_pid &&
           syscall(SYS_prctl, PR_GET_PDEATHSIG, &wished) == 0 && wished == signum;
#else
    (void)signum, (void)info;
    return false;
#endif
}

/* Writes down the sender's command line and parent: of a signal that ends the process always, of
 * one that asks it to end at most four times a second. It does nothing if another thread is just
 * doing that, since a handler cannot wait. */
static __attribute__((noinline)) void note_asker(int signum, const siginfo_t *info,
                                                 uint64_t ordinal, uint64_t now, bool ends) {
    struct process *self = process_self;
    uint64_t last = atomic_load_explicit(&self->asked_ns, memory_order_relaxed);
    if (info->si_pid <= 0 || (!ends && last && now - last < NAME_NS) ||
        /* Acquire: this thread sees what the writer before it wrote. proof: asking-begins */
        atomic_exchange_explicit(&self->asking, 1, memory_order_acquire))
        return;
    struct recording_header *header = process_recording()->header;
    asker_note(header->askers, &header->asker_head, (uint32_t)signum, ordinal, info->si_pid,
               is_of_parents_end(signum, info));
    atomic_store_explicit(&self->asked_ns, now, memory_order_relaxed);
    /* proof: asking-ends */
    atomic_store_explicit(&self->asking, 0, memory_order_release);
}

static inline bool from_another_process(const struct event *event) {
    return event->pid != atomic_load_explicit(&process_self->pid, memory_order_relaxed) &&
           event_was_sent(event->code);
}

static bool asks_to_end(int signum) {
    return signum == SIGTERM || signum == SIGINT || signum == SIGHUP || signum == SIGQUIT ||
           signum == SIGABRT;
}

/* Reads what /proc says about the sender, which may soon be gone. */
static __attribute__((noinline)) void look_at_sender(int signum, const siginfo_t *info,
                                                     struct sender_entry *sender, uint64_t ordinal,
                                                     uint64_t now, bool ends) {
    if (ends || name_is_due(sender, now))
        sender_name(sender, now);
    if (ends || asks_to_end(signum))
        note_asker(signum, info, ordinal, now, ends);
}

#define WHERE_WE_ARE -1 /* stands for the place of our handler that the kernel would call now */

static bool calls(const struct sigaction *action) {
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* Whether the disposition `now` was set after our handler had left that place, with no other
 * handler above it. Then it was the kernel that called us, in a thread that was about to enter our
 * handler, and the signal now belongs to `now`. */
static bool set_since(int signum, int place, const struct sigaction *now) {
    const struct registered *entry = &registry[signum];
    return place >= atomic_load(&entry->places) && !(entry->twice & 1U << place) &&
           now->sa_handler != registry_found[signum][place].sa_handler;
}

/* Passes a signal on to what is beneath our handler, which may be called even when the signal is
 * unregistered: by a handler that was installed above ours, or by the kernel, in a thread that was
 * about to enter ours. */
static void pass_on(int signum, siginfo_t *info, void *context, struct passage passage, int place) {
    struct sigaction now, beneath;
    bool known = filter_allows(FILTERED_SIGACTION) && passive_sigaction(signum, NULL, &now) == 0;
    int in_place = known ? registry_place(&now) : -1;
    /* The kernel has called us, before the signal was given back; it may have been registered anew
     * since. No process may die of a signal that we have taken. */
    if (known && (now.sa_handler == SIG_DFL || (in_place >= 0 && registry_has(signum))))
        return;
    bool by_kernel = place == WHERE_WE_ARE;
    if (by_kernel)
        place = in_place >= 0 ? in_place : 0;
    registry_beneath(signum, place, &beneath);
    if (place > 0 && place == in_place)
        passive_sigaction(signum, &beneath,
                          NULL); /* a library above has put ours back: remove it */
    if (known && in_place < 0 && set_since(signum, place, &now) && !(passage.mark & 1U << place))
        beneath = now;
    /* A library's handler may stand in the chain twice, with ours beneath it both times. If the
     * kernel calls that handler, it has called us already, and must not be called again. This does
     * not hold if the kernel has called us, while the signal was given back; nor for a disposition
     * that calls no handler, nor for one that we have put back
     * ourselves: these have never called us. */
    bool called_us = known && now.sa_sigaction == beneath.sa_sigaction && !by_kernel &&
                     !(atomic_load(&registry[signum].apart) & 1U << place);
    bool again = passage.mark & 1U << place || called_us;
    if (again && calls(&beneath)) {
        beneath.sa_handler = SIG_DFL;
        if (place > 0 && !(passage.mark & 1U))
            registry_beneath(signum, 0, &beneath);
        place = 0;
    }
    if (beneath.sa_handler == SIG_DFL) {
        course_default(signum, info, context, passage.tid, passage.ordinal);
    } else if (calls(&beneath)) {
        passage.mark |= 1U << place;
        passage_set(info, &passage);
        beneath.sa_sigaction(signum, info, context); /* always three arguments: course.c */
        passage_end(info);
    }
}

/* A signal came to our handler, or to the intake thread, and will not be handled. */
static void count_abandoned(int signum) {
    struct ledger_entry *ledger = &process_recording()->ledger[signum];
    ledger_add(&ledger->undetailed, 1);
    ledger_add(&ledger->abandoned, 1);
}

static void abandon(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                    int place) {
    count_abandoned(signum);
    struct passage passage = {PASSAGE_MARK, tid, ordinal};
    pass_on(signum, info, context, passage, place);
}

static void enqueue_taken(int signum, const siginfo_t *info, uint64_t now, uint32_t tid,
                          uint64_t ordinal) {
    struct event event;
    event.monotonic_ns = now;
    event.tid = tid;
    event.ordinal = ordinal;
    event_from_siginfo(&event, signum, info);
    enqueue(signum, &event, &process_recording()->ledger[signum]);
}

/* For a signal that has been counted already, and that a handler above ours passes on to us. */
static void passed_to_us(int signum, siginfo_t *info, void *context, const struct passage *passage,
                         int place) {
    int saved_errno = errno;
    if (registry_has(signum)) {
        passage_end(info); /* a further call with it stands for a further signal */
        enqueue_taken(signum, info, monotonic_ns(), passage->tid, passage->ordinal);
    } else {
        passage_end(info);
        pass_on(signum, info, context, *passage, place);
    }
    errno = saved_errno;
}

/* Lets a signal that is only recorded, and has been counted, take its course in the program. */
static void leave_to_program(int signum, siginfo_t *info, void *context, uint64_t now, uint32_t tid,
                             uint64_t ordinal, struct course_stop *stop) {
    if (course_take(signum, info, context, tid, ordinal, stop))
        return;
    if (registry_has(signum))
        enqueue_taken(signum, info, now, tid, ordinal);
    else
        abandon(signum, info, context, tid, ordinal, WHERE_WE_ARE);
}

#ifdef __linux__
/* Returns those of these signals that the kernel delivers to our handler. Where another handler has
 * replaced ours, or stands above it, the signal is not ours to take. */
static uint64_t still_ours(uint64_t set) {
    uint64_t ours = 0;
    for (uint64_t rest = set; rest; rest &= rest - 1) {
        int signum = signal_lowest(rest);
        if (registry_in_place(signum))
            ours |= signal_bit(signum);
    }
    return ours;
}

static int next_pending(uint64_t set, siginfo_t *info) {
    static const struct timespec zero;
    return (int)syscall(SYS_rt_sigtimedwait, &set, info, &zero, sizeof set);
}

/* Takes what else is pending, without going back to user space for each signal; but only signals
 * that this thread would have been given, and so none that the interrupted code has blocked.
 * Returns the time at which the last one was taken. */
static uint64_t dequeue(int signum, ucontext_t *context, uint64_t now, uint32_t tid) {
    struct process *self = process_self;
    uint32_t skip = atomic_load_explicit(&self->skip, memory_order_relaxed);
    if (skip) {
        atomic_store_explicit(&self->skip, skip - 1, memory_order_relaxed);
        return now;
    }
    uint64_t
        blocked; /* as large as the kernel's sigset_t: the kernel writes no more of uc_sigmask */
    memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
    if (!filter_allows(FILTERED_SIGTIMEDWAIT) || !filter_allows(FILTERED_SIGACTION))
        return now;
    uint64_t set = still_ours(signal_bit(signum) & registry_signals() & ~blocked);
    uint64_t until = now + BATCH_NS;
    /* The kernel gives the lowest number first, and looks for it in one list of all that is
     * queued. In a flood of several signals, those of the other numbers would pile up at the head
     * of that list, and each call would have to pass them (0.4 ms a signal was seen). So each
     * number has its turn, and then rests until the others have had theirs. */
    uint64_t resting = 0;
    int found = 0, empty = 0, turn = 0;
    while (set && found < BATCH_SIGNALS && now < until) {
        siginfo_t info;
        int next = set & ~resting ? next_pending(set & ~resting, &info) : -1;
        if (next > 0 && kick_sent(next, &info)) {
            kick_arrived();
            borrow_kicked(context);
        } else if (next > 0) {
            uint64_t before = now;
            now = monotonic_ns();
            struct event event = {.monotonic_ns = now, .tid = tid};
            struct taken taken = take(next, &info, &event, FOR_DISPATCH);
            if (taken.mode != MODE_REGISTERED) /* another thread unregistered it just now */
                abandon(next, &info, context, tid, event.ordinal, WHERE_WE_ARE);
            if (borrow_may(next))
                borrow_dequeued(next, now);
            empty = 0;
            if (found++ == 0)
                set |= still_ours(registry_signals() & ~blocked & ~set);
            if (++turn >= TURN_SIGNALS || now - before > TURN_NS) {
                resting |= signal_bit(next);
                turn = 0;
            }
        } else if (resting) {
            resting = 0;
            turn = 0;
        } else if (!found || ++empty > LINGER_POLLS) {
            break;
        }
        set &= registry_signals();
    }
    uint32_t backoff = atomic_load_explicit(&self->backoff, memory_order_relaxed);
    backoff = found ? 0 : backoff < BACKOFF_MAX ? 2 * backoff + 1 : backoff;
    atomic_store_explicit(&self->backoff, backoff, memory_order_relaxed);
    atomic_store_explicit(&self->skip, backoff, memory_order_relaxed);
    return now;
}

/* In a vfork child nothing may be counted, since that would count as its parent's. A signal does
 * there what it would do after exec: nothing if it is ignored, or else its default action, which is
 * set in the child's own table of dispositions. */
static void in_vfork_child(int signum) {
    if (passive_ignores(signum))
        return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signum, &action, NULL);
    pid_t pid = getpid();
    if (pid > 0)           /* if getpid is refused it is -1, which means every process to kill(2) */
        kill(pid, signum); /* it is blocked until we return */
}
#endif

static __attribute__((noinline)) void have_clocks_anchored_now(uint64_t now) {
    struct process *self = process_self;
    /* Acquire and release: one thread after another writes anchors, and each sees what the last
     * one wrote. proof: anchoring-begins */
    if (atomic_exchange_explicit(&self->anchoring, 1, memory_order_acquire))
        return;
    recording_anchor(process_recording());
    atomic_store_explicit(&self->anchored_ns, now, memory_order_relaxed);
    course_goes_on(now);
    /* proof: anchoring-ends */
    atomic_store_explicit(&self->anchoring, 0, memory_order_release);
}

static inline void have_clocks_anchored(uint64_t now) {
    if (now - atomic_load_explicit(&process_self->anchored_ns, memory_order_relaxed) >= 1000000000)
        have_clocks_anchored_now(now);
}

static inline __attribute__((always_inline)) void
on_signal(int signum, siginfo_t *info, void *context, bool dispatched, int place) {
    if (kick_sent(signum, info)) {
        kick_arrived(); /* it was sent before the program began to use this signal */
        borrow_kicked(context);
        return;
    }
    if (signal_is_fault(signum) &&
        (sigbus_repair(signum, info) || course_fault_again(signum, info, context)))
        return;
    int saved_errno = errno;
    struct event event;
    bool may_stop = !dispatched && signal_default(signum) == SIGNAL_STOPS;
    /* Early: reading this clock waits for all that was begun before it. */
    if (!may_stop)
        event.monotonic_ns = monotonic_ns();
    struct process *self = process_self;
    int32_t pid = atomic_load_explicit(&self->pid, memory_order_relaxed);
    long self_id = thread_id(info, pid);
    event.tid = (uint32_t)self_id;
#ifdef __linux__
    if (self_id <= 0 && !(event.tid = told_apart(-self_id, pid))) {
        in_vfork_child(signum);
        errno = saved_errno;
        return;
    }
#endif
    struct course_stop stop = {.begun = false};
    if (may_stop) {
        /* This comes first: another thread may take a SIGCONT at any moment. */
        if (!is_single_threaded() && course_stops(signum))
            course_stop_begins(signum, event.tid, &stop);
        event.monotonic_ns = monotonic_ns();
    }
    if (!atomic_load_explicit(&self->anchored_ns, memory_order_relaxed))
        sigbus_prevent(); /* the first: this thread may block SIGBUS, as in sigsuspend(2) */
    struct taken taken = take(signum, info, &event, dispatched ? FOR_DISPATCH : FOR_PROGRAM);
    uint32_t mode = taken.mode;
    uint64_t now = event.monotonic_ns;
#ifdef __linux__
    if (dispatched && mode == MODE_REGISTERED) {
        uint64_t last = atomic_load_explicit(&self->last_ns, memory_order_relaxed);
        if (!(borrow_may(signum) && borrow_delivered(signum, context, now, event.tid)) &&
            now - last < CLOSE_NS && context && from_another_process(&event))
            now = dequeue(signum, context, now, event.tid);
    }
#endif
    atomic_store_explicit(&self->last_ns, now, memory_order_relaxed);
    have_clocks_anchored(now);
    bool ends = !dispatched && course_ends(signum);
    if (taken.sender && (ends || asks_to_end(signum) || name_is_old(taken.sender, now)) &&
        from_another_process(&event))
        look_at_sender(signum, info, taken.sender, event.ordinal, now, ends);
    /* From here on errno is the program's, whose handler may change it. proof: errno-kept */
    errno = saved_errno;
    if (!dispatched)
        leave_to_program(signum, info, context, now, event.tid, event.ordinal, &stop);
    else if (mode != MODE_REGISTERED)
        abandon(signum, info, context, event.tid, event.ordinal, place);
    if (!dispatched)
        course_stop_ends(signum, &stop);
}

#ifdef __linux__
bool handler_take(int signum, siginfo_t *info, uint64_t now, uint32_t tid, uint64_t *ordinal) {
    struct event event = {.monotonic_ns = now, .tid = tid};
    struct taken taken = take(signum, info, &event, BY_INTAKE);
    have_clocks_anchored(now);
    /* The sender is not looked at here: a handler did that for the first signals of the flood. It
     * needs a file descriptor; where this thread shares the program's table (intake.c), that could
     * be the number that a thread of the program's expects to get. */
    *ordinal = event.ordinal;
    bool registered = taken.mode == MODE_REGISTERED;
    if (!registered)
        count_abandoned(signum);
    return registered;
}

void handler_pass_on(int signum, siginfo_t *info, uint32_t tid, uint64_t ordinal) {
    struct passage passage = {PASSAGE_MARK, tid, ordinal};
    /* Nothing was interrupted here; but a handler of the program's may read its third argument, or
     * change the mask in it. */
    ucontext_t nowhere;
    memset(&nowhere, 0, sizeof nowhere);
    pass_on(signum, info, &nowhere, passage, WHERE_WE_ARE);
}
#endif

static void without_siginfo(int signum, int place);

static void on_registered(int signum, siginfo_t *info, void *context, int place) {
    struct passage passage;
    if (!passage_is_siginfo(signum, info))
        without_siginfo(signum, place);
    else if (passage_get(info, &passage))
        passed_to_us(signum, info, context, &passage, place);
    else
        on_signal(signum, info, context, true, place);
}

/* For a call with one argument only, by a library that got our handler from signal(2). */
static __attribute__((noinline)) void without_siginfo(int signum, int place) {
    siginfo_t info;
    memset(&info, 0, sizeof info); /* SI_USER without a pid: the sender is not known */
    info.si_signo = signum;
    if (passive_records(signum)) { /* it has been counted: as the newest one, we assume */
        uint64_t taken = atomic_load_explicit(&process_self->ordinal[signum], memory_order_relaxed);
        struct passage passage = {PASSAGE_MARK, this_thread(), taken - (taken > 0)};
        passed_to_us(signum, &info, NULL, &passage, place);
    } else {
        on_signal(signum, &info, NULL, true, place);
    }
}

/* A handler for each place: registry.h. */
#define AT_PLACE(place)                                                                            \
    static void at_place_##place(int signum, siginfo_t *info, void *context) {                     \
        on_registered(signum, info, context, place);                                               \
    }
AT_PLACE(0)
AT_PLACE(1)
AT_PLACE(2)
AT_PLACE(3)

void handler_on_recorded(int signum, siginfo_t *info, void *context) {
    if (adopted_any(signum) && course_called_by_adopted(signum, info, context))
        return;
    on_signal(signum, info, context, false, WHERE_WE_ARE);
}

void handler_start(void) {
    static const registry_handler at_place[REGISTRY_PLACES] = {at_place_0, at_place_1, at_place_2,
                                                               at_place_3};
    registry_start(at_place, handler_on_recorded);
    sigbus_start();
}
