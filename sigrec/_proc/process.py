"""What /proc says about a process now. Of a process that is gone every function says None,
False or an empty list; only is_ending() says True."""

from __future__ import annotations

import os
import time

from sigrec._proc.host import names_ours

PF_EXITING = 0x00000004  # <linux/sched.h>, in field 9 of proc_pid_stat(5)


def stat_fields(pid: int | str) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat from the third on
    (proc_pid_stat(5)); also of "<pid>/task/<tid>"."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # Field 2, the name, may hold anything: count from its last parenthesis.
    return text[text.rfind(b")") + 2 :].split()


def threads(pid: int) -> list[int]:
    """The numbers of the process's threads; that of the main thread is the PID."""
    try:
        return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def is_ending(pid: int) -> bool:
    """Whether the process is about to end, or has ended: that is so when all of its threads are,
    since the first one may end before the others."""
    if not _is_ending(stat_fields(pid)):
        return False
    others = [tid for tid in threads(pid) if tid != pid]
    return all(_is_ending(stat_fields(f"{pid}/task/{tid}")) for tid in others)


def _is_ending(fields: list[bytes] | None) -> bool:
    return fields is None or fields[0] in (b"Z", b"X") or bool(int(fields[6]) & PF_EXITING)


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped, by a signal or by a tracer."""
    fields = stat_fields(pid)
    return fields is not None and fields[0] in (b"T", b"t")


def owner(pid: int) -> int | None:
    """The effective uid of the process: proc(5). None: the process is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def parent(pid: int) -> int | None:
    """The PID of the process's parent (field 4).
    None: the process is gone, or its parent cannot be seen from here."""
    fields = stat_fields(pid)
    return (int(fields[1]) or None) if fields else None


def comm(pid: int) -> str | None:
    """The process's short name, as it is now. None: the process is gone."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().rstrip(b"\n").decode(errors="replace")
    except OSError:
        return None


def executable(pid: int) -> str | None:
    """The path of the program file that the process runs. None: the process is gone, it is a kernel
    thread, or this user may not see that."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def command_line(pid: int) -> list[str] | None:
    """The process's command line, as it is now.
    None: the process is gone. An empty list: it is a kernel thread, or a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    return arguments(raw)


def arguments(raw: bytes) -> list[str]:
    """The arguments of a command line as /proc has it, where a NUL ends
    each. Undecodable bytes are surrogates."""
    return [os.fsdecode(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []


def of_python(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """The arguments of a Python interpreter: its options, as ``["-B", "-X", "dev"]``; "m" or "c", as
    it runs a module or code; and what it runs, with that one's arguments."""
    options: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            break
        if argument == "-" or not argument.startswith("-"):
            return options, "", [argument, *rest]
        if argument.startswith("--"):
            takes_one = argument == "--check-hash-based-pycs"
            options += [argument, *([next(rest, "")] if takes_one else [])]
            continue
        # -Bm means -B -m; but what follows -X or -W in a word is its value, as in -Xdev.
        at = next((n for n, letter in enumerate(argument) if letter in "cmWX"), len(argument))
        if argument[at : at + 1] in ("c", "m"):
            options += [argument[:at]] if at > 1 else []
            value = argument[at + 1 :]
            return options, argument[at], [*([value] if value else []), *rest]
        options.append(argument)
        if at == len(argument) - 1:
            options.append(next(rest, ""))
    return options, "", list(rest)


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (field 22), if it is not a zombie."""
    fields = stat_fields(pid)
    if fields is None or len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def process_at(
    pid: int, time_ns: int, monotonic_ns: int | None = None
) -> tuple[str, list[str]] | None:
    """The short name and the command line of the process that had this pid at time_ns, if it
    still lives: from /proc. monotonic_ns: that time by CLOCK_MONOTONIC; None: not known.

    A pid is used again, so a process that started later is another one. It must not have started
    later by either clock: the one may have been set back since, the other stops in suspend.
    """
    ticks = start_ticks(pid) if pid > 0 else None
    if ticks is None or not names_ours():
        return None
    try:
        # Read in this order, a pause between two of these makes the start seem earlier.
        real_ns, mono_ns = time.time_ns(), time.monotonic_ns()
        ago_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * (
            10**9 // os.sysconf("SC_CLK_TCK")
        )
        if time_ns < real_ns - ago_ns:
            return None
        if monotonic_ns is not None and monotonic_ns < mono_ns - ago_ns:
            return None
        name, argv = comm(pid), command_line(pid)
        return None if name is None or argv is None else (name, argv)
    except (OSError, ValueError):
        return None
