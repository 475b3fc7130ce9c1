"""Which process a PID means: pid_namespaces(7)."""

from __future__ import annotations

import os

from sigrec._proc.host import names_ours, pid_namespace

# Inodes of namespaces, as in <linux/proc_ns.h>. In the first PID namespace, PROC_PID_INIT_INO,
# every process is seen.
FIRST = 0xEFFFFFFC
_LOWEST = 0xEFFFFFF0  # no namespace has a lower one


def inside(pid: int) -> tuple[int, int] | None:
    """The innermost PID namespace that the process is in, and its PID there. None: there is no
    such process, or this user may not see that."""
    from sigrec._proc.status import status

    now = status(pid)
    if now is None or not names_ours():
        return None
    if len(now.pids) <= 1:
        return pid_namespace(), pid
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino, now.pids[-1]
    except OSError:
        return None


_found: dict[tuple[int, int], int] = {}  # what outside() found last, which it always checks again


def outside(namespace: int, pid: int) -> int | None:
    """The PID, in this process's namespace, of the process whose PID in that namespace is ``pid``.
    0: there is no such process. None: that cannot be told from here."""
    if not names_ours():
        return None
    if namespace == pid_namespace():
        return pid
    if inside(_found.get((namespace, pid), 0)) == (namespace, pid):
        return _found[namespace, pid]
    # Other namespaces can be seen only if they are within our own; within the first one all are.
    surely = pid_namespace() == FIRST and namespace >= _LOWEST
    from sigrec._proc.status import status

    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        innermost = None
        try:
            innermost = os.stat(f"/proc/{name}/ns/pid").st_ino
        except FileNotFoundError:
            continue
        except OSError:
            pass  # of another user; its PIDs can be seen, and no more
        if innermost not in (None, namespace):
            continue  # asked first, since a whole status costs twenty times as much
        now = status(name)
        if now is None or len(now.pids) <= 1 or now.pids[-1] != pid:
            continue
        if innermost is not None:
            _found[namespace, pid] = int(name)
            return int(name)
        surely = False
    return 0 if surely else None
