"""What has become of the process that a recording is of, as far as can be seen from here."""

from __future__ import annotations

from sigrec._errors import RecordingError
from sigrec._proc import host
from sigrec._proc.maps import maps_writable
from sigrec._proc.process import start_ticks
from sigrec._reader import places
from sigrec._reader.format import EXITED, STATE_AT
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


def state(source: Source, header: Header) -> str:
    """As :attr:`sigrec.Recording.state`."""
    if source.status is None:
        return "alive"  # this process
    if source.word(STATE_AT) & 0xFFFFFFFF == EXITED:
        return "exited"
    if header.boot_id != host.boot_id():
        return "ended"
    if header.namespace != host.pid_namespace():
        return "unknown"
    # Neither the pid nor the start time is proof: a pid is used again, exec keeps both.
    mapped = maps_writable(
        header.pid, source.status.st_dev, source.status.st_ino, source.path or ""
    )
    if mapped is None:
        return "unknown"
    if mapped:
        return "alive"
    if start_ticks(header.pid) == header.start_ticks:
        return "unknown" if _is_copy(source, header.pid) else "replaced"
    return "ended"


def _is_copy(source: Source, pid: int) -> bool:
    """Whether the process still writes the file that this one was copied from."""
    mine = source.bytes(0, STATE_AT)
    for path in places.find(pid):
        try:
            other = open_file(path)
        except RecordingError:
            continue
        try:
            if other.bytes(0, STATE_AT) == mine and other.status is not None:
                status = other.status
                return bool(maps_writable(pid, status.st_dev, status.st_ino, path))
        except RecordingError:
            continue
        finally:
            other.close()
    return False
