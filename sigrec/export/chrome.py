"""The Trace Event Format of Chromium, which Perfetto reads as well.

An instant event for each signal, on the thread that took it, and a counter track for each
signal. Times are CLOCK_MONOTONIC, as in other traces of the same machine.
"""

from __future__ import annotations

import json

from sigrec._reader.stats import ProcessStats
from sigrec._signals import told
from sigrec._signals.fields import SenderCache
from sigrec._signals.sent import ChildTold, SentSignal
from sigrec._text import json_text
from sigrec._why.brief import state_words
from sigrec._why.cause import cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from sigrec.export.selection import Selection


def write(selection: Selection, out: TextIO) -> None:
    process = ProcessStats(selection.recording)
    pid = process.pid
    argv = " ".join(map(json_text, process.argv or []))
    out.write('{"displayTimeUnit": "ns",\n"otherData": ')
    json.dump({**process.to_dict(), "sentence": selection.end()["end"]["sentence"]}, out)
    out.write(',\n"traceEvents": [\n')
    json.dump(
        _naming_event(
            "process_name",
            pid,
            pid,
            f"{argv[:200]} ({state_words(selection.recording, cause(selection.recording))})".strip(),
        ),
        out,
    )
    senders = SenderCache()
    named: set[int] = set()
    delivered: dict[int, int] = {}

    def put(event: dict[str, Any]) -> None:
        out.write(",\n" + json.dumps(event))

    for info in selection.everything():
        tid = pid if isinstance(info, ChildTold) else info.tid
        if tid not in named:
            named.add(tid)
            thread = "main thread" if tid == pid else f"thread {tid}"
            put(_naming_event("thread_name", pid, tid, thread))
        at = info.monotonic_ns / 1000  # the format's unit is the microsecond
        if isinstance(info, (SentSignal, ChildTold)):
            what, words = told.words(info)
            kind = "child" if isinstance(info, ChildTold) else "sent"
            put({
                "name": f"{what} {words}", "cat": kind, "ph": "i", "s": "t",
                "ts": at, "pid": pid, "tid": tid, "args": told.fields(info),
            })  # fmt: skip
            continue
        put({
            "name": info.signal_name, "cat": "signal", "ph": "i", "s": "t", "ts": at,
            "pid": pid, "tid": info.tid, "args": senders.fields(info),
        })  # fmt: skip
        # Events of several threads may come out of order; the counter track never falls.
        if info.ordinal + 1 > delivered.get(info.si_signo, 0):
            delivered[info.si_signo] = info.ordinal + 1
            put({
                "name": f"{info.signal_name} delivered", "ph": "C", "ts": at, "pid": pid,
                "args": {"delivered": info.ordinal + 1},
            })  # fmt: skip
    out.write("\n]}\n")


def _naming_event(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
