"""The live page of a host: its processes, and the newest
endings with `why`'s sentence and a report."""

from __future__ import annotations

import io
import os
import time
from html import escape
from pkgutil import get_data
from string import Template

from sigrec import __version__
from sigrec._text import number, printable, shortened
from sigrec._times import rfc3339, utc
from sigrec._why.answer import when
from sigrec._why.cause import event_of
from sigrec._why.sentence import why
from sigrec.export import Selection, html
from sigrec.export.page import common_style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._reader.recording import Recording
    from sigrec._serve.fleet import CountedEnd, Fleet

MOST_PROCESSES = 200  # rows at most, since there may be thousands
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_HTML = "text/html; charset=utf-8"


class Pages:
    """The pages by path: "/", "/live" (the part of "/" that changes), the files of "/", and
    "/report/N" about an ending or a process."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._sentences: dict[int, tuple[int, str]] = {}  # when it ended, and how

    def __call__(self, path: str) -> tuple[bytes, str] | None:
        if path == "/":
            return self._whole_page().encode(), _HTML
        if path == "/live":
            return "".join(self._live_part()).encode(), _HTML
        if path in ("/page.css", "/page.js"):
            raw = get_data("sigrec._serve", path[1:])
            assert raw is not None
            if path == "/page.css":
                raw = common_style().encode() + raw
            return raw, _TYPES[path.rpartition(".")[2]]
        if is_report(path):
            recording = self._fleet.recording(path.removeprefix("/report/"))
            return None if recording is None else (_report_page(recording).encode(), _HTML)
        return None

    def _whole_page(self) -> str:
        raw = get_data("sigrec._serve", "page.html")
        assert raw is not None
        return Template(raw.decode()).substitute(
            host=_safe(os.uname().nodename),
            time=utc(time.time_ns()).partition(".")[0],
            live="".join(self._live_part()),
            version=__version__,
        )

    # --- what changes ---------------------------------------------------------------------------

    def _live_part(self) -> Iterator[str]:
        living, ended = self._fleet.processes(), self._fleet.ended()
        yield '<section aria-labelledby="living"><h2 id="living">Running</h2>\n'
        if not living:
            yield "<p>No recorded process is running.</p>\n"
        else:
            yield '<div class="wide" role="region" aria-labelledby="living" tabindex="0" data-key="living"><table>'
            many = (
                f", the first {number(MOST_PROCESSES)} of {number(len(living))}"
                if len(living) > MOST_PROCESSES
                else ""
            )
            yield f"<caption>{number(len(living))} recorded{many}</caption><thead><tr>"
            for title, kind in (
                ("PID", ""), ("Program", ""), ("Received", "n"), ("Waiting", "n"), ("By signal", ""), ("", ""),
            ):  # fmt: skip
                yield f'<th scope="col"{_heading_class(kind)}>{title}</th>'
            yield "</tr></thead><tbody>\n"
            for key, program, recording in living[:MOST_PROCESSES]:
                yield from _row(key, program, recording)
            yield "</tbody></table></div>\n"
        yield '</section>\n<section aria-labelledby="ended"><h2 id="ended" tabindex="-1">Ended</h2>\n'
        if not ended:
            yield "<p>No process has ended since sigrec serve began.</p>\n"
        else:
            yield "<ol>\n"
            for end in reversed(ended):
                yield self._end_row(end)
            yield "</ol>\n"
        yield "</section>\n"
        for number_ in self._sentences.keys() - {end.number for end in ended}:
            del self._sentences[number_]

    def _end_row(self, counted_end: CountedEnd) -> str:
        if counted_end.number not in self._sentences:
            time_ns = counted_end.time_ns
            try:
                end = counted_end.end
                sentence = why(end.recording, in_utc=True, found=end.cause_found)
                event = event_of(end.recording, end.cause_found)
                time_ns = when(end.recording, end.cause_found, event) or time_ns
            except Exception:  # the file was truncated meanwhile, or is damaged
                sentence = f"{counted_end.program}: its recording cannot be read any more."
            self._sentences[counted_end.number] = time_ns, sentence
        time_ns, sentence = self._sentences[counted_end.number]
        return (
            f'<li><time datetime="{rfc3339(time_ns)}">{utc(time_ns).partition(".")[0]}</time>'
            f"{escape(sentence)} "
            f'<a href="report/e{counted_end.number}" data-key="e{counted_end.number}">Report</a></li>\n'
        )


def is_report(path: str) -> bool:
    """Whether this is the path of a report, which has a content security policy of its own."""
    return path.startswith("/report/")


def _row(key: str, program: str, recording: Recording) -> Iterator[str]:
    try:
        signals = recording.signals.values()
    except Exception:  # as above
        return
    received = sum(stats.delivered for stats in signals)
    waiting = sum(stats.pending for stats in signals if stats.ever_registered)
    most = sorted(
        (stats for stats in signals if stats.delivered), key=lambda stats: -stats.delivered
    )
    by_signal = ", ".join(
        f"{number(stats.delivered)} {escape(stats.signal_name)}" for stats in most[:4]
    )
    more = " …" if len(most) > 4 else ""
    yield (
        f'<tr><th scope="row">{recording.pid}</th><td>{_safe(program)}</td>'
        f'<td class="n">{number(received)}</td><td class="n">{number(waiting)}</td>'
        f"<td>{by_signal}{more}</td>"
        f'<td><a href="report/{key}" data-key="{key}" aria-label="Report of PID {recording.pid}">Report</a></td></tr>\n'
    )


def _report_page(recording: Recording) -> str:
    out = io.StringIO()
    html.write(Selection(recording), out)
    return out.getvalue()


def _safe(text: str) -> str:
    return escape(shortened(printable(text), 64))


def _heading_class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
