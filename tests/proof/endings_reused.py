"""A PID that is used again: nobody is named for what was meant for another process.

Two processes have one PID, one after the other, in a PID namespace where the next PID can be chosen. Each of them is
asked about afterwards, by its recording.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from .endings_stage import Play, Stage

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


def reused(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    """Of each pair what is wrong, in words."""
    for name, pair in PAIRS.items():
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


def paths(stage: Stage, pid: int) -> list[str]:
    """Of the recordings of that PID, the first begun first."""
    directory = f"/dev/shm/sigrec-{stage.uid}"
    mine = [name for name in os.listdir(directory) if name.startswith(f"{pid}@")]
    return [
        os.path.join(directory, name) for name in sorted(mine, key=lambda name: (len(name), name))
    ]
