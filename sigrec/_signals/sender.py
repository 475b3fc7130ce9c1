"""Who sent a signal, as far as si_code tells."""

from __future__ import annotations

from sigrec._signals.codes import (
    SI_KERNEL,
    SI_SIGIO,
    SI_TIMER,
    SI_TKILL,
    SIGCHLD,
    TERMINAL_SIGNALS,
    TIMER_SIGNALS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sender_kind(signo: int, code: int, pid: int) -> str:
    """The kind of a :class:`Sender`, by what sigaction(2) says of si_code."""
    if code == SI_TIMER or (code == SI_KERNEL and signo in TIMER_SIGNALS):
        return "timer"
    if code == SI_KERNEL and signo in TERMINAL_SIGNALS:
        return "terminal"
    if signo == SIGCHLD and 0 < code != SI_KERNEL:
        return "child"
    if code > 0 or code == SI_SIGIO:
        return "kernel"
    return "process" if pid else "unknown"  # pid 0 stands for a process of another namespace


def vouched(code: int) -> bool:
    """Whether the kernel says who the sender is. With other values of si_code than those of kill(2)
    and tgkill(2) the sender says so itself, by rt_sigqueueinfo(2): sigqueue(3) tells the truth
    there, but a program may lie."""
    return code >= 0 or code == SI_TKILL


class Sender:
    """Who sent a signal. Immutable. Two are equal where ``kind``, ``pid``, ``uid`` and ``vouched``
    are."""

    __slots__ = ("_parts",)

    _parts: tuple[str, int | None, int | None, str | None, list[str] | None, bool]

    def __init__(
        self,
        kind: str,
        pid: int | None = None,
        uid: int | None = None,
        comm: str | None = None,
        argv: list[str] | None = None,
        vouched: bool = True,
    ) -> None:
        object.__setattr__(self, "_parts", (kind, pid, uid, comm, argv, vouched))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Sender is immutable: {name!r} cannot be set")

    def __reduce__(self) -> tuple[object, ...]:
        return Sender, self._parts

    @property
    def kind(self) -> str:
        """``"process"`` (``pid`` and ``uid`` are set); ``"unknown"`` (the kernel could not or may
        not say); ``"kernel"``; ``"timer"``; ``"terminal"`` (a key such as Ctrl-C, job control, a
        hangup); ``"child"`` (``pid`` and ``uid`` of the child whose state changed); in counts also
        ``"others"`` (more senders than are kept apart)."""
        return self._parts[0]

    @property
    def pid(self) -> int | None:
        """Its process id, in the PID namespace of the process that got the signal; None unless it
        is a process or a child."""
        return self._parts[1]

    @property
    def uid(self) -> int | None:
        """Its real user id; None where that is not known."""
        return self._parts[2]

    @property
    def comm(self) -> str | None:
        """Its short name (proc_pid_comm(5)), as the handler or the reader found it; None if neither
        could read it while the process lived."""
        return self._parts[3]

    @property
    def argv(self) -> list[str] | None:
        """Its command line, if the process still lives; else None. It need not be true, since a
        sender can change its own."""
        return self._parts[4]

    @property
    def vouched(self) -> bool | None:
        """True: the kernel says that the sender is ``pid``. False: the sender says so itself
        (sigqueue(3), rt_sigqueueinfo(2)), and may lie. None: ``pid`` is None."""
        return None if self.pid is None else self._parts[5]

    def to_dict(self) -> dict[str, Any]:
        """The sender as it stands in JSON."""
        from sigrec._text import json_text

        return {
            "kind": self.kind,
            "pid": self.pid,
            "uid": self.uid,
            "user": self.user,
            "vouched": self.vouched,
            "comm": None if self.comm is None else json_text(self.comm),
            "argv": None if self.argv is None else [json_text(part) for part in self.argv],
        }

    @property
    def user(self) -> str | None:
        """The name of the user with that ``uid`` on this machine; None if there is none."""
        import pwd

        try:
            return None if self.uid is None else pwd.getpwuid(self.uid).pw_name
        except (KeyError, OverflowError):
            return None

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.pid, self.uid, self.vouched)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Sender) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        if self.pid is None and self.uid is not None:
            return f"an unknown sender (uid {self.uid})"
        if self.pid is None:
            return _IN_WORDS.get(self.kind, self.kind)
        who = f"{self.comm}, " if self.comm else ""
        claims = "claimed " if self.vouched is False else ""
        return f"{claims}{'child ' if self.kind == 'child' else ''}PID {self.pid} ({who}uid {self.uid})"

    def __repr__(self) -> str:
        return f"<Sender: {self}>"


_IN_WORDS = {
    "unknown": "an unknown sender",
    "kernel": "the kernel",
    "timer": "a timer",
    "terminal": "the terminal",
    "child": "a child",
    "others": "other senders",
}


Sender.__module__ = "sigrec"
