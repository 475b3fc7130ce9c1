# Streams: the core hands out events to those who iterate over them, one by one or in batches.

cdef object set_missed_signo = Missed.si_signo.__set__
cdef object set_missed_count = Missed.count.__set__


cdef object make_missed(signum, count):
    """Does what Missed(signum, count) does, without running any Python code."""
    made = new_object(Missed)
    set_missed_signo(made, signum)
    set_missed_count(made, count)
    return made


@cython.internal
cdef class Source:
    """The handler of a signal that has subscribers. It hands each event to all of them."""
    cdef Handler handler
    # Weak references to streams, so that one that is not referred to any more closes itself. The
    # tuple is replaced as a whole, since the dispatcher thread reads it without a lock.
    cdef tuple subscribers

    cdef hand_out(self, int signum, const event *e):
        """To be called in the dispatcher thread. e: NULL: one without detail."""
        for reference in self.subscribers:
            subscriber = reference()
            if subscriber is not None:
                (<Mailbox>subscriber).put(signum, e)

    def __call__(self, signum, info, frame):
        """Never called, since drain() calls hand_out() instead."""


cdef list sources = [None] * SIGREC_NSIG


cdef bint wake_task(wake) except -1:
    """Calls wake(). A handler may raise within that, before it has done
    anything; it is then called once more."""
    try:
        return wake()
    except BaseException:
        wake()
        raise


cdef enum:
    FEWEST_LETTERS = 64


cdef class Mailbox:
    """The compiled part of a stream: the events that wait, and those who wait for events."""
    # The events wait in the core's own format, without a Python object for each, in a ring of
    # `room` places, a power of two. An entry whose time is 0 is no event: it says that as many of
    # its signal as its ordinal came without detail.
    cdef event *letters
    cdef uint64_t room, first
    cdef readonly uint64_t _count
    cdef object __weakref__
    cdef readonly tuple _numbers
    cdef readonly bint _closed
    cdef readonly list _unread  # what was delivered and not read when it was closed
    cdef readonly dict _overflow
    # Each is a Waiter, or a callable, which returns False if its event loop has ended.
    cdef readonly list _waiters
    cdef uint64_t waiting  # how many of the ring's entries are events
    cdef uint64_t backlog
    cdef uint64_t moderation_ns, intake_backlog  # asked for by its maker; 0: without intake thread
    cdef int32_t pid
    cdef bint leaving

    def __cinit__(self, *ignored, **also_ignored):
        self._closed = True
        self._unread = []
        self._overflow = {}
        self._waiters = []

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
        """Closes the stream without waiting for any thread: the garbage collector may call this in
        any thread, and anywhere, and no code can ask for `unread` any more."""
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
            self.wake_one(in_dispatcher())

    cdef bint append(self, const event *e) noexcept:
        """Adds it to the ring. False: there is no memory for it."""
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
        """Copies the `count` oldest entries."""
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
        """Adds those that came without detail to the ring, behind the events that came before them.
        False: there is no memory for them."""
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

    cdef wake_one(self, bint later):
        cdef object waiter
        while True:
            with cython.critical_section(self):
                waiter = self._waiters.pop(0) if self._waiters else None
            if waiter is None:
                return
            if type(waiter) is Waiter:
                with cython.critical_section(self):
                    if later:
                        (<Waiter>waiter).wake_later()
                    else:
                        (<Waiter>waiter).wake()
                return
            if wake_task(waiter):  # False: its event loop has ended, and another is woken instead
                return

    cdef object take(self, uint64_t at_most):
        """Takes what is next. at_most: 0: one object; else the bytes of so many events, or one
        Missed. None: there is nothing."""
        cdef event e
        cdef uint64_t count = 1
        cdef object made
        if not self._count and self._overflow:
            self.flush()
        if not self._count:
            return None
        e = self.letters[self.first & (self.room - 1)]
        if not at_most or not e.monotonic_ns:
            # It is taken before the object is made, which may start the garbage collector and so
            # run Python code.
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
        """What take() returns. None: there is nothing, and wake() is called when something comes.
        Raises StopAsyncIteration if the stream is closed."""
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
        """A waiter stops waiting. If it was woken, and
        will not take what came, another is woken."""
        cdef bint more = False
        with cython.critical_section(self):
            if not discard(self._waiters, wake):
                more = bool(self._count or self._overflow)
        if more:
            self.wake_one(False)

    cdef object next(self, uint64_t until, bint polls, uint64_t at_most):
        cdef object item
        cdef Waiter waiter
        cdef bint waits
        while True:
            self.check_process()
            with cython.critical_section(self):
                item = self.take(at_most)
            if item is not None or self._closed or polls:
                return item
            refuse_to_wait("to wait for a signal")
            waiter = Waiter()
            waiter.drains = self.is_all_that_waits() and wake_reader_begin()
            try:
                with cython.critical_section(self):
                    waits = not (self._count or self._overflow or self._closed)
                    if waits:
                        self._waiters.append(waiter)
                if waits:
                    waiter.wait_once(until)
            finally:
                try:
                    if waiter.leave_drains():
                        self.drain_for_itself()
                finally:
                    self.leave(waiter)
            # Not while this waits: a handler may fork, or wait for the same event. And before an
            # event is taken, which would be lost if a handler raised when this has returned it.
            PyErr_CheckSignals()
            polls = until != 0 and until <= monotonic_ns()

    # While nothing else than this stream has work for the dispatcher thread, a thread that waits
    # for its next event is woken in place of that thread, and drains the queues itself: the event
    # then takes one switch of threads instead of two. Such a drain calls no Python code: it only
    # hands out to this stream, and wakes threads. (Without a GIL two threads cannot drain.)
    cdef bint is_all_that_waits(self):
        cdef int i
        cdef Source source
        if (not HAS_GIL or self._closed or not in_thread.count or not dispatcher or dispatcher_ends
                or process_adopted() is NULL):
            return False
        for i in range(in_thread.count):
            handler = <Handler>in_thread.handlers[i]
            if type((<Handler>handler).function) is not Source:
                return False
            source = <Source>(<Handler>handler).function
            if len(source.subscribers) != 1 or source.subscribers[0]() is not self:
                return False
        for waiter in self._waiters:
            if type(waiter) is not Waiter:
                return False
        return True

    cdef int drain_for_itself(self) except -1:
        cdef uint64_t ignored = 0
        cdef unsigned long before = in_thread.thread
        if self.is_all_that_waits():
            try:
                drain(&in_thread, 0, None, &ignored, 0)
            finally:
                in_thread.thread = before  # a handler that has cancelled itself may still run there
        else:
            wake_post()
        return 0

    @cython.annotation_typing(False)
    @cython.binding(True)  # shows its signature: Stream is public
    def get(self, timeout: float | None = None) -> SignalInfo | Missed | None:
        """Returns the next event, and waits for it, for ``timeout`` seconds at most. None: no event
        came in that time, or the stream was closed meanwhile.

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
        cdef object failed = None
        with cython.critical_section(self):
            self._closed = True
            self._unread = []
            while self._count or self._overflow:
                self._unread.append(self.take(0))
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if type(waiter) is Waiter:
                (<Waiter>waiter).wake()
            else:
                try:
                    wake_task(waiter)
                except BaseException as error:
                    failed = error
        if failed is not None:
            raise failed

    # Since this is compiled, no handler can raise between the ``with`` block and this.
    def __exit__(self, *exception) -> None:
        try:
            self.end(True)
        except BaseException:  # a handler has raised: nothing is waited for any more
            self.end(False)
            raise

    @cython.binding(True)
    def close(self) -> None:
        """End the stream; a second call does nothing. Threads that wait for an event are woken, and
        what was delivered and not read is in ``unread``.

        This waits until the dispatcher thread has handled what was delivered. If a handler has not
        returned there for five seconds, and this is called in a signal handler, or in the main
        thread while ``signal.signal`` has a handler, which this might be, it raises SigrecError
        instead; the stream is closed then, too.
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
            try:
                let_all_arrive(self._numbers)
            except BaseException as error:  # an audit hook's, or of a handler within that
                errors.append(error)
                intake_before_change(0)
            try:
                detach(self)  # the stream still gets what waits in the dispatch queues
            finally:
                borrow_go_on()
            if waits and over:
                over = finish(self._numbers, errors)
        finally:
            forget_ended(&in_thread)
            self.shut()
        if errors:
            raise errors[0]
        if not over:
            say_that_it_takes_long()
        return 0


cdef object make_array = None


def start_batches(make) -> None:
    """Sets what batches are: make(bytes) is given events in the core's own format, and returns the
    batch that a stream hands out. make None: a batch is a list."""
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
    """An iterator of a stream's events, many at once, as made by :meth:`Stream.batches`."""
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


cdef void share_intake(Source source) noexcept:
    """Within a change: gives the signal the intake thread if any subscriber has asked for that,
    with the largest backlog and the shortest moderation of all."""
    cdef uint64_t moderation_ns = UINT64_MAX, backlog = 0
    cdef Handler handler = source.handler
    cdef Mailbox subscriber
    for reference in source.subscribers:
        subscriber = <Mailbox>reference()
        if subscriber is not None and subscriber.intake_backlog:
            backlog = max(backlog, subscriber.intake_backlog)
            moderation_ns = min(moderation_ns, subscriber.moderation_ns)
    if backlog != handler.backlog or (backlog and moderation_ns != handler.moderation_ns):
        handler.backlog, handler.moderation_ns = backlog, moderation_ns
        if handlers[handler.signum] is handler:
            apply_intake(handler.signum, handler)


def open_mailbox(Mailbox made, tuple signums, uint64_t backlog, uint64_t queue_capacity,
                 uint64_t moderation_ns, uint64_t intake_backlog) -> None:
    """Subscribes the stream to these signals: to all of them, or to none."""
    cdef Source source
    cdef list fresh = []
    cdef list dropped = []
    cdef list entered = []
    cdef object reference = weakref(made)
    made._numbers = signums
    made.backlog = backlog
    made.moderation_ns, made.intake_backlog = moderation_ns, intake_backlog
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
            share_intake(source)
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
    """Within a change: ends its subscriptions."""
    cdef Source source
    cdef tuple others
    for signum in made._numbers:
        if sources[signum] is None:
            continue
        source = <Source>sources[signum]
        others = tuple([r for r in source.subscribers if r() is not None and r() is not made])
        if others:
            source.subscribers = others
            share_intake(source)
        else:  # what waits for this handler is still handed out
            sources[signum] = None
            if source.handler.active:
                undo(source.handler)
    return 0


def close_quietly(Mailbox made) -> None:
    """Closes the stream without waiting for any thread."""
    made.end(False)


cdef int close_in_child() except -1:
    """In a forked child: ends the parent's streams, and gives their signals back. Nobody reads
    these streams here, and a child could not be ended that ignored SIGTERM because its parent has a
    stream of it."""
    cdef int signum
    for signum in range(1, SIGREC_NSIG):
        if sources[signum] is not None:
            close_all_in_child()
            break
    return 0


cdef int close_all_in_child() except -1:
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
    return 0


def subscribed(int signum) -> bool:
    """Whether there is a stream of that signal."""
    return sources[signum] is not None
