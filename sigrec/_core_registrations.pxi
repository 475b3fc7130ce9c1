# Which handlers are registered for which signal: the only place where that is kept.
#
# The rule, here and in _core_waiting.pxi and _core_streams.pxi, for every function that a handler
# of the program's can interrupt or call: the function changes the whole of its state or nothing, it
# never waits without a bound, and it holds no lock while it waits. A handler, or an exception that
# one raises, comes between two bytecodes or out of PyErr_CheckSignals(), and compiled code has no
# bytecodes. So each change is one compiled function; signal.signal(), which runs pending handlers
# first, is called before anything has changed. What cannot be done where it is asked for raises
# SigrecError.

cdef object UNTOUCHED = object()  # the Python-level handler was left alone: nothing to give back

# Indexed by signal number.
cdef list stacks = [None] * SIGREC_NSIG  # lists of Handler, the last one in force; None: not ours
cdef list given = [UNTOUCHED] * SIGREC_NSIG  # the Python-level handler that is to be given back

# The functions of _signal, in C: signal.py has bytecodes, and its functions may be replaced.
cdef object set_python_handler = _signal.signal
cdef object get_python_handler = _signal.getsignal
cdef object default_int_handler = _signal.default_int_handler

cdef enum:
    SET_TRIES = 1000  # each failure is a handler that was due at that moment, and raised

# Held for a change of the state above, in which no Python code runs. With a GIL nobody ever waits
# for it; without one, for a moment.
cdef PyThread_type_lock changing = PyThread_allocate_lock()
cdef bint collecting = False


cdef void begin_change() noexcept:
    global collecting
    if PyThread_acquire_lock(changing, 0) == 0:
        with nogil:
            PyThread_acquire_lock(changing, 1)
    # The garbage collector runs Python code, finalizers; in 3.11 wherever an object is made.
    collecting = PyGC_Disable()


cdef void end_change() noexcept:
    cdef bint enabled = collecting
    sigbus_give_back()
    PyThread_release_lock(changing)
    if enabled:
        PyGC_Enable()


def is_main_thread() -> bool:
    """Whether handlers run in this thread, as CPython decides that. (threading.current_thread()
    may be somebody else's, and its thread a green one.)"""
    try:
        set_python_handler(1, None)  # fails: by the thread, if it is another, else by the handler
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
    """This thread does not get the signal. Others it does get: handlers may run. Nor is one of a
    fault held, which kills where it is blocked."""
    cdef sigset_t one, may_be_blocked
    signals_but_faults(&may_be_blocked)
    sigemptyset(&one)
    if sigismember(&may_be_blocked, signum):
        sigaddset(&one, signum)
    pthread_sigmask(SIG_BLOCK, &one, before)


cdef int set_surely(int signum, handler, list errors) except -1:
    """signal.signal(); what handlers raise that were due before goes to errors."""
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
    """Makes dispatch() CPython's handler. Returns the one before; UNTOUCHED: it was ours."""
    cdef bint taken, interposed
    while True:
        PyErr_CheckSignals()
        taken = stacks[signum] is not None and registry_in_place(signum)
        if taken and given[signum] is not UNTOUCHED:
            return UNTOUCHED
        before = get_python_handler(signum)
        interposed = interpose_install()  # also for what is forbidden the handler: filter.h
        if not taken:
            check(install_prepare(signum, queue_capacity))
        # The handler in place stays until ours is installed: were it the interpreter's for a
        # moment, a signal that another thread takes might reach the interpreter late, when another
        # handler in Python is set. And other threads go on taking signals of the dispatcher thread.
        if interposed:
            install_keep(signum)
        install_on_behalf(signum)
        try:
            found = set_python_handler(signum, dispatch)
            note_interpreter(install_note_interpreter(signum))
        finally:
            install_on_behalf(0)
            install_keep(0)
        if found is before or found is dispatch or found is None:
            return found
        set_surely(signum, found, errors)  # set by a handler that was due before: once more


cdef int enter(Handler one, uint64_t queue_capacity, found, list dropped) except -1:
    """In a change: puts the handler in force. found: what take_over returned."""
    cdef int signum = one.signum
    cdef list stack = <list>stacks[signum]
    cdef bint taken = stack is not None and registry_in_place(signum)
    cdef bint thread_before = to_thread[signum]
    cdef Handler before = <Handler>handlers[signum]
    cdef int error
    dropped.append(before)  # freed after the change, since that may run Python code
    if taken and found is UNTOUCHED:
        put_handler(signum, one, one.thread)
    else:
        if found is UNTOUCHED:
            interpose_install()  # what is forbidden the handler: filter.h
            check(install_prepare(signum, queue_capacity))
        if before is None:
            abandon(signum)  # see refresh_modes
        put_handler(signum, one, one.thread)
        sigbus_take()
        error = install_handler(signum, one.thread)
        if error:
            put_handler(signum, before, thread_before)
            check(error)
        process_set_mode(signum, MODE_REGISTERED, False)
        if found is not UNTOUCHED and (found is not dispatch or given[signum] is UNTOUCHED):
            given[signum] = found
    if stack is None:
        stacks[signum] = [one]
    else:
        stack.append(one)
    one.active = True
    return 0


cdef int step_out(Handler one) except -1:
    """In a change: ends one handler of several; if it was the last, the one before is in force."""
    cdef list stack = <list>stacks[one.signum]
    cdef bint in_force = stack[len(stack) - 1] is one
    cdef Handler newest
    stack.remove(one)
    one.active = False
    if in_force:
        newest = <Handler>stack[len(stack) - 1]
        put_handler(one.signum, newest, newest.thread)
    return 0


cdef int give_back(Handler one, bint ours) except -1:
    """In a change: ends the last handler of the signal. What waits keeps it: see forget_ended."""
    cdef int signum = one.signum
    # First this: what another thread takes meanwhile, and what is on its way, is still ours.
    if ours:
        install_restore(signum, True)
    registry_release(signum)
    process_set_mode(signum, MODE_UNREGISTERED, not ours)
    stacks[signum] = None
    given[signum] = UNTOUCHED
    one.active = False
    return 0


cdef int enter_all(tuple wanted, uint64_t queue_capacity, found, Handler instead_of) except -1:
    """In a change."""
    cdef Handler one
    cdef list dropped = [None] * len(wanted)
    cdef int entered = 0
    begin_change()
    try:
        for one in wanted:
            enter(one, queue_capacity, found, dropped)
            entered += 1
        if instead_of is not None and instead_of.active:
            step_out(instead_of)
    except:
        for one in wanted[:entered]:
            undo(one)
        raise
    finally:
        end_change()
    for one in wanted:
        arm(&in_thread if one.thread else &in_main)
    return 0


cdef int undo(Handler one) except -1:
    """In a change: enter() of one of the dispatcher thread, for which nothing has come yet, or
    what has is handled as what comes at any end."""
    if len(<list>stacks[one.signum]) > 1:
        step_out(one)
    else:
        install_note_place(one.signum)
        give_back(one, registry_in_place(one.signum))
    return 0


def register(tuple wanted, uint64_t queue_capacity, Handler instead_of=None) -> None:
    """Puts these handlers in force, all of them or none: one of the main thread, or any number of
    the dispatcher thread. instead_of: one of the same signal, which ends in the same moment."""
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
    """The handlers of the signal, the last one in force."""
    cdef object stack = stacks[signum]
    return () if stack is None else tuple(<list>stack)


cdef int leave(Handler one, list errors) except -1:
    """Ends that handler. Other handlers may run meanwhile, and end it too, or register anew."""
    cdef int signum = one.signum
    cdef sigset_t mask
    cdef bint ours
    while True:
        begin_change()
        try:
            if not one.active:
                return 0
            if len(<list>stacks[signum]) > 1:
                return step_out(one)
            ours = registry_in_place(signum)
            install_note_place(signum)
            if not ours or given[signum] is UNTOUCHED:
                return give_back(one, ours)
            # None: a C handler that Python knows nothing of; the core puts it back.
            before = 0 if given[signum] is None else given[signum]
        finally:
            end_change()
        hold(signum, &mask)
        try:
            # In a handler CPython may have noted that the signal came, and look at it later: it
            # would say "ignored due to race condition". Tripped once more, it looks now.
            # (Also where a handler ends it that runs in this very look.)
            set_interrupts(signum, True)
            trip_clear(&signum, 1)
            trip(signum, monotonic_ns(), <uint32_t>PyThread_get_thread_native_id())
            stop_interrupting(signum)
            # Ours stays until the core puts back what it found: by default, before a C handler is
            # there again, what another thread takes would end the process.
            if interpose_install():
                install_keep(signum)
            try:
                set_surely(signum, before, errors)
            finally:
                install_keep(0)
            begin_change()
            try:
                if one.active and len(<list>stacks[signum]) == 1:
                    return give_back(one, True)
                ours = stacks[signum] is not None and given[signum] is not UNTOUCHED
            finally:
                end_change()
            if ours:  # registered anew meanwhile
                set_surely(signum, dispatch, errors)
                check(install_handler(signum, False))
        finally:
            if stacks[signum] is not None and not to_thread[signum]:
                interrupt_again(signum)
            pthread_sigmask(SIG_SETMASK, &mask, NULL)


cdef enum:
    ARRIVE_US = 200  # between two looks at what is pending
    ARRIVE_LOOKS = 50  # where it may be that every thread blocks the signal
    ARRIVE_MOST = 5000  # where the main thread does not, and is only waiting for a processor


cdef bint main_thread_takes(int signum):
    """Whether the main thread would be given the signal now, or when it comes out of our handler,
    which runs with nearly all signals blocked: as far as can be seen."""
    try:
        with open(f"/proc/self/task/{getpid()}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigBlk:"):
                    blocked = int(line[7:], 16)
                    return not blocked >> (signum - 1) & 1 or blocked.bit_count() > 50
    except (OSError, ValueError):
        pass
    return False


cpdef int let_arrive(int signum) except -1:
    """Called off the main thread too, and what the process was sent before is perhaps still on its
    way to the main thread, which the kernel prefers: it may arrive while we handle it. A second at
    most."""
    cdef sigset_t mask, pending
    cdef int look = 0
    cdef bint there = True
    hold(signum, &mask)  # sigpending(2) shows what the calling thread blocks
    try:
        while True:
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


def take_what_came(int signum) -> None:
    """What the intake thread has left in the kernel for a while is taken: it would have another
    disposition, once somebody sets one."""
    borrow_hold()
    try:
        let_arrive(signum)
    finally:
        borrow_go_on()


def cancel(tuple ended, bint waits=True) -> bool:
    """Ends these registrations, all of them or none; then what was delivered before is handled,
    and what handlers raised meanwhile is raised. waits: for what the dispatcher thread handles,
    too. False: it has not returned from a handler for too long."""
    cdef Handler one
    cdef list errors = [], gone = []
    cdef bint over
    for one in ended:
        if one.active and given[one.signum] is not UNTOUCHED:
            if all([other in ended for other in <list>stacks[one.signum]]):
                need_main_thread(one.signum)
    borrow_hold()
    try:
        for one in ended:
            if waits and one.active and one.thread and len(<list>stacks[one.signum]) == 1:
                let_arrive(one.signum)
        for one in ended:
            if one.active:
                leave(one, errors)
                if stacks[one.signum] is None:
                    gone.append(one)
    finally:
        borrow_go_on()
    over = finish_handlers(gone, waits, errors)
    if errors:
        raise errors[0]
    return over


cdef class EndWhenDropped:
    """Of an object that ends these registrations when nothing refers to it any more. Compiled: what
    a signal's handler raises cannot come first. It waits for nobody, since the collector may call
    it in any thread, and anywhere."""

    cdef tuple handlers

    def __init__(self, tuple handlers):
        self.handlers = handlers

    def __del__(self):
        if self.handlers is not None and not is_ending():
            cancel(self.handlers, False)


cdef bint finish_handlers(list gone, bint waits, list errors) except? False:
    cdef Handler one
    cdef bint here
    cdef bint over = True
    cdef list elsewhere = []
    for one in gone:
        here = in_dispatcher() if to_thread[one.signum] else True
        if here:
            settle(one.signum, errors)
            if stacks[one.signum] is None:
                # Its own handler, on the stack, may not run once more.
                forget(one.signum)
        elif waits:
            elsewhere.append(one.signum)
    if elsewhere:
        over = finish(elsewhere, errors)
    forget_ended(&in_thread)
    return over


cdef int settle(int signum, list errors) except -1:
    """Calls handlers, here and now, until what was delivered to this signal is handled, as far as
    its handler may run."""
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
        else:  # one is being written, by another thread: queue.h
            with nogil:
                usleep(50)


cdef void forget_ended(const roster *mine):
    """Drops the handlers of signals that were given back, once nothing waits for them."""
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
    """Drops the handler, and what still waits for it."""
    cdef object dropped = handlers[signum]
    begin_change()
    if stacks[signum] is None:
        abandon(signum)
        simulated[signum] = 0
        put_handler(signum, None, False)
    end_change()


cdef void put_handler(int signum, handler, bint thread):
    """In a change: swaps the handler of a signal (None: it has none any more), and who calls it."""
    cdef int i
    cdef bint moved
    cdef object _before = handlers[signum]  # its end may run Python code: not in there
    with cython.critical_section(guard):
        moved = handler is not None and thread != to_thread[signum]
        handlers[signum] = handler
        # (Without a handler as it was: another thread may be in ours, and about to trip.)
        if handler is not None:
            to_thread[signum] = thread
        in_main.count = in_thread.count = 0
        for i in range(1, SIGREC_NSIG):
            if handlers[i] is None:
                continue
            if to_thread[i]:
                in_thread.signums[in_thread.count] = i
                in_thread.count += 1
            else:
                in_main.signums[in_main.count] = i
                in_main.count += 1
    apply_intake(signum, <Handler>handler)
    if handler is None or thread:
        set_interrupts(signum, False)
    if moved:
        # What CPython is called for, it may be called for later; what woke the thread is no trip.
        owed[signum] = thread and trip_is_out(signum)
        trip_clear(&signum, 1)
    if handler is not None and not thread:
        interrupt_again(signum)
    if moved:
        arm(&in_thread if thread else &in_main)


cdef void apply_intake(int signum, Handler handler) noexcept:
    if handler is None or not handler.backlog:
        intake_set(signum, False, 0, 0)
    else:
        intake_set(signum, True, handler.moderation_ns, handler.backlog)
        borrow_note_mask()


def start_intake() -> bool:
    """Before the first handler that has one. False: not on this platform."""
    need_the_only_core()
    if not interpose_install():
        return False
    check(intake_start())
    return True


def count_intake(int signum) -> tuple:
    """csrc/intake.h: struct intake_counts."""
    cdef intake_counts counts
    intake_count(signum, &counts)
    return counts.taken, counts.switches, counts.bytes, counts.naps, counts.kicks


cdef object interrupted_frame():
    """None: at exit there is none."""
    try:
        return _getframe()
    except ValueError:
        return None


def get_handler(int signum):
    return handlers[signum]


def drain_now(int signum, frame) -> None:
    """Handles what waits for the signal, here and now, or until a handler raises."""
    cdef list errors = []
    settle(signum, errors)
    if errors:
        raise errors[0]


# --- with blocks --------------------------------------------------------------------------


cdef class Block:
    # What ends with its ``with`` block, by _leave(), of which a second call does nothing.
    # Compiled: what a signal's handler raises cannot come between the block and this. It can come
    # before the first line of _leave(), and then that is called once more.

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
