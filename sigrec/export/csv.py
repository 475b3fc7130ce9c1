"""CSV: a header, and a row for each event; a field that is not defined is an empty cell."""

from __future__ import annotations

import csv

from sigrec._signals import told
from sigrec._signals.fields import SenderCache
from sigrec._signals.sent import ChildTold, SentSignal
from sigrec._signals.siginfo import SIGINFO_FIELDS
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sigrec.export.selection import Selection

SENDER_FIELDS = ("kind", "pid", "uid", "user", "comm")
COLUMNS = (
    "signal", "time", "time_ns", "monotonic_ns", "ordinal", "tid",
    *(f"sender_{name}" for name in SENDER_FIELDS),
    *SIGINFO_FIELDS,
    # "received", "sent" or "child"; then the fields of a sent signal, and of a child's change:
    "event", "how", "target", "target_tid", "value", "result", "child", "change", "status",
)  # fmt: skip


def write(selection: Selection, out: TextIO) -> None:
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    senders = SenderCache()
    for event in selection.everything():
        if isinstance(event, SentSignal):
            cells = told.sent_fields(event)["sent"]
            del cells["number"]
            writer.writerow({"event": "sent", **cells})
            continue
        if isinstance(event, ChildTold):
            cells = told.child_fields(event)["child"]
            writer.writerow({"event": "child", "child": cells.pop("pid"), **cells})
            continue
        cells = {"event": "received", **senders.fields(event)}
        sender = cells.pop("sender")
        for name in SENDER_FIELDS:
            cells[f"sender_{name}"] = sender[name]
        # This is the only cell whose text other processes could choose.
        if cells["sender_comm"] is not None:
            cells["sender_comm"] = _cell(cells["sender_comm"])
        writer.writerow(cells)


def _cell(text: str) -> str:
    """The text without anything that a terminal acts on, or
    that a spreadsheet takes for a formula."""
    text = printable(text)
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
