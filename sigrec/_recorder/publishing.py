"""Where this process's recording goes, and how large things are."""

from __future__ import annotations

import os
import sys

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._reader import places
from sigrec._recorder import retention

HISTORY = 16384  # events: 1 MiB of tmpfs
QUEUE = 16384  # events a registered signal: 1 MiB of private memory, touched only as it fills
END_S = 5.0  # for what is handled at exit, and for another thread that makes the recording
BACKLOG = 1 << 20  # events of a signal with intake="thread"; 16 bytes each, as they come
LARGEST = 1 << 24  # events: 1 GiB
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # of sigrec, not of this room


class _Settings:
    history = HISTORY
    queue = QUEUE
    backlog = BACKLOG
    recording: str | None = None
    keep = False  # even after a clean exit
    pid = 0  # the process that named `recording`: a forked child has no claim on it
    started = False
    warned = False
    small_stack = False  # said already
    private = 0  # the pid of the process whose recording is in no file
    cleaner = 0  # the pid of the process that removes what its children leave


_settings = _Settings()


def configure(
    *,
    history: int | None = None,
    queue: int | None = None,
    recording: str | os.PathLike[str] | None = None,
) -> None:
    """Set capacities and the recording's file. Call it before the first ``register()`` or ``record()``.

    history: events kept in the recording, all signals together (default 16384; 64 bytes each).
    queue: events that can wait, with their siginfo, for the handler of one signal (default 16384;
        1,048,576 with intake="thread").
    Both are rounded up to a power of two; 16 to 16,777,216.
    recording: write the recording to this file, and keep it after a clean exit. A recording of a
    process that ended is kept beside it, as ``<file>.1``; any other file that is not empty is not
    overwritten, nor is a link, nor the recording of a process that is alive: then a warning says so,
    and where the recording is.

    In a process that is recorded already, by `sigrec run` of a program that started it or by
    `sigrec attach`, history and recording change nothing: SIGREC_HISTORY does, beforehand.

    Raises ValueError for a bad argument, SigrecError once this process has registered or recorded a
    signal.
    """
    if _settings.started:
        raise SigrecError(
            "configure() must come before the first register() or record() in this process"
        )
    new_history = _capacity("history", history, _settings.history)
    new_queue = _capacity("queue", queue, _settings.queue)
    changed: dict[str, object] = {"history": new_history, "queue": new_queue}
    if queue is not None:
        changed["backlog"] = new_queue
    if recording is not None:
        path = _check.path("recording must be the path of a file", recording)
        changed |= {"recording": os.path.abspath(path), "pid": os.getpid()}
    vars(_settings).update(changed)  # at once: a handler may raise in between


def keep() -> None:
    """Recordings stay after a clean exit, wherever they are."""
    _settings.keep = True


def _capacity(name: str, value: int | None, default: int) -> int:
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
    """Make sure that this process counts somewhere; returns the queue capacity.

    Without a lock, since a handler can come in between: what is done twice does no harm."""
    if not _settings.started:
        import atexit

        _core.start(_adopt)
        if _core.adopted():  # before Python, by what was loaded with the program
            if not _core.path():
                _settings.private = os.getpid()
            _leave_cleanly()
        atexit.register(_core.stop, END_S)
        atexit.register(_note_exception)
        os.register_at_fork(after_in_child=_core.after_fork_in_child)
        _settings.started = True
    _core.adopt_now(END_S)
    size, needed = _core.alternate_stack()
    if 0 < size < needed and not _settings.small_stack:
        _settings.small_stack = True
        _say(
            f"sigrec: this thread's alternate signal stack has {size} bytes, and a signal that is "
            f"registered or recorded needs {needed} (sigaltstack(2)): it runs over its end"
        )
    return _settings.queue


def _adopt() -> None:
    """Give this process a recording: a file in the first usable place, or private memory.

    Never raises for want of a place: recording must not break the program.
    """
    notes: list[str] = []
    in_child = _settings.cleaner not in (0, os.getpid())
    if in_child and _core.adopt_spare():
        _leave_cleanly()
        return
    if not _core.may_open():  # a sandbox, made since: to look for a place could end it
        _go_private()
        return
    named = _settings.recording if _settings.pid == os.getpid() else None
    if named is not None:
        reason = retention.in_the_way(named)
        if reason is not None:
            notes.append(reason)
        elif _publish(named, True, notes):
            point_to(named)
            return
    for directory in places.candidates():
        reason = places.prepare(directory)
        if reason is not None:
            notes.append(reason)
        elif _publish_in(directory, notes):
            path = os.fsdecode(_core.path())
            if not in_child:
                retention.clean(directory, own=path)
            _leave_cleanly()
            _warn(notes, f"recording to {path}")
            return
    _go_private()
    if notes or not places.publishing_off():
        _warn(notes or ["no directory to publish in"], "recording in private memory")


def _go_private() -> None:
    _core.go_private(_settings.history)
    _settings.private = os.getpid()


def start_children() -> None:
    """From now on forked children record, too, from their first instruction on."""
    if _settings.cleaner:
        return
    directory = next((d for d in places.candidates() if places.prepare(d) is None), None)
    if directory is not None:
        try:
            _core.keep_spares(os.fsencode(directory), _settings.keep, _settings.history)
        except OSError:
            pass  # not on this platform: they record from the hook on
    _settings.cleaner = os.getpid()
    _core.adopt_in_children(start, _leave_cleanly, _clean)
    os.register_at_fork(after_in_parent=_core.after_fork_in_parent)


def _clean() -> None:
    """Children do not clean, so that a fork is not slow."""
    if _core.path() and _core.may_open():
        directory = next((d for d in places.candidates() if places.unusable(d) is None), None)
        if directory is not None:
            retention.clean(directory, own=os.fsdecode(_core.path()) or None)


def _publish_in(directory: str, notes: list[str]) -> bool:
    """Under the first name that is free: what is there tells of an earlier process."""
    for name in places.free_names(directory):
        try:
            return _publish(os.path.join(directory, name), False, notes)
        except FileExistsError:
            continue  # somebody was faster
    return False


def _publish(path: str, named_by_user: bool, notes: list[str]) -> bool:
    directory, name = os.path.split(path)
    try:
        if named_by_user:
            retention.make_way(path)
        _core.publish(
            os.fsencode(directory),
            os.fsencode(name),
            named_by_user,
            named_by_user or _settings.keep,
            _settings.history,
        )
    except OSError as error:
        if isinstance(error, FileExistsError) and not named_by_user:
            raise
        notes.append(f"{path}: {error.strerror}")
        return False
    return True


def point_to(path: str) -> None:
    """A link to it, where readers look for what has that PID."""
    for directory in places.candidates():
        if places.prepare(directory) is None:
            for name in places.free_names(directory, "named"):
                try:
                    os.symlink(path, os.path.join(directory, name))
                    retention.clean(directory)
                except FileExistsError:
                    continue
                except OSError:
                    break
                return


def notice_loss() -> None:
    """Say once, if someone truncated the recording, that the core goes on without the file."""
    if _core.adopted() and _settings.private != os.getpid() and not _core.path():
        _settings.private = os.getpid()
        _settings.warned = False
        _warn(
            ["somebody truncated the recording's file, and the events in it are lost"],
            "recording in private memory",
        )


def _leave_cleanly() -> None:
    """A multiprocessing worker ends in os._exit, after its finalizers: tell them."""
    multiprocessing = sys.modules.get("multiprocessing")
    util = sys.modules.get("multiprocessing.util")
    if util is not None and multiprocessing is not None and multiprocessing.parent_process():
        util.Finalize(None, _worker_leaves, exitpriority=0)


def _worker_leaves() -> None:
    error = sys.exc_info()[1]  # that its work ended with; since 3.13 only the status is left of it
    if (isinstance(error, SystemExit) and error.code) or _worker_status():
        return  # no clean exit: os._exit comes next, with that status
    if error is not None and not isinstance(error, SystemExit):
        _set_reason(type(error))
    _core.say_goodbye()


def _worker_status() -> int:
    """Since 3.13 its finalizers run when it is known: a local of who calls os._exit with it."""
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
    """The interpreter has printed an exception that nobody caught, and goes: tell which."""
    kind = getattr(sys, "last_type", None)
    if isinstance(kind, type) and not hasattr(sys, "ps1"):
        _set_reason(kind)


def _set_reason(kind: type) -> None:
    where = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    _core.set_reason(f"{where}{kind.__qualname__}".encode(errors="replace"))


def _warn(notes: list[str], outcome: str) -> None:
    """Say once, in this process and its children, that a better place was passed over."""
    if not notes or _settings.warned:
        return
    _settings.warned = True
    _say(f"sigrec: {'; '.join(notes)}; {outcome}")


def _say(text: str) -> None:
    import warnings

    # Whose line it is about: the caller's, not one of ours.
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    try:
        if not frame.f_code.co_filename.startswith("<frozen "):
            warnings.warn(text, RuntimeWarning, stacklevel=level)
            return
    except RuntimeWarning:
        pass  # warnings are errors here; this one must not keep a signal from being handled
    # Or the interpreter itself called us, before the program began: no line of anybody's.
    if sys.stderr is not None:
        print(text, file=sys.stderr)


configure.__module__ = "sigrec"
