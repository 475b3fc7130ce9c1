# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
# cython: auto_pickle=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The binding to the C core, and the dispatch loop.

It runs in interpreter context, under the GIL; but on_trip() and on_kick(), and what these call
(interrupt(), say), run in signal context.
Policy (argument checks, where a recording goes, what to restore) is in the Python modules.
"""
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN, EINVAL
from libc.stdint cimport UINT64_MAX, int64_t, intptr_t
from libc.string cimport memcpy, memset
from posix.types cimport pid_t
from posix.unistd cimport getpid, usleep

import _signal
import sys
from sys import _getframe
from _weakref import ref as weakref

from sigrec._check import timeout as check_timeout
from sigrec._signals.missed import Missed
from sigrec._signals.siginfo import SignalInfo, _set_event

cdef extern from "Python.h":
    """
    #if PY_VERSION_HEX < 0x030D0000
    /* Before 3.13 a trip off the main thread does not set the main thread's eval breaker. */
    PyAPI_FUNC(void) _PyEval_SignalReceived(PyInterpreterState *);
    static PyInterpreterState *interpreter_of_signals;
    static void note_interpreter_of_signals(void) {
        interpreter_of_signals = PyInterpreterState_Main();
    }
    static void look_for_trips(void) { _PyEval_SignalReceived(interpreter_of_signals); }
    #else
    static void note_interpreter_of_signals(void) {}
    static void look_for_trips(void) {}
    #endif

    #ifdef Py_GIL_DISABLED
    #define HAS_GIL 0
    #else
    #define HAS_GIL 1
    #endif

    #include <stdatomic.h>

    /* CPython's own C handler, once it was seen; and by signal: may it be called for a trip,
     * and is that being done. */
    static _Atomic(void (*)(int)) cpython_handler;
    static _Atomic uint8_t cpython_allowed[65];
    static _Atomic uint32_t cpython_calls[65];

    /* By signal: is to be done in the main thread, as the intake thread asks for it. That has none
     * of the program's file descriptors, and CPython may write to the wakeup fd. */
    static _Atomic uint64_t cpython_asked;
    static uint64_t asked_of_cpython(int signum) {
        return atomic_load(&cpython_asked) & UINT64_C(1) << (signum - 1);
    }
    static int any_asked_of_cpython(void) { return atomic_load(&cpython_asked) != 0; }
    static void ask_cpython(int signum) {
        atomic_fetch_or(&cpython_asked, UINT64_C(1) << (signum - 1));
    }

    /* Signal context, any thread. What PyErr_SetInterruptEx does, but that this looks first
     * whether the handler in Python is SIG_DFL or SIG_IGN, and so compares objects, which kills
     * a thread that has no state: without the GIL, since 3.12. */
    static void interrupt(int signum) {
        atomic_fetch_add(&cpython_calls[signum], 1); /* before the look: see stop_interrupting */
        if (asked_of_cpython(signum)) /* this is the call that was asked for: see trip.h */
            atomic_fetch_and(&cpython_asked, ~asked_of_cpython(signum));
        if (atomic_load(&cpython_allowed[signum])) {
            void (*handler)(int) = atomic_load(&cpython_handler);
            if (handler)
                handler(signum);
            else
                PyErr_SetInterruptEx(signum);
        }
        atomic_fetch_sub(&cpython_calls[signum], 1);
    }
    static void interrupt_as_asked(void) {
        uint64_t rest = atomic_load(&cpython_asked);
        for (int signum = 1; rest; signum++, rest >>= 1)
            if (rest & 1 && asked_of_cpython(signum)) /* a handler may have done it meanwhile */
                interrupt(signum);
    }
    static void note_cpython_handler(void (*handler)(int)) {
        atomic_store(&cpython_handler, handler);
    }
    static int set_interrupts(int signum, int may) {
        return atomic_exchange(&cpython_allowed[signum], may);
    }
    static int may_interrupt(int signum) { return atomic_load(&cpython_allowed[signum]); }
    static int is_interrupting(int signum) { return atomic_load(&cpython_calls[signum]) != 0; }
    static void nobody_interrupts(void) {
        if (atomic_load(&cpython_asked))
            atomic_store(&cpython_asked, 0);
        for (int signum = 0; signum < 65; signum++)
            if (atomic_load(&cpython_calls[signum]))
                atomic_store(&cpython_calls[signum], 0);
    }

    /* In a forked child a page is copied for whatever is written, and not for what is read. */
    static void clear(uint32_t *counts, int n) {
        for (int i = 0; i < n; i++)
            if (counts[i])
                counts[i] = 0;
    }

    /* These run for each call of a handler. All others are compiled for size: setup.py. */
    #if defined(__GNUC__) && !defined(__clang__)
    #define FOR_SPEED __attribute__((optimize("O2")))
    #else
    #define FOR_SPEED
    #endif
    struct event;
    struct roster;
    struct batch;
    static int choose(const struct roster *, struct event *, int *) FOR_SPEED;
    static int is_over(struct batch *) FOR_SPEED;
    static PyObject *claim(struct roster *, struct batch *) FOR_SPEED;
    static int call_all(struct roster *, PyObject *, struct batch *) FOR_SPEED;
    static int drain(struct roster *, int, PyObject *, uint64_t *, uint64_t) FOR_SPEED;

    static PyObject *call_with_two(PyObject *function, PyObject *one, PyObject *two) {
        PyObject *arguments[] = {NULL, one, two};
        return PyObject_Vectorcall(function, arguments + 1,
                                   2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    static int is_raised(void) { return -1; }
    """
    object call_with_two(object function, object one, object two)
    int is_raised() except -1  # raises the exception that is set
    bint HAS_GIL
    void clear(uint32_t *counts, int n) noexcept nogil
    void note_interpreter_of_signals()
    void look_for_trips() noexcept nogil
    void interrupt(int signum) noexcept nogil
    void note_cpython_handler(c_handler handler) noexcept nogil
    bint set_interrupts(int signum, bint may) noexcept nogil
    bint any_asked_of_cpython() noexcept nogil
    void ask_cpython(int signum) noexcept nogil
    uint64_t asked_of_cpython(int signum) noexcept nogil
    void interrupt_as_asked() noexcept nogil
    bint may_interrupt(int signum) noexcept nogil
    bint is_interrupting(int signum) noexcept nogil
    void nobody_interrupts() noexcept nogil
    unsigned long PyThread_get_thread_ident() noexcept nogil
    unsigned long PyThread_get_thread_native_id() noexcept nogil
    int PyThreadState_SetAsyncExc(unsigned long ident, PyObject *exception)
    int PyErr_CheckSignals() except -1
    void PyErr_SetObject(object kind, object error) noexcept
    void PyErr_WriteUnraisable(object where) noexcept
    Py_ssize_t Py_REFCNT(PyObject *one) noexcept
    int Py_AddPendingCall(int (*call)(void *) except -1, void *about)
    void *PyMem_RawMalloc(size_t size) noexcept
    void PyMem_RawFree(void *memory) noexcept
    object PyBytes_FromStringAndSize(const char *text, Py_ssize_t size)
    char *PyBytes_AS_STRING(object text)
    PyObject *PySys_GetObject(const char *name)
    int PySys_SetObject(const char *name, object value) except -1
    int PyDict_Contains(object dictionary, object key) except -1
    int PyGC_Enable()
    int PyGC_Disable()
    ctypedef void *PyThread_type_lock
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyThread_type_lock PyThread_allocate_lock() noexcept nogil
    void PyThread_free_lock(PyThread_type_lock) noexcept nogil
    int PyThread_acquire_lock(PyThread_type_lock, int waits) noexcept nogil
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock, long long microseconds,
                                             int interruptible) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock) noexcept nogil
    unsigned long PyThread_start_new_thread(void (*)(void *) noexcept, void *) noexcept nogil
    unsigned long NO_THREAD "PYTHREAD_INVALID_THREAD_ID"

NSIG = SIGREC_NSIG


def _fsdecode(bytes name):
    import os
    return os.fsdecode(name)


cdef const char *problem = found_core()
if problem is not NULL:
    raise ImportError(f"no core: {_fsdecode(problem)}")

cdef enum:
    # One dispatch calls handlers for at most so many signals, and for at most so long, before
    # the interrupted code goes on: a flood must not stop the program.
    BATCH = 10_000
    BATCH_NS = 5_000_000
    UNSEEN = 8  # after quick calls, so many may follow before a clock is read again
    # After a batch of so few calls, which were slow, the interrupted code runs for at least so
    # long, and not only until the next bytecode.
    SLOW = 1_000
    REST_NS = 500_000
    REST_MAX_NS = 3_000_000  # and at most so long, if the kick does not come
    # A further kind of item, beside those of queue_next().
    SIMULATED = 100
    # A coalescing call stands for at most so many signals, so that its work is bounded in a flood.
    COALESCE_MAX = 1_000_000

cdef class Handler:
    """What is called for a signal, and in which thread. Only `active` ever changes, and for a
    stream the last two."""
    cdef readonly object function
    cdef readonly bint siginfo, coalesce, thread, batch
    cdef readonly bint active  # it is registered
    cdef readonly int depth_limit, signum
    cdef object number  # signum as a Python object, which the function gets
    cdef bint plain  # which is all that it gets, beside the frame
    # For the intake thread; backlog 0: that takes no such signal. They are those that the stream's
    # subscribers ask for.
    cdef readonly uint64_t moderation_ns, backlog

    def __init__(self, int signum, function, bint siginfo, bint coalesce, int depth_limit,
                 bint thread, bint batch=False, uint64_t moderation_ns=0, uint64_t backlog=0):
        self.thread = thread
        self.moderation_ns = moderation_ns
        self.backlog = backlog
        self.number = self.signum = signum
        self.function = function
        self.siginfo = siginfo
        self.batch = batch
        self.coalesce = coalesce
        self.depth_limit = depth_limit
        self.plain = not (siginfo or batch or type(function) is Source)

# Indexed by signal number.
cdef list handlers = [None] * SIGREC_NSIG
# Held while handlers and rosters are changed, and while a call is claimed; but only without a GIL,
# since with one no other thread can run meanwhile.
cdef object guard = object()

# The signals that have a handler, by the thread that calls it: the main thread, from dispatch(), or
# the dispatcher thread, from dispatch_in_thread(). Each of them drains only its own.
cdef struct roster "roster":
    int signums[65]
    queue *queues[65]  # in the same order
    PyObject *handlers[65]  # in the same order; the list above keeps them alive
    int count
    int depth[65]  # how many calls of the signal's handler are on the stack now
    uint64_t calls  # how many there were so far
    unsigned long thread  # the thread that drained it last

cdef roster in_main, in_thread
cdef int to_thread[65]  # whether the dispatcher thread calls it, for on_trip() in signal context
# What the recording says: the signal whose handler was called last and has not returned, and since
# when.
cdef int handling = 0
cdef uint64_t handling_since = 0

cdef bint intake_used = False  # there may be an intake thread
cdef uint64_t tick_length = 0  # the length of a tick of the cheap clock

cdef inline bint is_handling_changed(int signum, uint64_t since) noexcept:
    global handling, handling_since
    if handling == signum and handling_since == since:  # many calls in a row change nothing
        return False
    handling, handling_since = signum, since
    return True

cdef inline int depth_of(int signum) noexcept:
    return in_main.depth[signum] + in_thread.depth[signum]  # the other thread may have had it

cdef inline void leave_handling(const roster *mine, int outer, uint64_t since) noexcept:
    if mine == &in_main and is_handling_changed(outer, since):
        process_set_handling(outer, since)
    if not mine.count:
        sigbus_give_back()  # the handler that returned may have cancelled itself

# A function that gives this process a recording; _recorder/publishing sets it.
cdef object adopt = None
cdef unsigned long adopting = 0  # the thread that calls it now, where handlers may come in between


cdef int adopt_once() except -1:
    """Gives this process a recording, unless another thread is doing that. It does not wait for
    that thread, since signals are counted meanwhile."""
    global adopting
    cdef unsigned long me = PyThread_get_thread_ident()
    cdef unsigned long before = adopting
    if before != 0 and before != me:
        return 0
    adopting = me
    try:
        adopt()
    finally:
        adopting = before
    return 0


def adopt_now(double seconds) -> None:
    """Gives this process a recording. If another thread is doing that, waits for it, for so many
    seconds at most."""
    cdef uint64_t until = monotonic_ns() + <uint64_t>(seconds * 1e9)
    while process_adopted() is NULL:
        adopt_once()
        if process_adopted() is not NULL or monotonic_ns() > until:
            return
        Waiter().wait(monotonic_ns() + 1_000_000)


cdef void on_trip(int signum, trip_from where) noexcept nogil:
    if to_thread[signum]:
        if not wake_reader():
            wake_post()
    elif where == TRIP_FROM_INTAKE:
        ask_cpython(signum)
        if not kick_main(process_pid()):
            interrupt_as_asked()
    else:
        interrupt(signum)
        if where != TRIP_FROM_MAIN:
            kick_main(process_pid())


cdef enum:
    STOP_US = 100  # the time between two looks
    STOP_LOOKS = 10_000


cdef void stop_interrupting(int signum) noexcept:
    """Ends the trips of CPython for this signal, which is about to have another handler in Python
    than ours: CPython would print a message about a race, if a trip came then. This waits for a
    thread that is just making a trip; but for a second at most, since that thread may be
    stopped."""
    cdef int look = 0
    set_interrupts(signum, False)
    while is_interrupting(signum) and look < STOP_LOOKS:
        look += 1
        with nogil:
            usleep(STOP_US)


cdef void interrupt_again(int signum) noexcept:
    """From here on CPython is tripped for this signal, if its handler in Python is ours."""
    if get_python_handler(signum) is not dispatch:
        return
    if not set_interrupts(signum, True) and trip_is_out(signum):  # that trip may have been lost
        make_trip(signum)


cdef bint called_later = False  # later() is going to be called
cdef object error_for_later = None


cdef void call_later() noexcept:
    """Has CPython call handlers at the next bytecode of the main thread, without any trip. That is
    for a signal whose handler in Python is not ours any more."""
    global called_later
    if not called_later:
        called_later = Py_AddPendingCall(later, NULL) == 0


cdef int later(void *nothing) except -1:
    global called_later, error_for_later
    cdef uint64_t ignored = 0
    called_later = False
    error, error_for_later = error_for_later, None
    if error is not None:
        call_later()
        raise error
    drain(&in_main, 0, interrupted_frame(), &ignored, 0)
    return 0


# The program's own signal.signal(), for a signal that is registered. CPython runs handlers that are
# due, then sets the disposition (csrc/handler/install.h calls these two functions before and after
# that), and then has another handler in Python. A trip that it finds after that, it would give to
# that handler, or print "ignored due to race condition".

cdef bint is_replaced(int signum) noexcept:
    return (runs_python() and not stopped and stacks[signum] is not None and not to_thread[signum]
            and not is_ending())


cdef void before_replace(int signum) noexcept:
    """Handles what was delivered before, as far as the handler may run now."""
    global error_for_later
    cdef list errors
    if not is_replaced(signum):
        return
    errors = []
    stop_interrupting(signum)
    try:
        if trip_is_out(signum) or owed[signum]:
            PyErr_CheckSignals()
        if trip_is_out(signum):
            # This is called from within such a look of CPython. One more trip makes it look again.
            set_interrupts(signum, True)
            make_trip(signum)
            stop_interrupting(signum)
            PyErr_CheckSignals()
    except BaseException as error:
        errors.append(error)
    settle(signum, errors)
    if errors:
        error_for_later = errors[0]


cdef void after_replace(int signum) noexcept:
    if not is_replaced(signum):
        return
    if registry_in_place(signum):
        interrupt_again(signum)
    else:
        trip_clear(&signum, 1)
        if queue_waits(registry_queue(signum)) or error_for_later is not None:
            call_later()


# Signals of the main thread that a batch of slow calls has left for later, until the next kick.
cdef uint64_t resting = 0
cdef uint64_t resting_since = 0


cdef void on_kick(bint over) noexcept nogil:
    """Called in signal context, in the main thread, when a kick arrives. over: none may come any
    more; in any thread."""
    global resting
    cdef uint64_t now, rest
    cdef int signum
    if resting:
        now = monotonic_ns()
        if over or now - resting_since >= REST_NS:
            rest = resting
            resting = 0
            for signum in range(1, SIGREC_NSIG):
                if rest & signal_bit(signum):
                    trip(signum, now, <uint32_t>PyThread_get_thread_native_id())
    # In another thread, which may be kicked, too, nobody would get the main thread out of its call.
    if any_asked_of_cpython() and (
            PyThread_get_thread_native_id() == <unsigned long>process_pid()
            or not kick_main(process_pid())):
        interrupt_as_asked()
    look_for_trips()
    intake_pass_on()  # last: it may call handlers of the program's, which may never return


cdef bint is_resting() noexcept:
    global resting
    # Another thread may have stopped the kicks just before the last bit was set here.
    if resting and (not kick_runs() or monotonic_ns() - resting_since >= REST_MAX_NS):
        resting = 0
    return resting != 0


cdef void make_trip(int signum) noexcept:
    trip_again(signum, monotonic_ns(), <uint32_t>PyThread_get_thread_native_id())


# --- calls of the interpreter for which no signal came -----------------------------

# Other code has simulated the signal (_thread.interrupt_main, PyErr_SetInterrupt), or CPython's own
# C handler has taken it, since the program has put that back. The handler is called for each of
# these, without siginfo, and the ledger does not count them.
cdef uint32_t simulated[65]
# How many calls of dispatch() may still come for trips of ours that were answered or taken back
# already.
cdef uint32_t owed[65]


cdef bint is_simulated(int signum, uint64_t *since) except -1:
    """Whether CPython has called dispatch() for something other than a trip of ours (trip.h)."""
    cdef trip_call call = TRIP_NOT_OURS
    cdef uint32_t again = 0
    cdef bint settled
    if not to_thread[signum]:  # for the dispatcher thread our trips do not come here
        call = trip_take(signum, since, &again)
    if call == TRIP_NOT_OURS:
        if not owed[signum]:
            return True
        owed[signum] -= 1
    owed[signum] += again
    if owed[signum]:
        # This is asked first, whether each trip has been made; then CPython looks, and those come.
        settled = (trip_settled(signum) and not asked_of_cpython(signum)
                   and not is_interrupting(signum))
        try:
            PyErr_CheckSignals()
        except:
            arm(&in_main)
            raise
        if settled:
            owed[signum] = 0
    return False


# --- dispatch --------------------------------------------------------------------


cdef inline uint64_t realtime_offset() noexcept:
    return clock_ns(CLOCK_REALTIME) - monotonic_ns()


cdef object new_object = object.__new__
cdef object set_event = _set_event


cdef object make_info(const event *e, uint64_t offset):
    """Does what SignalInfo._make does, without running any Python code: another signal's handler
    could run inside that, and raise, and this event, which is claimed, would be lost."""
    info = new_object(SignalInfo)
    set_event(info, (offset, e.monotonic_ns, e.ordinal, e.signo, e.code, e.pid, e.uid,
                     e.datum, e.tid, e.error, e.detail, e.timerid))
    return info


cdef int choose "choose"(const roster *mine, event *chosen, int *item) noexcept:
    """The place in `mine` of the signal whose turn it is, or -1. That is the one with the oldest
    event among those whose handler may run. A signal whose next item has no detail, and so no time,
    comes after all others."""
    cdef int i, signum, kind, best = -1
    cdef event head
    cdef event *at
    cdef PyObject *handler
    item[0] = QUEUE_NONE
    for i in range(mine.count):
        signum = mine.signums[i]
        handler = mine.handlers[i]
        if depth_of(signum) >= (<Handler>handler).depth_limit:
            continue
        if ((<Handler>handler).backlog and borrow_withholds(signum)
                and (may_interrupt(signum) or to_thread[signum]) and stacks[signum] is not None):
            continue  # the main thread blocks it, and must not be interrupted by it
        if queue_is_empty(mine.queues[i]) and not simulated[signum]:
            continue
        at = &head if item[0] == QUEUE_EVENT else chosen
        kind = queue_next(mine.queues[i], at)
        if kind == QUEUE_EVENT:
            if at == chosen or head.monotonic_ns < chosen.monotonic_ns:
                best = i
                item[0] = kind
                if at != chosen:
                    chosen[0] = head
        elif best < 0:
            if kind == QUEUE_NONE:
                if not simulated[signum]:
                    continue
                kind = SIMULATED
            best = i
            item[0] = kind
    return best


cdef uint64_t take_all(int signum) noexcept:
    cdef event ignored
    cdef uint64_t n = 0
    cdef queue *q = registry_queue(signum)
    cdef queue_item kind
    while n < COALESCE_MAX:
        kind = queue_next(q, &ignored)
        if kind == QUEUE_NONE:
            break
        queue_take(q, kind)
        n += 1
    return n


cdef enum:
    LARGEST_BATCH = 1 << 16


cdef object gather(int signum, const event *first, uint64_t *handled):
    """For a handler of batches: the bytes of the event that was claimed, and of all others of its
    signal that wait, which are counted as handled here."""
    cdef queue *q = registry_queue(signum)
    cdef queue_item kind
    cdef event *at
    cdef uint64_t size, count = 1
    with cython.critical_section(guard):
        size = min(queue_length(q) + 1, <uint64_t>LARGEST_BATCH)
        raw = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(size * sizeof(event)))
        at = <event *>PyBytes_AS_STRING(raw)
        memset(at, 0, size * sizeof(event))
        if first is NULL:
            at[0].signo = signum
        else:
            at[0] = first[0]
        while count < size:
            kind = queue_next(q, &at[count])
            if kind == QUEUE_NONE:
                break
            queue_take(q, kind)
            if kind == QUEUE_UNDETAILED:
                memset(&at[count], 0, sizeof(event))
                at[count].signo = signum
            count += 1
        process_handled(signum, count - 1)
        if handled is not NULL:
            handled[0] += count - 1
    return raw[:<Py_ssize_t>(count * sizeof(event))]


cdef void arm(const roster *mine, bint at_once=True) noexcept:
    """Makes sure that dispatch() is called again for all that waits now."""
    global resting, resting_since
    cdef int i, signum
    if mine == &in_thread:
        if not is_idle(mine):
            wake_post()
        return
    for i in range(mine.count):
        signum = mine.signums[i]
        # A signal that was given back is left out: CPython has another handler for it, or none.
        if registry_has(signum) and (simulated[signum] or queue_waits(registry_queue(signum))):
            if not may_interrupt(signum):
                call_later()
                continue
            if not at_once and kick_again():
                resting |= signal_bit(signum)
                resting_since = monotonic_ns()
                if is_resting():
                    continue
            make_trip(signum)
            if mine == &in_main and <int32_t>PyThread_get_thread_native_id() == process_pid():
                kick_again()


cdef object is_finalizing = sys.is_finalizing


cdef bint is_ending():
    """Whether the interpreter is ending: what a finalizer needs may be gone by then."""
    return is_finalizing is None or is_finalizing()


cdef struct batch "batch":
    uint64_t calls
    uint64_t start  # the batch began then, or later
    uint64_t tick  # the cheap clock, when the exact one was read last
    uint64_t look  # the cheap clock is read again when there have been so many calls
    bint close  # the end is near: the exact clock is read after each call
    int only
    uint64_t *handled_only  # how many of that signal were handled
    int32_t pid  # whose batch it is: a handler may fork
    uint64_t offset  # of CLOCK_REALTIME; 0: not read yet
    int signum, kind  # of the call that was claimed last
    event e  # and its event, if that is its kind


cdef bint is_over "is_over"(batch *b) noexcept:
    """Whether the interrupted code has to go on now. As long as the cheap clock has not moved since
    the exact clock was read, less than one tick has passed. While the calls are quick, even the
    cheap clock is not read after each."""
    cdef uint64_t tick
    cdef int64_t spent
    if b.calls < b.look:
        return False
    if b.calls > BATCH:
        return True
    tick = monotonic_tick_ns()
    if tick == b.tick and not b.close:
        b.look = b.calls + min(b.calls, <uint64_t>UNSEEN)
        return False
    b.tick = tick
    spent = <int64_t>(monotonic_ns() - b.start)
    b.close = spent + <int64_t>tick_length > BATCH_NS
    return spent > BATCH_NS


cdef object claim "claim"(roster *mine, batch *b):
    """Takes the next call that is due, and counts its signal as handled. Returns the handler to
    call. None: no call is due, or the batch is over (then b.kind is not QUEUE_NONE). The caller
    holds the guard, so that no other thread takes the same call, and no handler changes."""
    cdef uint64_t n = 1, since
    cdef int signum, i = choose(mine, &b.e, &b.kind)
    # (A batch of the main thread only ends if a kick can interrupt its next system call.)
    if i < 0 or (b.calls and is_over(b) and (mine != &in_main or kick_again())):
        return None
    b.signum = signum = mine.signums[i]
    handler = <Handler>mine.handlers[i]
    if b.kind == SIMULATED:
        simulated[signum] -= 1
        n = 0
    else:
        queue_take(mine.queues[i], <queue_item>b.kind)
    if handler.coalesce:
        n += take_all(signum)
        simulated[signum] = 0
    # The time is that at which the clock was last read for the batch.
    since = max(b.start, b.tick)
    # This comes before the call, which may raise, fork, or never return.
    if mine == &in_main and is_handling_changed(signum, since):
        process_handles(signum, n, since)
    else:
        process_handled(signum, n)
    if signum == b.only:
        b.handled_only[0] += n
    mine.depth[signum] += 1
    mine.calls += 1
    b.calls += 1
    return handler


cdef int call_with_more(Handler handler, object frame, batch *b) except -1:
    """Calls a handler that gets more than the number and the frame, or something else."""
    cdef const event *e = &b.e if b.kind == QUEUE_EVENT else NULL
    if type(handler.function) is Source:
        (<Source>handler.function).hand_out(handler.signum, e)
    elif handler.batch:
        raw = gather(handler.signum, e, b.handled_only if handler.signum == b.only else NULL)
        handler.function(handler.number, as_batch(raw), frame)
    elif e is NULL:
        handler.function(handler.number, None, frame)
    else:
        if not b.offset:
            b.offset = realtime_offset()
        handler.function(handler.number, make_info(e, b.offset), frame)
    return 0


cdef inline void end_call(roster *mine, int signum) noexcept:
    """A call of that signal's handler has returned, or raised."""
    mine.depth[signum] -= 1
    if mine == &in_thread:
        note_return(signum)
    # It has moved to the other thread, which has left alone what came while its handler ran here.
    if to_thread[signum] != (mine == &in_thread):
        arm(&in_main if mine == &in_thread else &in_thread)


cdef int call_all "call_all"(roster *mine, object frame, batch *b) except -1:
    """Calls handlers as long as calls are due. 1: the last has forked, and this is the child. After
    an exception of one, of the signal b.signum, this is to be called again."""
    cdef Handler handler
    while True:
        if HAS_GIL:
            handler = <Handler>claim(mine, b)
        else:
            with cython.critical_section(guard):
                handler = <Handler>claim(mine, b)
        if handler is None:
            return 0
        if later_count and type(handler.function) is not Source and in_dispatcher():
            wake_the_later_ones()  # the handler may run for long
        if handler.plain:
            call_with_two(handler.function, handler.number, frame)
        else:
            call_with_more(handler, frame, b)
        end_call(mine, b.signum)
        if process_pid() != b.pid:
            return 1


cdef bint is_only_counted(roster *mine, object frame, batch *b, int outer,
                          uint64_t outer_since) except -1:
    """A handler has raised an exception. True: it is only counted. Else this raises it."""
    global failures, failed_in_thread
    try:
        is_raised()
    except BaseException as error:
        end_call(mine, b.signum)
        if mine == &in_thread:
            failed_in_thread = b.signum
        elif is_counted(error, b.signum, &b.e if b.kind == QUEUE_EVENT else NULL, frame):
            failures += isinstance(error, Exception)
            if process_pid() == b.pid:
                return True
        leave_handling(mine, outer, outer_since)
        if process_pid() == b.pid:
            # The exception surfaces now, and the rest is handled next. proof: rest-armed
            arm(mine)
            if mine == &in_main and not is_idle(mine):
                watch_report(error, b.signum)
        raise


cdef int drain "drain"(roster *mine, int only, object frame, uint64_t *handled_only,
                       uint64_t since) except -1:
    """Calls handlers for all that waits, for every signal of `mine`. Adds to handled_only how many
    of the signal `only` were handled. since: when this batch has begun at the earliest; 0: it
    begins now."""
    global resting
    cdef batch b
    cdef int outer = handling
    cdef uint64_t outer_since = handling_since
    # As one that raises nothing: a `try` costs as much as a call.
    cdef int (*calls)(roster *, object, batch *) noexcept
    cdef int came
    cdef process_now now = process_look()
    calls = <int (*)(roster *, object, batch *) noexcept>call_all
    if not now.adopted and not adopting:
        adopt_once()
        now = process_look()
    if intake_used:
        intake_begin()
    mine.thread = PyThread_get_thread_ident()
    b.calls = b.tick = b.look = b.offset = 0
    b.close = False
    b.kind = QUEUE_NONE
    b.only, b.handled_only = only, handled_only
    b.pid = now.pid
    b.start = max(since if since else monotonic_ns(), now.last_ns)
    if mine == &in_thread:
        # The trip is cleared before the queues are looked at, so that a signal that comes after the
        # look trips again. (For the main thread, dispatch() has cleared it.)
        with cython.critical_section(guard):
            trip_clear(mine.signums, mine.count)
    while (came := calls(mine, frame, &b)) == -1:
        is_only_counted(mine, frame, &b, outer, outer_since)
    if came == 1:
        leave_handling(mine, 0, 0)
        return 0  # the handler has forked: what waits is the parent's, not the child's
    leave_handling(mine, outer, outer_since)
    if b.kind != QUEUE_NONE:
        arm(mine, mine == &in_thread or b.calls > SLOW)
    elif mine == &in_main:
        # No kick comes any more, and those that waited for one are handled. proof: rest-over
        resting = 0
        kick_rest()
        if others_wait and not reporting and frame is not None:
            end_watch()  # the exception that surfaced was caught
    return 0


include "_core_failures.pxi"


cdef bint put_back(int signum) noexcept:
    """Installs our C handler again, if the program has put our handler in Python back."""
    if not install_again(signum, to_thread[signum]):
        return False
    if not to_thread[signum]:
        interrupt_again(signum)
    return True


# By signal: how many handlers beneath the one in force a handler has called, and at which depth().
cdef int beneath[65]
cdef int beneath_depth[65]


cdef int call_beneath(int signum, frame) except -1:
    """A handler has called dispatch() itself, since signal.getsignal() had shown that when the
    handler was registered. It means the handler beneath it, which this calls, without siginfo;
    nothing, if there is none any more."""
    cdef list stack = <list>stacks[signum]
    cdef int before = beneath[signum], before_depth = beneath_depth[signum]
    cdef int depth = depth_of(signum), down = before + 1 if before_depth == depth else 1
    cdef Handler one
    cdef event none
    if stack is None or down >= len(stack):
        return 0
    one = <Handler>stack[len(stack) - 1 - down]
    beneath[signum], beneath_depth[signum] = down, depth
    try:
        if one.plain:
            one.function(one.number, frame)
        elif one.batch:
            memset(&none, 0, sizeof(none))
            none.signo = signum
            one.function(one.number, as_batch((<char *>&none)[:sizeof(none)]), frame)
        elif type(one.function) is not Source:
            one.function(one.number, None, frame)
    finally:
        beneath[signum], beneath_depth[signum] = before, before_depth
    return 0


def dispatch(signum, frame, /):
    """The Python-level handler of every registered signal (signal.signal)."""
    global resting
    cdef int number = signum
    cdef uint64_t handled = 0, since = 0
    cdef bint by_others
    if depth_of(number) and frame is not interrupted_frame():
        call_beneath(number, frame)  # CPython passes the frame that it interrupts
        return
    by_others = is_simulated(number, &since)
    if by_others and handlers[number] is not None:
        simulated[number] += 1
        # Our C handler did not see this signal. If CPython's own is the disposition, the program
        # has saved our Python-level handler and put it back by signal.signal(), and so wants our
        # handler.
        put_back(number)
        if to_thread[number]:
            wake_post()
    if resting:
        resting |= signal_bit(number)
        if is_resting():
            return
    drain(&in_main, number, frame, &handled, since)
    if handled or by_others or handlers[number] is None or depth_of(number):
        return
    # Such a call can look like a trip of ours, if CPython has lost one before.
    if put_back(number):
        simulated[number] += 1
        drain(&in_main, number, frame, &handled, since)


def wake() -> None:
    """Wakes the dispatcher thread."""
    wake_post()


def can_wake() -> bool:
    return wake_possible()


cdef int32_t forked = 0  # the pid of the child in which after_fork_in_child() has run


cdef int forget_what_is_the_parents() except -1:
    """In a forked child: resets the state that belongs to the parent. It writes only what it has to
    change, since the kernel copies each page that is written."""
    global adopting, handling, handling_since, changing, dispatcher, dispatcher_ends, resting
    global finishing, called_later
    cdef unsigned long me = PyThread_get_thread_ident()
    nobody_interrupts()
    if adopting and adopting != me:
        adopting = 0
    if PyThread_acquire_lock(changing, 0):
        PyThread_release_lock(changing)
    else:  # another thread of the parent held it
        changing = PyThread_allocate_lock()
    if dispatcher or dispatcher_ends:
        dispatcher, dispatcher_ends = 0, False  # only the parent has that thread
    if finishing:
        finishing = []
    clear(simulated, 65)
    clear(owed, 65)
    if resting:
        resting = 0
    if called_later:
        called_later = False
    # Handlers that ran in other threads do not run here.
    if in_main.thread != me:
        if handling or handling_since:
            handling, handling_since = 0, 0
        clear(<uint32_t *>in_main.depth, 65)
    if in_thread.thread != me:
        clear(<uint32_t *>in_thread.depth, 65)
    close_in_child()
    return 0


def after_fork_in_child() -> None:
    """The hook in a forked child. CPython has just cleared its trip flags: PyOS_AfterFork_Child().

    It runs Python code, and writes, only if needed: the kernel copies each page that is written."""
    global forked
    if forked == getpid():
        return
    forked = getpid()
    forget_what_is_the_parents()
    arm(&in_main)
    if adopt_otherwise is None:
        return
    if process_adopted() is NULL and not adopt_spare():
        adopt_otherwise()
    elif PyDict_Contains(modules, "multiprocessing.util"):
        in_child_of_multiprocessing()


# --- registration ------------------------------------------------------------------

cdef int check(int error) except -1:
    if error:
        raise OSError(error, _strerror(error))
    return 0


cdef int check_made(int error) except -1:
    """Raises the error of timer_create(2). A timer takes the place of one queued signal, and EAGAIN
    means that there was no room for some time."""
    if error == EAGAIN:
        raise OSError(
            error, "a timer: this user has as many signals queued, and timers, as its "
            "RLIMIT_SIGPENDING allows; setrlimit(2), ulimit -i"
        )
    return check(error)


def _strerror(int error):
    import os
    return os.strerror(error)


cdef int need_the_only_core() except -1:
    if found_other() is not NULL:
        from sigrec._errors import SigrecError
        raise SigrecError(
            f"this process has a core of sigrec already, {_fsdecode(found_other())}, of another "
            f"build than {_fsdecode(found_own())}: two cannot record its signals"
        )
    return 0


def start(adopt_function) -> None:
    """Prepares the core; adopt_function() is called when a process needs a recording."""
    global adopt, tick_length
    need_the_only_core()
    check(process_start())
    if not begun():  # else the preloaded library, or an attach, began this recording before Python
        handler_start()
    adopt = adopt_function
    tick_length = tick_ns()
    note_interpreter_of_signals()
    kick_start(on_kick)
    trip_set(on_trip)
    install_on_replace(before_replace, after_replace)


include "_core_registrations.pxi"
include "_core_waiting.pxi"
include "_core_streams.pxi"
include "_core_caller.pxi"


def in_place(int signum) -> bool:
    """Whether our handler is the OS-level disposition."""
    return registry_in_place(signum)


def alternate_stack() -> tuple:
    """The size of the calling thread's alternate stack, 0 if it has none; and the size that it
    needs."""
    cdef uint64_t size, needed
    install_alternate_stack(&size, &needed)
    return size, needed


def has_thread_handlers() -> bool:
    """Whether the dispatcher thread has anything to do."""
    return in_thread.count > 0


def refresh_modes() -> None:
    """Brings the modes in the recording up to date, where another handler has replaced ours; and
    counts what came from a thread that was still in our handler when the signal was
    unregistered."""
    install_refresh_modes()
    abandon_what_is_left()


cdef int abandon_what_is_left() except -1:
    cdef int signum
    for signum in range(1, SIGREC_NSIG):
        if handlers[signum] is None and registry_queue(signum) is not NULL:
            abandon(signum)
    sigbus_give_back()
    return 0


# --- recording without registering ---------------------------------------------------

def interpose(bytes package, bytes signal_module) -> bool:
    """From here on the program's calls of sigaction(2) and the like come to sigrec. False: this
    platform cannot do that. Lines of files in `package` (the beginning of their names), and of the
    file signal_module, do not count as the program's."""
    need_the_only_core()
    if not interpose_install():
        return False
    ask_python(package, signal_module)
    return True


# Indexed by signal number: how many recorders record it, and how many of these by name, so that it
# is recorded even while it is ignored.
cdef int recorders[65]
cdef int named_recorders[65]


def record(tuple signums, bint named, bint inherited) -> None:
    """Records signals that the program handles itself: all of them, or none. Raises OSError, with
    the signal as its file name, if one is refused. inherited: signals that are ignored now have
    been ignored from the start."""
    cdef int signum, error
    cdef int begun = 0
    cdef bint goes_on
    begin_change()
    try:
        sigbus_take()  # before the first is recorded
        for signum in signums:
            goes_on = passive_records(signum)
            error = all_record_one(signum, named or named_recorders[signum] > 0)
            if error:
                record_less(signums[:begun], named)
                check_signal(signum, error)
            if not goes_on:  # (Python itself ignores SIGPIPE and SIGXFSZ)
                install_note_start(signum, inherited and signum not in (SIGPIPE, SIGXFSZ))
            recorders[signum] += 1
            named_recorders[signum] += named
            begun += 1
    finally:
        end_change()


cdef int check_signal(int signum, int error) except -1:
    raise OSError(error, _strerror(error), signum)


cdef int record_less(tuple signums, bint named) except -1:
    cdef int signum
    for signum in signums:
        recorders[signum] -= 1
        named_recorders[signum] -= named
        if not recorders[signum]:
            # The kernel has again what the program set, unless an attach records it, too.
            all_stop_one(signum)
        elif named and not named_recorders[signum]:
            check(all_record_one(signum, False))
    return 0


def record_stop(tuple signums, bint named, recorder, stopped) -> None:
    """Ends one record(). In the same step its recorder notes the counts at the end."""
    begin_change()
    try:
        if recorder._stopped is None:
            recorder._stopped = stopped
            record_less(signums, named)
    finally:
        end_change()


def set_reason(bytes reason) -> None:
    """Writes down what ended the program: the type of an exception."""
    process_set_reason(reason)


# --- the recording -------------------------------------------------------------------

def publish(bytes file, bint keep, uint64_t capacity) -> bytes:
    """Makes the recording, in that file (None: in the first place that can be used), or else counts
    in private memory. Returns what is to say of better places."""
    cdef where_options options
    cdef char notes[16384]
    memset(&options, 0, sizeof(options))
    if file is not None:
        options.file = file
    options.keep, options.capacity, options.former_stays = keep, capacity, True
    check(make_recording(&options, notes, sizeof(notes)))
    refresh_modes()
    return notes


def usable_directory(bytes without=b"") -> bytes | None:
    """The first directory where recordings can be made, and whose path has none of these
    characters. If it is missing, it is made."""
    cdef char directory[4096]  # PLACES_SIZE
    return directory if places_first(directory, without) else None


def clean(bytes directory, size_t keep) -> list[bytes]:
    """Removes what is old there (csrc/recording/retention.h). Returns the names of those that only
    a reader can judge."""
    others = bytearray(1 << 16)
    cdef char *at = others
    names = bytes(others[:retention_clean(directory, keep, keep, at, 1 << 16)]).split(b"\0")
    names.pop()  # each ends with a 0
    return names


def keep_spares(bytes directory, bint keep, uint64_t capacity) -> None:
    """Forked children have a recording there from their first signal on."""
    check(process_keep_spares(directory, keep, capacity))
    spare_forked()  # tells the first children what this process is


def keep() -> None:
    """This process's recording stays after a clean exit."""
    process_keep()


def unrecordable(bytes path, bytes library) -> str | None:
    """Why that library cannot record that program, in words that follow "it"; None: it can."""
    cdef const char *reason = target_reason(target_of(path, library, len(library)))
    return None if reason is NULL else reason.decode()


def target(bytes path) -> int:
    """What kind of program it is: csrc/host/target.h."""
    return target_of(path, NULL, 0)


cpdef bint adopt_spare() except -1:
    """Adopts a spare (csrc/recording/spare.h) as this process's recording, if there is one."""
    cdef uint64_t known = 0, ignored = passive_ignored(&known)
    if process_adopt_spare(ignored, known):
        return False
    install_after_fork()
    abandon_what_is_left()
    return True


cdef object adopt_otherwise = None
cdef object in_child_of_multiprocessing = None
cdef dict modules = sys.modules


def adopt_in_children(otherwise, of_multiprocessing) -> None:
    """Children that are forked from now on adopt a recording at once. These functions are called:
    otherwise: in a child for which there is no spare. of_multiprocessing: in a child of
    multiprocessing."""
    global adopt_otherwise, in_child_of_multiprocessing
    adopt_otherwise = otherwise
    in_child_of_multiprocessing = of_multiprocessing


def after_fork_in_parent() -> None:
    """The hook in a process whose children adopt recordings."""
    spare_forked()


def go_private(uint64_t capacity) -> None:
    """Counts in memory that no other process can read."""
    check(process_go_private(capacity))
    refresh_modes()


def may_open() -> bool:
    """Whether the program may still open files, or has forbidden itself to."""
    return filter_allows(FILTERED_OPEN)


def adopted() -> bool:
    return process_adopted() is not NULL


def path() -> bytes:
    """The path of the published file, or b""."""
    return process_path()


def say_goodbye() -> None:
    """Marks in the recording that the process exits by itself, as exit(3) does."""
    process_say_goodbye()


def fold() -> None:
    process_fold()
    sigbus_give_back()


def read(size_t offset, size_t size) -> bytes:
    """Bytes of this process's recording, as a reader of the file would get them."""
    cdef const recording *own = process_adopted()
    if own is NULL or offset > own.size:
        return b""
    size = min(size, own.size - offset)
    return (<const char *>own.header)[offset:offset + size]


# --- sending ---------------------------------------------------------------------------

def send_process(pid_t pid, int signum, intptr_t value) -> int:
    """Sends a signal; returns 0 or an errno, as the next two functions do."""
    return send_to_process(pid, signum, value)


def send_thread(pid_t pid, pid_t tid, int signum, intptr_t value) -> int:
    return send_to_thread(pid, tid, signum, value)


def send_pidfd(int pidfd, int signum, intptr_t value) -> int:
    return send_to_pidfd(pidfd, signum, value)


def subreaper(int on) -> int:
    return beside_subreaper(on)


def stand_for_init(int pid) -> None:
    course_as_init(pid)


cdef bint timed[65]  # signals of timers


cdef bint is_used(int signum):
    return timed[signum] or stacks[signum] is not None


def is_timed(int signum) -> bool:
    """Whether the signal is a timer's."""
    return timed[signum]


cdef class Timer:
    """A POSIX timer."""
    cdef timer_struct timer
    cdef bint made
    cdef Handler handler
    cdef readonly uint64_t taken
    """How many expirations the signal stood for that was still pending at the end."""

    def begin(self, Handler handler not None, int clock, pid_t tid, intptr_t value,
              uint64_t first_ns, uint64_t interval_ns, uint64_t queue_capacity) -> bool:
        """Takes the signal and starts the timer, or raises OSError and does neither. False: the
        signal is another timer's, or is registered."""
        cdef list dropped = []
        cdef int error
        if is_used(handler.signum):
            return False
        with nogil:
            error = timer_make(&self.timer, clock, handler.signum, tid, value)  # may wait
        check_made(error)
        self.made = True  # until it runs, it is deleted with this object
        begin_change()
        try:
            if is_used(handler.signum):
                return False
            enter(handler, queue_capacity, UNTOUCHED, dropped)
            try:
                check(timer_start(&self.timer, first_ns, interval_ns))
            except:
                undo(handler)
                raise
            self.handler = handler
            timed[handler.signum] = True
        finally:
            end_change()
        arm(&in_thread)
        return True

    def expired(self) -> int:
        """How often it has expired, by its clock; 0 if that cannot be told."""
        return timer_expired(&self.timer)

    def __del__(self):
        if self.handler is not None and not is_ending():
            self.end(False)

    def end(self, bint waits=True) -> bool:
        """Stops the timer, and gives its signal back. Does nothing at a second call, and in a
        forked child, which does not inherit timers. False: see cancel()."""
        cdef Handler handler = self.handler
        cdef list errors = []
        cdef bint over
        self.handler = None
        if handler is None:
            return True
        if self.made:
            self.made = False
            timer_end(&self.timer, handler.signum, &self.taken)
        try:
            take_what_came(handler.signum)
        except BaseException as error:  # an audit hook's, or of a handler within that
            errors.append(error)
        discard_pending(handler.signum)  # it would end this process once the signal is given back
        timed[handler.signum] = False
        over = cancel((handler,), waits)
        if errors:
            raise errors[0]
        return over

    def __dealloc__(self):
        if self.made:
            timer_unmake(&self.timer)


cpdef int discard_pending(int signum) except -1:
    """Discards the pending signal of a timer that was stopped."""
    check(timer_discard(signum))
    return 0


class TimeoutReached(BaseException):
    """The exception that a timeout raises in the main thread; at the end of the block it becomes
    TimeoutError. It is no Exception, so that no ``except OSError`` in the block catches it."""


cdef enum:
    # The signal is sent again and again until on_alarm() runs: one that comes between the last
    # bytecode and the system call of time.sleep() does not interrupt that, but the next one does.
    ALARM_AGAIN_NS = 10_000_000
    SWALLOWED_NS = 1_000_000_000

cdef uint64_t NEVER_NS = <uint64_t>-1
cdef bytes raising_opcodes = b""  # of `raise`, and of the end of `except` and `finally`
cdef timer_struct alarm_timer  # one for all timeouts, set to the end that comes next
cdef bint alarm_made = False
cdef int alarm_signum = 0  # 0: none is taken
cdef object take_alarm_signal = None
cdef list timeouts = []  # those in whose blocks the main thread is, in the order of entry


def start_timeouts(take_signal) -> None:
    """take_signal() must register on_alarm() for a signal that is not used, and return its
    number."""
    global take_alarm_signal, raising_opcodes
    take_alarm_signal = take_signal
    try:
        from opcode import opmap
    except ImportError:  # a program that is frozen without it
        return
    raising_opcodes = bytes(opmap[name] for name in ("RERAISE", "RAISE_VARARGS") if name in opmap)


def on_alarm(signum, frame):
    """The handler of the timeouts' signal: raises for the timeout that ended first, and once more
    for one whose exception Python has swallowed."""
    cdef Timeout timeout, first = None
    cdef uint64_t now = monotonic_ns()
    for timeout in timeouts:
        if timeout.raised is not None and timeout.next_ns <= now:
            timeout.look_after(frame, now)
        if timeout.raised is None and (first is None or timeout.next_ns < first.next_ns):
            first = timeout
    if first is None or first.next_ns > now:
        set_alarm()
        return  # the signal is of a timeout whose block has ended since
    first.over = True
    first.raised = error = TimeoutReached(f"after {first.seconds:g} s")
    first.raised_ns = now
    first.wait_ns = ALARM_AGAIN_NS
    first.next_ns = now + first.wait_ns
    set_alarm()
    error.timeout = first
    raise error


cdef bint has_left(came_to):
    """Whether the exception left that frame of a traceback, which does not run any more: it ended
    at the instruction that raised, or at the one that ends an ``except`` or ``finally``."""
    frame = came_to.tb_frame
    return (frame.f_lasti == came_to.tb_lasti
            or frame.f_code.co_code[frame.f_lasti] in raising_opcodes)


cdef bint is_running(frame, running):
    while running is not None and running is not frame:
        running = running.f_back
    return running is not None


cdef int set_alarm() noexcept:
    """Sets the timer, which must be this process's, to the next end, or stops it. Returns 0 or an
    errno; on_alarm() is then called too often, or too late."""
    cdef Timeout timeout
    cdef uint64_t next_ns = 0, now
    for timeout in timeouts:
        if timeout.next_ns != NEVER_NS and (next_ns == 0 or timeout.next_ns < next_ns):
            next_ns = timeout.next_ns
    if next_ns:
        now = monotonic_ns()
        next_ns = next_ns - now if next_ns > now else 1
    return timer_start(&alarm_timer, next_ns, ALARM_AGAIN_NS if next_ns else 0)


def stop_alarm() -> None:
    """At exit: stops the timer, whose signal would end the process once it has no handler."""
    timeouts.clear()
    if alarm_made and alarm_timer.pid == getpid():
        set_alarm()


cdef class Timeout:
    """The time limit of a block, as made by :func:`timeout`."""
    # __enter__ and __exit__ are compiled, so that no handler can run, and raise, between the last
    # instruction of the block and the moment from which on its time does not count.
    cdef readonly double seconds
    cdef uint64_t next_ns  # when on_alarm() has something to do for it, by CLOCK_MONOTONIC
    cdef uint64_t raised_ns, wait_ns  # when it last raised, and how long to wait for the next look
    cdef object raised  # the exception; None: there is none, or it is known what became of it
    cdef bint over, entered

    def __init__(self, double seconds):
        self.seconds = seconds

    @property
    def expired(self) -> bool:
        """Whether the time was over before the block had ended."""
        return self.over

    def __enter__(self):
        global alarm_made, alarm_signum
        cdef Handler handler = None
        cdef int error
        if self.entered:
            from sigrec._errors import SigrecError
            raise SigrecError(f"{self!r} has been entered before: make one for each block")
        if not is_main_thread():
            from sigrec._errors import WrongThreadError
            raise WrongThreadError("a timeout ends a block of the main thread: enter it there")
        self.next_ns = monotonic_ns() + <uint64_t>(self.seconds * 1e9)
        if alarm_signum:
            handler = <Handler>handlers[alarm_signum]
        if handler is None or handler.function is not on_alarm:
            if alarm_made and alarm_timer.pid == getpid():
                timer_unmake(&alarm_timer)
            alarm_made = False
            alarm_signum = take_alarm_signal()
        if alarm_made and alarm_timer.pid != getpid():
            alarm_made = False  # a forked child has no timers: no block of its parent has a limit
            timeouts.clear()
        if not alarm_made:
            with nogil:
                error = timer_make(&alarm_timer, CLOCK_MONOTONIC, alarm_signum, 0, 0)  # may wait
            check_made(error)
            alarm_made = True
        timeouts.append(self)
        error = set_alarm()
        if error:
            timeouts.remove(self)
            alarm_made = error != EINVAL  # the program has deleted it
            check(error)
        self.entered = True
        return self

    cdef void look_after(self, running, uint64_t now):
        """What has become of the exception. Either a frame has it (in ``except`` or ``finally``),
        or had it and went on: that is the program's will. Or it has left the last frame that it
        came to, for a place in C, which may still pass it on. But if nobody else has it any more, C
        has printed it, as after __del__, and it is due once more. An unraisablehook may keep it; so
        after a second that is taken for granted."""
        came_to = self.raised.__traceback__
        if came_to is None or not is_running(came_to.tb_frame, running):
            if came_to is not None and not has_left(came_to):
                self.raised = None
                self.next_ns = NEVER_NS
                return
            if Py_REFCNT(<PyObject *>self.raised) == 1 or now - self.raised_ns >= SWALLOWED_NS:
                self.raised = None
                return
        self.wait_ns = min(2 * self.wait_ns, <uint64_t>SWALLOWED_NS)
        self.next_ns = now + self.wait_ns

    def __exit__(self, kind, error, traceback):
        if self in timeouts:
            timeouts.remove(self)
            if alarm_timer.pid == getpid():
                set_alarm()
        self.raised = None
        if isinstance(error, TimeoutReached) and error.timeout is self:
            raise TimeoutError(f"timed out after {self.seconds:g} s") from error

    def __repr__(self) -> str:
        state = "expired" if self.over else "entered" if self in timeouts else "not running"
        return f"<Timeout of {self.seconds:g} s: {state}>"


def raise_in_thread(unsigned long ident, exception) -> None:
    """Raises an exception in a thread, at its next bytecode: PyThreadState_SetAsyncExc()."""
    PyThreadState_SetAsyncExc(ident, <PyObject *>exception)


def library() -> bytes:
    """The path of libsigrec.so of this build."""
    return found_own()


def attach(pid_t pid, bint end, bytes library, uint64_t history, list directories) -> tuple:
    """csrc/attach/attach.h: which end it took, an errno, how often and for how many ns at most a
    thread was stopped, and what the dynamic linker there said."""
    cdef attach_request request
    cdef attach_result result
    cdef int error, n = 0
    memset(&request, 0, sizeof(request))
    request.pid, request.end, request.library = pid, end, library
    request.begin.capacity = history
    for directory in directories[:BEGIN_DIRECTORIES]:
        if len(directory) < PLACES_SIZE:
            memcpy(attach_directory(&request, n), <const char *>directory, len(directory))
            n += 1
    with nogil:
        error = attach_to(&request, &result)
    check(error)
    return result.end, result.error, result.stops, result.stopped_ns, result.text


def flood(pid_t pid, int signum, uint64_t count, bint queue, uint64_t limit_ns,
          uint64_t every_ns=0) -> tuple:
    """Sends `count` signals, by sigqueue(3) or kill(2), or as many as limit_ns (0: no limit)
    allows, one each every_ns; returns (sent, EAGAINs, ns). OSError when the receiver has
    gone and was waited for: to a zombie the kernel sends without complaint."""
    cdef flood_plan plan
    cdef flood_result result
    cdef int error
    plan.pid, plan.signum, plan.count, plan.queue = pid, signum, count, queue
    plan.limit_ns, plan.every_ns = limit_ns, every_ns
    with nogil:
        error = flood_send(&plan, &result)
    check(error)
    return result.sent, result.refused, result.elapsed_ns
