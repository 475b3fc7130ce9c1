"""SignalInfo: what is known of one delivered signal."""

from __future__ import annotations

from sigrec._signals.codes import (
    FAULTS,
    POLL_HUP,
    SI_KERNEL,
    SI_SIGIO,
    SI_TIMER,
    SI_TKILL,
    SIGCHLD,
)
from sigrec._signals.sender import Sender, sender_kind, vouched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


# The members of C's struct event (csrc/events/event.h), with kind and width. Which field of
# siginfo_t datum and detail stand for depends on si_code.
EVENT_FIELDS = (
    ("monotonic_ns", "u8"), ("ordinal", "u8"), ("si_signo", "u4"), ("si_code", "i4"),
    ("si_pid", "i4"), ("si_uid", "u4"), ("datum", "u8"), ("tid", "u4"), ("si_errno", "i4"),
    ("detail", "i4"), ("si_timerid", "i4"),
)  # fmt: skip


class Names:
    """What a recording knows of names. sigrtmin: SIGRTMIN in its process. senders: by signal and
    pid, the name of the sender as the handler read it, and since when it has that name
    (MONOTONIC)."""

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

    # REALTIME minus MONOTONIC in ns, followed by the EVENT_FIELDS.
    _event: tuple[int, ...]

    _names: Names  # only an event from a recording has this

    # Whether the signal's pids mean processes of this machine, boot and PID namespace.
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
        """Makes a SignalInfo from a pickle, which may come from another machine."""
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
        """How many signals of this number the process had taken before."""
        return self._event[2]

    @property
    def tid(self) -> int:
        """The native id of the thread that took it."""
        return self._event[8]

    # Which fields si_code defines: the same rules as event_from_siginfo in csrc/events/event.c.

    @property
    def _is_poll(self) -> bool:
        code = self._event[4]
        if code == SI_SIGIO:
            return True
        return 0 < code <= POLL_HUP and self._event[3] not in FAULTS and self._event[3] != SIGCHLD

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
        """How it was sent (sigaction(2)): 0 by kill, -1 by sigqueue, -2 by a timer, more than 0 by
        the kernel, and so on."""
        return self._event[4]

    @property
    def si_errno(self) -> int:
        """An errno that came with the signal; mostly 0."""
        return self._event[9]

    @property
    def si_pid(self) -> int | None:
        """The sender's process id, or for SIGCHLD the child's; None where si_code does not define
        it. 0 with si_code 0: the sender is unknown."""
        return self._event[5] if self._has_sender else None

    @property
    def si_uid(self) -> int | None:
        """The sender's real user id, or for SIGCHLD the child's;
        None where si_code does not define it."""
        return self._event[6] if self._has_sender else None

    @property
    def si_status(self) -> int | None:
        """For SIGCHLD the child's exit status, or the signal that
        changed its state; None for other signals."""
        return self._event[10] if self._is_child else None

    @property
    def si_value(self) -> int | None:
        """What sigqueue(3) or a timer sent along, as a signed
        int of 64 bits; None for other signals."""
        if self._event[4] >= 0 or self._event[4] in (SI_TKILL, SI_SIGIO):
            return None
        return _signed(self._event[7])

    @property
    def si_int(self) -> int | None:
        """``si_value`` as C's ``sival_int``: its low 32 bits, signed."""
        value = self.si_value
        return None if value is None else ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)

    @property
    def si_overrun(self) -> int | None:
        """How many more expirations of a POSIX timer this
        signal stands for; None for other signals."""
        return self._event[10] if self._event[4] == SI_TIMER else None

    @property
    def si_timerid(self) -> int | None:
        """The kernel's id of the POSIX timer; None for other signals."""
        return self._event[11] if self._event[4] == SI_TIMER else None

    @property
    def si_addr(self) -> int | None:
        """The address of a fault; None for other signals."""
        defined = self._event[3] in FAULTS and 0 < self._event[4] != SI_KERNEL
        return self._event[7] if defined else None

    @property
    def si_band(self) -> int | None:
        """The events of SIGIO, as in poll(2); None for other signals."""
        return _signed(self._event[7]) if self._is_poll else None

    @property
    def si_fd(self) -> int | None:
        """The file descriptor of SIGIO; None for other signals."""
        return self._event[10] if self._is_poll else None

    @property
    def signal_name(self) -> str:
        """The signal's name: ``"SIGUSR1"``, ``"SIGRTMIN+2"``."""
        from sigrec._signals.names import name

        names = getattr(self, "_names", None)
        return name(self.si_signo, names.sigrtmin if names else None)

    @property
    def time(self) -> datetime:
        """When it was taken, as an aware datetime in UTC, to the microsecond."""
        from sigrec._times import aware

        return aware(self.time_ns)

    @property
    def sender(self) -> Sender:
        """Who sent it, as far as si_code tells. The sender's name comes from the recording, or else
        from what /proc says now."""
        _, _, _, signo, code, pid, uid, *_ = self._event
        kind = sender_kind(signo, code, pid)
        if kind == "unknown":
            return Sender(kind, None, uid or None)
        if kind not in ("process", "child"):
            return Sender(kind)
        comm, argv = self._recorded_comm(), None
        if self._here:
            from sigrec._proc.process import process_at

            lives = process_at(pid, self.time_ns, self.monotonic_ns)
            if lives:
                comm, argv = comm or lives[0], lives[1]
        return Sender(kind, pid, uid, comm, argv, vouched(code))

    def to_dict(self) -> dict[str, Any]:
        """Its fields by their names, with its sender and its time (RFC 3339, UTC), as they stand in
        JSON. A field that si_code does not define is None."""
        return self._to_dict(self.sender.to_dict())

    def _to_dict(self, sender: dict[str, Any]) -> dict[str, Any]:
        from sigrec._times import rfc3339

        return {
            "signal": self.signal_name,
            "time": rfc3339(self.time_ns),
            "time_ns": self.time_ns,
            "monotonic_ns": self.monotonic_ns,
            "ordinal": self.ordinal,
            "tid": self.tid,
            "sender": sender,
            **{field: getattr(self, field) for field in SIGINFO_FIELDS},
        }

    def _recorded_comm(self) -> str | None:
        """The sender's name, as the handler read it just
        after the signal; None: it did not read it."""
        names = getattr(self, "_names", None)
        whose = self._event[3], self._event[5]
        comm, since_ns = names.senders.get(whose, (None, 0)) if names else (None, 0)
        return None if self._event[1] < since_ns else comm

    def __eq__(self, other: object) -> bool:
        return self._event == other._event if isinstance(other, SignalInfo) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._event)

    def __repr__(self) -> str:
        parts = [self.signal_name, f"si_code={self.si_code}"]
        for field in SIGINFO_FIELDS[3:]:
            value = getattr(self, field)
            if value is not None:
                parts.append(f"{field}={value}")
        return f"<SignalInfo {' '.join(parts)} ordinal={self.ordinal}>"


class SignalInfoFromElsewhere(SignalInfo):
    """A signal of another machine, boot or PID namespace, where the sender's pid means another
    process than here."""

    __slots__ = ()
    _here = False


def _home() -> tuple[str, int]:
    """What two processes must have in common if a pid means the same process to both."""
    from sigrec._proc import host

    return host.boot_id(), host.pid_namespace()


SIGINFO_FIELDS = (
    "si_signo", "si_code", "si_errno", "si_pid", "si_uid", "si_status", "si_band", "si_value",
    "si_overrun", "si_timerid", "si_addr", "si_fd",
)  # fmt: skip


def _signed(si_word: int) -> int:
    return si_word - (1 << 64) if si_word >> 63 else si_word


# The slots' own setters, since __setattr__ refuses, and object.__setattr__ is slower.
_set_event = vars(SignalInfo)["_event"].__set__
_set_names = vars(SignalInfo)["_names"].__set__

for _public in (SignalInfo, SignalInfoFromElsewhere):
    _public.__module__ = "sigrec"
del _public
