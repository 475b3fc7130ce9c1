"""``sigrec export --format html``: what is in the page. How it behaves: test_browser.py."""

import base64
import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from html.parser import HTMLParser

import pytest

import sigrec
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from sigrec._signals.siginfo import SignalInfo
from sigrec._times import exact_duration
from sigrec.export import Selection, writer
from sigrec.export.timeline import MOST_COLUMNS
from tests.conftest import RT
from tests.export.conftest import COUNTS
from tests.reader.builder import MONOTONIC, RecordingBuilder, event

USR1, TERM = int(signal.SIGUSR1), int(signal.SIGTERM)
VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """Strict: every element is closed, in order; and nothing refers to elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.declaration = None
        self.feed(text)
        self.close()
        assert self.open == [] and self.declaration == "DOCTYPE html"

    def handle_decl(self, declaration):
        self.declaration = declaration

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert len(found) == len(attributes)
        for name, value in attributes:
            assert not name.startswith("on") and name != "style"
            assert name not in ("src", "action", "data") and "://" not in (value or "")
            assert name != "href" or value == "data:,"
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)
            self.texts[len(self.elements) - 1] = ""

    def handle_startendtag(self, tag, attributes):  # of SVG
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        for n in self.open:
            self.texts[n] += data

    def all(self, tag, **attributes):
        """(attributes, text) of the elements."""
        return [
            (found, self.texts.get(n, ""))
            for n, (name, found) in enumerate(self.elements)
            if name == tag and attributes.items() <= found.items()
        ]

    def text(self):
        """Of what is seen, and not of the script."""
        [(_, text)] = self.all("main")
        return text

    def table(self, caption):
        """Its rows, as texts of their cells."""
        rows = []
        inside = False
        for n, (tag, _) in enumerate(self.elements):
            if tag == "caption":
                inside = self.texts[n].startswith(caption)
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag in ("th", "td"):
                rows[-1].append(self.texts[n])
        return rows


def export(what, *args):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "export", str(what), "--format", "html", *map(str, args)],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("ascii")


def written(source):
    out = io.StringIO()
    writer("html")(source, out)
    return out.getvalue()


def built(builder, *args, **options):
    return written(Selection(Recording(Source(builder.read, "a.sigrec")), *args, **options))


# --- what it says --------------------------------------------------------------------------------


def test_counts_senders_and_events_are_those_of_the_recording(target):
    page = Page(export(target.pid))
    counts = page.table("Counts since the process began to record")
    assert counts[0] == ["Signal", "Delivered", "Recorded", "Overwritten", "Dropped", "Handled",
                         "Pending", "Handler"]  # fmt: skip
    assert {row[0]: row[1:] for row in counts[1:]} == {
        name: [str(n), str(n), "0", "0", str(n), "0", "registered"] for name, n in COUNTS.items()
    }
    with sigrec.open_recording(target.pid) as recording:
        events = list(recording)
        senders = recording.signals[USR1].senders
    assert len(senders) == 1
    rows = page.table("Who sent them")[1:]
    assert {row[0]: int(row[2]) for row in rows} == COUNTS
    assert all(f'PID {target.pid} (=1+1,<b>"\\x1b[1m' in row[1] for row in rows)
    rows = page.table("All 12 events, the newest first")[1:]
    assert [row[:3] + [row[4]] for row in rows] == [
        [f"{info.time:%Y-%m-%d %H:%M:%S.%f}", info.signal_name, str(info.ordinal), str(info.tid)]
        for info in reversed(events)
    ]
    assert [row[5] for row in rows if row[1] == "SIGRTMIN+2"][-1] == "value 0"
    # Each event has its mark, and nothing is missing.
    text = page.text()
    assert "A mark is one signal." in text and "without detail" not in text
    assert len(page.all("rect", **{"class": "bar"})) == 12
    assert page.all("rect", **{"class": "gap"}) == []


def test_what_a_process_says_of_itself_is_only_text(target):
    text = export(target.pid)
    page = Page(text)
    assert [found.get("type") for found, _ in page.all("script")] == ["application/json", None]
    assert page.all("b") == []
    [(_, argv)] = page.all("code")
    assert "<script>alert(1)</script> \\x1b[31mred\\x9b \\xff\\x80 </script><!-- a\\nb ${x}" in argv
    assert not re.search(r"[^\x20-\x7e\n]", text) and not re.search(
        r"&#(x1b|27|155|5[567]\d\d\d);", text
    )


def test_it_is_self_contained_and_semantic(target):
    text = export(target.pid)
    page = Page(text)
    [(root, _)], [(_, title)] = page.all("html"), page.all("title")[:1]
    assert root == {"lang": "en"} and title == f"Signals of PID {target.pid}"
    [(found, _)] = [one for one in page.all("meta") if "http-equiv" in one[0]]
    policy = dict(part.strip().split(" ", 1) for part in found["content"].split(";"))
    assert policy["default-src"] == "'none'" and "unsafe" not in found["content"]
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        body = page.all(tag)[-1][1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert policy[kind] == f"'sha256-{digest}'"
    assert len(page.all("table")) == len(page.all("caption")) == 3
    heads = [found.get("scope") for found, _ in page.all("th")]
    assert heads and set(heads) == {"col", "row"}
    for found, _ in page.all("div", role="region"):
        assert found["tabindex"] == "0" and found["aria-label"]
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for found, _ in page.all("section"):
        assert found["aria-labelledby"] in ids
    [(label, _)], [(slider, _)] = page.all("label"), page.all("input")
    assert label["for"] == slider["id"] and page.all("output")[0][0]["aria-live"] == "polite"


def test_what_is_not_kept_is_shown_as_a_gap_and_said(forgetful):
    page = Page(export(forgetful.pid))
    text = page.text()
    assert (
        "SIGUSR1: no detail of 36 of 100 (36 before the first that is shown). Overwritten by newer "
        "ones: 36."
    ) in text
    assert (
        "SIGRTMIN+2: no detail of 936 of 1,000 (936 before the first that is shown). "
        "Overwritten by newer ones: 936." in text
    )
    gaps = [text for _, text in page.all("rect", **{"class": "gap"}) if text]
    assert gaps == ["36 before", "936 before"]


def data(text):
    [(_, found)] = Page(text).all("script", type="application/json")
    return json.loads(found)


def test_dropped_ones_are_a_gap_where_they_are_missing():
    builder = RecordingBuilder(capacity=16)
    # 3, 4 and 5 were dropped; 7 and 6 came out of order; 8 and 9 came last and were dropped.
    for ticket, ordinal in enumerate((0, 1, 2, 7, 6)):
        builder.slot(ticket, event(USR1, MONOTONIC + ticket * 10**9, ordinal))
    builder.ledger(USR1, mode=1, delivered=10, recorded=5, dropped=5, queued=10, handled=10)
    text = built(builder)
    assert (
        "SIGUSR1: no detail of 5 of 10 (3 between those that are shown, 2 after the last). "
        "Dropped (counted, but never recorded): 5." in Page(text).text()
    )
    [lane] = data(text)["lanes"]
    assert (lane["before"], lane["after"]) == (0, 2)
    width = 10**9 * 4 // (len(data(text)["labels"]) - 1)  # of a column, in ns
    assert {int(n) * width // 10**9: cell for n, cell in lane["cells"].items()} == {
        0: [1, 0], 1: [1, 0], 2: [1, 0], 3: [1, 3], 4: [1, 0],
    }  # fmt: skip


def test_what_was_before_since_is_not_called_missing():
    builder = RecordingBuilder()
    for ticket in range(10):
        builder.slot(ticket, event(USR1, MONOTONIC + ticket * 10**9, ticket))
    builder.ledger(USR1, delivered=10, recorded=10)
    text = built(builder, since=list(Recording(Source(builder.read)).events())[5].time_ns)
    assert "All 5 events" in text and "no detail" not in text and "Only events since" in text


def test_all_times_are_utc(monkeypatch, tmp_path):
    """Those of the sentence, too, wherever the page is made."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        last = event(15, MONOTONIC)
        builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
        with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
            text = written(Selection(recording))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert re.search(r"terminated by SIGTERM, .*, at 2026-01-02 03:04:05 UTC\.", text)


def test_who_set_what_signals_do():
    builder = RecordingBuilder().ledger(USR1, 3, delivered=1).site(1, b"/x/<b>.py", 12)
    builder.disposition(USR1, 0, site=1).disposition(TERM, 0, 1, 1)
    builder.disposition(int(signal.SIGPIPE), 0, 1, 0)  # nobody is known to have
    rows = Page(built(builder)).table("Who set what they do")[1:]
    assert rows == [
        ["SIGUSR1", "handler set by <b>.py:12"],
        ["SIGTERM", "ignored since the start: by whoever started it"],
    ]
    assert len(Page(built(builder, {USR1})).table("Who set what they do")) == 2
    assert "Who set what they do" not in built(RecordingBuilder())


def test_no_events_and_no_signals():
    assert "No signals yet." in built(RecordingBuilder())
    builder = RecordingBuilder().ledger(USR1, mode=1)
    assert "The history holds no events" in Page(built(builder)).text()


def test_the_columns_hold_every_event_at_any_scale():
    """Over 14 orders of magnitude of time, in two signals, and some out of order."""
    builder = RecordingBuilder(capacity=2048)
    times = sorted({int(1.02**n) for n in range(1620)})
    times[10], times[11] = times[11], times[10]
    for ticket, at in enumerate(times):
        builder.slot(ticket, event((USR1, TERM)[ticket % 2], MONOTONIC + at, ticket // 2))
    found = data(built(builder))
    columns = len(found["labels"])
    assert MOST_COLUMNS / 5 <= columns <= MOST_COLUMNS
    count = 0
    for lane in found["lanes"]:
        assert all(0 <= int(n) < columns for n in lane["cells"])
        assert all(missing == 0 for _, missing in lane["cells"].values())
        count += sum(events for events, _ in lane["cells"].values())
    assert count == len(times)
    assert found["labels"][-1].count(" to ") == 1


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"), (1500, "1.5 µs"), (20 * 10**6, "20 ms"), (1_250_000_000, "1.25 s"),
        (3723 * 10**9 + 5 * 10**8, "1:02:03.5"), (90061 * 10**9, "1 d 1:01:01"),
    ],
)  # fmt: skip
def test_durations(ns, text):
    assert exact_duration(ns) == text


# --- how much it needs -------------------------------------------------------------------------


class Endless(Selection):
    """Events that are made as they are read, with holes in their ordinals."""

    count = 0

    def __iter__(self):
        for n in range(self.count):
            at = MONOTONIC + n * 10**7
            signum = (USR1, TERM, int(RT))[n % 3]
            yield SignalInfo._make(10**18, at, n * 2, signum, 0, 1 + n % 50, 0, 0, n % 7, 0, 0, 0)


@pytest.mark.parametrize("events", [800, pytest.param(3000, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "form", ["html", *(pytest.param(f, marks=pytest.mark.long) for f in ("jsonl", "csv", "chrome"))]
)
def test_memory_does_not_grow_with_the_events(form, events):
    class Nowhere(io.TextIOBase):
        written = 0

        def write(self, text):
            self.written += len(text)
            return len(text)

    def peak(count):
        selection = Endless(Recording(Source(RecordingBuilder().read, "a.sigrec")))
        selection.count = count
        out = Nowhere()
        tracemalloc.start()
        writer(form)(selection, out)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most, out.written

    peak(100)  # what is imported and cached, once
    (few, short), (many, long) = peak(events), peak(4 * events)
    assert many < 1.5 * few, (few, many)
    assert form == "html" or long > 3 * short  # and all were written
