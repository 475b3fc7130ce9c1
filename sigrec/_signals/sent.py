"""SentSignal: a signal that a process sent, as that process itself recorded it."""

from __future__ import annotations

import errno

from sigrec._signals.value import Timed
from sigrec._tuples import NamedTuple


class ChildTold(NamedTuple):
    """What wait(2) told a process about its child. code: CLD_EXITED and the like. status: the exit
    status, or the signal."""

    pid: int
    code: int
    status: int
    monotonic_ns: int
    time_ns: int


class SentSignal(Timed):
    """One signal that a recorded process sent to another, or to itself."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "si_signo": "The signal's number.",
        "signal_name": 'The signal\'s name, as ``"SIGKILL"``.',
        "how": 'The call that sent it: ``"kill"``, ``"killpg"``, ``"pthread_kill"`` (also for tgkill(2)), '
        '``"raise"`` (also for abort(3)), ``"sigqueue"``, ``"pidfd_send_signal"``.',
        "target": "The target, as an argument of kill(2): a process id; minus the id of a process group; "
        "0: the sender's own group, or, through a pidfd, a process that is not known; -1: every process.",
        "target_tid": "The thread that it was sent to; None: it was not sent to one, or the thread is not "
        "known.",
        "value": "The value that was sent along, as a pointer; 0: none.",
        "target_start_ticks": "For SIGKILL: when its target began, in clock ticks since boot "
        "(proc_pid_stat(5), field 22), which tells the target from another process that had its PID "
        "later; None: not known.",
        "error": "What the kernel answered: 0 (it was sent) or an errno; None: the call had not "
        "returned, as where it ended the sender.",
        "tid": "The native id of the thread that sent it.",
        "time_ns": "When it was sent, in ns since 1970.",
        "monotonic_ns": "When it was sent, by CLOCK_MONOTONIC.",
        "ordinal": "How many of this signal the process had sent before.",
    }
    _fields = tuple(__slots__)

    si_signo: int
    signal_name: str
    how: str
    target: int
    target_tid: int | None
    value: int
    target_start_ticks: int | None
    error: int | None
    tid: int
    monotonic_ns: int
    ordinal: int

    def __repr__(self) -> str:
        went = {None: " (result unknown)", 0: ""}.get(
            self.error, f" ({errno.errorcode.get(self.error or 0, self.error)})"
        )
        return f"<SentSignal {self.signal_name} to {self.target} by {self.how}{went}>"


SentSignal.__module__ = "sigrec"
