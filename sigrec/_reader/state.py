"""What has become of a recording's process, as far as can be seen from here."""

from __future__ import annotations

import os

from sigrec._errors import RecordingError
from sigrec._proc import host, namespace
from sigrec._proc.maps import maps_writable, path_of, shared_maps
from sigrec._proc.process import start_ticks
from sigrec._reader import places
from sigrec._reader.format import EXIT_KINDS, EXITED, IDENTITY_ENTRY, STATE_AT, Ending
from sigrec._reader.source import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source


def is_here(source: Source, header: Header) -> bool:
    """Whether a recording's pids mean processes of this machine, boot and PID namespace."""
    return source.status is None or (
        header.boot_id == host.boot_id() and header.namespace == host.pid_namespace()
    )


def pid_here(header: Header) -> int | None:
    """The process's PID in our namespace; 0: the process is
    gone; None: it cannot be seen from here."""
    if header.boot_id != host.boot_id():
        return None
    return namespace.outside(header.namespace, header.pid)


def state(source: Source, header: Header) -> str:
    """The value of :attr:`sigrec.Recording.state`."""
    if source.status is None:
        return "alive"  # this process
    if source.word(STATE_AT) & 0xFFFFFFFF == EXITED:
        return "exited"
    last = Ending(source)
    gone = "replaced" if EXIT_KINDS.get(last.exit_kind) == "exec" else "ended"
    pid = pid_here(header)
    if pid is None:
        said = last.signum or last.exit_kind or _is_of_an_earlier_boot(source, header)
        return gone if said else "unknown"
    # Neither pid nor start time are proof: a pid is used again, and exec keeps both.
    mapped = pid != 0 and maps_writable(
        pid, source.status.st_dev, source.status.st_ino, source.path or ""
    )
    if mapped is None:
        return "unknown"
    if mapped:
        return "alive"
    if gone == "ended" and pid and start_ticks(pid) == header.start_ticks:
        # The process has exec'ed, which one that only registers does not write down; or this is a
        # copy of a recording that it still writes.
        return "unknown" if _is_copy(source, pid) else "replaced"
    return gone


def is_of_this_machine(source: Source, header: Header) -> bool | None:
    """Whether machine-id(5) is the same, which a recording has since version 3; None: not known."""
    if header.identity is None or not header.identity.entries:
        return None
    raw = source.bytes(header.identity.at, IDENTITY_ENTRY.size)
    machine = IDENTITY_ENTRY.unpack(raw)[-3].split(b"\0")[0].decode("ascii", "replace")
    here = host.machine_id()
    return machine == here if machine and here else None


def _is_of_an_earlier_boot(source: Source, header: Header) -> bool:
    """Whether the recording is of an earlier boot of this machine, and so of a process that is
    gone. A boot id alone does not tell: the file may be a copy from another machine, where the
    process lives. But a process of this machine publishes in these directories."""
    if header.boot_id == host.boot_id() or header.started_ns >= host.booted_ns():
        return False
    is_ours = is_of_this_machine(source, header)
    if is_ours is None:
        return os.path.dirname(os.path.abspath(source.path or "")) in places.directories()
    return is_ours


def _is_copy(source: Source, pid: int) -> bool:
    """Whether the recording is a copy of a file that the process still writes."""
    mine = source.bytes(0, STATE_AT)
    for _, inode, mapped in shared_maps(pid) or ():
        path = path_of(os.fsdecode(mapped), inode)
        try:
            other = open_file(path)
        except RecordingError:
            continue
        try:
            if other.bytes(0, STATE_AT) == mine:
                return True
        except RecordingError:
            continue
        finally:
            other.close()
    return False
