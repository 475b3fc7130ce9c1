"""The changes of a process's dispositions in words, as far as the process wrote them down."""

from __future__ import annotations

import signal

from sigrec._signals.names import ASK_TO_END
from sigrec._text import printable
from sigrec._times import rounded_duration
from sigrec._why.masks import of_those_that_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigrec._reader.recording import Recording
    from sigrec._signals.disposition import Disposition
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.cause import Cause
    from sigrec._why.masks import Clock

_SET = {
    "default": "set to its default", "ignore": "set to be ignored", "handler": "handler set",
    "sigrec": "registered with sigrec",
}  # fmt: skip
_WAS = {"default": "left to its default", "ignore": "ignored", "sigrec": "registered with sigrec"}


def standing(recording: Recording) -> list[Disposition]:
    """The changes that may still hold."""
    return [change for change in recording.dispositions() if recording._may_hold(change.time_ns)]


def by_signal(changes: Iterable[Disposition]) -> dict[int, list[Disposition]]:
    found: dict[int, list[Disposition]] = {}
    for change in changes:
        found.setdefault(change.si_signo, []).append(change)
    return found


def says_something(changes: list[Disposition]) -> bool:
    """Whether the program, or the one that started it, set the disposition;
    otherwise there is nothing to say."""
    return any(change.how != "before" for change in changes)


def words(changes: list[Disposition]) -> str:
    """The changes of one signal, given in order: ``handler set by app.py:12, replaced 0.1 s later
    by framework.py:8``. The text is safe for a terminal."""
    *earlier, last = changes
    if not earlier:
        return _first_change(last) + _other_changes(last.ordinal)
    before = earlier[-1]
    after = rounded_duration(max(0, last.monotonic_ns - before.monotonic_ns))
    return f"{_first_change(before)}, {_later_change(before, last, after)}{_other_changes(before.ordinal)}"


def lines(changes: Iterable[Disposition]) -> list[str]:
    """A line for each signal about which there is something to say: ``SIGTERM: handler set by
    app.py:12``. Signals with the same history share a line."""
    same: dict[str, list[str]] = {}
    for _, those in sorted(by_signal(changes).items()):
        if says_something(those):
            same.setdefault(words(those), []).append(those[-1].signal_name)
    return [f"{', '.join(names)}: {text}" for text, names in same.items()]


def _set_by(change: Disposition) -> str:
    return "" if change.by is None else f" by {printable(change.by)}"


def _first_change(change: Disposition) -> str:
    if change.how == "inherited":
        by = "nohup, or another that" if change.si_signo == signal.SIGHUP else "by whoever"
        return f"{_WAS.get(change.action, change.action)} since the start: {by} started it"
    if change.how == "before":
        if change.action == "handler":
            return f"a handler{f' of {printable(change.by)}' if change.by else ''} since before its recording began"
        return f"{_WAS.get(change.action, change.action)} since before its recording began"
    if change.how == "reset":
        return "set to its default as it came (SA_RESETHAND)"
    parent = ", in its parent" if change.how == "forked" else ""
    return f"{_SET.get(change.action, change.action)}{_set_by(change)}{parent}"


def _later_change(before: Disposition, change: Disposition, after: str) -> str:
    if change.how == "reset":
        return f"and set to its default {after} later, as it came (SA_RESETHAND)"
    replaced = change.action == before.action and change.action in ("handler", "sigrec")
    what = "replaced" if replaced else _SET.get(change.action, change.action)
    return f"{what} {after} later{_set_by(change)}"


def _other_changes(count: int) -> str:
    return f" (after {count:,} other change{'' if count == 1 else 's'})" if count else ""


def explaining(
    recording: Recording, found: Cause, event: SignalInfo | None, clock: Clock
) -> list[str]:
    """What explains that the process runs, or how it ended: it ignores or blocks signals by which
    people end processes, and so had to be killed; or a handler was gone when the signal came that
    ended it. event: that signal."""
    changes = by_signal(standing(recording))
    if found.kind in ("alive", "unknown") or found.signal == signal.SIGKILL:
        ignored = lines(
            change
            for number, those in changes.items()
            if number in ASK_TO_END and those[-1].action == "ignore"
            # A shell has each job ignore these that it starts in the background.
            if those[-1].how != "inherited" or number not in (signal.SIGINT, signal.SIGQUIT)
            for change in those
        )
        return ignored + of_those_that_end(recording, clock, found.seen)
    if found.kind != "signal" or event is None:
        return []
    until = [
        change
        for change in changes.get(event.si_signo, ())
        if change.monotonic_ns <= event.monotonic_ns
    ]
    was_set = any(change.action in ("handler", "sigrec") for change in until)
    if not was_set or until[-1].action != "default":
        return []
    return [f"{until[-1].signal_name}: {words(until)}"]
