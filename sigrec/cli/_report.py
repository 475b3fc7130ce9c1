"""``sigrec run --report``: one sentence about the program's end, on stderr or in a file."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

from sigrec._errors import SigrecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._why.waiting import Seen

_ROOM_S = 5.0  # how long to wait for room in a pipe on stderr that nobody reads
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TELL = f"import sys; sys.path.insert(0, {_ROOT!a}); from sigrec.cli._report import tell; tell()"


def leave(argv: list[str], output: str | None, file: str | None) -> bool:
    """Leaves a process that will say how the program ended. Returns whether that is PID 1, in the
    program's place. Raises OSError if it cannot: the program can run all the same.

    argv: the program's command line. output: what --output names: its recording. file: what
    --report=FILE names: the sentence is appended there; None: it goes to stderr."""
    import json

    from sigrec._recorder import beside

    if file is not None:
        try:
            os.close(_open_report(file))  # to say now what is wrong with it
        except OSError as error:
            raise SigrecError(f"{file}: cannot be written: {error.strerror}") from None
    about = json.dumps([argv, output, file])
    if beside.is_init():
        beside.leave_below_init(_TELL, about)
        return True
    beside.leave(_TELL, about)
    return False


def tell() -> None:
    """Says how the program ended. This runs in a Python of its own, after that end."""
    import json

    from sigrec._recorder.beside import note
    from sigrec._why.answer import Answer
    from sigrec._why.waiting import answer_about

    with open(0, "rb") as task:
        pid, _, began, _, _, _, about, raw = task.read().split(b"\0", 7)
    seen = _how_it_ended(raw)
    argv, output, file = json.loads(about)
    answer = answer_about(int(pid), int(began) or None, seen, argv, output)
    if isinstance(answer, Answer):
        oom = seen.oom and (seen.oom.kills, seen.oom.since_ns, seen.oom.probably)
        note(answer.recording, seen.ended, oom, seen.cgroup)
    line = f"{answer.sentence}\n".encode(errors="backslashreplace")
    with suppress(OSError):
        if file is None:
            _write_to_stderr(b"sigrec: " + line)
        else:
            fd = _open_report(file)
            os.write(fd, line)
            os.close(fd)
    os._exit(int(sys.argv[1]))


def _how_it_ended(raw: bytes) -> Seen:
    """How the program ended, as csrc/report.c writes it."""
    from sigrec._proc.ended import ended
    from sigrec._proc.status import numbers
    from sigrec._why.oom import Oom
    from sigrec._why.waiting import Seen

    code, source, time_ns, monotonic_ns, blocked, kills, since_ns, probably, cgroup = raw.split(
        b",", 8
    )
    path = os.fsdecode(cgroup)
    return Seen(
        ended(
            int(code) if source else None,
            source.decode(),
            int(time_ns),
            int(monotonic_ns),
            numbers(int(blocked, 16)) if blocked else None,
        ),
        Oom(path, int(kills), int(since_ns), probably == b"1") if int(kills) else None,
        path or None,
    )


def _open_report(file: str) -> int:
    """Opens the file of --report. A pipe without a reader is an error, and nothing to wait for."""
    return os.open(
        file,
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
        0o600,
    )


def _write_to_stderr(line: bytes) -> None:
    """Writes to stderr what there is room for, since nobody can be made to read."""
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    if poll.poll(_ROOM_S * 1000):
        os.write(2, line[: select.PIPE_BUF])
