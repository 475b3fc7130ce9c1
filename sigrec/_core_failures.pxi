# What handlers raise in the main thread while others wait: the first exception surfaces, and where
# nobody catches it, it is reported by sys.excepthook. The others' handlers would run inside that,
# and raise there, and the report would be lost. So as long as others wait, the hook is ours, and
# while it runs, or where no frame is left for an exception to surface in, exceptions of handlers
# are counted. So are those for what had been delivered to the same signal before its exception
# surfaced: signal.signal's handler is called once for all of that, and code that catches one
# exception of it, or an event loop that ends by one, is not made for the next at each bytecode.

cdef bint others_wait = False  # behind an exception that has surfaced: the hook is ours
cdef int reporting = 0  # sys.excepthook runs
cdef uint64_t failures = 0  # that were counted, and not told yet
cdef object program_hook = None
cdef int failed_in_thread = 0  # the signal whose handler raised last, in the dispatcher thread

cdef enum:
    REPORT_NS = 5_000_000_000  # what handlers may add to a report


# Indexed by signal number, while others wait: its exception that surfaced, and when.
cdef list surfaced = [None] * SIGREC_NSIG
cdef uint64_t surfaced_ns[65]


cdef bint is_counted(error, int signum, const event *e, frame):
    """Of the main thread: whether an exception does not surface. e: NULL, for what has no time."""
    if reporting and isinstance(error, Exception):
        return True
    if not others_wait:
        return False
    if frame is None and isinstance(error, Exception):
        return True
    first = surfaced[signum]
    if first is None or depth_of(signum):
        return False
    if e is not NULL and e.monotonic_ns > surfaced_ns[signum]:
        return False
    # (What surfaced in this handler was raised by another one, and goes on its way.)
    return ((isinstance(error, Exception) or type(error) is type(first))
            and not any([error is one for one in surfaced]))


cdef int watch_report(error, int signum) except -1:
    """No bytecode: no handler runs in here."""
    global others_wait, program_hook
    if not depth_of(signum):
        surfaced[signum] = error
        surfaced_ns[signum] = monotonic_ns()
    hook = <object>PySys_GetObject(b"excepthook") if PySys_GetObject(b"excepthook") else None
    others_wait = True
    if hook is not None and hook is not report:
        program_hook = hook
        PySys_SetObject(b"excepthook", report)
    return 0


cdef int end_watch() except -1:
    global others_wait, program_hook, surfaced
    cdef list _ended = surfaced  # their end may run Python code
    surfaced = [None] * SIGREC_NSIG
    others_wait = False
    if program_hook is not None:
        if PySys_GetObject(b"excepthook") == <PyObject *>report:
            PySys_SetObject(b"excepthook", program_hook)
        program_hook = None
    tell_failures()
    return 0


cdef int tell_failures() except -1:
    global failures
    cdef uint64_t n = failures
    failures = 0
    if n:
        tell(n)
    return 0


def tell(n) -> None:
    """Of exceptions that stand for none of their own."""
    try:
        sys.stderr.write(f"sigrec: and {n} more exception{'s' * (n > 1)} of signal handlers\n")
    except Exception:
        pass  # there is nobody to tell


def failed_signal() -> int:
    """The signal whose handler raised last, in the dispatcher thread."""
    return failed_in_thread


def report(kind, value, traceback):
    """sys.excepthook, while others wait behind the exception of a handler."""
    global reporting
    cdef uint64_t calls, ignored = 0, until
    hook = sys.__excepthook__ if program_hook is None else program_hook
    if not others_wait or not is_main_thread():
        return hook(kind, value, traceback)
    reporting += 1
    try:
        hook(kind, value, traceback)
        until = monotonic_ns() + REPORT_NS
        while not is_idle(&in_main) and monotonic_ns() < until:
            calls = in_main.calls
            drain(&in_main, 0, None, &ignored, 0)
            if in_main.calls == calls:
                break
    finally:
        reporting -= 1
        if not reporting:
            end_watch()
