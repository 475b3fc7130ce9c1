"""The page of a host, as whoever has its token sees it, and in a real browser."""

import base64
import os
import signal

import pytest

import sigrec
from sigrec._times import rfc3339
from tests.conftest import wait_until
from tests.export.browser import Browser

NAME = "<img src=x onerror=alert(1)>.py"


def opened(served, token_file):
    """The address with the token, and what a cookie makes of the page's parts."""
    token = token_file.read_text().strip()
    cookie = served.get(f"/?token={token}")[1]["Set-Cookie"].partition(";")[0]
    return f"http://127.0.0.1:{served.port}/?token={token}", lambda path: served.get(
        path, Cookie=cookie
    )


def test_who_runs_and_who_has_ended(serve, worker, tmp_path):
    one = serve("--token-file", tmp_path / "token")
    _, get = opened(one, tmp_path / "token")
    lives, ends = worker(NAME), worker(NAME)
    lives.send(3)
    ends.send(1)
    ends.process.stdin.close()
    ends.process.wait()  # its recording is gone
    wait_until(lambda: b"Report</a></li>" in get("/live")[2])
    status, headers, body = get("/")
    page = body.decode()
    policy = headers["Content-Security-Policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert f'<th scope="row">{lives.pid}</th>' in page and "3 SIGUSR1" in page
    assert f"PID {ends.pid} (" in page and "exited by itself with status 0" in page
    assert "<img" not in page and "&lt;img" in page
    for link in page.split('href="report/')[1:]:
        path = "/report/" + link.partition('"')[0]
        status, headers, report = get(path)
        assert status == 200 and b"Timeline" in report and b"default-src &#x27;" not in report
        assert b"Content-Security-Policy" in report
        assert one.get(path)[0] == 403
    assert get("/report/e99")[0] == get("/report/nonsense")[0] == get("/page.html")[0] == 404
    assert get("/page.css")[0] == get("/page.js")[0] == 200


def test_an_end_is_shown_at_its_own_time(serve, worker, tmp_path):
    """And not at that at which serve has seen it."""
    one = serve("--token-file", tmp_path / "token")
    _, get = opened(one, tmp_path / "token")
    ends = worker()
    ends.tell("os.kill(os.getpid(), 15)")
    ends.process.wait()
    wait_until(lambda: b"Report</a></li>" in get("/live")[2])
    with sigrec.open_recording(ends.pid) as recording:
        (event,) = recording.events(signal.SIGTERM)
        assert f'<time datetime="{rfc3339(event.time_ns)}">' in get("/live")[2].decode()


@pytest.mark.long
def test_in_a_browser(serve, worker, tmp_path):
    one = serve("--token-file", tmp_path / "token")
    address, _ = opened(one, tmp_path / "token")
    lives, ends = worker(NAME), worker()
    lives.send(3)
    ends.tell("os.kill(os.getpid(), 15)")
    ends.process.wait()
    browser = Browser(tmp_path / "browser")
    try:
        for width, scheme in ((1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")):
            browser.open(address, width, scheme)
            assert browser.js("location.pathname + location.search") == "/"
            assert browser.js("document.documentElement.scrollWidth <= innerWidth")
            assert browser.js("document.querySelectorAll('#live tbody tr').length") == 1
            if pictures := os.environ.get("SIGREC_PICTURES"):
                shot = browser.do("Page.captureScreenshot", captureBeyondViewport=True)
                with open(f"{pictures}/serve-{width}-{scheme}.png", "wb") as file:
                    file.write(base64.b64decode(shot["data"]))
        assert browser.told("Runtime.exceptionThrown", "Log.entryAdded") == []
        assert "rgb(20, 24, 29)" in browser.js("getComputedStyle(document.body).backgroundColor")
        # It goes on by itself, and whoever is at a link stays there.
        for _ in range(20):
            browser.key("Tab")
            if browser.js("document.activeElement.textContent") == "Report":
                break
        at = browser.js("document.activeElement.dataset.key")
        assert at
        lives.send(1000)
        wait_until(lambda: browser.js("document.body.textContent.includes('1,003 SIGUSR1')"))
        assert browser.js("document.activeElement.dataset.key") == at
        browser.key("Enter")
        wait_until(lambda: browser.js("document.title").startswith("Signals of PID"))
        assert browser.told("Runtime.exceptionThrown", "Log.entryAdded") == []
        # Without the server it says so.
        browser.open(address.partition("?")[0])
        one.process.kill()
        wait_until(
            lambda: "does not answer" in browser.js("document.getElementById('said').textContent")
        )
    finally:
        browser.close()
