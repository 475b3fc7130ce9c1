"""What has become of the process that a recording is of, as far as can be seen from here."""

from __future__ import annotations

import os

from sigrec._errors import RecordingError
from sigrec._proc import host, namespace
from sigrec._proc.maps import maps_writable, shared_maps
from sigrec._proc.process import start_ticks
from sigrec._reader import places
from sigrec._reader.format import EXIT_KINDS, EXITED, IDENTITY_ENTRY, STATE_AT, Ending
from sigrec._reader.source import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source


def is_here(source: Source, header: Header) -> bool:
    """Whether its pids are those of this machine, boot and PID namespace."""
    return source.status is None or (
        header.boot_id == host.boot_id() and header.namespace == host.pid_namespace()
    )


def pid_here(header: Header) -> int | None:
    """The PID that the process has here, where it may be in another namespace; 0: it is gone;
    None: it cannot be seen from here."""
    if header.boot_id != host.boot_id():
        return None
    return namespace.outside(header.namespace, header.pid)


def state(source: Source, header: Header) -> str:
    """As :attr:`sigrec.Recording.state`."""
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
    # Neither the pid nor the start time is proof: a pid is used again, exec keeps both.
    mapped = pid != 0 and maps_writable(
        pid, source.status.st_dev, source.status.st_ino, source.path or ""
    )
    if mapped is None:
        return "unknown"
    if mapped:
        return "alive"
    if gone == "ended" and pid and start_ticks(pid) == header.start_ticks:
        # It became another program, which a process that only registers does not note; or this
        # is a copy of what it still writes.
        return "unknown" if _is_copy(source, pid) else "replaced"
    return gone


def is_of_this_machine(source: Source, header: Header) -> bool | None:
    """By machine-id(5), which a recording has since version 3; None: that is not known."""
    if header.identity is None or not header.identity.entries:
        return None
    raw = source.bytes(header.identity.at, IDENTITY_ENTRY.size)
    machine = IDENTITY_ENTRY.unpack(raw)[-3].split(b"\0")[0].decode("ascii", "replace")
    here = host.machine_id()
    return machine == here if machine and here else None


def _is_of_an_earlier_boot(source: Source, header: Header) -> bool:
    """Of this machine, and so of a process that is gone. That it is another boot's does not say
    so: the file may be a copy from another machine, where the process lives. But who publishes
    here, does it in these directories."""
    if header.boot_id == host.boot_id() or header.started_ns >= host.booted_ns():
        return False
    is_ours = is_of_this_machine(source, header)
    if is_ours is None:
        return os.path.dirname(os.path.abspath(source.path or "")) in places.directories()
    return is_ours


def _is_copy(source: Source, pid: int) -> bool:
    """Whether the process still writes the file that this one was copied from."""
    mine = source.bytes(0, STATE_AT)
    for _, inode, mapped in shared_maps(pid) or ():
        path = _path_of(os.fsdecode(mapped), inode)
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


def _path_of(mapped: str, inode: int) -> str:
    """As /proc/PID/maps shows it, a file that was made without a name has none: open(2), O_TMPFILE."""
    directory, name = os.path.split(mapped)
    if name == f"#{inode} (deleted)":
        try:
            for entry in os.scandir(directory):
                if entry.inode() == inode:
                    return entry.path
        except OSError:
            pass
    return mapped
