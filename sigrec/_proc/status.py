"""What a process catches, ignores and blocks, and what is pending: proc_pid_status(5)."""

from __future__ import annotations

import os

from sigrec._proc.process import stat_fields, threads

PF_KTHREAD = 0x00200000  # <linux/sched.h>, in field 9 of proc_pid_stat(5)


def numbers(mask: int) -> frozenset[int]:
    """The numbers of the signals in a mask that has bit n - 1 for signal n."""
    return frozenset(n for n in range(1, 65) if mask >> (n - 1) & 1)


class Status:
    """What proc_pid_status(5) says of a process's signals."""

    def __init__(self, fields: dict[str, str]) -> None:
        def those(field: str) -> frozenset[int]:
            return numbers(int(fields.get(field, "0"), 16))

        queued, _, limit = fields.get("SigQ", "").partition("/")
        self.state = fields.get("State", "?").strip()[:1]  # "R", "S", "T", ...
        self.parent = int(fields.get("PPid", "0"))
        self.caught = those("SigCgt")
        self.ignored = those("SigIgn")
        self.blocked = those("SigBlk")
        self.pending = those("SigPnd") | those("ShdPnd")
        # How many signals are queued of all processes of this user, and how many may be.
        self.queued = (int(queued), int(limit)) if limit else None
        self.uid = int(fields.get("Uid", "-1").split()[0])  # the real one, whose SigQ that is
        self.tracer = int(fields.get("TracerPid", "0"))
        self.tgid = int(fields.get("Tgid", "0")) or None  # the process that this thread is of
        # The process's PID in each of its PID namespaces, ours first.
        self.pids = [int(text) for text in fields.get("NSpid", "").split()]
        self.shadow_stack = "shstk" in fields.get("x86_Thread_features", "")
        self.filtered = fields.get("Seccomp", "0").strip() != "0"  # by seccomp(2)


def status(pid: int | str, tid: int | None = None) -> Status | None:
    """The Status of a process or of one of its threads.
    None: there is no such process, or no /proc."""
    path = f"/proc/{pid}/status" if tid is None else f"/proc/{pid}/task/{tid}/status"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return Status(dict(line.split(":", 1) for line in file if ":" in line))
    except OSError:
        return None


def timers(pid: int) -> int:
    """How many POSIX timers the process has;
    each of them counts in SigQ (proc_pid_timers(5)). 0 also where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/timers", "rb") as file:
            return sum(line.startswith(b"ID:") for line in file)
    except OSError:
        return 0


def of_user(uid: int) -> dict[int, Status]:
    """The processes of this user, as far as they can be seen."""
    found = {}
    for name in os.listdir("/proc"):
        one = status(name) if name.isdecimal() else None
        if one is not None and one.uid == uid:
            found[int(name)] = one
    return found


def capabilities() -> int:
    """The effective capabilities of this process: bit n for capability n."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return 0


def is_kernel_thread(pid: int) -> bool:
    fields = stat_fields(pid)
    return bool(fields and int(fields[6]) & PF_KTHREAD)


def blocked_everywhere(pid: int) -> frozenset[int]:
    """The signals that every thread of the process blocks, so that they reach none."""
    masks = [thread.blocked for tid in threads(pid) if (thread := status(pid, tid)) is not None]
    return frozenset.intersection(*masks) if masks else frozenset()


def catches(pid: int, signum: int) -> bool | None:
    """Whether the process has a handler for the signal (SigCgt in proc_pid_status(5))."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
    except (OSError, ValueError):
        pass
    return None


def is_pending_in(thread: int, signum: int) -> bool:
    """Whether the signal is pending in this thread
    of our process, which blocks it: SigPnd of proc_pid_status(5)."""
    try:
        with open(f"/proc/self/task/{thread}/status", encoding="ascii", errors="replace") as file:
            pending = next((line for line in file if line.startswith("SigPnd:")), ":0")
    except OSError:  # it has ended
        return False
    return bool(int(pending.partition(":")[2], 16) >> (signum - 1) & 1)
