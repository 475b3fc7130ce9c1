# Waiting: for the dispatcher thread, for a stream's next event, for a flag. The rule is in
# _core_registrations.pxi.

cdef uint64_t patience_ns = 5_000_000_000  # without a call beginning or ending; then it is said


def set_patience(double seconds) -> None:
    """How long the dispatcher thread may be in one call before nobody waits for it any more."""
    global patience_ns
    patience_ns = <uint64_t>(seconds * 1e9)


@cython.internal
cdef class Waiter:
    """One wait, of one thread: on a lock of CPython's own, whatever was patched."""
    cdef PyThread_type_lock lock
    cdef bint woken

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock is NULL:
            raise MemoryError
        PyThread_acquire_lock(self.lock, 0)

    def __dealloc__(self):
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)

    cdef void wake(self) noexcept:
        """Once."""
        if not self.woken:
            self.woken = True
            PyThread_release_lock(self.lock)

    cdef bint wait(self, uint64_t until_ns) except? True:
        """False: nobody woke it until then (0: for ever). Python handlers run meanwhile."""
        cdef long long microseconds = -1
        cdef uint64_t now
        cdef PyLockStatus status
        while True:
            if until_ns:
                now = monotonic_ns()
                microseconds = (until_ns - now + 999) // 1000 if now < until_ns else 0
                microseconds = min(microseconds, 1_000_000_000_000)
            with nogil:
                status = PyThread_acquire_lock_timed(self.lock, microseconds, 1)
            if status == PY_LOCK_ACQUIRED:
                return True
            if status == PY_LOCK_INTR:
                PyErr_CheckSignals()
            elif until_ns and monotonic_ns() >= until_ns:
                return False


# --- for the dispatcher thread ---------------------------------------------------------

cdef unsigned long dispatcher = 0  # the thread; 0: there is none
cdef bint dispatcher_ends = False
cdef list finishing = []  # who waits for it; changed under guard


cdef inline bint in_dispatcher() noexcept:
    return dispatcher != 0 and dispatcher == PyThread_get_thread_ident()


def thread_ident() -> int:
    """Of this thread: threading.get_ident() may be a green thread's."""
    return PyThread_get_thread_ident()


def dispatcher_ident() -> int:
    """Of the dispatcher thread; 0: there is none."""
    return dispatcher


@cython.internal
cdef class Finish(Waiter):
    """Until the dispatcher thread has handled what is there when this is made."""
    cdef int count
    cdef int signums[65]
    cdef queue_place until[65]
    cdef uint64_t call[65]  # the last one that began before that was passed; 0: it was not yet

    cdef void add(self, int signum) noexcept:
        cdef queue *q = registry_queue(signum)
        if q is NULL:
            return
        self.signums[self.count] = signum
        self.until[self.count] = queue_now(q)
        self.call[self.count] = 0
        self.count += 1

    cdef bint is_over(self) noexcept:
        """Under guard."""
        cdef int i, signum
        for i in range(self.count):
            signum = self.signums[i]
            if not to_thread[signum]:
                continue  # the main thread has it now
            if not self.call[i]:
                if not queue_passed(registry_queue(signum), self.until[i]):
                    return False
                self.call[i] = in_thread.calls + 1
            if in_thread.depth[signum] and returned[signum] < self.call[i]:
                return False
        return True


# Indexed by signal number: how many calls there had been, and one, when no call of its handler was
# on the stack any more.
cdef uint64_t returned[65]


cdef void note_return(int signum) noexcept:
    """In the dispatcher thread, after a call."""
    if not in_thread.depth[signum]:
        returned[signum] = in_thread.calls + 1
    if finishing:
        notify()


cdef void notify() noexcept:
    cdef Finish one
    with cython.critical_section(guard):
        for one in finishing:
            if one.is_over():
                one.wake()


cdef bint may_be_in_handler() except? True:
    """Whether a handler of the program's may be what waits here: one that the dispatcher thread's
    may be waiting for in turn. The program itself may wait as long as it takes, as for any thread.

    Handlers run in the main thread alone. There, of ours it is known; of another, only whether
    there is one."""
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
    """What was delivered to these signals before is handled when this returns. In the dispatcher
    thread: by this, as far as it may. False: a call has taken too long for a handler to wait for;
    the rest comes after it."""
    cdef Finish one
    cdef uint64_t calls, since
    cdef int32_t pid = process_pid()
    cdef bint over = False
    if in_dispatcher():
        for signum in signums:
            settle(signum, errors)
        return True
    if not dispatcher:
        return True
    one = Finish()
    for signum in signums:
        one.add(signum)
    with cython.critical_section(guard):
        over = one.is_over()
        if not over:
            finishing.append(one)
    if over:
        return True
    try:
        calls, since = in_thread.calls, monotonic_ns()
        while True:
            wake_post()
            if one.wait(monotonic_ns() + 50_000_000):
                return True
            if not dispatcher or process_pid() != pid:
                return True
            with cython.critical_section(guard):
                over = one.is_over()
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
            if one in finishing:
                finishing.remove(one)


cdef void boot(void *run) noexcept with gil:
    global dispatcher
    try:
        (<object>run)()
    finally:
        if in_dispatcher():
            dispatcher = 0
        Py_DECREF(<object>run)
        notify()


def start_dispatcher(run) -> None:
    """Runs run() in a thread of its own, if there is none: a real one, whatever was patched. It
    takes no signals: the kernel gives them to threads that can run Python for them."""
    global dispatcher, dispatcher_ends
    cdef sigset_t all_signals, mask
    cdef unsigned long ident = 0
    begin_change()
    if not dispatcher:
        dispatcher_ends = False
        Py_INCREF(run)
        signals_but_faults(&all_signals)
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
    """The dispatcher thread: waits until there is something to handle, for timeout_ns at most,
    and handles it. False: it is to end."""
    cdef uint64_t ignored = 0
    cdef bint woken
    if not in_dispatcher():
        return False  # a handler forked, and this is the child
    if not dispatcher_ends:
        with nogil:
            woken = wake_wait(timeout_ns)
        if woken:
            drain(&in_thread, 0, None, &ignored, 0)
    if dispatcher_ends:
        drain(&in_thread, 0, None, &ignored, 0)
    return not (dispatcher_ends and is_idle(&in_thread))


cdef bint is_idle(const roster *mine) noexcept:
    cdef int i
    cdef event ignored
    for i in range(mine.count):
        if (simulated[mine.signums[i]]
                or queue_next(registry_queue(mine.signums[i]), &ignored) != QUEUE_NONE):
            return False
    return True


def is_thread_idle() -> bool:
    """Whether nothing waits for the dispatcher thread."""
    return is_idle(&in_thread)


def end_dispatcher(double seconds) -> None:
    """At exit: it handles what was delivered, and ends; not later than that."""
    global dispatcher_ends
    cdef uint64_t until = monotonic_ns() + <uint64_t>(seconds * 1e9)
    if not dispatcher or in_dispatcher():
        return
    dispatcher_ends = True
    while dispatcher and monotonic_ns() < until:
        wake_post()
        Waiter().wait(min(until, monotonic_ns() + 1_000_000))


def stop(double seconds) -> None:
    """At exit: handles what was delivered to the main thread, for so long at most. What comes from
    then on is counted, and not handled: CPython tears down its own table of handlers, which a trip
    reads."""
    global failures
    cdef uint64_t until = monotonic_ns() + <uint64_t>(seconds * 1e9)
    cdef uint64_t calls, ignored = 0
    cdef list errors = []
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
    """0: none."""
    timeout = check_timeout(timeout)
    return 0 if timeout is None else monotonic_ns() + <uint64_t>(min(timeout, 1e9) * 1e9)


cdef class Bell:
    """An event as threading.Event is one; as a handler, it is set by the first signal."""
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
        cdef Waiter one
        self.is_set_ = True
        for one in self.waiters:
            one.wake()
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
        cdef Waiter one
        cdef bint already
        if self.is_set_:
            return True
        if until and until <= monotonic_ns():
            return False
        refuse_to_wait("Flag.wait()")
        one = Waiter()
        with cython.critical_section(self):
            already = self.is_set_
            if not already:
                self.waiters.append(one)
        if already:
            return True
        try:
            return one.wait(until) or self.is_set_
        finally:
            with cython.critical_section(self):
                if one in self.waiters:
                    self.waiters.remove(one)


# --- streams -------------------------------------------------------------------------------

cdef object set_missed_signo = Missed.si_signo.__set__
cdef object set_missed_count = Missed.count.__set__


cdef object make_missed(signum, count):
    """As Missed(), but no Python code runs on the way."""
    made = new_object(Missed)
    set_missed_signo(made, signum)
    set_missed_count(made, count)
    return made


@cython.internal
cdef class Source:
    """A signal that has subscribers: the handler that hands out."""
    cdef Handler handler
    # Replaced as a whole: the dispatcher thread reads it without a lock. Weak: a stream that nobody
    # has any more closes itself.
    cdef tuple subscribers

    cdef hand_out(self, int signum, const event *e):
        """In the dispatcher thread. NULL: one without detail."""
        for reference in self.subscribers:
            subscriber = reference()
            if subscriber is not None:
                (<Mailbox>subscriber).put(signum, e)

    def __call__(self, signum, info, frame):
        """Nobody calls it: drain() hands out what it takes."""


cdef list sources = [None] * SIGREC_NSIG


cdef enum:
    FEWEST_LETTERS = 64


cdef class Mailbox:
    """What a stream is made of: events that wait, and who waits for them."""
    # The events wait as the core has them, without a Python object for each: a ring of `room`
    # places, a power of two. One without a time, at 0 ns, is no event: as many of its signal as
    # its ordinal says came without detail.
    cdef event *letters
    cdef uint64_t room, first
    cdef readonly uint64_t _count
    cdef object __weakref__
    cdef readonly tuple _numbers
    cdef readonly bint _closed
    cdef readonly list _unread  # what was delivered and not read when it was closed
    cdef readonly dict _overflow
    cdef readonly object _waiters  # Waiter, or a callable: False if nobody was there any more
    cdef uint64_t waiting  # of what is in the ring, the events
    cdef uint64_t backlog
    cdef int32_t pid
    cdef bint leaving

    def __cinit__(self, *ignored, **also_ignored):
        self._closed = True
        self._unread = []
        self._overflow = {}
        self._waiters = deque()

    def __dealloc__(self):
        PyMem_RawFree(self.letters)

    cpdef int check_process(self) except -1:
        if self.pid != getpid():
            from sigrec._errors import SigrecError
            raise SigrecError(
                f"this stream is of PID {self.pid}: open one in this process, PID {getpid()}"
            )
        return 0

    def __del__(self):
        """Nobody will look at what was not read, so this waits for nobody: the collector may call
        it in any thread, and anywhere."""
        if not self._closed and not is_ending():
            self.end(False)

    cdef put(self, int signum, const event *e):
        with cython.critical_section(self):
            if self._closed:
                return
            if e is NULL or self.waiting >= self.backlog or not (self.flush() and self.append(e)):
                self._overflow[signum] = self._overflow.get(signum, 0) + 1
            else:
                self.waiting += 1
        if self._waiters:
            self.wake_one()

    cdef bint append(self, const event *e) noexcept:
        """False: there is no memory for it."""
        cdef event *wider
        cdef uint64_t room
        if self._count == self.room:
            room = max(2 * self.room, <uint64_t>FEWEST_LETTERS)
            wider = <event *>PyMem_RawMalloc(room * sizeof(event))
            if wider is NULL:
                return False
            self.copy_out(wider, self._count)
            PyMem_RawFree(self.letters)
            self.letters, self.room, self.first = wider, room, 0
        self.letters[(self.first + self._count) & (self.room - 1)] = e[0]
        self._count += 1
        return True

    cdef void copy_out(self, event *to, uint64_t count) noexcept:
        """The oldest ones."""
        cdef uint64_t at = self.first & (self.room - 1), straight = min(count, self.room - at)
        if count:
            memcpy(to, self.letters + at, straight * sizeof(event))
            memcpy(to + straight, self.letters, (count - straight) * sizeof(event))

    cdef void drop(self, uint64_t count) noexcept:
        self.first += count
        self._count -= count
        if not self._count and self.room > <uint64_t>FEWEST_LETTERS:
            PyMem_RawFree(self.letters)
            self.letters, self.room, self.first = NULL, 0, 0

    cdef bint flush(self) except -1:
        """Those without detail take their place. False: there is no memory for them."""
        cdef event note
        while self._overflow:
            signum = next(iter(self._overflow))
            memset(&note, 0, sizeof(note))
            note.signo = signum
            note.ordinal = self._overflow[signum]
            if not self.append(&note):
                return False
            del self._overflow[signum]
        return True

    cdef wake_one(self):
        cdef object one
        while True:
            with cython.critical_section(self):
                one = self._waiters.popleft() if self._waiters else None
            if one is None:
                return
            if type(one) is Waiter:
                with cython.critical_section(self):
                    (<Waiter>one).wake()
                return
            if one():  # its event loop may have ended: then another one
                return

    cdef object take(self, uint64_t at_most):
        """None: there is nothing. 0: one, as an object; else an array of so many, or one Missed."""
        cdef event e
        cdef uint64_t count = 1
        cdef object made
        if not self._count and self._overflow:
            self.flush()
        if not self._count:
            return None
        e = self.letters[self.first & (self.room - 1)]
        if not at_most or not e.monotonic_ns:
            # First taken: an object is made by way of the collector, which runs Python code.
            self.waiting -= e.monotonic_ns != 0
            self.drop(1)
            if e.monotonic_ns:
                return make_info(&e, realtime_offset())
            return make_missed(e.signo, e.ordinal)
        while (count < at_most and count < self._count
               and self.letters[(self.first + count) & (self.room - 1)].monotonic_ns):
            count += 1
        made = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(count * sizeof(event)))
        self.copy_out(<event *>PyBytes_AS_STRING(made), count)
        self.waiting -= count
        self.drop(count)
        return made

    def take_or_wait(self, wake, uint64_t at_most=0):
        """The next one, or ones; None: there is none, and wake() is called when one comes. Raises
        StopAsyncIteration where it is closed."""
        cdef object item
        self.check_process()
        with cython.critical_section(self):
            item = self.take(at_most)
            if item is None and not self._closed:
                self._waiters.append(wake)
        if item is None and self._closed:
            raise StopAsyncIteration
        return item

    def leave(self, wake) -> None:
        """A waiter goes, woken or not. If it was woken and takes nothing, another one must."""
        cdef bint more = False
        with cython.critical_section(self):
            if wake in self._waiters:
                self._waiters.remove(wake)
            else:
                more = bool(self._count or self._overflow)
        if more:
            self.wake_one()

    cdef object next(self, uint64_t until, bint polls, uint64_t at_most):
        cdef object item
        cdef Waiter one
        cdef bint woken
        while True:
            self.check_process()
            with cython.critical_section(self):
                item = self.take(at_most)
            if item is not None or self._closed or polls:
                return item
            refuse_to_wait("to wait for a signal")
            one = Waiter()
            with cython.critical_section(self):
                item = self.take(at_most)
                if item is None and not self._closed:
                    self._waiters.append(one)
            if item is not None or self._closed:
                return item
            woken = False
            try:
                woken = one.wait(until)
            finally:
                self.leave(one)
            polls = not woken and until != 0

    @cython.annotation_typing(False)
    def get(self, timeout: float | None = None) -> SignalInfo | Missed | None:
        """The next one; waits for it, ``timeout`` seconds at most. None: none came in that time,
        or the stream was closed meanwhile.

        Raises SigrecError in a forked child, since the stream is its parent's, and in a handler on
        the dispatcher thread, which would wait for itself.
        """
        cdef uint64_t until = deadline(timeout)
        return self.next(until, until != 0 and until <= monotonic_ns(), 0)

    def __iter__(self):
        return self

    def __next__(self):
        cdef object item = self.next(0, False, 0)
        if item is None:
            raise StopIteration
        return item

    def batches_of(self, uint64_t at_most, timeout) -> Batches:
        cdef Batches made = Batches()
        made.mailbox, made.at_most, made.timeout = self, at_most, timeout
        return made

    cdef shut(self):
        cdef list waiters
        with cython.critical_section(self):
            self._closed = True
            self._unread = []
            while self._count or self._overflow:
                self._unread.append(self.take(0))
            waiters = list(self._waiters)
            self._waiters.clear()
        for one in waiters:
            if type(one) is Waiter:
                (<Waiter>one).wake()
            else:
                one()

    # As a context manager: nothing comes between the block and this.
    def __exit__(self, *exception) -> None:
        self.end(True)

    def close(self) -> None:
        """End it; a second call does nothing. Who waits is woken; what was delivered and not
        read is in ``unread``.

        Raises SigrecError, the stream being closed, in a signal handler that would wait for one on
        the dispatcher thread that has not returned for five seconds; and in the main thread
        wherever signal.signal has a handler, which this may be. Elsewhere it waits for what was
        delivered.
        """
        self.end(True)

    cdef int end(self, bint waits) except -1:
        cdef list errors = []
        cdef bint over = True
        if self._closed or self.leaving or self.pid != getpid():
            return 0
        if waits:
            over = finish(self._numbers, errors)
        if self._closed or self.leaving:
            return 0
        self.leaving = True
        try:
            detach(self)  # the stream still gets what waits there
            if waits and over:
                over = finish(self._numbers, errors)
        finally:
            self.shut()
            forget_ended(&in_thread)
        if errors:
            raise errors[0]
        if not over:
            say_that_it_takes_long()
        return 0


cdef object make_array = None


def start_batches(make) -> None:
    """make(bytes) makes what is handed out of events as the core has them; None: a list."""
    global make_array
    make_array = make


cdef object as_batch(bytes raw):
    cdef const event *at = <const event *>PyBytes_AS_STRING(raw)
    cdef Py_ssize_t i
    cdef uint64_t offset = realtime_offset()
    if make_array is not None:
        return make_array(raw)
    return [make_info(&at[i], offset) if at[i].monotonic_ns else None
            for i in range(len(raw) // <Py_ssize_t>sizeof(event))]


cdef class Batches:
    """What a stream has, many events at once, as made by :meth:`Stream.batches`."""
    cdef Mailbox mailbox
    cdef uint64_t at_most
    cdef object timeout

    def __iter__(self):
        return self

    def __next__(self):
        cdef uint64_t until = deadline(self.timeout)
        cdef object item = self.mailbox.next(until, until != 0 and until <= monotonic_ns(),
                                             self.at_most)
        if item is None:
            if self.mailbox._closed:
                raise StopIteration
            item = b""
        return as_batch(item) if type(item) is bytes else item


cpdef int say_that_it_takes_long() except -1:
    from sigrec._errors import SigrecError
    raise SigrecError(
        f"a handler on the dispatcher thread has not returned for {patience_ns / 1e9:g} seconds: "
        f"this is done, but what was delivered before is handled only when that handler returns"
    )


def open_mailbox(Mailbox made, tuple signums, uint64_t backlog, uint64_t queue_capacity) -> None:
    """Subscribes it to these signals: to all of them, or none."""
    cdef Source source
    cdef list fresh = []
    cdef list dropped = []
    cdef list entered = []
    cdef object reference = weakref(made)
    made._numbers = signums
    made.backlog = backlog
    made.pid = getpid()
    for signum in signums:
        source = Source()
        source.subscribers = ()
        source.handler = Handler(signum, source, True, False, 1, True)
        fresh.append(source)
    begin_change()
    try:
        for source in fresh:
            signum = source.handler.signum
            if sources[signum] is None:
                enter(source.handler, queue_capacity, UNTOUCHED, dropped)
                sources[signum] = source
                entered.append(source)
            source = <Source>sources[signum]
            source.subscribers = source.subscribers + (reference,)
        made._closed = False
    except:
        unsubscribe(made)
        raise
    finally:
        end_change()
    arm(&in_thread)


cdef int detach(Mailbox made) except -1:
    begin_change()
    try:
        unsubscribe(made)
    finally:
        end_change()
    return 0


cdef int unsubscribe(Mailbox made) except -1:
    """In a change."""
    cdef Source source
    cdef tuple others
    for signum in made._numbers:
        if sources[signum] is None:
            continue
        source = <Source>sources[signum]
        others = tuple([r for r in source.subscribers if r() is not None and r() is not made])
        if others:
            source.subscribers = others
        else:  # what waits is still handed out
            sources[signum] = None
            if source.handler.active:
                undo(source.handler)
    return 0


def close_quietly(Mailbox made) -> None:
    """As close(), but nobody will look at what was not read: it waits for nothing."""
    made.end(False)


def close_in_child() -> None:
    """Streams are the parent's. Nobody reads them in a forked child, so the signals are given back:
    a child that ignored SIGTERM because its parent had a stream of it could not be ended."""
    cdef Source source
    begin_change()
    try:
        for signum in range(1, SIGREC_NSIG):
            if sources[signum] is not None:
                source = <Source>sources[signum]
                source.subscribers = ()
                sources[signum] = None
                if source.handler.active:
                    undo(source.handler)
    finally:
        end_change()


def subscribed(int signum) -> bool:
    """Whether a stream has the signal."""
    return sources[signum] is not None
