"""``sigrec run --report``: one sentence about the program's end, on stderr or in a file."""

from __future__ import annotations

import os
import select
import stat
from contextlib import suppress

from sigrec._errors import SigrecError
from sigrec._proc.process import is_ending
from sigrec._recorder.beside import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.pidfd import Bystander

_ROOM_S = 5.0  # for a reader of stderr who does not read


class Report:
    """argv: the program's. output: its recording, if that has a name. file: where the sentence is
    appended; None: stderr."""

    def __init__(self, argv: list[str], output: str | None, file: str | None) -> None:
        self._argv = argv
        self._output = output
        self._file = file
        self._stderr = None if file is not None else _Stderr()
        if file is not None:
            try:
                os.close(_open(file))  # what is wrong with it is said now
            except OSError as error:
                raise SigrecError(f"{file}: cannot be written: {error.strerror}") from None

    def stand_by(self, beside: Bystander) -> None:
        """Beside the program, until it has ended; then the sentence."""
        # Here, so that the program does not wait for it.
        from sigrec._why.answer import Answer
        from sigrec._why.waiting import answer_about, wait

        stderr = self._stderr
        seen = wait(beside, (lambda: stderr.look(beside)) if stderr else lambda: None)
        answer = answer_about(beside, seen, self._argv, self._output)
        if isinstance(answer, Answer):
            oom = seen.oom and (seen.oom.kills, seen.oom.since_ns, seen.oom.probably)
            note(answer.recording, seen.ended, oom, seen.cgroup)
        line = f"sigrec: {answer.sentence}\n".encode(errors="backslashreplace")
        if self._stderr is not None:
            self._stderr.write(line)
        elif self._file is not None:
            with suppress(OSError):
                fd = _open(self._file)
                os.write(fd, line.removeprefix(b"sigrec: "))
                os.close(fd)


def _open(file: str) -> int:
    """A pipe without a reader is an error, and nothing to wait for."""
    return os.open(
        file,
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
        0o600,
    )


class _Stderr:
    """Whoever reads a pipe until its end waits for each that has it open; so this one lets go of it
    when the program does."""

    def __init__(self) -> None:
        try:
            self._status: os.stat_result | None = os.fstat(2)
        except OSError:
            self._status = None

    def look(self, beside: Bystander) -> None:
        status = self._status
        if status is None or not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
            return
        for fd in (2, 1):
            with suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{beside.pid}/fd/{fd}"), status):
                    return
        if not is_ending(beside.pid):  # it closes them before it has ended
            self._status = None
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)

    def write(self, line: bytes) -> None:
        """Where there is room for it, since nobody can be made to read."""
        if self._status is None:
            return
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        with suppress(OSError):
            if poll.poll(_ROOM_S * 1000):
                os.write(2, line[: select.PIPE_BUF])
