"""Who and where the process was when its recording was made."""

from __future__ import annotations

from sigrec._reader.format import IDENTITY_ENTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source


class Identity:
    """As docs/reference/format.md has it; 0 or "" where it is not known, as of version 2."""

    pgid = sid = ppid = 0
    time_namespace = mount_namespace = 0
    ignored = blocked = 0
    oom_kills = -1
    host_name = machine_id = executable = cgroup = ""


def identity(source: Source, header: Header) -> Identity:
    found = Identity()
    section = header.identity
    if section is None or not section.entries:
        return found
    raw = source.bytes(section.at, IDENTITY_ENTRY.size)
    (
        found.pgid, found.sid, found.ppid, found.time_namespace, found.mount_namespace,
        found.ignored, found.blocked, found.oom_kills, *texts,
    ) = IDENTITY_ENTRY.unpack(raw)  # fmt: skip
    found.host_name, found.machine_id, found.executable, found.cgroup = (
        text.split(b"\0")[0].decode(errors="surrogateescape") for text in texts
    )
    return found
