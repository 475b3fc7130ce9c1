"""Where this process's recording is made, and how large it and the dispatch queues are."""

from __future__ import annotations

import os
import sys

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._recorder import retention

HISTORY = 16384  # events, if configure() does not say how many: 1 MiB of tmpfs
QUEUE = 16384  # events a registered signal: 1 MiB of private memory, touched only as it fills
AT_EXIT_S = (
    5.0  # how long to handle signals at exit, and to wait for a thread that makes the recording
)
INTAKE_BACKLOG = 1 << 20  # events of a signal with intake="thread"; 16 bytes each, as they come
LARGEST = 1 << 24  # events: 1 GiB
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # the folder of the whole package


class _Settings:
    history = HISTORY
    queue = QUEUE
    backlog = INTAKE_BACKLOG
    recording: str | None = None
    keep = False  # whether recordings stay after a clean exit
    pid = 0  # the process that named `recording`, which a forked child must not use
    started = False
    warned = False
    passed_over = ""
    small_stack = False  # whether it was said already that the alternate stack is too small
    private = 0  # the pid of the process whose recording is in no file
    children = 0  # the pid of the process from which on forked children are recorded


_settings = _Settings()


def configure(
    *,
    history: int | None = None,
    queue: int | None = None,
    recording: str | os.PathLike[str] | None = None,
) -> None:
    """Set capacities and the recording's file. Call this before the first ``register()`` or
    ``record()``.

    history: how many events the recording keeps, of all signals together (default 16,384; 64 bytes
        each).
    queue: how many events can wait, with their siginfo, for the handler of one signal (default
        16,384; 1,048,576 with intake="thread"). Both are from 16 to 16,777,216, and are rounded up
        to a power of two.
    recording: a file to write the recording to, which stays after a clean exit. If the file is the
        recording of a process that has ended, that is kept as ``<file>.1``. A link, the recording
        of a process that is alive, and any other file that is not empty are not overwritten: then a
        warning says so, and where the recording is.

    In a process that is recorded already, by `sigrec attach` or by `sigrec run --children` of a
    program that started it, history and recording have no effect; the environment variable
    SIGREC_HISTORY has, if it is set beforehand.

    Raises ValueError for a bad argument, and SigrecError if this process has registered or recorded
    a signal already.
    """
    if _settings.started:
        raise SigrecError(
            "configure() must come before the first register() or record() in this process"
        )
    new_history = _checked_capacity("history", history, _settings.history)
    new_queue = _checked_capacity("queue", queue, _settings.queue)
    changed: dict[str, object] = {"history": new_history, "queue": new_queue}
    if queue is not None:
        changed["backlog"] = new_queue
    if recording is not None:
        path = _check.path("recording must be the path of a file", recording)
        changed |= {"recording": os.path.abspath(path), "pid": os.getpid()}
    vars(_settings).update(changed)  # in one step: a handler could raise between two


def keep() -> None:
    """From now on recordings stay after a clean exit, wherever they are."""
    _settings.keep = True


def _checked_capacity(name: str, value: int | None, default: int) -> int:
    if value is None:
        return default
    number = _check.integer(f"{name} must be an int from 16 to {LARGEST}", value, 16, LARGEST)
    return 1 << (number - 1).bit_length()


def started() -> bool:
    """Whether this process, or the one that it was forked from, ever registered a signal."""
    return _settings.started


def backlog() -> int:
    """How many events of a signal wait where the intake thread takes it."""
    return _settings.backlog


def start() -> int:
    """Makes sure that this process has a recording; returns the queue capacity.

    It takes no lock, since a handler that interrupts it may call it: to do a part twice does no
    harm.
    """
    if not _settings.started:
        import atexit

        _core.start(_adopt)
        if _core.adopted():  # the preloaded library has begun to record before Python started
            if not _core.path():
                _settings.private = os.getpid()
            _leave_cleanly()
        atexit.register(_core.stop, AT_EXIT_S)
        atexit.register(_note_exception)
        os.register_at_fork(after_in_child=_core.after_fork_in_child)
        _settings.started = True
    _core.adopt_now(AT_EXIT_S)
    size, needed = _core.alternate_stack()
    if 0 < size < needed and not _settings.small_stack:
        _settings.small_stack = True
        _warn_caller(
            f"sigrec: this thread's alternate signal stack has {size} bytes, and a signal that is "
            f"registered or recorded needs {needed} (sigaltstack(2)): it runs over its end"
        )
    return _settings.queue


def _adopt() -> None:
    """Gives this process a recording: a file in the first usable place, or private memory.

    It never raises because there is no place: recording must not break the program.
    """
    notes: list[str] = []
    in_child = _settings.children not in (0, os.getpid())
    if in_child and _core.adopt_spare():
        _leave_cleanly()
        return
    if not _core.may_open():  # in a sandbox, to look for a place could end the process
        _go_private()
        return
    named = _settings.recording if _settings.pid == os.getpid() else None
    if named is not None:
        reason = _make_way(named)
        if reason is not None:
            notes.append(reason)
            named = None
    file = None if named is None else os.fsencode(named)
    note = _core.publish(file, _settings.keep, _settings.history)
    notes += [os.fsdecode(note)] if note else []
    path = os.fsdecode(_core.path())
    if path and path == named:
        _remove_old()
        return
    if path:
        if not in_child:
            retention.clean(os.path.dirname(path), own=path)
        _leave_cleanly()
        _warn(notes, f"recording to {path}")
        return
    _settings.private = os.getpid()
    if notes or not publishing_off():
        _warn(notes or ["no directory to publish in"], "recording in private memory")


def publishing_off() -> bool:
    """Whether ``SIGREC_DIR=`` (empty) has turned publishing off."""
    return os.environ.get("SIGREC_DIR") == ""


def _make_way(path: str) -> str | None:
    """Puts aside what is there. Returns why that cannot be, as a text to show; None: it is done."""
    reason = retention.in_the_way(path)
    if reason is None:
        try:
            retention.make_way(path)
        except OSError as error:
            reason = f"{path}: {error.strerror}"
    return reason


def _go_private() -> None:
    _core.go_private(_settings.history)
    _settings.private = os.getpid()


def start_children() -> None:
    """From now on forked children are recorded, too, from their first instruction on."""
    if _settings.children:
        return
    directory = _core.usable_directory()
    if directory is not None:
        try:
            _core.keep_spares(directory, _settings.keep, _settings.history)
        except OSError:
            pass  # on this platform they are recorded from the fork hook on
    _settings.children = os.getpid()
    _core.adopt_in_children(start, _leave_cleanly)
    os.register_at_fork(after_in_parent=_core.after_fork_in_parent)


def _remove_old() -> None:
    """Removes what is too much where readers look, for a process whose recording is elsewhere."""
    directory = _core.usable_directory()
    if directory is not None:
        retention.clean(os.fsdecode(directory))


def notice_loss() -> None:
    """Says once, if somebody has truncated the recording,
    that the core goes on without the file."""
    if _core.adopted() and _settings.private != os.getpid() and not _core.path():
        _settings.private = os.getpid()
        _settings.warned = False
        _warn(
            ["somebody truncated the recording's file, and the events in it are lost"],
            "recording in private memory",
        )


def _leave_cleanly() -> None:
    """A finalizer for multiprocessing workers, which end by os._exit() after their finalizers."""
    multiprocessing = sys.modules.get("multiprocessing")
    util = sys.modules.get("multiprocessing.util")
    if util is not None and multiprocessing is not None and multiprocessing.parent_process():
        util.Finalize(None, _worker_leaves, exitpriority=0)


def _worker_leaves() -> None:
    error = sys.exc_info()[1]  # what the worker raised; since 3.13 only its status is left
    if (isinstance(error, SystemExit) and error.code) or _worker_status():
        return  # this is no clean exit: os._exit() comes next, with that status
    if error is not None and not isinstance(error, SystemExit):
        _set_exit_reason(type(error))
    _core.say_goodbye()


def _worker_status() -> int:
    """The worker's exit status. Since 3.13 it is known when the finalizers run: a local variable of
    the function that will call os._exit() with it."""
    frame = sys._getframe() if sys.version_info >= (3, 13) else None
    while frame is not None:
        if frame.f_globals.get("__name__") in (
            "multiprocessing.popen_fork", "multiprocessing.forkserver"
        ):  # fmt: skip
            code = frame.f_locals.get("code")
            return code if isinstance(code, int) else 0
        frame = frame.f_back
    return 0


def _note_exception() -> None:
    """Writes down which exception has ended the program: it
    was not caught, and is printed already."""
    kind = getattr(sys, "last_type", None)
    if isinstance(kind, type) and not hasattr(sys, "ps1"):
        _set_exit_reason(kind)


def _set_exit_reason(kind: type) -> None:
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    _core.set_reason(f"{module}{kind.__qualname__}".encode(errors="replace"))


def _warn(notes: list[str], outcome: str) -> None:
    """Says once, in this process and its children, why the recording is not in a better place."""
    if not notes or _settings.warned:
        return
    _settings.warned = True
    _settings.passed_over = "; ".join(notes)
    _warn_caller(f"sigrec: {_settings.passed_over}; {outcome}")


def passed_over() -> str:
    """Why the recording of this process is not in a better place; "" where there is no reason."""
    return _settings.passed_over


def _warn_caller(text: str) -> None:
    import warnings

    # The warning is about the caller's line, and not about one of ours.
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    try:
        if not frame.f_code.co_filename.startswith("<frozen "):
            warnings.warn(text, RuntimeWarning, stacklevel=level)
            return
    except RuntimeWarning:
        pass  # warnings are errors here, but this one must not keep a signal from being handled
    # Else the interpreter has called us before the program began, and the warning is about no line.
    if sys.stderr is not None:
        print(text, file=sys.stderr)


configure.__module__ = "sigrec"
