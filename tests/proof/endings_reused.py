"""A PID that is used again: nobody is named for what was meant for another process.

Two processes have one PID, one after the other, in a PID namespace where the next PID can be chosen. Each of them is
asked about afterwards, by its recording. Then the same while the clock is set between the two: by CLOCK_REALTIME what was
done to one of them would have been done to the other. At last 2,000 processes that have some hundred PIDs between them.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.compiling import CC

from .endings_stage import LIMIT_S, Play, Stage

KILL = "os.kill(pid, 9)"


class One(NamedTuple):
    """mode: "none" is not recorded. cause, sender: what is right to say of it."""

    mode: str
    code: str
    by: str = ""
    act: str = ""
    cause: tuple[str, str | int | None] | None = None
    sender: str | None = None


KILLED = One("run", "wait()", "hand", KILL, ("unknown", None))
PAIRS = {
    "the first was killed by who is recorded": (
        One("run", "wait()", "sibling", KILL, ("signal", "SIGKILL"), "process"), KILLED,
    ),
    "the second was killed by who is recorded": (
        KILLED, One("run", "wait()", "sibling", KILL, ("signal", "SIGKILL"), "process"),
    ),
    "the second is not recorded, and was killed by who is": (KILLED, One("none", "wait()", "sibling", KILL)),
    "the second is not recorded, and its parent is": (KILLED, One("none", "ready(); sys.exit(3)", "parent", "pass")),
    "both have a parent that is recorded": (
        One("children", "ready(); os.kill(os.getpid(), 9)", cause=("signal", "SIGKILL"), sender="itself"),
        One("children", "wait()", "hand", KILL, ("signal", "SIGKILL"), "unknown"),
    ),
    "the second exits": (KILLED, One("run", "ready(); sys.exit(4)", cause=("exit", 4))),
}  # fmt: skip


def reused(stage: Stage, clock: Clock | None = None) -> Iterator[tuple[str, list[str]]]:
    """Of each pair what is wrong, in words."""
    for name, pair in PAIRS.items():
        if clock is not None:
            clock.set(0)
        stage.clear()
        stage.hand(stage.uid), stage.ask(stage.uid, "1")  # they begin now, and not in between
        found = []
        pid, senders = 0, []
        for one in pair:
            play = Play(stage, one.mode, one.code, one.by, one.act, stage.uid, chosen=pid)
            if pid not in (0, play.pid):
                found.append(f"the PID was not used again: {pid}, {play.pid}")
            pid = play.pid
            play.go()
            play.end()
            play.reap()
            play.close()
            senders.append(play.sender_pid)
            if clock is not None:
                clock.set(clock.step_s)
        recorded = [n for n, one in enumerate(pair) if one.cause is not None]
        for n, path in zip(recorded, paths(stage, pid), strict=True):
            answer = stage.ask(stage.uid, path)
            cause, sender = answer["cause"], answer["sender"]
            said = cause["kind"], cause["signal"] or cause["status"]
            who = sender and sender["kind"]
            wrong_pid = who == "process" and sender["pid"] != senders[n]
            if (said, who) != (pair[n].cause, pair[n].sender) or wrong_pid:
                found.append(f"of the {'first' if n == 0 else 'second'}: {answer['sentence']}")
        yield name, found


class Clock:
    """Of all processes that the stage starts: tests/proof/clock.c. step_s: by how much it will be set."""

    def __init__(self, stage: Stage, step_s: int) -> None:
        self.step_s = step_s
        directory = Path(tempfile.mkdtemp(prefix="clock-"))
        directory.chmod(0o755)
        self._file, library = directory / "off", directory / "clock.so"
        self.set(0)
        subprocess.run(
            [CC or "cc", "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")],
            check=True,
        )  # fmt: skip
        stage.environment |= {"LD_PRELOAD": str(library), "CLOCK_IS_OFF": str(self._file)}

    def set(self, seconds: int) -> None:
        with open(self._file, "r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("l", seconds))


# Its children end one after another, each in one of these ways; the last one by a process that is not recorded.
WAYS = ("exit", "its parent", "itself", "nobody")
MOTHER = Path(__file__).with_name("endings_mother.py").read_text()


def worn(stage: Stage, count: int, pids: int = 100) -> Iterator[tuple[str, list[str]]]:
    """So many children of one process, in a namespace that has few PIDs: what is wrong, in words."""
    stage.clear()
    stage.ask(stage.uid, "1")
    highest = os.getpid() + pids
    try:
        with open("/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(max(highest, 301 + pids)))  # 300 are reserved: not used twice
    except OSError:
        return  # before Linux 6.14 that is for all of the machine
    mother = stage.popen(
        [sys.executable, "-m", "sigrec", "run", "--children", "-c", MOTHER, str(count), *WAYS], stage.uid,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert mother.stdin is not None and mother.stdout is not None
    seen: dict[int, int] = {}
    try:
        for n in range(count):
            if not select.select([mother.stdout], [], [], LIMIT_S)[0]:
                yield f"child {n}", ["nothing happens"]
                return
            pid_text, way = mother.stdout.readline().decode().split(" ", 1)
            pid, way = int(pid_text), way.strip()
            seen[pid] = seen.get(pid, 0) + 1
            if way == "nobody":
                os.kill(pid, signal.SIGKILL)
                mother.stdin.write(b"\n")
                mother.stdin.flush()
            mother.stdout.readline()
            answer = stage.ask(stage.uid, str(pid))
            wanted = {
                "exit": ("exit", n % 200 + 1, None),
                "its parent": ("signal", "SIGKILL", mother.pid),
                "itself": ("signal", "SIGTERM", pid),
                "nobody": ("signal", "SIGKILL", None),
            }[way]
            if isinstance(answer, str):
                said = answer, None, None
            else:
                cause, who = answer["cause"], answer["sender"]
                said = cause["kind"], cause["signal"] or cause["status"], who and who["pid"]
            if said != wanted:
                sentence = answer if isinstance(answer, str) else answer["sentence"]
                yield f"child {n}, PID {pid}, {way}", [f"{said}, and not {wanted}: {sentence}"]
            mother.stdin.write(b"\n")
            mother.stdin.flush()
    finally:
        with contextlib.suppress(BrokenPipeError):
            mother.communicate(timeout=LIMIT_S)
    if max(seen.values()) < count / (2 * pids):
        yield "all", [f"{len(seen)} PIDs were used, {max(seen.values())} times at most"]
    yield f"{count} processes with {len(seen)} PIDs", []


def paths(stage: Stage, pid: int) -> list[str]:
    """Of the recordings of that PID, the first begun first."""
    directory = f"/dev/shm/sigrec-{stage.uid}"
    mine = [name for name in os.listdir(directory) if name.startswith(f"{pid}@")]
    return [
        os.path.join(directory, name) for name in sorted(mine, key=lambda name: (len(name), name))
    ]
