"""SignalInfo: what is known of one delivered signal. Sender: who sent it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

# si_code values, <bits/siginfo-consts.h>; sigaction(2) says which fields each defines.
SI_USER = 0
SI_QUEUE = -1
SI_TIMER = -2
SI_SIGIO = -5
SI_TKILL = -6
SI_KERNEL = 0x80

SIGCHLD = 17
_FAULTS = frozenset({4, 5, 7, 8, 11, 31})  # ILL TRAP BUS FPE SEGV SYS
POLL_HUP = 6


# Sent by the kernel, SI_KERNEL, and yet known for what they are: setitimer(2), and the terminal
# driver, by a key (termios(3), ISIG), job control, a new size, a hangup.
_TIMER_SIGNALS = frozenset({14, 26, 27})  # ALRM VTALRM PROF
_TERMINAL_SIGNALS = frozenset({1, 2, 3, 20, 21, 22, 28})  # HUP INT QUIT TSTP TTIN TTOU WINCH


def sender_kind(signo: int, code: int, pid: int) -> str:
    """The kind of a :class:`Sender`, by what sigaction(2) says of si_code."""
    if code == SI_TIMER or (code == SI_KERNEL and signo in _TIMER_SIGNALS):
        return "timer"
    if code == SI_KERNEL and signo in _TERMINAL_SIGNALS:
        return "terminal"
    if signo == SIGCHLD and 0 < code != SI_KERNEL:
        return "child"
    if code > 0 or code == SI_SIGIO:
        return "kernel"
    return "process" if pid else "unknown"  # no process has pid 0: it is of another namespace


class Sender:
    """Who sent a signal. Immutable. Two are equal where ``kind``, ``pid`` and ``uid`` are."""

    __slots__ = ("_parts",)

    _parts: tuple[str, int | None, int | None, str | None, list[str] | None]

    def __init__(
        self,
        kind: str,
        pid: int | None = None,
        uid: int | None = None,
        comm: str | None = None,
        argv: list[str] | None = None,
    ) -> None:
        object.__setattr__(self, "_parts", (kind, pid, uid, comm, argv))

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
        """Its short name (proc_pid_comm(5)), as the handler or the reader found it; None where
        neither did while the process lived."""
        return self._parts[3]

    @property
    def argv(self) -> list[str] | None:
        """Its command line, if it still lives; else None. A process can change its own, so it is
        not to be trusted."""
        return self._parts[4]

    @property
    def user(self) -> str | None:
        """The name that this machine has for uid; None where it has none."""
        import pwd

        try:
            return None if self.uid is None else pwd.getpwuid(self.uid).pw_name
        except (KeyError, OverflowError):
            return None

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.pid, self.uid)

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
        return f"{'child ' if self.kind == 'child' else ''}PID {self.pid} ({who}uid {self.uid})"

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


class Names:
    """What a recording knows of names: its SIGRTMIN, and by signal and pid the name of the sender
    as the handler read it, and since when (MONOTONIC)."""

    __slots__ = ("senders", "sigrtmin")

    def __init__(self, sigrtmin: int, senders: dict[tuple[int, int], tuple[str, int]]) -> None:
        self.sigrtmin = sigrtmin
        self.senders = senders


class SignalInfo:
    """One delivered signal: the fields of siginfo_t, and when and where it was taken. Immutable.

    ``si_signo``, ``si_code`` and ``si_errno`` are always ints. Each other ``si_`` field is None
    where si_code does not define it (sigaction(2)).
    """

    __slots__ = ("_event", "_names")

    # As C's struct event has them, and before them REALTIME minus MONOTONIC in ns:
    # offset, monotonic_ns, ordinal, signo, code, pid, uid, datum, tid, errno, detail, timerid
    _event: tuple[int, ...]

    _names: Names  # of an event in a recording

    # Whether its pids are those of this machine, boot and PID namespace.
    _here = True

    def __init__(self) -> None:
        raise TypeError("SignalInfo is made by sigrec")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a SignalInfo is immutable: {name!r} cannot be set")

    def __copy__(self) -> SignalInfo:
        return self

    def __deepcopy__(self, memo: object) -> SignalInfo:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        names = getattr(self, "_names", None)
        whose = (self.si_signo, self._event[5])
        kept = names and (names.sigrtmin, {k: v for k, v in names.senders.items() if k == whose})
        return SignalInfo._again, (self._event, _home() if self._here else None, kept)

    @classmethod
    def _again(
        cls,
        event: tuple[int, ...],
        home: tuple[str, int] | None,
        kept: tuple[int, dict[tuple[int, int], tuple[str, int]]] | None,
    ) -> SignalInfo:
        """From a pickle, perhaps of another machine."""
        made = (cls if home == _home() else SignalInfoFromElsewhere)._make(*event)
        if kept is not None:
            _set_names(made, Names(*kept))
        return made

    @classmethod
    def _make(cls, *event: int) -> SignalInfo:
        self = object.__new__(cls)
        _set_event(self, event)
        return self

    @property
    def time_ns(self) -> int:
        """When it was taken, in ns since 1970 (CLOCK_REALTIME)."""
        return self._event[0] + self._event[1]

    @property
    def monotonic_ns(self) -> int:
        """When it was taken, by CLOCK_MONOTONIC, in ns."""
        return self._event[1]

    @property
    def ordinal(self) -> int:
        """How many of this signal the process had taken before it."""
        return self._event[2]

    @property
    def tid(self) -> int:
        """The native id of the thread that took it."""
        return self._event[8]

    # Which fields si_code defines: the same rules as event_from_siginfo in csrc/event.c.

    @property
    def _is_poll(self) -> bool:
        code = self._event[4]
        if code == SI_SIGIO:
            return True
        return 0 < code <= POLL_HUP and self._event[3] not in _FAULTS and self._event[3] != SIGCHLD

    @property
    def _is_child(self) -> bool:
        return self._event[3] == SIGCHLD and 0 < self._event[4] != SI_KERNEL

    @property
    def _has_sender(self) -> bool:
        if self._event[4] > 0:
            return self._is_child
        return self._event[4] not in (SI_TIMER, SI_SIGIO)

    @property
    def si_signo(self) -> int:
        """The signal's number."""
        return self._event[3]

    @property
    def si_code(self) -> int:
        """Why it was sent, sigaction(2): 0 by kill, -1 by sigqueue, -2 by a timer, more than 0 by
        the kernel, and so on."""
        return self._event[4]

    @property
    def si_errno(self) -> int:
        """An errno that came with it; most often 0."""
        return self._event[9]

    @property
    def si_pid(self) -> int | None:
        """The sender's process id, or for SIGCHLD the child's; None where si_code does not define
        it. 0 with si_code 0: the sender is unknown."""
        return self._event[5] if self._has_sender else None

    @property
    def si_uid(self) -> int | None:
        """The sender's real user id, or for SIGCHLD the child's; None where si_code does not define
        it."""
        return self._event[6] if self._has_sender else None

    @property
    def si_status(self) -> int | None:
        """The child's exit status, or the signal that changed its state; None but for SIGCHLD."""
        return self._event[10] if self._is_child else None

    @property
    def si_value(self) -> int | None:
        """What sigqueue(3) or a timer sent along, as a signed int of 64 bits; None for other
        signals."""
        if self._event[4] >= 0 or self._event[4] in (SI_TKILL, SI_SIGIO):
            return None
        return _signed(self._event[7])

    @property
    def si_int(self) -> int | None:
        """The same as C's ``sival_int``: its low 32 bits, signed."""
        value = self.si_value
        return None if value is None else ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)

    @property
    def si_overrun(self) -> int | None:
        """How many more expirations of a POSIX timer this signal stands for; None for other
        signals."""
        return self._event[10] if self._event[4] == SI_TIMER else None

    @property
    def si_timerid(self) -> int | None:
        """The kernel's id of the POSIX timer; None for other signals."""
        return self._event[11] if self._event[4] == SI_TIMER else None

    @property
    def si_addr(self) -> int | None:
        """The address of a fault; None for other signals."""
        defined = self._event[3] in _FAULTS and 0 < self._event[4] != SI_KERNEL
        return self._event[7] if defined else None

    @property
    def si_band(self) -> int | None:
        """The events of SIGIO, as poll(2) has them; None for other signals."""
        return _signed(self._event[7]) if self._is_poll else None

    @property
    def si_fd(self) -> int | None:
        """The file descriptor of SIGIO; None for other signals."""
        return self._event[10] if self._is_poll else None

    @property
    def signal_name(self) -> str:
        """``"SIGUSR1"``, ``"SIGRTMIN+2"``."""
        from sigrec._signals.names import name

        names = getattr(self, "_names", None)
        return name(self.si_signo, names.sigrtmin if names else None)

    @property
    def time(self) -> datetime:
        """When it was taken, aware, in UTC, to the microsecond."""
        from sigrec._times import aware

        return aware(self.time_ns)

    @property
    def sender(self) -> Sender:
        """Who sent it, as far as si_code tells, and its name: as the recording has it, or else
        as /proc says now."""
        _, monotonic_ns, _, signo, code, pid, uid, *_ = self._event
        kind = sender_kind(signo, code, pid)
        if kind == "unknown":
            return Sender(kind, None, uid or None)
        if kind not in ("process", "child"):
            return Sender(kind)
        names = getattr(self, "_names", None)
        comm, since_ns = names.senders.get((signo, pid), (None, 0)) if names else (None, 0)
        if monotonic_ns < since_ns:
            comm = None
        argv = None
        if self._here:
            from sigrec._proc.process import process_at

            lives = process_at(pid, self.time_ns)
            if lives:
                comm, argv = comm or lives[0], lives[1]
        return Sender(kind, pid, uid, comm, argv)

    def __eq__(self, other: object) -> bool:
        return self._event == other._event if isinstance(other, SignalInfo) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._event)

    def __repr__(self) -> str:
        parts = [self.signal_name, f"si_code={self.si_code}"]
        for field in FIELDS[3:]:
            value = getattr(self, field)
            if value is not None:
                parts.append(f"{field}={value}")
        return f"<SignalInfo {' '.join(parts)} ordinal={self.ordinal}>"


class SignalInfoFromElsewhere(SignalInfo):
    """Of another machine, boot or PID namespace: who has its sender's pid here is someone else."""

    __slots__ = ()
    _here = False


def _home() -> tuple[str, int]:
    """Where a pid means the same process."""
    from sigrec._proc import host

    return host.boot_id(), host.pid_namespace()


FIELDS = (
    "si_signo", "si_code", "si_errno", "si_pid", "si_uid", "si_status", "si_band", "si_value",
    "si_overrun", "si_timerid", "si_addr", "si_fd",
)  # fmt: skip


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


# The slot's own setter: __setattr__ refuses, and object.__setattr__ is slower.
_set_event = vars(SignalInfo)["_event"].__set__
_set_names = vars(SignalInfo)["_names"].__set__

for _public in (SignalInfo, SignalInfoFromElsewhere, Sender):
    _public.__module__ = "sigrec"
del _public
