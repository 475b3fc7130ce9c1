"""Reading recordings, of this process or another, live or dead: docs/format.md.

Reads by copying (pread(2)) and not through a mapping: a file that is truncated while it is
read is then an error and not a SIGBUS. A reader never writes, so it can never disturb.
"""

from __future__ import annotations

import os
import stat
import struct
import sys

from sigrec import _liveness, _rundir
from sigrec._errors import NoRecordingError, RecordingError
from sigrec._names import name
from sigrec._siginfo import Sender, SignalInfo, SignalInfoFromElsewhere
from sigrec._times import aware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType

MAGIC = b"\x89SIGREC\n"
VERSION = 1
HEADER_SIZE = 4096
SLOT_SIZE = 64
LEDGER_COUNT = 65
LEDGER_ENTRY = 256
ANCHORS = 16
LARGEST_RING = 1 << 24  # slots: what configure() allows
LARGEST_ARGV = 4096
LARGEST_FILE = (LARGEST_RING + 4096) * SLOT_SIZE

# Offsets in csrc/recording.h.
_HEADER = struct.Struct("=8sIHHIIQQIIQIIQQiIQQii40sQI")
_STATE_AT = 160
_HEAD_AT = 192
_ANCHOR_COUNT_AT = 256
_ANCHORS_AT = 320
_EXITED = 1

# Of a slot, csrc/event.h: sequence, then the members of struct event.
_SLOT = struct.Struct("=QQQIiiIQIiii")
_COUNTERS = struct.Struct("=9Q2I")
_FIRST_AT, _LAST_AT = 128, 192

_BYTE_ORDER = sys.byteorder  # a recording of the other order is refused

_MODES = {0: "none", 1: "registered", 2: "unregistered"}


class SignalStats:
    """The ledger of one signal in one process. Counts are cumulative since the process began
    to record; ``delivered == recorded + dropped`` when nothing is in flight."""

    __slots__ = (
        "abandoned", "delivered", "dropped", "first", "handled", "last", "mode", "number",
        "overruns", "overwritten", "pending", "recorded", "replaced", "senders", "signal",
        "undetailed",
    )  # fmt: skip

    signal: str
    number: int
    mode: str
    replaced: bool
    delivered: int
    recorded: int
    dropped: int
    overwritten: int
    handled: int
    pending: int
    undetailed: int
    abandoned: int
    overruns: int
    first: SignalInfo | None
    last: SignalInfo | None
    senders: list[tuple[Sender, int]]

    def __repr__(self) -> str:
        counts = ("delivered", "recorded", "dropped", "handled", "pending")
        shown = " ".join(f"{count}={getattr(self, count)}" for count in counts)
        return f"<SignalStats {self.signal} {self.mode} {shown}>"


class Recording:
    """A process's recording. As a context manager it closes the file.

    Made by :func:`open_recording`. Every property reads the file anew, so that the recording of
    a live process stays current.
    """

    def __init__(
        self, read: Callable[[int, int], bytes], path: str | None = None, fd: int = -1
    ) -> None:
        self.path = path
        self._read = read  # (offset, size): fewer bytes only where the recording ends
        self._fd = -1
        self._status = None if fd < 0 else os.fstat(fd)
        self._parse()
        self._fd = fd  # ours to close from here on

    # --- the header ----------------------------------------------------------------

    def _parse(self) -> None:
        raw = self._read(0, HEADER_SIZE)
        if not raw:
            raise self._bad("is empty")
        if raw[:8] != MAGIC[: len(raw[:8])]:
            raise self._bad(f"is not a recording: it begins with {raw[:8]!r}")
        if len(raw) < HEADER_SIZE:
            raise self._bad(f"is cut short: {len(raw)} bytes of a {HEADER_SIZE}-byte header")
        (
            _, endian, version, _, header_size, event_size, file_size, argv_at, argv_size, _,
            ledger_at, ledger_count, ledger_entry, ring_at, capacity, pid, uid, ticks, namespace,
            sigrtmin, _sigrtmax, boot_id, started_ns, _,
        ) = _HEADER.unpack_from(raw)  # fmt: skip
        if endian != 0x01020304:
            raise self._bad(f"is from a machine of another byte order (mark {endian:#010x})")
        if version != VERSION:
            raise self._bad(f"has format version {version}; this sigrec reads {VERSION}")
        for what, value, wanted in (
            ("header size", header_size, HEADER_SIZE),
            ("event size", event_size, SLOT_SIZE),
            ("number of ledger entries", ledger_count, LEDGER_COUNT),
            ("ledger entry size", ledger_entry, LEDGER_ENTRY),
        ):
            if value != wanted:
                raise self._bad(f"is corrupt: {what} {value}, not {wanted}")
        if file_size > LARGEST_FILE:
            raise self._bad(f"is corrupt: file size {file_size}")
        if self._status is not None and file_size > self._status.st_size:
            raise self._bad(f"is cut short: {self._status.st_size} bytes of {file_size}")
        # Before anything is read by it: a sparse file costs its author nothing, us memory.
        if not 1 <= capacity <= LARGEST_RING or capacity & (capacity - 1):
            raise self._bad(
                f"is corrupt: ring capacity {capacity} is not a power of two to {LARGEST_RING}"
            )
        if argv_size > LARGEST_ARGV:
            raise self._bad(f"is corrupt: command line of {argv_size} bytes")
        for what, at, size in (
            ("command line", argv_at, argv_size),
            ("ledger", ledger_at, ledger_count * ledger_entry),
            ("ring", ring_at, capacity * SLOT_SIZE),
        ):
            if at < HEADER_SIZE or at % 64 or at + size > file_size:
                raise self._bad(f"is corrupt: {what} at {at}, {size} bytes, in {file_size}")
        if pid <= 0:
            raise self._bad(f"is corrupt: pid {pid}")
        self._argv_at, self._argv_size = argv_at, argv_size
        self._ledger_at, self._ring_at, self._capacity = ledger_at, ring_at, capacity
        self._start_ticks, self._namespace, self._sigrtmin = ticks, namespace, sigrtmin
        self.pid: int = pid
        self.uid: int = uid
        self.boot_id: str = boot_id.split(b"\0")[0].decode("ascii", "replace")
        self.started_ns: int = started_ns
        here = self._status is None or (
            self.boot_id == _liveness.boot_id() and namespace == _liveness.pid_namespace()
        )
        self._make = (SignalInfo if here else SignalInfoFromElsewhere)._make

    def _bad(self, why: str) -> RecordingError:
        return RecordingError(f"{self.path or 'this process'}: {why}")

    def _bytes(self, offset: int, size: int) -> bytes:
        raw = self._read(offset, size)
        if len(raw) != size:
            raise self._bad(f"is cut short: {len(raw)} of {size} bytes at {offset}")
        return raw

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._bytes(offset, 8), _BYTE_ORDER)

    @property
    def argv(self) -> list[str]:
        """The command line, as the process was started; as it said itself, so not to be trusted
        (undecodable bytes as surrogates: os.fsdecode)."""
        raw = self._bytes(self._argv_at, self._argv_size)
        return [os.fsdecode(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []

    @property
    def started(self) -> datetime:
        """When the recording was made, aware, in UTC."""
        return aware(self.started_ns)

    @property
    def capacity(self) -> int:
        """How many events the history holds."""
        return self._capacity  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        """``"alive"``; ``"exited"`` (cleanly); ``"replaced"`` (another program was exec'ed);
        ``"ended"`` (gone without saying); ``"unknown"`` (another PID namespace, or not ours to see).
        """
        if self._status is None:
            return "alive"  # this process
        if self._word(_STATE_AT) & 0xFFFFFFFF == _EXITED:
            return "exited"
        if self.boot_id != _liveness.boot_id():
            return "ended"
        if self._namespace != _liveness.pid_namespace():
            return "unknown"
        # Neither the pid nor the start time is proof: a pid is used again, exec keeps both.
        mapped = _liveness.maps_writable(self.pid, self._status.st_dev, self._status.st_ino)
        if mapped is None:
            return "unknown"
        if mapped:
            return "alive"
        if _liveness.start_ticks(self.pid) == self._start_ticks:
            return "replaced"
        return "ended"

    # --- the ledger ------------------------------------------------------------------

    @property
    def signals(self) -> dict[int, SignalStats]:
        """By number: every signal that was delivered, or has or had a handler."""
        offsets = self._clock_offsets()
        senders = self._senders()
        alive = self.state == "alive"
        size = LEDGER_COUNT * LEDGER_ENTRY
        copies = [self._bytes(self._ledger_at, size) for _ in range(3)]
        found = {}
        for number in range(1, LEDGER_COUNT):
            at = number * LEDGER_ENTRY
            counters = _COUNTERS.unpack_from(copies[1], at)
            (delivered, recorded, dropped, overwritten, queued, undetailed, handled, abandoned,
             overruns, mode, replaced) = counters  # fmt: skip
            if not delivered and not mode:
                continue
            stats = SignalStats()
            stats.signal = name(number, self._sigrtmin)
            stats.number = number
            stats.mode = _MODES.get(mode, f"mode {mode}")
            stats.replaced = bool(replaced)
            if alive and mode == 1 and _liveness.catches(self.pid, number) is False:
                stats.replaced = True  # the kernel says that nothing catches it
            stats.delivered, stats.recorded, stats.dropped = delivered, recorded, dropped
            stats.overwritten, stats.handled = overwritten, handled
            # In flight a signal may be handled before it is seen as queued.
            stats.pending = max(0, queued + undetailed - handled - abandoned)
            stats.undetailed, stats.abandoned, stats.overruns = undetailed, abandoned, overruns
            stats.first = self._kept(copies, at + _FIRST_AT, offsets)
            stats.last = self._kept(copies, at + _LAST_AT, offsets)
            stats.senders = senders.get(number, [])
            found[number] = stats
        return found

    def _senders(self) -> dict[int, list[tuple[Sender, int]]]:
        """By signal: who sent those that are still in the history, the most frequent first."""
        counts: dict[tuple[int, int, int | None, int | None], int] = {}
        newest = {}
        for info in self.events():
            key = (info.si_signo, min(info.si_code, 0x80), info.si_pid, info.si_uid)
            counts[key] = counts.get(key, 0) + 1
            newest[key] = info
        merged: dict[int, dict[Sender, int]] = {}
        for key, count in counts.items():
            of_signal = merged.setdefault(key[0], {})
            sender = newest[key].sender
            of_signal[sender] = of_signal.get(sender, 0) + count
        return {
            number: sorted(of_signal.items(), key=lambda item: -item[1])
            for number, of_signal in merged.items()
        }

    def _kept(
        self, copies: list[bytes], at: int, offsets: list[tuple[int, int]]
    ) -> SignalInfo | None:
        sequence, *event = _SLOT.unpack_from(copies[1], at)
        for copy in (copies[0], copies[2]):
            if int.from_bytes(copy[at : at + 8], _BYTE_ORDER) != sequence:
                return None
        if sequence == 0 or sequence & 1:
            return None
        return self._info(event, offsets)

    # --- the history -------------------------------------------------------------------

    def events(self) -> list[SignalInfo]:
        """What is still in the history, in the order of recording. Events that are being
        written, or were overwritten while this read, are left out."""
        size = self._capacity * SLOT_SIZE
        # An event is whole if its slot had its sequence before and after its payload
        # was copied. The order within one copy is not known: so three of them.
        before, copy, after = (self._bytes(self._ring_at, size) for _ in range(3))
        head = self._word(_HEAD_AT)
        offsets = self._clock_offsets()
        found: list[tuple[int, SignalInfo]] = []
        for index, (sequence, *event) in enumerate(_SLOT.iter_unpack(copy)):
            if sequence == 0 or sequence & 1 or sequence >> 62:
                continue
            ticket = sequence // 2 - 1
            if ticket & (self._capacity - 1) != index or ticket >= head:
                continue
            at = index * SLOT_SIZE
            word = copy[at : at + 8]
            if before[at : at + 8] == word == after[at : at + 8] and 1 <= event[2] <= 64:
                found.append((ticket, self._info(event, offsets)))
        found.sort(key=lambda item: item[0])
        return [info for _, info in found]

    def __iter__(self) -> Iterator[SignalInfo]:
        return iter(self.events())

    def _clock_offsets(self) -> list[tuple[int, int]]:
        """(MONOTONIC, REALTIME minus MONOTONIC) of the anchors, the newest first."""
        for _ in range(3):
            count = self._word(_ANCHOR_COUNT_AT)
            raw = self._bytes(_ANCHORS_AT, ANCHORS * 16)
            if self._word(_ANCHOR_COUNT_AT) - count < ANCHORS - 1:
                break
        pairs = list(struct.iter_unpack("=QQ", raw))
        newest_first = [pairs[n % ANCHORS] for n in range(count - 1, max(-1, count - ANCHORS), -1)]
        return [(monotonic, realtime - monotonic) for monotonic, realtime in newest_first]

    def _info(self, event: list[int], offsets: list[tuple[int, int]]) -> SignalInfo:
        # The newest anchor that is not younger than the event; the first event of a
        # process may be older than all.
        monotonic = event[0]
        offset = next((o for at, o in offsets if at <= monotonic), offsets[-1][1] if offsets else 0)
        return self._make(offset, *event)

    # --- the file ------------------------------------------------------------------------

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._read = _closed  # the number of the descriptor is soon someone else's
            os.close(fd)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()

    def __repr__(self) -> str:
        return f"<Recording of PID {self.pid} {self.path or '(this process)'}>"


def open_recording(pid_or_path: int | str | os.PathLike[str]) -> Recording:
    """Open the recording of a process, by its pid, or of a file; live or dead.

    Raises NoRecordingError where there is none, RecordingError for a file that is not a
    recording, or corrupt, or of another version; ValueError for another kind of argument.
    """
    if isinstance(pid_or_path, bool) or not isinstance(pid_or_path, (int, str, os.PathLike)):
        raise ValueError(f"a recording is opened by pid or path, not {pid_or_path!r}")
    if not isinstance(pid_or_path, int):
        return _open(os.fspath(pid_or_path), os.O_RDONLY)
    pid = int(pid_or_path)
    if pid <= 0:
        raise ValueError(f"pid must be positive, not {pid}")
    opened: list[Recording] = []
    bad: RecordingError | None = None
    for path in _rundir.find(pid):
        try:
            opened.append(_open(path, os.O_RDONLY | os.O_NOFOLLOW))
        except NoRecordingError:
            continue  # it went as we looked
        except RecordingError as error:
            bad = bad or error  # a good one elsewhere is better than this
    opened.sort(key=lambda recording: (recording.state == "alive", recording.started_ns))
    for recording in opened[:-1]:
        recording.close()
    if opened:
        return opened[-1]
    if bad is not None:
        raise bad
    if not os.path.exists(f"/proc/{pid}"):
        raise NoRecordingError(f"there is no process {pid}, and no recording of one")
    raise NoRecordingError(f"process {pid} publishes no recording (searched: {_searched()})")


def _closed(offset: int, size: int) -> bytes:
    raise ValueError("the recording is closed")


def _searched() -> str:
    return ", ".join(dict.fromkeys(_rundir.directories()))


def _open(path: str, flags: int) -> Recording:
    try:
        # O_NONBLOCK: a FIFO must not make us wait for a writer.
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NoRecordingError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"{path}: cannot be opened: {reason}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise RecordingError(f"{path}: is not a regular file")
        if status.st_size == 0:
            raise RecordingError(f"{path}: is empty")
        return Recording(lambda offset, size: os.pread(fd, size, offset), path, fd)
    except BaseException:
        os.close(fd)
        raise


for _public in (Recording, SignalStats, open_recording):
    _public.__module__ = "sigrec"
del _public
