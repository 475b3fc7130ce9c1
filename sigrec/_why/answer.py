"""The whole answer about one process, as ``sigrec why --json`` prints it."""

from __future__ import annotations

from sigrec._proc import process
from sigrec._signals.sender import Sender, vouched
from sigrec._text import json_text
from sigrec._times import rfc3339
from sigrec._why.cause import Cause, cause, event_of, find, is_keyboard_interrupt
from sigrec._why.evidence import evidence
from sigrec._why.joining import is_same
from sigrec._why.sentence import why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.evidence import Evidence

WHY_VERSION = 1
EVENTS_BEFORE = 10  # how many events before the end are told


class Answer:
    """All that is known about one end. Sentence, cause and evidence come from the same look."""

    def __init__(self, recording: Recording, found: Cause | None = None) -> None:
        self.recording = recording
        self.cause = found or cause(recording)
        self.event = event_of(recording, self.cause)
        self.sentence = why(recording, found=self.cause)
        self.evidence = evidence(recording, self.cause, self.event)

    @property
    def time_ns(self) -> int | None:
        """When it ended, or when the signal that ended it was
        sent, in ns since 1970; None: not known."""
        return when(self.recording, self.cause, self.event)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``sigrec why --json``."""
        recording, found = self.recording, self.cause
        return document(
            pid=recording.pid,
            host=recording._identity.host_name,
            argv=recording.argv,
            state=recording.state,
            sentence=self.sentence,
            time_ns=self.time_ns,
            kind=found.kind,
            signal_name=None if found.signal is None else recording.signal_name(found.signal),
            status=found.status,
            exception=self._exception(),
            oom=found.oom is not None and found.oom.probably,
            program=found.reason if found.kind == "exec" else None,
            sender=self._sender(),
            evidence=self.evidence,
            before=self._events_before(),
        )

    def _exception(self) -> str | None:
        """The exception that ended it. This may be a KeyboardInterrupt,
        after which Python ends itself by SIGINT."""
        found = self.cause
        if found.kind == "signal":
            at = found.ordinal
            own = None if at is None else find(self.recording, found.signal or 0, at)
            interrupt = is_keyboard_interrupt(self.recording, found.signal or 0, own)
            return self.recording.exit_reason if interrupt else None
        return found.reason if found.kind == "exception" else None

    def _sender(self) -> dict[str, Any] | None:
        """The sender of the signal that ended it, in JSON; None: no signal did."""
        if self.cause.kind != "signal":
            return None
        if self.cause.sent_by is not None:
            sender_recording = self.cause.sent_by.sender
            itself = is_same(sender_recording, self.recording)
            return from_its_recording(sender_recording, "itself" if itself else "process")
        sender = self.event.sender if self.event is not None else self._nobody()
        known = without_parent(sender)
        if self.event is None:
            return known
        if (
            sender.kind == "process"
            and sender.pid == self.recording.pid
            and vouched(self.event.si_code)
        ):
            argv = [json_text(part) for part in self.recording.argv]
            return {**known, "kind": "itself", "argv": argv}
        looked = self.recording._asker(self.event) if sender.kind == "process" else None
        if looked is not None and looked.at_its_end:
            return without_parent(Sender("kernel"))
        if looked is not None and looked.argv:
            known["argv"] = [json_text(part) for part in looked.argv]
        if looked is not None and looked.parent is not None:
            known["parent"] = {"pid": looked.parent, "comm": _text(looked.parent_comm)}
        elif sender.argv is not None:
            known["parent"] = _parent(process.parent(sender.pid or 0))
        return known

    def _nobody(self) -> Sender:
        oom = self.cause.oom
        return Sender("kernel" if oom is not None and oom.probably else "unknown")

    def _events_before(self) -> list[dict[str, Any]]:
        from sigrec._signals.fields import EVENT_VERSION, SenderCache

        senders = SenderCache()
        newest = self.recording._newest_events(EVENTS_BEFORE + 1)
        events = [info for info in newest if info != self.event][-EVENTS_BEFORE:]
        return [{"version": EVENT_VERSION, **senders.fields(i)} for i in events]


def when(recording: Recording, found: Cause, event: SignalInfo | None) -> int | None:
    """The value of :attr:`Answer.time_ns`. event: the signal that ended it."""
    if found.kind == "alive":
        return None
    if found.told is not None:
        return found.told.info.time_ns
    if found.sent_by is not None:
        return found.sent_by.sent.time_ns
    if event is not None:
        return event.time_ns
    if found.seen is not None:
        return found.seen.time_ns
    return recording.exit_time_ns


def document(
    *,
    pid: int,
    host: str,
    argv: Iterable[str],
    state: str,
    sentence: str,
    time_ns: int | None,
    kind: str,
    signal_name: str | None,
    status: int | None,
    exception: str | None = None,
    oom: bool = False,
    program: str | None = None,
    sender: dict[str, Any] | None,
    evidence: Iterable[Evidence],
    before: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The JSON of ``sigrec why --json``, also about a process that has no recording."""
    return {
        "version": WHY_VERSION,
        "pid": pid,
        "host": json_text(host) or None,
        "argv": [json_text(part) for part in argv],
        "state": state,
        "sentence": json_text(sentence),
        "time": None if time_ns is None else rfc3339(time_ns),
        "cause": {
            "kind": kind,
            "signal": signal_name,
            "status": status,
            "exception": _text(exception),
            "oom": oom,
            "program": _text(program),
        },
        "sender": sender,
        "evidence": [source._asdict() for source in evidence],
        "before": list(before),
    }


def without_parent(sender: Sender) -> dict[str, Any]:
    """The sender in JSON, where its parent is not known."""
    return {**sender.to_dict(), "parent": None}


def from_its_recording(sender: Recording, kind: str) -> dict[str, Any]:
    """The sender in JSON, by its own recording."""

    # A process that has one of these PIDs here, and began
    # later than this recording, is another one.
    def name(pid: int) -> str | None:
        if not sender._here:
            return None
        found = process.process_at(pid, sender.started_ns, sender._began_ns())
        return found[0] if found is not None else None

    known = Sender("process", sender.pid, sender.uid, name(sender.pid), sender.argv)
    ppid = sender._identity.ppid
    parent = {"pid": ppid, "comm": _text(name(ppid))} if ppid else None
    return {**known.to_dict(), "kind": kind, "parent": parent}


def _parent(pid: int | None) -> dict[str, Any] | None:
    """The parent in JSON, with the name that it has now."""
    return {"pid": pid, "comm": _text(process.comm(pid))} if pid else None


def _text(text: str | None) -> str | None:
    return None if text is None else json_text(text)
