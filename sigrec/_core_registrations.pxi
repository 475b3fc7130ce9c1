# Which handlers are registered for which signal: the only place where that is kept.
#
# The rule, here and in _core_waiting.pxi and _core_streams.pxi, for every function that a handler
# of the program's can interrupt or call: the function changes the whole of its state or nothing, it
# never waits without a bound, and it holds no lock while it waits. A handler, or an exception that
# one raises, comes between two bytecodes or out of PyErr_CheckSignals(), and compiled code has no
# bytecodes. So each change is one compiled function; signal.signal(), which runs pending handlers
# first, is called before anything has changed. What cannot be done
# where it is asked for raises SigrecError.

cdef object UNTOUCHED = object()  # instead of a Python-level handler: it was not changed

# Indexed by signal number.
# The registered handlers: a list of Handler, of which the
# last one is in force; None: there is none.
cdef list stacks = [None] * SIGREC_NSIG
# The Python-level handler that is to be given back.
cdef list given = [UNTOUCHED] * SIGREC_NSIG

# These functions are compiled. Those of signal.py have bytecodes, and a program may replace them.
cdef object set_python_handler = _signal.signal
cdef object get_python_handler = _signal.getsignal
cdef object default_int_handler = _signal.default_int_handler

cdef enum:
    SET_TRIES = 1000  # a try fails if a handler is due at that moment, and raises

# Held during a change of the state above, while no Python code runs. With a GIL no thread ever
# waits for this lock; without one, for a moment.
cdef PyThread_type_lock changing = PyThread_allocate_lock()
cdef bint collecting = False


cdef void begin_change() noexcept:
    global collecting
    if PyThread_acquire_lock(changing, 0) == 0:
        with nogil:
            PyThread_acquire_lock(changing, 1)
    # The garbage collector runs Python code, since finalizers are that; in 3.11 it may do so
    # wherever an object is made.
    collecting = PyGC_Disable()


cdef void end_change() noexcept:
    cdef bint enabled = collecting
    sigbus_give_back()
    PyThread_release_lock(changing)
    if enabled:
        PyGC_Enable()


def is_main_thread() -> bool:
    """Whether this is the thread in which CPython runs handlers. threading.current_thread() cannot
    tell that: a library may have replaced it, to return a green thread."""
    try:
        # This always fails: with ValueError because of the thread, or else with TypeError because
        # of the handler.
        set_python_handler(1, None)
    except ValueError:
        return False
    except TypeError:
        pass
    return True


cdef int need_main_thread(int signum) except -1:
    if is_main_thread():
        return 0
    import threading
    from sigrec._errors import WrongThreadError
    from sigrec._signals.names import name
    raise WrongThreadError(
        f"the handler of {name(signum)} runs in the main thread and must be set there, "
        f"not in {threading.current_thread().name!r}"
    )


cdef void hold(int signum, sigset_t *before) noexcept:
    """Blocks the signal in this thread. Other signals still come, and their handlers may run. The
    signal of a fault is not blocked, since it would then kill the process."""
    cdef sigset_t signal_alone, may_be_blocked
    signals_but_faults(&may_be_blocked)
    sigemptyset(&signal_alone)
    if sigismember(&may_be_blocked, signum):
        sigaddset(&signal_alone, signum)
    pthread_sigmask(SIG_BLOCK, &signal_alone, before)


cdef int set_surely(int signum, handler, list errors) except -1:
    """Does what signal.signal() does. Python runs handlers that are due first: what they raise is
    added to errors."""
    cdef int i
    install_on_behalf(signum)
    try:
        for i in range(SET_TRIES):
            try:
                set_python_handler(signum, handler)
                return 0
            except BaseException as error:
                errors.append(error)
    finally:
        install_on_behalf(0)
    raise errors[0]


cdef object take_over(int signum, uint64_t queue_capacity, list errors):
    """Makes dispatch() the Python-level handler. Returns the one before it; UNTOUCHED: that was
    dispatch() already."""
    cdef bint taken, interposed
    while True:
        PyErr_CheckSignals()
        taken = stacks[signum] is not None and registry_in_place(signum)
        if taken and given[signum] is not UNTOUCHED:
            return UNTOUCHED
        before = get_python_handler(signum)
        interposed = interpose_install()  # which also learns what a filter forbids: filter.h
        if not taken:
            check(install_prepare(signum, queue_capacity))
        # The handler in place stays until ours is installed. If the interpreter's own were there
        # for a moment, it would get a signal that another thread takes, and might look at it only
        # when another Python-level handler is set. And what the dispatcher thread has to handle is
        # counted without a gap.
        if interposed:
            install_keep(signum)
        install_on_behalf(signum)
        try:
            found = set_python_handler(signum, dispatch)
            note_cpython_handler(install_note_interpreter(signum))
        finally:
            install_on_behalf(0)
            install_keep(0)
        if found is before or found is dispatch or found is None:
            return found
        # A handler that was due has set `found` meanwhile: it is put back, and all is tried again.
        set_surely(signum, found, errors)


cdef int enter(Handler handler, uint64_t queue_capacity, found, list dropped) except -1:
    """Within a change: puts the handler in force. found: what take_over() returned."""
    cdef int signum = handler.signum
    cdef list stack = <list>stacks[signum]
    cdef bint taken = stack is not None and registry_in_place(signum)
    cdef bint thread_before = to_thread[signum]
    cdef Handler before = <Handler>handlers[signum]
    cdef int error
    dropped.append(before)  # freed after the change, since that may run Python code
    if taken and found is UNTOUCHED:
        put_handler(signum, handler, handler.thread)
    else:
        if found is UNTOUCHED:
            interpose_install()  # which also learns what a filter forbids: filter.h
            check(install_prepare(signum, queue_capacity))
        if before is None:
            abandon(signum)  # what came before this registration is not its own: see refresh_modes
        put_handler(signum, handler, handler.thread)
        sigbus_take()
        error = install_handler(signum, handler.thread)
        if error:
            put_handler(signum, before, thread_before)
            check(error)
        process_set_mode(signum, MODE_REGISTERED, False)
        if found is not UNTOUCHED and (found is not dispatch or given[signum] is UNTOUCHED):
            given[signum] = found
    if stack is None:
        stacks[signum] = [handler]
    else:
        stack.append(handler)
    handler.active = True
    return 0


cdef int step_out(Handler handler) except -1:
    """Within a change: ends one handler of several. If it
    was in force, the one before it is now."""
    cdef list stack = <list>stacks[handler.signum]
    cdef bint in_force = stack[len(stack) - 1] is handler
    cdef Handler newest
    stack.remove(handler)
    handler.active = False
    if in_force:
        newest = <Handler>stack[len(stack) - 1]
        put_handler(handler.signum, newest, newest.thread)
    return 0


cdef int give_back(Handler handler, bint ours) except -1:
    """Within a change: ends the only handler of the signal. It stays in `handlers` as long as
    signals wait for it: see forget_ended."""
    cdef int signum = handler.signum
    # The disposition comes first, so that signals that other
    # threads take until then are still ours.
    if ours:
        install_restore(signum, True)
    registry_release(signum)
    process_set_mode(signum, MODE_UNREGISTERED, not ours)
    stacks[signum] = None
    given[signum] = UNTOUCHED
    handler.active = False
    return 0


cdef int enter_all(tuple wanted, uint64_t queue_capacity, found, Handler instead_of) except -1:
    """Makes one change: puts all these handlers in force, or none."""
    cdef Handler handler
    cdef list dropped = [None] * len(wanted)
    cdef int entered = 0
    begin_change()
    try:
        for handler in wanted:
            enter(handler, queue_capacity, found, dropped)
            entered += 1
        if instead_of is not None and instead_of.active:
            step_out(instead_of)
    except:
        for handler in wanted[:entered]:
            undo(handler)
        raise
    finally:
        end_change()
    for handler in wanted:
        arm(&in_thread if handler.thread else &in_main)
    return 0


cdef int undo(Handler handler) except -1:
    """Within a change: takes back enter() for a handler of the dispatcher thread. If signals have
    come for it already, they are handled like those that wait when any registration ends."""
    if len(<list>stacks[handler.signum]) > 1:
        step_out(handler)
    else:
        install_note_place(handler.signum)
        give_back(handler, registry_in_place(handler.signum))
    return 0


def register(tuple wanted, uint64_t queue_capacity, Handler instead_of=None) -> None:
    """Puts these handlers in force, all of them or none: one for the main thread, or any number for
    the dispatcher thread. instead_of: a handler of the same
    signal, which ends at the same moment."""
    cdef Handler first = <Handler>wanted[0]
    cdef sigset_t mask
    cdef list errors = []
    if first.thread:
        enter_all(wanted, queue_capacity, UNTOUCHED, instead_of)
        return
    need_main_thread(first.signum)
    kick_prepare()
    hold(first.signum, &mask)
    try:
        found = take_over(first.signum, queue_capacity, errors)
        try:
            enter_all(wanted, queue_capacity, found, instead_of)
        except:
            if found is not UNTOUCHED and found is not None:
                set_surely(first.signum, found, errors)
            elif found is None:
                install_restore(first.signum, True)
            raise
    finally:
        pthread_sigmask(SIG_SETMASK, &mask, NULL)
    if errors:
        raise errors[0]


def registered(int signum) -> tuple:
    """The handlers of the signal, of which the last one is in force."""
    cdef object stack = stacks[signum]
    return () if stack is None else tuple(<list>stack)


cdef int leave(Handler handler, list errors) except -1:
    """Ends that registration. Other handlers may run meanwhile, and
    may end it themselves, or make a new one."""
    cdef int signum = handler.signum
    cdef sigset_t mask
    cdef bint ours
    while True:
        begin_change()
        try:
            if not handler.active:
                return 0
            if len(<list>stacks[signum]) > 1:
                return step_out(handler)
            ours = registry_in_place(signum)
            install_note_place(signum)
            if not ours or given[signum] is UNTOUCHED:
                return give_back(handler, ours)
            # None stands for a C handler that Python knows nothing of; the core puts it back.
            before = 0 if given[signum] is None else given[signum]
        finally:
            end_change()
        hold(signum, &mask)
        try:
            # CPython may have noted that this signal came, and not looked at it yet. If it looked
            # after dispatch() is gone, it would print "ignored due to race condition". One more
            # trip makes it look now, also where this is called from within such a look.
            set_interrupts(signum, True)
            trip_clear(&signum, 1)
            trip(signum, monotonic_ns(), <uint32_t>PyThread_get_thread_native_id())
            stop_interrupting(signum)
            # Our handler stays in place until the core puts back what it found. Between the two,
            # the default action of a signal that another thread takes could end the process.
            if interpose_install():
                install_keep(signum)
            try:
                set_surely(signum, before, errors)
            finally:
                install_keep(0)
            begin_change()
            try:
                if handler.active and len(<list>stacks[signum]) == 1:
                    return give_back(handler, True)
                ours = stacks[signum] is not None and given[signum] is not UNTOUCHED
            finally:
                end_change()
            if ours:  # a handler has registered the signal anew meanwhile
                set_surely(signum, dispatch, errors)
                check(install_handler(signum, False))
        finally:
            if stacks[signum] is not None and not to_thread[signum]:
                interrupt_again(signum)
            pthread_sigmask(SIG_SETMASK, &mask, NULL)


cdef enum:
    ARRIVE_US = 200  # between two looks at what is pending
    ARRIVE_LOOKS = 50  # as many looks, where every thread may block the signal
    ARRIVE_MOST = 5000  # as many, where the main thread does not, and only waits for a processor
    SETTLE_SOON_NS = 500_000
    SETTLE_NS = 1_000_000_000


cdef bint main_thread_takes(int signum):
    """Whether the main thread will take the signal, as far as can be seen: it does not block it, or
    it is in our handler, which blocks nearly all signals until it returns."""
    try:
        with open(f"/proc/self/task/{getpid()}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigBlk:"):
                    blocked = int(line[7:], 16)
                    return not blocked >> (signum - 1) & 1 or blocked.bit_count() > 50
    except Exception:  # an audit hook's, too
        pass
    return False


cdef int let_main_thread_arrive() except -1:
    """Waits, a second at most, for the main thread to come to our handler: a signal that the kernel
    has just given to that thread is not pending any more, and not counted yet."""
    cdef int32_t pid = getpid()
    cdef uint64_t most_ns
    if kick_settle(pid, SETTLE_SOON_NS):  # with the GIL, since to get that back takes longer
        return 0
    most_ns = SETTLE_NS if main_thread_takes(SIGURG) else SETTLE_SOON_NS
    with nogil:
        kick_settle(pid, most_ns)
    return 0


cdef int let_arrive(int signum) except -1:
    """Lets in what was sent to the process before: this may be another thread than the main thread,
    to which the kernel gives signals first, and one may not have arrived there yet. The calling
    thread takes it; where it blocks the signal it waits for the main thread, a second at most."""
    cdef sigset_t mask, pending
    cdef int look = 0
    cdef bint there = True
    hold(signum, &mask)  # sigpending(2) shows what the calling thread blocks
    try:
        while sigismember(&mask, signum):
            sigemptyset(&pending)
            sigpending(&pending)
            there = sigismember(&pending, signum)
            if not there or look >= ARRIVE_MOST:
                break
            if look == ARRIVE_LOOKS and not main_thread_takes(signum):
                break
            look += 1
            with nogil:
                usleep(ARRIVE_US)
    finally:
        pthread_sigmask(SIG_SETMASK, &mask, NULL)
    return 0


cdef int let_all_arrive(signums) except -1:
    """Is called before these dispositions change, and has all taken that was sent before; until
    borrow_go_on() nothing is lent to the intake thread."""
    cdef uint64_t bits = 0
    for signum in signums:
        bits |= <uint64_t>1 << (<int>signum - 1)
    with nogil:
        intake_before_change(bits)
    try:
        for signum in signums:
            let_arrive(signum)
        if signums:
            let_main_thread_arrive()
    except:
        borrow_go_on()
        raise
    return 0


cpdef int take_what_came(int signum) except -1:
    """Has all taken that was sent before, since another disposition is about to be set."""
    let_all_arrive((signum,))
    borrow_go_on()
    return 0


def cancel(tuple ended, bint waits=True) -> bool:
    """Ends these registrations, all of them or none. Then what was delivered before is handled, and
    what handlers raised meanwhile is raised. waits: whether to wait for the dispatcher thread, too,
    where that has to handle it. False: a handler has not returned there for too long."""
    cdef Handler handler
    cdef list errors = [], gone = []
    cdef bint over = True
    for handler in ended:
        if handler.active and given[handler.signum] is not UNTOUCHED:
            if all([other in ended for other in <list>stacks[handler.signum]]):
                need_main_thread(handler.signum)
    try:
        let_all_arrive([handler.signum for handler in ended
                        if waits and handler.active and len(<list>stacks[handler.signum]) == 1])
    except BaseException as error:  # an audit hook's, or of a handler within that
        errors.append(error)
        intake_before_change(0)
    try:
        for handler in ended:
            if handler.active and waits and handlers[handler.signum] is handler:
                over = finish_before_another(handler, errors) and over
            if handler.active:
                leave(handler, errors)
                if stacks[handler.signum] is None:
                    gone.append(handler)
    finally:
        borrow_go_on()
    over = finish_handlers(gone, waits, errors) and over
    if errors:
        raise errors[0]
    return over


cdef class EndWhenDropped:
    """A base class: when nothing refers to the object any more, these registrations end. Since this
    is compiled, no handler can raise before that is done. It waits for no other thread, since the
    garbage collector may call it in any thread, and anywhere."""

    cdef tuple handlers

    def __init__(self, tuple handlers):
        self.handlers = handlers

    def __del__(self):
        if self.handlers is not None and not is_ending():
            cancel(self.handlers, False)


cdef bint finish_before_another(Handler handler, list errors) except? False:
    """Handles what was delivered while this handler is in force, if another is next."""
    if len(<list>stacks[handler.signum]) == 1:
        return True
    if to_thread[handler.signum]:
        return finish((handler.signum,), errors)
    if is_main_thread():
        settle(handler.signum, errors)
    return True


cdef bint finish_handlers(list gone, bint waits, list errors) except? False:
    cdef Handler handler
    cdef bint here
    cdef bint over = True
    cdef list elsewhere = []
    for handler in gone:
        here = in_dispatcher() if to_thread[handler.signum] else True
        if here:
            settle(handler.signum, errors)
            if stacks[handler.signum] is None:
                # The handler is on the stack, and may not run once more within itself.
                forget(handler.signum)
        elif waits:
            elsewhere.append(handler.signum)
    if elsewhere:
        over = finish(elsewhere, errors)
    forget_ended(&in_thread)
    return over


cdef int settle(int signum, list errors) except -1:
    """Calls the signal's handler, here and now, until all that was delivered before is handled, as
    far as that handler may run now."""
    cdef roster *mine = &in_thread if to_thread[signum] else &in_main
    cdef queue *q = registry_queue(signum)
    cdef queue_place until
    cdef uint64_t calls, ignored = 0, give_up = 0
    cdef int32_t pid = process_pid()
    cdef bint passed
    if q is NULL:
        return 0
    until = queue_now(q)
    frame = interrupted_frame() if mine == &in_main else None
    while True:
        with cython.critical_section(guard):
            passed = queue_passed(q, until)
        handler = handlers[signum]
        if (passed or handler is None or process_pid() != pid
                or depth_of(signum) >= (<Handler>handler).depth_limit):
            return 0
        calls = mine.calls
        try:
            drain(mine, signum, frame, &ignored, 0)
        except BaseException as error:
            errors.append(error)
        if mine.calls != calls:
            give_up = 0
        elif not give_up:
            give_up = monotonic_ns() + 2_000_000_000
        elif monotonic_ns() > give_up:
            return 0
        else:  # another thread is still writing the next one: queue.h
            with nogil:
                usleep(50)


cdef void forget_ended(const roster *mine):
    """Drops the handlers of ended registrations for which no signal waits any more."""
    cdef int signum
    cdef list dropped = None
    cdef bint idle
    for signum in range(1, SIGREC_NSIG):
        if handlers[signum] is None or stacks[signum] is not None or depth_of(signum):
            continue
        if bool(to_thread[signum]) == (mine == &in_thread):
            if dropped is None:
                dropped = []
            begin_change()
            with cython.critical_section(guard):
                idle = not queue_waits(registry_queue(signum))
            if idle and stacks[signum] is None:
                dropped.append(handlers[signum])
                put_handler(signum, None, False)
            end_change()


cdef void abandon(int signum):
    """What waits for this signal will not be handled: counts it as abandoned."""
    cdef uint64_t n
    with cython.critical_section(guard):
        n = take_all(signum)
    process_abandoned(signum, n)


cdef void forget(int signum):
    """Drops the handler of an ended registration, and the signals that still wait for it."""
    cdef object dropped = handlers[signum]
    begin_change()
    if stacks[signum] is None:
        abandon(signum)
        simulated[signum] = 0
        put_handler(signum, None, False)
    end_change()


cdef void enlist(roster *mine, int signum) noexcept:
    mine.signums[mine.count] = signum
    mine.queues[mine.count] = registry_queue(signum)
    mine.handlers[mine.count] = <PyObject *>handlers[signum]
    mine.count += 1


cdef void put_handler(int signum, handler, bint thread):
    """Within a change: sets the handler of a signal (None: there is none any more), and which
    thread calls it."""
    cdef int i
    cdef bint moved, anew
    # This reference lasts until the end of the function: to free the handler may run Python code.
    cdef object _before = handlers[signum]
    with cython.critical_section(guard):
        moved = handler is not None and thread != to_thread[signum]
        anew = _before is None and handler is not None and thread
        handlers[signum] = handler
        # Without a handler this stays as it was: another thread may be in our C handler just now,
        # and about to trip the interpreter.
        if handler is not None:
            to_thread[signum] = thread
        in_main.count = in_thread.count = 0
        for i in range(1, SIGREC_NSIG):
            if handlers[i] is None:
                continue
            enlist(&in_thread if to_thread[i] else &in_main, i)
    apply_intake(signum, <Handler>handler)
    if handler is None or thread:
        set_interrupts(signum, False)
    if moved:
        # A trip that is out may reach CPython only later, when the dispatcher thread has the
        # signal; what has woken that thread is no trip.
        owed[signum] = thread and trip_is_out(signum)
    if moved or anew:
        # The dispatcher thread clears the trips of the signals that it has, and so not one that was
        # still out when the handler before was the last.
        trip_clear(&signum, 1)
    if handler is not None and not thread:
        interrupt_again(signum)
    if moved or anew:
        arm(&in_thread if thread else &in_main)


cdef void apply_intake(int signum, Handler handler) noexcept:
    if handler is None or not handler.backlog:
        intake_set(signum, False, 0, 0)
    else:
        intake_set(signum, True, handler.moderation_ns, handler.backlog)
        borrow_note_mask()


def start_intake() -> bool:
    """Starts the intake thread. To be called before the first handler that uses it. False: this
    platform has none."""
    global intake_used
    need_the_only_core()
    if not interpose_install():
        return False
    check(intake_start())
    intake_used = True
    return True


def count_intake(int signum) -> tuple:
    """The fields of struct intake_counts (csrc/handler/intake.h)."""
    cdef intake_counts counts
    intake_count(signum, &counts)
    return counts.taken, counts.switches, counts.bytes, counts.naps, counts.kicks


cdef object interrupted_frame():
    """The frame that the signal has interrupted; None: at exit there may be none."""
    try:
        return _getframe()
    except ValueError:
        return None


def get_handler(int signum):
    return handlers[signum]


def drain_now(int signum, frame) -> None:
    """Handles what waits for the signal, here and now. What handlers raise is raised at the end."""
    cdef list errors = []
    settle(signum, errors)
    if errors:
        raise errors[0]


# --- with blocks --------------------------------------------------------------------------


cdef class Block:
    # A base class for what ends with its ``with`` block, by _leave(), whose second call must do
    # nothing. Since this is compiled, a handler cannot raise between the block and __exit__. It can
    # raise before the first line of _leave(), which is then called once more.

    def _leave(self) -> None:
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        from sigrec._errors import SigrecError

        try:
            self._leave()
        except SigrecError:
            raise
        except BaseException:
            self._leave()
            raise
