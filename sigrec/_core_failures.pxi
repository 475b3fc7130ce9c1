# What is done with an exception that a handler raises in the main thread while further signals
# wait.
#
# The first exception surfaces, and if no code catches it, sys.excepthook reports it. The handlers
# of the signals that wait would run inside sys.excepthook, and if they raised there, the report
# would be lost. So as long as signals wait, sys.excepthook is a function of sigrec. While that
# runs, or where no frame is left for an exception to surface in, exceptions of handlers are only
# counted.
#
# Only counted, too, are the exceptions of signals of the same number that had been delivered before
# the first exception surfaced: signal.signal's handler would be called once for all of these. Code
# that catches one exception, and an event loop that is ended by one, do not expect a further one at
# each bytecode.

cdef bint others_wait = False  # signals wait while an exception surfaces: sys.excepthook is ours
cdef int reporting = 0  # how many calls of our sys.excepthook run now
cdef uint64_t failures = 0  # exceptions that were only counted, and are not reported yet
cdef object program_hook = None  # the program's own sys.excepthook, while it is ours
cdef int failed_in_thread = 0  # the signal whose handler raised last in the dispatcher thread

cdef enum:
    REPORT_NS = 5_000_000_000  # for so long exceptions are counted into one report


# Indexed by signal number, while others_wait: the exception of its handler that surfaced, and when.
cdef list surfaced = [None] * SIGREC_NSIG
cdef uint64_t surfaced_ns[65]


cdef bint is_counted(error, int signum, const event *e, frame):
    """Whether an exception of a handler in the main thread is only counted, and does not surface.
    e: the signal's event; NULL: it has none."""
    if reporting and isinstance(error, Exception):
        return True
    if not others_wait or type(error) is TimeoutReached:
        return False  # each of these ends a block of its own
    if frame is None and isinstance(error, Exception):
        return True
    first = surfaced[signum]
    if first is None or depth_of(signum):
        return False
    if e is not NULL and e.monotonic_ns > surfaced_ns[signum]:
        return False
    # An exception that has surfaced already, and now passes through this handler, goes on.
    return ((isinstance(error, Exception) or type(error) is type(first))
            and not any([error is known for known in surfaced]))


cdef int watch_report(error, int signum) except -1:
    """Notes that this exception surfaces while others wait. No handler can run in here, since this
    has no bytecode."""
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
    cdef list _ended = surfaced  # freed at the end of this function, since that may run Python code
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
    """Reports, as a count, the exceptions that were only counted."""
    try:
        sys.stderr.write(f"sigrec: and {n} more exception{'s' * (n > 1)} of signal handlers\n")
    except Exception:
        pass  # there is no standard error to write to


def failed_signal() -> int:
    """The signal whose handler raised last in the dispatcher thread."""
    return failed_in_thread


def report(kind, value, traceback):
    """The function that is sys.excepthook while others_wait."""
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
