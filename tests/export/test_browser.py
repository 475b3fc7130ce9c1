"""The page of ``sigrec export`` in a real browser: silent, reachable by keys, readable."""

import signal
from pathlib import Path

import pytest

from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from sigrec.export import Selection, writer
from tests.export.browser import Browser
from tests.export.test_html import export
from tests.reader.builder import MONOTONIC, RecordingBuilder, event

USR1, TERM = int(signal.SIGUSR1), int(signal.SIGTERM)


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of 900 events in two signals over 30 s, with gaps before, between and after, and a command
    line without a space in it."""
    builder = RecordingBuilder(
        1024, argv=(b"python3", b"x" * 500, b"<script>document.title='!'</script>")
    )
    for ticket in range(900):
        signum = TERM if ticket % 300 == 299 else USR1
        ordinal = ticket // 300 if signum == TERM else 50 + ticket + (100 if ticket > 450 else 0)
        builder.slot(
            ticket, event(signum, MONOTONIC + ticket * 33_000_000, ordinal, pid=7 + ticket % 9)
        )
    builder.ledger(USR1, mode=1, delivered=1060, recorded=947, dropped=113, overwritten=50)
    builder.ledger(TERM, mode=1, delivered=3, recorded=3)
    builder.sender(0, USR1, 7, 1060).sender(1, TERM, 9, 3)
    path = tmp_path_factory.mktemp("page") / "page.html"
    with open(path, "w", encoding="utf-8") as out:
        writer("html")(Selection(Recording(Source(builder.read, "a.sigrec"))), out)
    return path.as_uri()


FOCUS = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
HERE = "document.getElementById('here').textContent"

# The contrast of each text to what is behind it, and of each graphic to the ground.
CONTRAST = Path(__file__).with_name("contrast.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_silent_and_asks_the_network_for_nothing(browser, page, scheme):
    browser.open(page, scheme=scheme)
    assert (
        browser.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    )
    urls = {one["request"]["url"] for one in browser.told("Network.requestWillBeSent")}
    assert page in urls and all(url == page or url.startswith("data:") for url in urls)
    assert browser.js("document.title") == "Signals of PID 4242"
    assert browser.js("document.scripts.length") == 2
    # The content security policy is in force: what is put into the page does not run.
    browser.js(
        "document.body.append("
        "Object.assign(document.createElement('script'), {text: 'document.title=1'}))"
    )
    assert browser.js("document.title") == "Signals of PID 4242"


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(browser, page):
    browser.open(page)
    reached = []
    for _ in range(6):
        browser.key("Tab")
        reached.append(browser.js(FOCUS))
        outline = browser.js(
            "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])"
            "(getComputedStyle(document.activeElement))"
        )
        assert outline == ["solid", 3], reached
    assert reached == [
        "column", "earlier", "later", "Counts since the process began to record",
        "Who sent them",
        "The newest 500 of 900 events, the newest first",
    ]  # fmt: skip


def test_the_arrow_keys_walk_through_the_timeline(browser, page):
    browser.open(page)
    browser.key("Tab")
    assert browser.js(HERE) == ("Before the first event that is kept: 50 SIGUSR1 without detail")
    browser.key("ArrowRight")
    assert browser.js(HERE) == ("+0 s to +500 ms, from 2026-01-02 03:04:05.000006 UTC: 16 SIGUSR1")
    first = browser.js("document.querySelector('.cursor').getBoundingClientRect().x")
    browser.key("ArrowRight")
    assert browser.js(HERE).startswith("+500 ms to +1 s")
    assert browser.js("document.querySelector('.cursor').getBoundingClientRect().x") > first
    assert browser.js("document.getElementById('column').ariaValueText").startswith(
        "+500 ms to +1 s"
    )
    browser.key("ArrowLeft")
    assert browser.js(HERE).startswith("+0 s")
    seen = []
    while not seen or seen[-1] != browser.js(HERE):
        seen.append(browser.js(HERE))
        browser.key("ArrowRight")
    assert seen[-1] == "After the last event that is kept: 11 SIGUSR1 without detail"
    assert sum("100 SIGUSR1 without detail" in text for text in seen) == 1
    assert sum("1 SIGTERM" in text for text in seen) == 3
    browser.key("Home")
    assert browser.js(HERE).startswith("Before")


def test_the_buttons_skip_what_is_empty(browser, tmp_path):
    builder = RecordingBuilder()
    for ticket, at in enumerate((0, 60, 600)):
        builder.slot(ticket, event(USR1, MONOTONIC + at * 10**9, ticket))
    builder.ledger(USR1, delivered=3, recorded=3)
    path = tmp_path / "page.html"
    with open(path, "w", encoding="utf-8") as out:
        writer("html")(Selection(Recording(Source(builder.read, "a.sigrec"))), out)
    browser.open(path.as_uri())
    for _ in range(3):
        browser.key("Tab")
    assert browser.js(FOCUS) == "later"
    seen = []
    for _ in range(3):
        browser.key("Enter")
        seen.append(browser.js(HERE).split(" to ")[0])
    assert seen == ["+60 s", "+0:10:00", "No later signals"]
    browser.js("document.getElementById('earlier').click()")
    assert browser.js(HERE).startswith("+60 s to")


def test_a_click_on_a_lane_goes_there(browser, page):
    browser.open(page)
    box = browser.js(
        "(b => [b.x, b.y, b.width])(document.querySelector('#lanes svg').getBoundingClientRect())"
    )
    x, y = box[0] + 0.5 * box[2], box[1] + 10
    for kind in ("mousePressed", "mouseReleased"):
        browser.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    cursor = browser.js(
        "(b => [b.left, b.right])(document.querySelector('.cursor').getBoundingClientRect())"
    )
    assert cursor[0] - 1 <= x <= cursor[1] + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_contrast(browser, page, scheme):
    browser.open(page, scheme=scheme)
    found = browser.js(CONTRAST)
    assert (found["back"] > 0.5) == (scheme == "light")
    assert len(found["texts"]) > 100
    assert [one for one in found["texts"] if one[0] < 4.5] == []
    assert [one for one in found["graphics"] if one[0] < 3] == []


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_no_width_makes_the_page_scroll_sideways(browser, page, width):
    browser.open(page, width=width)
    assert browser.js("document.documentElement.scrollWidth") <= width
    lanes = browser.js("document.getElementById('lanes').getBoundingClientRect().width")
    assert lanes > 0.8 * min(width, 1152)
    # A wide table scrolls in itself.
    wide = browser.js(
        "Math.max(...[...document.querySelectorAll('.wide')].map((e) => e.scrollWidth))"
    )
    assert width > 360 or wide > width
    ends = "[...document.querySelectorAll('caption')].map((e) => e.getBoundingClientRect().right)"
    assert max(browser.js(ends)) <= width


def test_a_page_of_a_real_recording(browser, target, tmp_path):
    path = tmp_path / "page.html"
    export(target.pid, "-o", path)
    browser.open(path.as_uri(), width=360)
    assert (
        browser.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    )
    assert browser.js("document.querySelectorAll('#lanes .bar').length") == 12
    assert "<script>alert(1)</script>" in browser.js("document.querySelector('code').textContent")
    assert browser.js("document.documentElement.scrollWidth") <= 360
