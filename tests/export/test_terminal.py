"""``sigrec export`` on a terminal: what it refuses, and its progress bar."""

import sys

import pytest

from tests.cli.terminal import Terminal


@pytest.fixture
def terminal():
    started = []

    def start(*args, **options):
        started.append(Terminal(*args, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_page_is_not_written_to_a_terminal(target, terminal):
    t = terminal("export", "--format", "html", target.pid)
    t.end(status=2)
    assert "a page is not for a terminal: give -o FILE" in t.text()


@pytest.mark.parametrize("rich", [True, False])
def test_progress_on_the_terminal_and_none_in_a_file(target, terminal, tmp_path, rich):
    env = {}
    if rich:
        pytest.importorskip("rich")
    else:
        (tmp_path / "rich.py").write_text("raise ImportError")
        env["PYTHONPATH"] = f"{tmp_path}:{':'.join(filter(None, sys.path))}"
    out = tmp_path / "out.html"
    t = terminal("export", "--format", "html", "-o", out, target.pid, env=env)
    t.end()
    assert b"12 events" in t.raw and t.text().strip() == ""  # shown, and gone at the end
    assert b"events" in out.read_bytes() and b"\x1b" not in out.read_bytes()


def test_a_text_on_a_terminal_has_no_bar_in_it(target, terminal):
    t = terminal("export", "--format", "csv", target.pid, lines=200, columns=250)
    t.end()
    assert t.raw.count(b"\r\n") == 13 and b"\x1b" not in t.raw and b"[#" not in t.raw
