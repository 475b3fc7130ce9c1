"""One page that needs nothing else: no network, no other file.

Its memory does not grow with the number of events: the timeline has a bounded number of
columns, and of the events only the newest are listed.
"""

from __future__ import annotations

import json
import time
from collections import deque
from html import escape

from sigrec._reader.stats import ProcessStats
from sigrec._signals import told
from sigrec._signals.fields import SenderCache
from sigrec._signals.names import name
from sigrec._signals.words import carried
from sigrec._text import number, printable
from sigrec._times import exact_duration, rfc3339, utc, utc_clock
from sigrec._why import masks
from sigrec._why.dispositions import by_signal, says_something, standing, words
from sigrec._why.sentence import why
from sigrec.export.page import fill
from sigrec.export.timeline import Timeline, elapsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from sigrec._signals.siginfo import SignalInfo
    from sigrec.export.selection import Selection
    from sigrec.export.timeline import Lane

# The list has so many events; if there are no more, each has a mark in the timeline.
NEWEST_EVENTS = 500
SENDER_ROWS = 200  # rows at most
LANE_HEIGHT = 50
GAP_HEIGHT = 12  # at the top of a lane, where no bar hides it


def write(selection: Selection, out: TextIO) -> None:
    process = ProcessStats(selection.recording)  # before the events, to miss none of them
    timeline = Timeline(selection, process)
    newest: deque[SignalInfo] = deque(maxlen=NEWEST_EVENTS)
    for info in selection:
        timeline.add(info)
        newest.append(info)
    timeline.finish()
    page = fill(
        title=f"Signals of PID {process.pid}",
        header="".join(_page_header(selection, process, timeline)),
        timeline="".join(_timeline_figure(timeline, newest)),
        counts="".join(_table_of_counts(timeline)) + "".join(_table_of_dispositions(selection)),
        senders="".join(_table_of_senders(timeline)),
        events="".join(_table_of_events(timeline, newest)),
        sent="".join(_table_of_sent(selection)),
        data=json.dumps(timeline.data()).replace("<", "\\u003c"),
    )
    # All of it is ASCII, and so the same in any locale.
    out.write(page.encode("ascii", "xmlcharrefreplace").decode())


def _safe(text: str) -> str:
    """The text with two kinds of escapes: for characters
    that could fool a reader, and for markup."""
    return escape(printable(text))


# --- the timeline ----------------------------------------------------------------------------


def _timeline_figure(timeline: Timeline, newest: deque[SignalInfo]) -> Iterator[str]:
    if not timeline.lanes:
        yield "<p>No signals yet.</p>"
        return
    marks: dict[int, list[int]] | None = None
    if timeline.total <= len(newest):
        marks = {}
        for info in newest:
            marks.setdefault(info.si_signo, []).append(info.monotonic_ns - timeline.origin)
    if timeline.total:
        how = (
            "A mark is one signal."
            if marks is not None
            else f"A column is {exact_duration(timeline.width)}; each signal has a scale of its own."
        )
        yield (
            f"<p>{how} The time is counted from the first event, {utc(timeline.first_ns)} UTC."
            f"{_LEGEND if any(lane.missing for lane in timeline.lanes.values()) else ''}</p>"
        )
    else:
        yield "<p>The history holds no events of these signals.</p>"
    yield '<div class="lanes" id="lanes">'
    for lane in timeline.lanes.values():
        yield from _lane(timeline, lane, marks)
    yield "</div>"
    if timeline.total:
        span = (timeline.first + timeline.columns) * timeline.width
        ticks = "".join(
            f"<span>{elapsed(at)}</span>"
            for at in (timeline.first * timeline.width, span // 2, span)
        )
        # As wide as the time is; by classes, since the policy allows no style attributes.
        sides = f"{' left' if timeline.left else ''}{' right' if timeline.right < 100 else ''}"
        yield f'<div class="ticks{sides}" aria-hidden="true">{ticks}</div>'
        before = -1 if timeline.left else 0
        after = timeline.columns if timeline.right < 100 else timeline.columns - 1
        yield (
            '<div class="walk" id="walk" hidden><label for="column">Walk through the timeline '
            "with the arrow keys</label>"
            f'<input type="range" id="column" min="{before}" max="{after}" value="{before}">'
            '<button type="button" id="earlier">Earlier signals</button>'
            '<button type="button" id="later">Later signals</button>'
            '<output id="here" for="column" aria-live="polite"></output></div>'
        )
    gaps = "".join(
        f"<li>{text}</li>" for text in map(_gap_in_words, timeline.lanes.values()) if text
    )
    if gaps:
        yield f"<h3>What is not shown</h3><ul>{gaps}</ul>"


_LEGEND = (
    ' <svg class="key" width="22" height="14" aria-hidden="true">'
    '<rect class="gap" width="22" height="14"/></svg> Hatched: signals that came, and of which no '
    "detail is kept."
)


def _lane(timeline: Timeline, lane: Lane, marks: dict[int, list[int]] | None) -> Iterator[str]:
    said = f"{number(lane.shown)} shown"
    highest = max((cell[0] for cell in lane.cells.values()), default=0)
    if marks is None and highest:
        said += f", at most {number(highest)} in a column"
    if lane.missing:
        said += f", {number(lane.missing)} without detail"
    title = escape(lane.name)
    yield f'<div class="lane"><p><strong>{title}</strong> {said}</p>'
    yield (
        f'<svg height="{LANE_HEIGHT}" width="100%" role="img" aria-label="{title}: {said}">'
        '<rect class="ground" width="100%" height="100%"/>'
    )
    if lane.before:
        yield _rect("gap", 0, timeline.left, 0, LANE_HEIGHT, f"{number(lane.before)} before")
    if lane.after:
        yield _rect("gap", timeline.right, 100 - timeline.right, 0, LANE_HEIGHT,
                    f"{number(lane.after)} after")  # fmt: skip
    each = timeline.x(1) - timeline.x(0)
    for column, (count, missing) in sorted(lane.cells.items()):
        x = timeline.x(column - timeline.first)
        if missing:
            yield _rect("gap", x, each, 0, GAP_HEIGHT, f"{number(missing)} without detail")
        if count and marks is None:
            height = max(3, (LANE_HEIGHT - GAP_HEIGHT - 4) * count // highest)
            yield _rect("bar", x, each, LANE_HEIGHT - height, height)
    for at in (marks or {}).get(lane.signum, ()):
        x = timeline.x((at / timeline.width) - timeline.first)
        yield (
            f'<rect class="bar" x="{x:.3f}%" width="3" y="{GAP_HEIGHT + 4}" '
            f'height="{LANE_HEIGHT - GAP_HEIGHT - 8}"/>'
        )
    yield f'<rect class="cursor" x="-9" width="0" height="{LANE_HEIGHT}"/></svg></div>'


def _rect(kind: str, x: float, width: float, y: int, height: int, title: str = "") -> str:
    inside = f"<title>{title}</title>" if title else ""
    return (
        f'<rect class="{kind}" x="{x:.3f}%" width="{width:.3f}%" y="{y}" height="{height}">'
        f"{inside}</rect>"
    )


def _gap_in_words(lane: Lane) -> str:
    """Which signals were delivered and are not shown, and what became of them."""
    if not lane.missing:
        return ""
    text = f"{escape(lane.name)}: no detail of {number(lane.missing)}"
    text += f" of {number(lane.shown + lane.missing)}"
    places = {
        "before the first that is shown": lane.before,
        "between those that are shown": lane.missing - lane.before - lane.after,
        "after the last": lane.after,
    }
    if lane.shown:
        text += f" ({', '.join(f'{number(n)} {place}' for place, n in places.items() if n)})"
    text += "."
    # An event that the history has lost can still be shown as one of the newest of its signal.
    overwritten = 0 if lane.stats is None else min(lane.stats.overwritten, lane.missing)
    if overwritten:
        text += f" Overwritten by newer ones: {number(overwritten)}."
    if lane.stats is not None and lane.stats.dropped:
        text += f" Dropped (counted, but never recorded): {number(lane.stats.dropped)}."
    return text


# --- the tables ------------------------------------------------------------------------------


def _page_header(selection: Selection, process: ProcessStats, timeline: Timeline) -> Iterator[str]:
    argv = " ".join(map(_safe, process.argv or [])) or "not known"
    yield f"<dt>In short</dt><dd>{escape(why(selection.recording, in_utc=True))}</dd>"
    yield f"<dt>Command line</dt><dd><code>{argv}</code></dd>"
    if process.started_ns is not None:
        yield f"<dt>Recording since</dt><dd>{_time_element(process.started_ns)}</dd>"
    if timeline.total:
        yield f"<dt>First event shown</dt><dd>{_time_element(timeline.first_ns)}</dd>"
        yield f"<dt>Last event shown</dt><dd>{_time_element(timeline.last_ns)}</dd>"
    yield f"<dt>This page made</dt><dd>{_time_element(time.time_ns())}</dd>"
    if selection.signums is not None:
        names = ", ".join(escape(name(signum)) for signum in sorted(set(selection.signums)))
        yield f"<dt>Only signals</dt><dd>{names}</dd>"
    if selection.since is not None:
        yield f"<dt>Only events since</dt><dd>{_time_element(selection.since)}</dd>"


def _table_of_counts(timeline: Timeline) -> Iterator[str]:
    titles = (
        ("Signal", ""), ("Delivered", "n"), ("Recorded", "n"), ("Overwritten", "n"),
        ("Dropped", "n"), ("Handled", "n"), ("Pending", "n"), ("Handler", ""),
    )  # fmt: skip
    rows = []
    for lane in timeline.lanes.values():
        stats = lane.stats
        if stats is None:
            continue
        counts = (stats.delivered, stats.recorded, stats.overwritten, stats.dropped)
        rows.append([
            escape(lane.name),
            *map(number, counts),
            number(stats.handled) if stats.ever_registered else "&#8211;",
            number(stats.pending) if stats.ever_registered else "&#8211;",
            escape(stats.mode) + (", replaced by another" if stats.replaced else ""),
        ])  # fmt: skip
    yield from _table("Counts since the process began to record", titles, rows)


def _table_of_dispositions(selection: Selection) -> Iterator[str]:
    """The table of dispositions; nothing if no change of one is known."""
    found = by_signal(standing(selection.recording))
    changes = {n: c for n, c in found.items() if selection.wants(n)}
    rows = [
        [escape(those[-1].signal_name), escape(words(those))]
        for _, those in sorted(changes.items())
        if says_something(those)
    ]
    if rows:
        yield from _table("Who set what they do", (("Signal", ""), ("Handler", "")), rows)
    blocks = masks.of_now(selection.recording)
    rows = [
        [escape(cell) for cell in line.partition(": ")[::2]]
        for line in masks.lines(
            {n: one for n, one in blocks.items() if selection.wants(n)}, utc_clock
        )
    ]
    if rows:
        yield from _table("What its main thread blocked", (("Signal", ""), ("Blocked", "")), rows)


def _table_of_senders(timeline: Timeline) -> Iterator[str]:
    titles = (("Signal", ""), ("Sender", ""), ("Signals", "n"))
    rows = [
        [escape(lane.name), _safe(str(sender)), number(count)]
        for lane in timeline.lanes.values()
        if lane.stats is not None
        for sender, count in lane.stats.senders
    ]
    caption = "Who sent them"
    if len(rows) > SENDER_ROWS:
        caption += f": the first {number(SENDER_ROWS)} of {number(len(rows))}"
    yield from _table(caption, titles, rows[:SENDER_ROWS])


def _table_of_events(timeline: Timeline, newest: deque[SignalInfo]) -> Iterator[str]:
    titles = (
        ("Time (UTC)", ""), ("Signal", ""), ("Ordinal", "n"), ("Sender", ""), ("Thread", "n"),
        ("What came with it", ""),
    )  # fmt: skip
    senders = SenderCache()
    rows = [
        [
            f'<time datetime="{rfc3339(info.time_ns)}">{utc(info.time_ns)}</time>',
            escape(timeline.lanes[info.si_signo].name),
            str(info.ordinal),
            _safe(str(senders.of(info))),
            str(info.tid),
            escape(", ".join(carried(info))),
        ]
        for info in reversed(newest)
    ]
    if timeline.total > len(newest):
        caption = f"The newest {number(len(newest))} of {number(timeline.total)} events"
    else:
        caption = f"All {number(timeline.total)} events"
    yield from _table(f"{caption}, the newest first", titles, rows)


def _table_of_sent(selection: Selection) -> Iterator[str]:
    doings = selection.doings()
    titles = (("Time (UTC)", ""), ("Signal, or child", ""), ("What", ""))
    rows = []
    for doing in reversed(doings[-NEWEST_EVENTS:]):
        time = f'<time datetime="{rfc3339(doing.time_ns)}">{utc(doing.time_ns)}</time>'
        rows.append([time, *map(escape, told.words(doing))])
    caption = "What the process sent, and what it was told of its children"
    yield from _table(f"{caption}, the newest first" if rows else caption, titles, rows)


def _table(
    caption: str, titles: tuple[tuple[str, str], ...], rows: list[list[str]]
) -> Iterator[str]:
    """A table in HTML. The first cell of a row heads it."""
    if not rows:
        yield f"<p>{caption}: none.</p>"
        return
    # The table scrolls where the window is narrow, and what scrolls must be reached by keys.
    yield f'<div class="wide" role="region" aria-label="{caption}" tabindex="0"><table>'
    yield f"<caption>{caption}</caption><thead><tr>"
    classes = [f' class="{kind}"' if kind else "" for _, kind in titles]
    for (title, _), kind in zip(titles, classes, strict=True):
        yield f'<th scope="col"{kind}>{title}</th>'
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f'<tr><th scope="row">{row[0]}</th>'
        for cell, kind in zip(row[1:], classes[1:], strict=True):
            yield f"<td{kind}>{cell}</td>"
        yield "</tr>"
    yield "</tbody></table></div>"


# --- times -----------------------------------------------------------------------------------


def _time_element(time_ns: int) -> str:
    text = rfc3339(time_ns)
    return f'<time datetime="{text}">{utc(time_ns)} UTC</time>'
