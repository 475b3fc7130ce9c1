# Waiting for the dispatcher thread, for a stream's next event, or for a flag. All of this follows
# the rule at the head of _core_registrations.pxi.

cdef uint64_t HOUR_NS = 3_600_000_000_000

# How long others wait for the dispatcher thread while no call of a handler begins or ends there.
cdef uint64_t patience_ns = 5_000_000_000


def set_patience(double seconds) -> None:
    """How long the dispatcher thread may be in one call before nobody waits for it any more."""
    global patience_ns
    patience_ns = <uint64_t>(seconds * 1e9)


@cython.internal
cdef class Waiter:
    """One wait of one thread. It uses a lock of CPython's own, also where a library as gevent has
    replaced those of the threading module."""
    cdef PyThread_type_lock lock
    cdef bint woken
    cdef bint drains  # it does not wait for the lock, but by wake_reader_wait()
    cdef Waiter later  # the next one in the list later_waiters

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock is NULL:
            raise MemoryError
        PyThread_acquire_lock(self.lock, 0)

    def __dealloc__(self):
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)

    cdef void wake(self) noexcept:
        """Ends the wait. Only the first call does anything."""
        if not self.woken:
            self.woken = True
            if self.drains:
                wake_reader()
            else:
                PyThread_release_lock(self.lock)

    cdef void wake_later(self) noexcept:
        """Ends the wait when the dispatcher thread, which calls this, releases the GIL. A thread
        that is woken earlier would have to wait again, for the GIL."""
        global later_count, later_waiters
        if self.woken or self.drains or later_count == LATER:
            self.wake()
        else:
            self.woken = True
            later_locks[later_count] = self.lock
            later_count += 1
            self.later = later_waiters
            later_waiters = self

    cdef bint leave_drains(self) noexcept:
        """From here on this thread does not wait to drain. True: it was woken for that."""
        cdef bint drained = self.drains
        self.drains = False
        return drained and wake_reader_end()

    cdef PyLockStatus wait_once(self, uint64_t until_ns) noexcept:
        """Waits for wake() until that time (0: without end). Not PY_LOCK_ACQUIRED: a signal has
        come, or the time has passed."""
        cdef long long microseconds = -1
        cdef uint64_t now
        cdef PyLockStatus status
        if until_ns:
            now = monotonic_ns()
            microseconds = (until_ns - now + 999) // 1000 if now < until_ns else 0
            microseconds = min(microseconds, 1_000_000_000_000)
        with nogil:
            if self.drains:
                status = wait_as_reader(microseconds)
            else:
                status = PyThread_acquire_lock_timed(self.lock, microseconds, 1)
        return status

    cdef bint wait(self, uint64_t until_ns) except? True:
        """Waits for wake() until that time, and runs Python handlers
        meanwhile. False: the time has passed."""
        cdef PyLockStatus status
        while True:
            status = self.wait_once(until_ns)
            if status == PY_LOCK_ACQUIRED:
                return True
            # Also if it was not interrupted: a signal may come before it waits, or at the end.
            PyErr_CheckSignals()
            if self.woken:
                return True
            if until_ns and monotonic_ns() >= until_ns:
                return False


cdef PyLockStatus wait_as_reader(long long microseconds) noexcept nogil:
    if wake_reader_wait(HOUR_NS if microseconds < 0 else <uint64_t>microseconds * 1000):
        return PY_LOCK_ACQUIRED
    return PY_LOCK_INTR


# --- for the dispatcher thread ---------------------------------------------------------

cdef enum:
    LATER = 16

# The waiters that the dispatcher thread wakes when it releases the GIL.
cdef PyThread_type_lock later_locks[LATER]
cdef int later_count = 0
cdef Waiter later_waiters = None  # keeps the owners of these locks alive


cdef void wake_the_later_ones() noexcept nogil:
    global later_count
    cdef int i
    for i in range(later_count):
        PyThread_release_lock(later_locks[i])
    later_count = 0


cdef unsigned long dispatcher = 0  # the thread; 0: there is none
cdef bint dispatcher_ends = False
cdef list finishing = []  # a Finish for each thread that waits for it; changed under guard


cdef inline bint in_dispatcher() noexcept nogil:
    return dispatcher != 0 and dispatcher == PyThread_get_thread_ident()


def thread_ident() -> int:
    """The ident of this thread; threading.get_ident() may return that of a green thread."""
    return PyThread_get_thread_ident()


def dispatcher_ident() -> int:
    """The ident of the dispatcher thread; 0: there is none."""
    return dispatcher


@cython.internal
cdef class Finish(Waiter):
    """Waits until the dispatcher thread has handled what its queues hold when this is made."""
    cdef int count
    cdef int signums[65]
    cdef queue_place until[65]
    cdef uint64_t call[65]  # the number of the call in which until was passed; 0: not passed yet

    cdef void add(self, int signum) noexcept:
        cdef queue *q = registry_queue(signum)
        if q is NULL:
            return
        self.signums[self.count] = signum
        self.until[self.count] = queue_now(q)
        self.call[self.count] = 0
        self.count += 1

    cdef bint is_over(self) noexcept:
        """Whether all of that is handled. To be called under guard."""
        cdef int i, signum
        for i in range(self.count):
            signum = self.signums[i]
            if not to_thread[signum]:
                continue  # the main thread handles this signal now
            if not self.call[i]:
                if not queue_passed(registry_queue(signum), self.until[i]):
                    return False
                self.call[i] = in_thread.calls + 1
            if in_thread.depth[signum] and returned[signum] < self.call[i]:
                return False
        return True


# Indexed by signal number: the number of the next call at the moment when the last call of that
# signal's handler had returned.
cdef uint64_t returned[65]


cdef void note_return(int signum) noexcept:
    """To be called in the dispatcher thread, after each call of a handler."""
    if not in_thread.depth[signum]:
        returned[signum] = in_thread.calls + 1
    if finishing:
        notify()


cdef void notify() noexcept:
    cdef Finish waiter
    with cython.critical_section(guard):
        for waiter in finishing:
            if waiter.is_over():
                waiter.wake()


cdef bint may_be_in_handler() except? True:
    """Whether a signal handler of the program's may be what waits here. Such a handler must not
    wait without end: the dispatcher thread's handler may be waiting for it in turn. Other code may
    wait as long as it takes, as for any thread.

    Only the main thread runs handlers. Whether one of ours runs there is known; of any other
    handler only whether it is set."""
    cdef int signum
    if not is_main_thread():
        return False
    for signum in range(1, SIGREC_NSIG):
        if in_main.depth[signum]:
            return True
        try:
            other = get_python_handler(signum)
        except ValueError:  # not a signal here
            continue
        if callable(other) and other is not dispatch and other is not default_int_handler:
            return True
    return False


cdef bint finish(signums, list errors) except? False:
    """Returns when all that was delivered of these signals before is handled. In the dispatcher
    thread this handles it, as far as their handlers may run there now. False: this may be a
    handler, and a call in the dispatcher thread has taken too long to be waited for; what is left
    is handled after that call."""
    cdef Finish waiter
    cdef uint64_t calls, since
    cdef int32_t pid = process_pid()
    cdef bint over = False
    if in_dispatcher():
        for signum in signums:
            settle(signum, errors)
        return True
    if not dispatcher:
        return True
    waiter = Finish()
    for signum in signums:
        waiter.add(signum)
    with cython.critical_section(guard):
        over = waiter.is_over()
        if not over:
            finishing.append(waiter)
    if over:
        return True
    try:
        calls, since = in_thread.calls, monotonic_ns()
        while True:
            wake_post()
            if waiter.wait(monotonic_ns() + 50_000_000):
                return True
            if not dispatcher or process_pid() != pid:
                return True
            if has_vanished():
                start_dispatcher(dispatcher_run)
            with cython.critical_section(guard):
                over = waiter.is_over()
            if over:
                return True
            if in_thread.calls != calls:
                calls, since = in_thread.calls, monotonic_ns()
            elif monotonic_ns() - since > patience_ns:
                if may_be_in_handler():
                    return False
                since = monotonic_ns()
    finally:
        with cython.critical_section(guard):
            if waiter in finishing:
                finishing.remove(waiter)


cdef enum:
    FAILURES = 100  # so often in a row, without a call of a handler, the thread begins anew

cdef int32_t dispatcher_tid = 0  # 0: it has not begun yet
cdef object dispatcher_run = None


cdef void boot(void *run) noexcept with gil:
    """The dispatcher thread. What run() raises, it cannot go on with; but the thread goes on."""
    global dispatcher, dispatcher_tid
    cdef uint64_t calls = in_thread.calls
    cdef int failed = 0
    cdef bint first = True
    begin_change()  # start_dispatcher() ends its own when it has noted this thread
    end_change()
    dispatcher_tid = <int32_t>PyThread_get_thread_native_id()
    pid = getpid()
    while failed < FAILURES:
        try:
            (<object>run)(first, pid)
            break
        except BaseException as error:
            # (Left to Cython, the report of a SystemExit would end the process.)
            PyErr_SetObject(type(error), error)
            PyErr_WriteUnraisable(<object>run)
        first = False
        failed = failed + 1 if in_thread.calls == calls else 1
        calls = in_thread.calls
    if in_dispatcher():
        dispatcher = 0
        inherit_over()
    Py_DECREF(<object>run)
    notify()


cdef bint has_vanished() noexcept:
    """Whether the dispatcher thread has ended without a word: by pthread_exit(3) in a handler."""
    return dispatcher != 0 and dispatcher_tid != 0 and kick_misses(process_pid(), dispatcher_tid)


def start_dispatcher(run) -> None:
    """Runs run(first, pid) in a thread of its own, if it does not run yet. This is a real thread,
    also where a library has replaced those of the threading module."""
    global dispatcher, dispatcher_ends, dispatcher_tid, dispatcher_run
    cdef sigset_t all_signals, mask
    cdef unsigned long ident = 0
    begin_change()
    if has_vanished():
        dispatcher = 0
        clear(<uint32_t *>in_thread.depth, 65)  # its handler has not returned
        wake_the_later_ones()
        wake_post()
    if not dispatcher:
        dispatcher_ends = False
        dispatcher_tid = 0
        dispatcher_run = run
        Py_INCREF(run)
        signals_but_faults(&all_signals)
        inherit_note()
        pthread_sigmask(SIG_BLOCK, &all_signals, &mask)
        ident = PyThread_start_new_thread(boot, <void *>run)
        pthread_sigmask(SIG_SETMASK, &mask, NULL)
        if ident != NO_THREAD:
            dispatcher = ident
        else:
            Py_DECREF(run)
    end_change()
    if ident == NO_THREAD:
        raise RuntimeError("can't start new thread")


def dispatch_in_thread(uint64_t timeout_ns) -> bool:
    """What the dispatcher thread does again and again: waits until there is something to handle,
    for timeout_ns at most, and handles it. False: the thread has to end."""
    global later_waiters
    cdef uint64_t ignored = 0
    cdef bint woken
    if not in_dispatcher():
        return False  # a handler forked, and this is the child
    inherit_wait()
    if not dispatcher_ends:
        with nogil:
            wake_the_later_ones()
            woken = wake_wait(timeout_ns)
        later_waiters = None
        if woken:
            drain(&in_thread, 0, None, &ignored, 0)
    if dispatcher_ends:
        drain(&in_thread, 0, None, &ignored, 0)
        wake_the_later_ones()
    return not (dispatcher_ends and is_idle(&in_thread))


cdef bint is_idle(const roster *mine) noexcept:
    cdef int i
    for i in range(mine.count):
        if simulated[mine.signums[i]] or queue_waits(registry_queue(mine.signums[i])):
            return False
    return True


def is_thread_idle() -> bool:
    """Whether nothing waits for the dispatcher thread."""
    return is_idle(&in_thread)


cdef bint intake_over = False
cdef bint stopped = False  # nothing is handled any more


cdef void end_intake() noexcept:
    """At exit: ends the intake thread, and so signals come to their handlers again."""
    global intake_over
    if not intake_over:
        intake_over = True
        borrow_hold()
        intake_end()


def end_dispatcher(double seconds) -> None:
    """At exit: has the dispatcher thread handle what was delivered, and end. Waits for that for so
    many seconds at most."""
    global dispatcher_ends
    cdef uint64_t until = monotonic_ns() + <uint64_t>(seconds * 1e9)
    if not dispatcher or in_dispatcher():
        return
    end_intake()
    dispatcher_ends = True
    while dispatcher and monotonic_ns() < until and not has_vanished():
        wake_post()
        Waiter().wait(min(until, monotonic_ns() + 1_000_000))


def stop(double seconds) -> None:
    """At exit: handles what was delivered and is the main thread's to handle, for so many seconds
    at most. Signals that come later are counted, and not handled: a trip would read CPython's own
    table of handlers, which CPython is about to take down."""
    global failures, stopped
    cdef uint64_t until = monotonic_ns() + <uint64_t>(seconds * 1e9)
    cdef uint64_t calls, ignored = 0
    cdef list errors = []
    end_intake()
    frame = interrupted_frame()
    while not is_idle(&in_main) and monotonic_ns() < until:
        calls = in_main.calls
        try:
            drain(&in_main, 0, frame, &ignored, 0)
        except BaseException as error:
            errors.append(error)
        if in_main.calls == calls:
            break
    trip_set(NULL)
    stopped = True
    if len(errors) > 1:
        failures += len(errors) - 1
    tell_failures()
    if errors:
        raise errors[0]


cpdef int refuse_to_wait(str what) except -1:
    if in_dispatcher():
        from sigrec._errors import SigrecError
        raise SigrecError(
            f"{what} in the dispatcher thread would wait for itself: signals reach it only when "
            f"the handler that runs there has returned"
        )
    return 0


cdef uint64_t deadline(timeout) except? 0:
    """The time at which that timeout ends; 0: never."""
    timeout = check_timeout(timeout)
    return 0 if timeout is None else monotonic_ns() + <uint64_t>(min(timeout, 1e9) * 1e9)


cdef bint discard(list waiters, waiter) except -1:
    """Removes the first that is equal to it. False: there is none."""
    cdef Py_ssize_t n = 0
    while n < len(waiters):
        if waiters[n] == waiter:
            del waiters[n]
            return True
        n += 1
    return False


cdef class Bell:
    """An event with the methods of threading.Event. Used as a handler, it is set by a signal."""
    cdef bint is_set_
    cdef readonly object info
    cdef list waiters

    def __cinit__(self):
        self.waiters = []

    def __call__(self, signum, info, frame):
        with cython.critical_section(self):
            if not self.is_set_:
                self.info = info
                self.ring()

    cdef void ring(self):
        cdef Waiter waiter
        self.is_set_ = True
        for waiter in self.waiters:
            waiter.wake()
        self.waiters = []

    def is_set(self) -> bool:
        return self.is_set_

    def set(self) -> None:
        with cython.critical_section(self):
            self.ring()

    def clear(self) -> None:
        cdef object before
        with cython.critical_section(self):
            before, self.info = self.info, None
            self.is_set_ = False

    @cython.annotation_typing(False)
    def wait(self, timeout: float | None = None) -> bool:
        cdef uint64_t until = deadline(timeout)
        cdef Waiter waiter
        cdef bint already
        if self.is_set_:
            return True
        if until and until <= monotonic_ns():
            return False
        refuse_to_wait("Flag.wait()")
        waiter = Waiter()
        with cython.critical_section(self):
            already = self.is_set_
            if not already:
                self.waiters.append(waiter)
        if already:
            return True
        try:
            return waiter.wait(until) or self.is_set_
        finally:
            with cython.critical_section(self):
                discard(self.waiters, waiter)
