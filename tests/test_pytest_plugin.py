"""The pytest plugin, in pytest sessions of its own, as pytest itself loads it."""

import os
import tomllib
from pathlib import Path

import pytest

import sigrec

pytest_plugins = ["pytester"]

PRELUDE = """
import os, signal, subprocess, sys, threading
import pytest

ME = os.getpid()
RT = signal.SIGRTMIN + 2
seen = []

@pytest.fixture(autouse=True)
def handlers():
    seen.clear()
    old = {s: signal.signal(s, lambda s, f: seen.append(s)) for s in (signal.SIGUSR1, signal.SIGTERM, RT)}
    yield
    for signum, handler in old.items():
        signal.signal(signum, handler)
"""


@pytest.fixture
def session(pytester, monkeypatch, tmp_path):
    """Runs tests in a session that finds the plugin by its entry point, and nothing else."""
    root = Path(sigrec.__file__).parents[1]
    info = tmp_path / "metadata" / "sigrec-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sigrec\nVersion: 0\n")
    points = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    lines = [
        f"{name} = {module}"
        for name, module in points["project"]["entry-points"]["pytest11"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", f"{info.parent}{os.pathsep}{root}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(code, *args):
        pytester.makepyfile(test_it=PRELUDE + code)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)

    yield run


def message(result):
    """The one failure's message."""
    result.assert_outcomes(failed=1)
    errors = [line[2:].strip() for line in result.outlines if line.startswith("E ")]
    return " ".join(errors)


def test_what_was_expected_came(session):
    result = session(
        """
def test(signals):
    for _ in range(3):
        os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 3})
    assert seen == [signal.SIGUSR1] * 3  # the test's own handler goes on
    assert signals.counts[signal.SIGUSR1] == 3
    assert [e.si_pid for e in signals.events] == [ME] * 3
"""
    )
    result.assert_outcomes(passed=1)


def test_too_few(session):
    result = session(
        """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 3, RT: 0}, timeout=0)
"""
    )
    assert message(result) == "AssertionError: expected SIGUSR1 x 3, got 2"
    # The test's own line is shown, and not the plugin's.
    assert any(line.startswith(">       signals.expect(") for line in result.outlines)
    assert "_pytest_plugin" not in result.stdout.str()
    assert "signals = <signals: SIGUSR1 x 2>" in result.outlines


def test_not_expected_and_who_sent_it(session):
    result = session(
        """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    command = f"import os; os.kill({ME}, {signal.SIGTERM}); input()"
    sender = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE)
    print("SENDER", sender.pid)
    try:
        signals.expect({signal.SIGTERM: 1}, exact=False)
        signals.expect({signal.SIGUSR1: 2}, timeout=0)
    finally:
        sender.communicate(b"\\n")
"""
    )
    (pid,) = [line.split()[1] for line in result.outlines if line.startswith("SENDER")]
    text = message(result)
    assert text.startswith(f"AssertionError: expected SIGUSR1 x 2, got 1; SIGTERM from PID {pid} (")
    assert text.endswith(f"uid {os.getuid()}) was not expected")


def test_too_many(session):
    result = session(
        """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 1}, exact=False)  # that allows more
    print("ALLOWED")
    signals.expect({signal.SIGUSR1: 1})
"""
    )
    assert "ALLOWED" in result.outlines
    assert message(result).startswith("AssertionError: expected SIGUSR1 x 1, got 2 from PID ")


def test_what_is_not_recorded_is_not_said_to_be_0(session):
    result = session(
        """
def test(signals):
    subprocess.run(["true"])
    signals.expect({signal.SIGCHLD: 1}, timeout=0)
"""
    )
    text = message(result)
    assert "expected SIGCHLD x 1, and it is not recorded" in text and "got 0" not in text
    assert "signals.record(SIGCHLD) before it comes records it" in text


def test_exact_false_allows_others(session):
    result = session(
        """
def test(signals):
    os.kill(ME, signal.SIGTERM)
    signals.expect({signal.SIGTERM: 1})
    signals.expect({}, exact=False)
    signals.expect({})
"""
    )
    assert message(result).startswith("AssertionError: SIGTERM from PID ")


def test_it_waits(session):
    result = session(
        """
def test(signals):
    command = f"import os; input(); [os.kill({ME}, {RT}) for _ in range(50)]"
    sender = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE)
    signals.expect({RT: 0})
    sender.stdin.write(b"\\n")
    sender.stdin.close()
    signals.expect({RT: 50}, timeout=60)
    assert set(seen) == {RT}  # and the test's own handler was called
    sender.wait()
"""
    )
    result.assert_outcomes(passed=1)


def test_chosen_signals(session):
    result = session(
        """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 1})
    signals.record(RT)  # from zero
    os.kill(ME, signal.SIGUSR1)
    os.kill(ME, RT)
    signals.expect({RT: 1})

def test_the_next_begins_from_zero(signals):
    signals.expect({})
    os.kill(ME, RT)
    signals.expect({RT: 1})
    assert seen == [RT]
"""
    )
    result.assert_outcomes(passed=2)


def test_it_stops_with_the_test(session):
    result = session(
        """
kept = []
signal.signal(signal.SIGUSR2, lambda s, f: seen.append(s))

def test(signals):
    os.kill(ME, signal.SIGUSR2)
    signals.expect({signal.SIGUSR2: 1})
    kept.append(signals)

def test_later():
    os.kill(ME, signal.SIGUSR2)
    assert seen == [signal.SIGUSR2]
    assert kept[0].counts[signal.SIGUSR2] == 1
"""
    )
    result.assert_outcomes(passed=2)


def test_an_exception_of_a_handler_is_the_tests(session):
    result = session(
        """
def test(signals):
    def handler(signum, frame):
        raise RuntimeError("from the handler")
    signal.signal(signal.SIGUSR1, handler)
    signals.record(signal.SIGUSR1)
    with pytest.raises(RuntimeError, match="from the handler"):
        threading.Timer(0.01, os.kill, (ME, signal.SIGUSR1)).start()
        signals.expect({signal.SIGUSR1: 2}, timeout=60)
    signals.expect({signal.SIGUSR1: 1})
"""
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("{0: 1}", "0"), ("{True: 1}", "True"), ("{'SIGUSR1': 1}", "'SIGUSR1'"), ("{99: 1}", "99"),
        ("{10: -1}", "-1"), ("{10: 1.5}", "1.5"), ("{}, timeout=-1", "-1"),
        ("{}, timeout=float('nan')", "nan"), ("{}, timeout='1'", "'1'"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, value):
    names = {
        "signals": object.__new__(sigrec.SignalsFixture),
        "signal": __import__("signal"),
    }  # looked at first
    with pytest.raises(ValueError) as caught:
        eval(f"signals.expect({arguments})", names)
    assert value in str(caught.value)


def test_a_session_that_does_not_use_it_loads_nothing(session):
    result = session(
        """
def test(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("sigrec")
    loaded = {name for name in sys.modules if name.startswith("sigrec")}
    assert loaded == {"sigrec", "sigrec._pytest_plugin"}
"""
    )
    result.assert_outcomes(passed=1)


def test_it_is_listed(session):
    result = session("", "--fixtures")
    result.stdout.fnmatch_lines(["signals -- *", "*signals.expect*"])
