"""Who and where the process was when its recording was made."""

from __future__ import annotations

from sigrec._reader.format import CGROUP_AT_END, CGROUP_SIZE, IDENTITY_ENTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source


class Identity:
    """The identity, as docs/reference/format.md describes it. A field that is not known is 0 or "",
    as all are in a recording of version 2."""

    pgid = sid = ppid = subreaper = 0
    time_namespace = mount_namespace = 0
    ignored = blocked = 0
    oom_kills = -1
    host_name = machine_id = executable = cgroup = cgroup_at_end = ""


def recording_id(header: Header) -> bytes:
    """16 bytes that no other recording has. They are random; for version 2, which has none, they
    are made of the process and the time. A PID or an inode would not do, since both are used again,
    and exec keeps the PID."""
    if header.id.strip(b"\0"):
        return header.id
    import hashlib

    parts = (
        header.boot_id, header.namespace, header.pid, header.start_ticks, header.started_ns,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).digest()[:16]


def identity(source: Source, header: Header) -> Identity:
    found = Identity()
    section = header.identity
    if section is None or not section.entries:
        return found
    long = section.entry >= CGROUP_AT_END + CGROUP_SIZE
    raw = source.bytes(section.at, CGROUP_AT_END + CGROUP_SIZE * long)
    (
        found.pgid, found.sid, found.ppid, found.subreaper, found.time_namespace, found.mount_namespace,
        found.ignored, found.blocked, found.oom_kills, *texts,
    ) = IDENTITY_ENTRY.unpack_from(raw)  # fmt: skip
    found.host_name, found.machine_id, found.executable, found.cgroup, found.cgroup_at_end = (
        text.split(b"\0")[0].decode(errors="surrogateescape")
        for text in (*texts, raw[CGROUP_AT_END:])
    )
    return found
