/* SPDX-License-Identifier: MIT
 *
 * The stepper: what happens if, at this very instruction of the handler, ...?
 *
 *     stepper DIRECTORY PATH INJECTION [STRIDE [OFFSET]]
 *
 * A tracer (this process) lets a signal come to a target (its child), steps
 * through the real compiled handler one instruction at a time (ptrace(2)) and
 * does, at instruction OFFSET, OFFSET+STRIDE, ... of the path, one thing:
 *
 *   nested  another signal interrupts the handler here (which its mask forbids:
 *           the tracer lifts it), as a fault or another library's code could
 *   lap     more of them than the history and the queue have slots
 *   others  another thread takes signals, drains, and takes more
 *   late    the same, and it gives up the slot that this thread may be writing
 *   fork    another thread forks, and the child lives on by itself
 *   gone    the thread never gets on; another one laps the rings and drains
 *   kill    SIGKILL; only the recording is left
 *   held    another thread forbids to lend (borrow_hold), as before a fork; a few instructions
 *           later nothing may be taken up, and then it allows that again
 *   ends    another thread forbids it, ends the intake thread's service, and allows it again
 *
 * and then, with the handler run to its end (but for the last two), the ledger
 * must balance, each slot be whole, what is pending be tripped for, and what is
 * queued be handed out once each. A path is a way through the handler:
 *
 *   alone     a lone signal of a registered number, with the sender's name
 *             looked up and a clock anchor due
 *   batch     three are pending: two are dequeued in the handler
 *   full      the dispatch queue is full
 *   lends     it comes fast, and the intake thread borrows it: "others" is that thread then, which
 *             takes, gives back and kicks (borrow.h)
 *   masks     no handler, but pthread_sigmask(3) four times, while the signal may be lent; for all
 *             but "nested" and "lap" it is at the beginning
 *   recorded  recorded only, and the program has a handler of its own
 *   sends     the same, and that sends a signal and is told of a child (sent.h)
 *   sets      the same, and that sets a disposition (what interpose.c then writes down)
 *   blocks    the same, and that blocks a signal, or lets it in (interpose_mask.c)
 *   adopts    the same, beneath a library's handler that was set without us (adopted.h)
 *   asks      a SIGTERM, whose sender's command line and parent are read (asker.h)
 *
 * The clock is ours (clock_gettime, below): the path depends on no timing. */
#define _GNU_SOURCE
#include "events/keep.h"
#include "handler/borrow.h"
#include "handler/handler.h"
#include "handler/install.h"
#include "handler/intake.h"
#include "handler/kick.h"

#include "ground/proc.h"
#include "handler/passive.h"
#include "handler/trip.h"
#include "handler/wake.h"
#include "recording/process.h"
#include "recording/sent.h"
#include "tracer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define HISTORY 8
#define QUEUE 4
/* More than the history and the queue have slots, and what was sent that ends others. */
#define LAP (path == SENDS ? RECORDING_ENDINGS + 3 : 2 * HISTORY + 3)
#define PATIENCE_MS 20000
#define AFTER_HELD 25    /* instructions */
#define TAKE_UP ENDS + 1 /* what that thread does then */
#define FAST 8           /* signals, before the one that is a flood: borrow.c */

/* Of both processes. */
static struct shared {
    _Atomic uint64_t clock_ns;
    _Atomic uint64_t sent;     /* signals that are on their way, or were taken */
    _Atomic uint64_t handled;  /* handed out by a drain */
    _Atomic uint64_t course;   /* seen by the program's own handler */
    _Atomic uint64_t numbered; /* of what that sent, how many */
    _Atomic uint64_t lends;    /* how often the signal was blocked when its handler was over */
    _Atomic int tripped;       /* since the last drain began */
    _Atomic int over;          /* the path "masks" */
    pid_t senders[2];          /* of what asks to end it: the tracer and its parent */
} *shared;

static enum path {
    ALONE,
    BATCH,
    FULL,
    LENDS,
    MASKS,
    RECORDED,
    SENDS,
    SETS,
    BLOCKS,
    ADOPTS,
    ASKS
} path;
#define LENDING (path == LENDS || path == MASKS)
static enum injection { NESTED, LAPPING, OTHERS, LATE, FORK, GONE, KILL, HELD, ENDS } injection;
static int signum;
static char file[4096];

int clock_gettime(clockid_t clock, struct timespec *ts) {
    (void)clock;
    uint64_t now = atomic_fetch_add(&shared->clock_ns, 100);
    ts->tv_sec = (time_t)(now / 1000000000);
    ts->tv_nsec = (long)(now % 1000000000);
    return 0;
}

/* --- the target ------------------------------------------------------------------ */

/* Unique, so that an event that is made of two shows. */
static _Atomic uint64_t next_datum = 1;

static void note_trip(int n, enum trip_from from) {
    (void)n;
    (void)from;
    shared->tripped = 1;
    wake_post();
}

static void programs_handler(int n) {
    (void)n;
    shared->course++;
}

static struct sigaction found; /* by the library */

static void librarys_handler(int n, siginfo_t *info, void *context) {
    found.sa_sigaction(n, info, context);
}

static void a_library_sets_its_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = librarys_handler;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(signum, &action, &found) == 0);
    install_notice();
}

/* What it sends, and what it is told of, have one number. */
static void sends_a_signal(int n) {
    (void)n;
    struct event event;
    memset(&event, 0, sizeof event);
    event.signo = SIGTERM;
    event.code = SENT_KILL;
    event.pid = (int32_t)(1 + atomic_fetch_add(&shared->numbered, 1));
    event.datum = (uint64_t)event.pid << 32;
    struct sent_call call = sent_begin(process_recording(), &event);
    sent_end(&call, 0);
    sent_child(process_recording(), event.pid, CLD_EXITED, event.pid);
    shared->course++;
}

/* By turns one of two, from one of five call sites. */
static void sets_a_disposition(int n) {
    uint64_t k = ++shared->course;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = k % 2 ? programs_handler : sets_a_disposition;
    passive_note(n, DISPOSITION_SIGACTION, &action,
                 site_number("stepper.c", 9, (uint32_t)(1 + k % 5)));
}

/* As above, of SIGUSR1. */
static void blocks_a_signal(int n) {
    (void)n;
    uint64_t k = ++shared->course, bit = signal_bit(SIGUSR1);
    struct mask_change change = {.how = MASK_THREAD,
                                 .before = k % 2 ? 0 : bit,
                                 .after = k % 2 ? bit : 0,
                                 .tid = (uint32_t)syscall(SYS_gettid),
                                 .site = site_number("stepper.c", 9, (uint32_t)(1 + k % 5))};
    change.is_main = change.tid == (uint32_t)process_pid();
    process_mask(&change);
}

static struct ledger_entry *ledger(void) { return &process_recording()->ledger[signum]; }

/* What a dispatcher does; only one does it at a time here. */
static void drain(void) {
    struct queue *queue = registry_queue(signum);
    struct event e;
    enum queue_item item;
    if (!queue)
        return;
    shared->tripped = 0;
    wake_wait(0);
    trip_clear(&signum, 1);
    while ((item = queue_next(queue, &e)) != QUEUE_NONE) {
        if (item == QUEUE_EVENT)
            CHECK_EQ(e.signo, signum);
        queue_take(queue, item);
        process_handled(signum, 1);
        shared->handled++;
    }
}

/* For longer than a dispatcher waits for one that is still being written. */
static void give_up(void) {
    for (int i = 0; i < 2 * QUEUE; i++) {
        drain();
        shared->clock_ns += UINT64_C(2000000000);
    }
    drain();
}

static void send_to(pid_t tid, uint64_t datum) {
    if (path == ASKS) /* who asks is looked at four times a second */
        shared->clock_ns += UINT64_C(1000000000);
    queue_to(getpid(), tid, signum, path == ASKS ? shared->senders[datum >> 32 & 1] : getpid(),
             datum);
    shared->sent++;
}

static void take_here(int n) {
    for (int i = 0; i < n; i++)
        send_to((pid_t)syscall(SYS_gettid), next_datum++ << 32);
}

/* --- what the intake thread does: intake.c ------------------------------------------ */

static int32_t server; /* the other thread's tid, where that serves */
static bool lent;      /* some thread has not given back yet, as far as that thread knows */

static bool kick(int32_t tid) { return kick_thread(process_pid(), tid); }

static void take_what_is_owned(void) {
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    uint64_t set = borrow_take_up() & signal_bit(signum);
    static const struct timespec zero;
    siginfo_t info;
    uint64_t ordinal;
    /* It would wait for a handler that is just putting, and here that does not get on. */
    while (set && !registry_queue(signum)->state->backlog.putting &&
           syscall(SYS_rt_sigtimedwait, &set, &info, &zero, sizeof set) == signum)
        handler_take(signum, &info, shared->clock_ns++, tid, &ordinal);
    borrow_put_down();
    if (set)
        trip(signum, shared->clock_ns, tid);
}

static void give_back(void) {
    borrow_give_back(signal_bit(signum));
    lent = borrow_kick(kick) > 0;
}

static bool is_in(int (*get)(sigset_t *)) {
    sigset_t set;
    CHECK(get(&set) == 0);
    return sigismember(&set, signum) == 1;
}

static int get_blocked(sigset_t *set) { return pthread_sigmask(SIG_BLOCK, NULL, set); }

static void change_mask(int how, const sigset_t *set, bool was_blocked) {
    sigset_t old;
    CHECK(borrow_mask(pthread_sigmask, how, set, &old) == 0);
    CHECK_EQ(sigismember(&old, signum), was_blocked);
}

/* What is lent is not shown, and what the program blocks is. */
static void changes_masks(void) {
    sigset_t another, one, none;
    sigemptyset(&another);
    sigaddset(&another, SIGUSR2);
    sigemptyset(&one);
    sigaddset(&one, signum);
    sigemptyset(&none);
    change_mask(SIG_BLOCK, &another, false);
    change_mask(SIG_BLOCK, &one, false);
    CHECK(is_in(get_blocked));
    change_mask(SIG_SETMASK, &none, true);
    change_mask(SIG_BLOCK, NULL, false);
    shared->over = 1;
}

/* In a thread whose handlers are all over: what it has blocked is noted as lent, and goes back if
 * the intake thread does what it would do, and no more. */
static void all_goes_back(void) {
    shared->lends += is_in(get_blocked);
    for (int i = 0; i < 3 * LAP; i++) {
        CHECK(!is_in(get_blocked) || borrow_lent() & signal_bit(signum));
        take_what_is_owned();
        if (borrow_owned())
            give_back();
        else if (borrow_was_taken_away() || lent)
            lent = borrow_kick(kick) > 0;
        else if (!is_in(sigpending))
            break;
    }
    CHECK(!is_in(sigpending) && !is_in(get_blocked));
    CHECK_EQ(borrow_lent() & signal_bit(signum), 0);
}

/* The published events in the history: each whole, and none twice. */
static uint64_t count_slots(const struct recording *recording) {
    uint64_t found = 0, seen[HISTORY][3];
    for (uint64_t i = 0; i < HISTORY; i++) {
        struct slot *slot = &recording->history.slots[i];
        uint64_t seq = slot->sequence;
        if (seq == 0 || (seq & 1))
            continue; /* (one is held where a thread was lost; balance() counts them) */
        struct event e;
        CHECK_EQ((seq / 2 - 1) % HISTORY, i);
        CHECK(ring_read(&recording->history, seq / 2 - 1, &e));
        CHECK_EQ(e.signo, signum);
        if (path == ASKS && e.code == SI_USER) /* there was no room for its siginfo */
            e.datum = ~seq;
        else
            CHECK_EQ(e.code, SI_QUEUE);
        CHECK(e.datum != 0);
        for (uint64_t j = 0; j < found; j++)
            CHECK(seen[j][0] != e.ordinal && seen[j][1] != e.datum && seen[j][2] != e.monotonic_ns);
        seen[found][0] = e.ordinal;
        seen[found][1] = e.datum;
        seen[found++][2] = e.monotonic_ns;
    }
    return found;
}

/* Neither the head nor a slot ever goes back to an older ticket: what it was. */
static uint64_t passed[HISTORY + 1];

static void nothing_goes_back(void) {
    const struct ring *history = &process_recording()->history;
    for (int i = 0; i <= HISTORY; i++) {
        uint64_t now = i < HISTORY ? history->slots[i].sequence : *history->head;
        CHECK(now >= passed[i]);
        passed[i] = now;
    }
}

/* The newest events of the signal, in a slot by its ordinal each: one is missing only where a
 * thread that never got on holds the slot. */
static void newest_are_there(const struct recording *recording, uint64_t lost) {
    uint32_t block = recording->ledger[signum].recent;
    uint64_t delivered = recording->ledger[signum].delivered, there = 0;
    uint64_t full = delivered < RECENT_SLOTS ? delivered : RECENT_SLOTS;
    CHECK(block <= RECENT_BLOCKS);
    for (uint64_t i = 0; block && i < RECENT_SLOTS; i++) {
        const struct slot *slot = &recording->recent.slots[(block - 1) * RECENT_SLOTS + i];
        struct event event;
        if (!keep_read(slot, &event))
            continue;
        there++;
        CHECK_EQ(event.signo, signum);
        CHECK_EQ(event.ordinal % RECENT_SLOTS, i);
        CHECK_EQ(slot->sequence, 2 * event.ordinal + 2);
    }
    CHECK(there <= full && there + lost >= full);
}

/* Each change in the row is whole, and so is its call site, or that is not known; `full`: how many
 * there must be. */
static void row_is_there(const struct notes *notes, uint64_t row, uint64_t full, uint64_t lost) {
    uint64_t there = 0;
    bool masks = notes->rows == MASK_ROWS;
    full = full < notes->each ? full : notes->each;
    for (uint64_t i = 0; i < notes->each; i++) {
        const struct slot *slot = &notes->changes[notes_slot(notes, row, i)];
        struct event event;
        if (!keep_read(slot, &event))
            continue;
        there++;
        CHECK_EQ(event.signo, masks ? SIGUSR1 : signum);
        CHECK_EQ(event.ordinal % notes->each, i);
        CHECK_EQ(slot->sequence, 2 * event.ordinal + 2);
        if (masks)
            CHECK_EQ(event.datum, event.pid ? signal_bit(SIGUSR1) : 0);
        else
            CHECK_EQ(event.pid, DISPOSITION_HANDLER);
        if (!event.uid)
            continue;
        const struct site *site = &notes->sites[event.uid - 1];
        CHECK_EQ(site->whole, 1);
        if (masks || event.code == DISPOSITION_SIGACTION) {
            CHECK(site->line >= 1 && site->line <= 5);
            CHECK_EQ(memcmp((const char *)site->text, "stepper.c", 10), 0);
        }
    }
    CHECK(there + lost >= full);
}

/* self: NULL: of a process that is gone. */
static void changes_are_there(const struct recording *recording, const struct process *self,
                              uint64_t lost) {
    row_is_there(&recording->dispositions, (uint64_t)signum, self ? self->changes[signum] : 0,
                 lost);
    for (uint64_t row = SIGUSR1; row < MASK_ROWS; row += SIGREC_NSIG)
        row_is_there(&recording->masks, row, self ? self->masks[row] : 0, lost);
}

/* Of a process there is now. */
static size_t command_line_of(pid_t pid, char *text, size_t size) {
    char name[40];
    snprintf(name, sizeof name, "/proc/%d/cmdline", (int)pid);
    return proc_read(name, text, size);
}

/* Who asked it to end: each is whole, and none is of two. */
static void askers_are_there(const struct recording *recording, uint64_t lost) {
    const struct recording_header *header = recording->header;
    uint64_t there = 0, full = header->asker_head < ASKERS ? header->asker_head : ASKERS;
    for (int i = 0; i < ASKERS; i++) {
        const struct asker *asker = &header->askers[i];
        char argv[sizeof asker->argv];
        if (asker->sequence == 0 || asker->sequence & 1)
            continue;
        there++;
        CHECK_EQ((asker->sequence / 2 - 1) % ASKERS, i);
        CHECK_EQ(asker->signo, SIGTERM);
        int which = asker->pid == shared->senders[1];
        CHECK_EQ(asker->pid, shared->senders[which]);
        CHECK_EQ(asker->size, command_line_of(asker->pid, argv, sizeof argv));
        CHECK_EQ(memcmp(asker->argv, argv, asker->size), 0);
        CHECK(which || asker->parent == shared->senders[1]);
        for (int j = 0; j < i; j++)
            CHECK(header->askers[j].ordinal != asker->ordinal);
    }
    CHECK(there + lost >= full && there <= full + lost);
}

/* A ring of what was sent or told: each event whole, and none twice. How many, and in *open those
 * whose result is unknown. */
static uint64_t count_sent(const struct ring *ring, uint64_t *open) {
    static unsigned char seen[1 << 20];
    memset(seen, 0, sizeof seen);
    uint64_t found = 0;
    *open = 0;
    /* By slot, as a reader takes them: a ticket may have found its slot held, and gone on. */
    for (uint64_t i = 0; i < ring->capacity; i++) {
        struct event e;
        uint64_t seq = ring->slots[i].sequence;
        if (seq == 0 || (seq & 1))
            continue;
        CHECK(ring_read(ring, seq / 2 - 1, &e));
        found++;
        CHECK(e.pid > 0 && e.pid < (int32_t)sizeof seen && !seen[e.pid]++);
        if (e.signo == SIGCHLD) {
            CHECK_EQ(e.detail, e.pid);
            continue;
        }
        CHECK_EQ(e.signo, SIGTERM);
        CHECK_EQ(e.datum, (uint64_t)e.pid << 32);
        CHECK_EQ(e.timerid, (int32_t)e.ordinal);
        CHECK(e.detail == 0 || e.detail == SENT_UNKNOWN);
        *open += e.detail == SENT_UNKNOWN;
    }
    return found;
}

static void what_was_sent_is_there(const struct recording *recording, uint64_t lost) {
    const struct ring *rings[] = {&recording->sent, &recording->endings, &recording->children};
    uint64_t numbered = shared->numbered, counted = recording->ledger[SIGTERM].sent;
    CHECK(counted <= numbered && counted + lost >= numbered);
    for (int i = 0; i < 3; i++) {
        uint64_t open, full = numbered < rings[i]->capacity ? numbered : rings[i]->capacity;
        uint64_t there = count_sent(rings[i], &open);
        CHECK(there <= full && there + lost >= full && open <= lost);
    }
}

/* With nothing in flight but `lost` signals of a thread that never got on. */
static void balance(uint64_t lost) {
    const struct ledger_entry *l = ledger();
    if (LENDING && !borrow_intake_tid()) { /* nobody would give it back */
        CHECK(!borrow_owned() && !is_in(get_blocked));
        borrow_intake_runs(server, 0);
    }
    if (LENDING)
        all_goes_back();
    uint64_t delivered = l->delivered, recorded = l->recorded;
    nothing_goes_back();
    CHECK(delivered + lost >= shared->sent && delivered <= shared->sent);
    CHECK(recorded + l->dropped + lost >= delivered && recorded + l->dropped <= delivered);
    uint64_t slots = count_slots(process_recording());
    CHECK(slots + lost >= recorded - l->overwritten && slots <= recorded - l->overwritten + lost);
    newest_are_there(process_recording(), lost);
    if (path == SENDS)
        what_was_sent_is_there(process_recording(), lost);
    if (path == ASKS) {
        askers_are_there(process_recording(), lost);
        CHECK(lost || !process_self->asking); /* or nobody would be looked at any more */
    }
    if (path >= RECORDED) {
        CHECK(shared->course + lost >= shared->sent);
        changes_are_there(process_recording(), process_self, lost);
        if (path == BLOCKS) { /* the changes of both threads are all that there were */
            uint64_t noted =
                process_self->masks[SIGUSR1] + process_self->masks[SIGREC_NSIG + SIGUSR1];
            CHECK(noted + lost >= shared->course && noted <= shared->course);
        }
        return;
    }
    uint64_t queued = l->queued + l->undetailed;
    CHECK(queued + lost >= delivered && queued <= delivered);
    if (queued > l->handled)
        CHECK(shared->tripped && process_self->wake); /* or nobody would come */
    drain();
    if (lost)
        give_up();
    CHECK(l->handled + lost >= delivered && l->handled <= delivered);
    CHECK_EQ(l->handled, shared->handled);
    if (lost)
        return;
    CHECK_EQ(l->handled, queued);
    for (int i = 0; i < QUEUE; i++) { /* no slot is held any more, nor marked as given up */
        uint64_t seq = registry_queue(signum)->ring.slots[i].sequence;
        CHECK(!(seq & 1) && !(seq >> 63));
    }
}

static void raise_here(void) {
    while (raise(signum) != 0)
        CHECK_EQ(errno, EAGAIN); /* see queue_to */
}

/* A child of another thread: it has nothing of ours, and all of its own. */
static void child(void) {
    CHECK(process_adopted() == NULL);
    CHECK_EQ(ledger()->delivered, 0);
    if (path < RECORDED)
        CHECK_EQ(queue_next(registry_queue(signum), &(struct event){0}), QUEUE_NONE);
    for (int i = 0; i < LAP; i++)
        raise_here();
    CHECK_EQ(ledger()->delivered, LAP);
    CHECK_EQ(process_go_private(HISTORY), 0);
    raise_here();
    CHECK_EQ(ledger()->delivered, LAP + 1);
    CHECK_EQ(ledger()->recorded + ledger()->dropped, LAP + 1);
    changes_are_there(process_recording(), process_self, 0);
    CHECK(path != SENDS || process_recording()->ledger[SIGTERM].sent == LAP + 1);
    CHECK(path != SETS || process_self->changes[signum] > LAP);
    if (path < RECORDED) {
        CHECK_EQ(ledger()->queued + ledger()->undetailed, LAP + 1);
        CHECK_EQ(ledger()->queued, LENDING ? LAP + 1 : QUEUE); /* that has a backlog */
        drain();
        CHECK_EQ(ledger()->handled, LAP + 1);
    }
    _exit(0);
}

static int commands[2], replies[2];

/* As before a fork, and after it: intake.c. */
static void end_service(void) {
    borrow_hold();
    borrow_give_back(~UINT64_C(0));
    borrow_intake_runs(0, 0);
    borrow_kick(kick);
    borrow_go_on();
}

static void *thread_b(void *ignored) {
    char c;
    int32_t tid = server = LENDING ? (int32_t)syscall(SYS_gettid) : 0;
    if (tid)
        borrow_intake_runs(tid, 0);
    while (read(commands[0], &c, 1) == 1) {
        if (c == FORK) {
            struct shared before = *shared;
            if (tid)
                borrow_intake_runs(0, 0);
            pid_t pid = fork();
            if (pid == 0)
                child();
            int status;
            CHECK(waitpid(pid, &status, 0) == pid);
            CHECK_EQ(status, 0);
            *shared = before;
            if (tid)
                borrow_intake_runs(tid, 0);
        } else if (c == HELD) {
            borrow_hold();
        } else if (c == TAKE_UP) {
            CHECK_EQ(borrow_take_up(), 0);
            borrow_put_down();
            borrow_go_on();
        } else if (c == ENDS) {
            end_service();
        } else {
            if (tid) {
                take_what_is_owned();
                give_back();
            }
            take_here(2);
            drain();
            take_here(LAP);
            drain();
            if (c == LATE)
                give_up();
            take_here(1);
            if (tid)
                all_goes_back();
            nothing_goes_back();
        }
        if (c == GONE)
            balance(path == BATCH ? 3 : 1);
        CHECK(write(replies[1], &c, 1) == 1);
    }
    return ignored;
}

/* The handler's memory of what was before: the same each time. */
static void prepare(void) {
    struct process *self = process_self;
    drain();
    self->skip = self->backoff = 0;
    self->named_ns = 0;
    for (int i = 0; i < SENDER_ENTRIES; i++)
        process_recording()->senders[i].named_ns = 0;
    self->anchored_ns = 0;
    shared->clock_ns += UINT64_C(2000000000);
    self->last_ns = path == BATCH ? shared->clock_ns - 1000 : 0;
    if (path == FULL)
        take_here(QUEUE);
    if (LENDING)
        take_here(path == MASKS && injection > LAPPING ? FAST + 1 : FAST);
}

__attribute__((noreturn)) static void target(const char *directory, const char *name) {
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    CHECK_EQ(process_start(), 0);
    handler_start();
    CHECK_EQ(process_publish(directory, name, true, true, HISTORY), 0);
    trip_set(note_trip);
    if (path >= RECORDED) {
        CHECK(signal(signum, path == SETS     ? sets_a_disposition
                             : path == SENDS  ? sends_a_signal
                             : path == BLOCKS ? blocks_a_signal
                                              : programs_handler) != SIG_ERR);
        CHECK_EQ(install_record(signum, false), 0);
        if (path == ADOPTS)
            a_library_sets_its_handler();
    } else {
        CHECK_EQ(install_prepare(signum, QUEUE), 0);
        CHECK_EQ(install_handler(signum, false), 0);
    }
    if (LENDING) {
        CHECK_EQ(intake_start(), 0);
        intake_set(signum, true, 0, 1 << 20);
        CHECK(kick_possible());
    }
    pthread_t b;
    CHECK(pthread_create(&b, NULL, thread_b, NULL) == 0);
    while (LENDING && !borrow_intake_tid())
        usleep(100);
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    for (;;) {
        prepare();
        errno = 1234;
        shared->over = 0;
        __asm__ volatile("int3" ::: "memory"); /* the signal comes here */
        if (path == MASKS)
            changes_masks();
        CHECK_EQ(errno, 1234);
        balance(0);
    }
}

/* --- the tracer ------------------------------------------------------------------- */

static uint64_t datum = 1;
static unsigned char *seen_code; /* a flag for each byte of the executable's code */
static uint64_t seen_count;
extern char __executable_start, etext;

static void send(int n) {
    for (int i = 0; i < n; i++) {
        queue_to(pid, pid, signum, getpid(), datum++);
        shared->sent++;
        if (signum < SIGRTMIN)
            return; /* the others would merge */
    }
}

static void tell_b(char c) {
    CHECK(write(commands[1], &c, 1) == 1);
    struct pollfd wait = {replies[0], POLLIN, 0};
    for (int waited = 0; poll(&wait, 1, 100) == 0; waited += 100) {
        siginfo_t info = {0};
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid)
            await_stop(); /* says how it ended */
        if (waited > PATIENCE_MS)
            fail("another thread hangs, told to", c);
    }
    CHECK(read(replies[0], &c, 1) == 1);
}

/* What a reader finds in the recording of a process that was killed here. */
static void read_what_is_left(const struct recording *left) {
    const struct ledger_entry *l = &left->ledger[signum];
    uint64_t delivered = l->delivered, recorded = l->recorded;
    CHECK(delivered <= shared->sent && delivered + (path == BATCH ? 3 : 1) >= shared->sent);
    CHECK(recorded + l->dropped <= delivered && recorded + l->dropped + 1 >= delivered);
    uint64_t slots = count_slots(left);
    CHECK(slots + 1 >= recorded - l->overwritten && slots <= recorded - l->overwritten + 1);
    newest_are_there(left, path == BATCH ? 3 : 1);
    if (path == SENDS)
        what_was_sent_is_there(left, 1);
    if (path == ASKS)
        askers_are_there(left, 1);
    changes_are_there(left, NULL, 0);
    if (path < RECORDED)
        CHECK(l->queued + l->undetailed <= delivered && l->queued + l->undetailed + 1 >= delivered);
}

static void run_to_the_trap(void) {
    int stop;
    while ((stop = await_stop()) != SIGTRAP) {
        if (stop != signum && stop != SIGURG /* a kick */)
            fail("stopped by signal", stop);
        trace(PTRACE_CONT, stop);
    }
}

static void start(const char *directory) {
    static uint64_t n;
    char name[32];
    snprintf(name, sizeof name, "%llu.sigrec", (unsigned long long)n++ % 2);
    snprintf(file, sizeof file, "%s/%s", directory, name);
    unlink(file); /* of the round before the last */
    memset(shared, 0, sizeof *shared);
    shared->clock_ns = UINT64_C(1000000000000);
    shared->senders[0] = getpid();
    shared->senders[1] = getppid();
    CHECK(pipe(commands) == 0 && pipe(replies) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(commands[1]);
        close(replies[0]);
        target(directory, name);
    }
    close(commands[0]);
    close(replies[1]);
    run_to_the_trap();
    trace(PTRACE_SETOPTIONS, PTRACE_O_EXITKILL);
}

static void end(void) {
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
        ;
    close(commands[1]);
    close(replies[0]);
}

static void map(struct recording *recording) {
    int fd = open(file, O_RDONLY);
    CHECK(fd >= 0);
    char *p = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    close(fd);
    recording->header = (void *)p;
    const struct recording_section *at = recording->header->sections; /* in the order of types */
    recording->ledger = (void *)(p + at[SECTION_LEDGER - 1].offset);
    recording->history = (struct ring){(void *)(p + at[SECTION_HISTORY - 1].offset), HISTORY,
                                       &recording->header->head, NULL};
    recording->recent.slots = (void *)(p + at[SECTION_RECENT - 1].offset);
    struct ring *rings[] = {&recording->sent, &recording->endings, &recording->children};
    for (int i = 0; i < 3; i++)
        *rings[i] =
            (struct ring){(void *)(p + at[SECTION_SENT - 1 + i].offset),
                          at[SECTION_SENT - 1 + i].count, &recording->header->sent_head + i, NULL};
    struct site *sites = (void *)(p + at[SECTION_SITES - 1].offset);
    recording->dispositions = (struct notes){(void *)(p + at[SECTION_DISPOSITIONS - 1].offset),
                                             sites, SIGREC_NSIG, DISPOSITION_SLOTS};
    recording->masks =
        (struct notes){(void *)(p + at[SECTION_MASKS - 1].offset), sites, MASK_ROWS, MASK_SLOTS};
}

static void step(int with) {
    single_step(with);
    uint64_t pc = where(), start_of_code = (uint64_t)&__executable_start;
    if (pc >= start_of_code && pc < (uint64_t)&etext && !seen_code[pc - start_of_code]) {
        seen_code[pc - start_of_code] = 1;
        seen_count++;
    }
}

static bool is_over(uint64_t home) { return path == MASKS ? shared->over : where() == home; }

/* False: the handler was over before that instruction. True: injected, and the
 * target is at its int3 again, or a new one is. */
static bool once(const char *directory, uint64_t instruction) {
    uint64_t home = where();
    if (path != MASKS) {
        send(path == BATCH ? 3 : 1);
        trace(PTRACE_CONT, 0);
        CHECK_EQ(await_stop(), signum); /* about to be delivered */
        step(signum);                   /* at the first instruction of the handler */
    }
    for (at = 0; at < instruction && !is_over(home); at++)
        step(0);
    bool there = !is_over(home);
    if (there) {
        injected++;
        struct recording left;
        uint64_t nothing = 0;
        switch (injection) {
        case NESTED:
        case LAPPING:
            if (path != MASKS)
                CHECK(ptrace(PTRACE_SETSIGMASK, pid, sizeof nothing, &nothing) == 0);
            send(injection == NESTED ? 1 : LAP);
            break;
        case OTHERS:
        case LATE:
        case FORK:
        case ENDS: tell_b((char)injection); break;
        case HELD:
            tell_b(HELD);
            for (int i = 0; i < AFTER_HELD && !is_over(home); i++)
                step(0);
            tell_b(TAKE_UP);
            break;
        case GONE:
            tell_b(GONE);
            end();
            start(directory);
            return true;
        case KILL:
            map(&left);
            end();
            read_what_is_left(&left);
            munmap(left.header, 1 << 20);
            start(directory);
            return true;
        }
    }
    trace(PTRACE_CONT, 0);
    run_to_the_trap();
    return there;
}

int main(int argc, char **argv) {
    static const char *const paths[] = {"alone", "batch", "full",   "lends",  "masks", "recorded",
                                        "sends", "sets",  "blocks", "adopts", "asks",  NULL};
    static const char *const injections[] = {"nested", "lap",  "others", "late", "fork",
                                             "gone",   "kill", "held",   "ends", NULL};
    if (argc < 4) {
        fprintf(stderr, "usage: stepper DIRECTORY PATH INJECTION [STRIDE [OFFSET]]\n");
        return 2;
    }
    path = (enum path)which(argv[2], paths);
    injection = (enum injection)which(argv[3], injections);
    uint64_t stride = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    uint64_t offset = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    signum = path == ASKS ? SIGTERM : SIGRTMIN + 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    seen_code = calloc(1, (size_t)(&etext - &__executable_start));
    start(argv[1]);
    uint64_t length = 0;
    while (once(argv[1], offset + length * stride))
        length++;
    uint64_t instructions = at;
    CHECK(path != LENDS || shared->lends);
    end();
    printf("%-8s %-6s %6llu instructions (%llu different ones of the core), %6llu injections, "
           "%9llu steps: 0 failures\n",
           argv[2], argv[3], (unsigned long long)instructions, (unsigned long long)seen_count,
           (unsigned long long)injected, (unsigned long long)stepped);
    return 0;
}
