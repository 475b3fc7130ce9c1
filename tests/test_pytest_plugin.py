"""The pytest plugin, in pytest sessions of its own, as pytest itself loads it."""

import os
import re
import signal
import subprocess
import sys
import tomllib
import xml.etree.ElementTree
from pathlib import Path

import pytest

import sigrec

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


# One session runs them all, each in a module of its own: to start pytest takes longer than they do.
TESTS = {
    "what_was_expected_came": """
def test(signals):
    for _ in range(3):
        os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 3})
    assert seen == [signal.SIGUSR1] * 3  # the test's own handler goes on
    assert signals.counts[signal.SIGUSR1] == 3
    assert [e.si_pid for e in signals.events] == [ME] * 3
""",
    "too_few": """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 3, RT: 0}, timeout=0)
""",
    "not_expected_and_who_sent_it": """
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
""",
    "too_many": """
def test(signals):
    os.kill(ME, signal.SIGUSR1)
    os.kill(ME, signal.SIGUSR1)
    signals.expect({signal.SIGUSR1: 1}, exact=False)  # that allows more
    print("ALLOWED")
    signals.expect({signal.SIGUSR1: 1})
""",
    "what_is_not_recorded_is_not_said_to_be_0": """
def test(signals):
    subprocess.run(["true"])
    signals.expect({signal.SIGCHLD: 1}, timeout=0)
""",
    "what_nobody_can_record": """
def test(signals):
    signals.expect({signal.SIGKILL: 1}, timeout=0)
""",
    "exact_false_allows_others": """
def test(signals):
    os.kill(ME, signal.SIGTERM)
    signals.expect({signal.SIGTERM: 1})
    signals.expect({}, exact=False)
    signals.expect({})
""",
    "it_waits": """
def test(signals):
    # (kill() of one that is queued is as if it was not, where this user's queue is full.)
    send = f"_core.flood({ME}, {RT}, 50, True, 0)"
    command = f"from sigrec import _core; input(); {send}"
    sender = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE)
    signals.expect({RT: 0})
    sender.stdin.write(b"\\n")
    sender.stdin.close()
    signals.expect({RT: 50}, timeout=60)
    assert set(seen) == {RT}  # and the test's own handler was called
    sender.wait()
""",
    "chosen_signals": """
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
""",
    "it_stops_with_the_test": """
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
""",
    "an_exception_of_a_handler_is_the_tests": """
def test(signals):
    def handler(signum, frame):
        raise RuntimeError("from the handler")
    signal.signal(signal.SIGUSR1, handler)
    signals.record(signal.SIGUSR1)
    with pytest.raises(RuntimeError, match="from the handler"):
        threading.Timer(0.01, os.kill, (ME, signal.SIGUSR1)).start()
        signals.expect({signal.SIGUSR1: 2}, timeout=60)
    signals.expect({signal.SIGUSR1: 1})
""",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Runs modules in a session that finds the plugin by its entry point, and nothing else; returns
    what it printed, and of each test its failure ("" for none) and its output."""
    info = tmp_path_factory.mktemp("metadata") / "sigrec-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sigrec\nVersion: 0\n")
    points = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    lines = [
        f"{name} = {module}"
        for name, module in points["project"]["entry-points"]["pytest11"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    path = f"{info.parent}{os.pathsep}{Path(sigrec.__file__).parents[1]}"
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")}
    environment["SIGREC_DIR"] = str(tmp_path_factory.mktemp("run"))

    def run(modules, *args):
        directory = tmp_path_factory.mktemp("session")
        for name, code in modules.items():
            (directory / f"test_{name}.py").write_text(PRELUDE + code)
        options = [
            "-p",
            "no:cacheprovider",
            "-o",
            "junit_logging=system-out",
            "--junitxml=said.xml",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *args], cwd=directory,
            env={**environment, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout + done.stderr
        if not (directory / "said.xml").exists():
            return done.stdout, {}
        cases = {name: {} for name in modules}
        for case in xml.etree.ElementTree.parse(directory / "said.xml").iter("testcase"):
            assert case.find("error") is None and case.find("skipped") is None, done.stdout
            cases[case.get("classname").removeprefix("test_")][case.get("name")] = (
                case.findtext("failure", ""),
                case.findtext("system-out", ""),
            )
        return done.stdout, cases

    return run


@pytest.fixture(scope="module")
def cases(session):
    return session(TESTS)[1]


def failure(cases, name):
    """The one test's message, all that was said of it, and its output."""
    ((text, output),) = cases[name].values()
    assert text, "it passed"
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
    return " ".join(errors), text, output


@pytest.mark.parametrize(
    "name",
    [
        "what_was_expected_came",
        "it_waits",
        "chosen_signals",
        "it_stops_with_the_test",
        "an_exception_of_a_handler_is_the_tests",
    ],
)
def test_it_passes(cases, name):
    assert [text for text, _ in cases[name].values()] == [""] * TESTS[name].count("\ndef test")


def test_too_few(cases):
    message, said, _ = failure(cases, "too_few")
    assert message == "AssertionError: expected SIGUSR1 x 3, got 2"
    # The test's own line is shown, and not the plugin's.
    lines = said.splitlines()
    assert any(line.startswith(">       signals.expect(") for line in lines)
    assert "_pytest_plugin" not in said
    assert "signals = <signals: SIGUSR1 x 2>" in lines


def test_not_expected_and_who_sent_it(cases):
    message, _, output = failure(cases, "not_expected_and_who_sent_it")
    (pid,) = [line.split()[1] for line in output.splitlines() if line.startswith("SENDER")]
    began = f"AssertionError: expected SIGUSR1 x 2, got 1; SIGTERM from PID {pid} ("
    assert message.startswith(began)
    assert message.endswith(f"uid {os.getuid()}) was not expected")


def test_too_many(cases):
    message, _, output = failure(cases, "too_many")
    assert "ALLOWED" in output.splitlines()
    assert message.startswith("AssertionError: expected SIGUSR1 x 1, got 2 from PID ")


def test_what_is_not_recorded_is_not_said_to_be_0(cases):
    message, _, _ = failure(cases, "what_is_not_recorded_is_not_said_to_be_0")
    assert "expected SIGCHLD x 1, but it is not recorded" in message and "got 0" not in message
    assert "call signals.record(SIGCHLD) before it is sent" in message


def test_what_nobody_can_record(cases):
    message, _, _ = failure(cases, "what_nobody_can_record")
    assert message == "AssertionError: expected SIGKILL x 1, but no process can record it"


def test_exact_false_allows_others(cases):
    message, _, _ = failure(cases, "exact_false_allows_others")
    assert message.startswith("AssertionError: SIGTERM from PID ")


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
        "signal": signal,
    }  # looked at first
    with pytest.raises(ValueError) as caught:
        eval(f"signals.expect({arguments})", names)
    assert value in str(caught.value)


def test_a_bad_signal_leaves_what_is_recorded():
    signals = object.__new__(sigrec.SignalsFixture)
    with sigrec.record(signal.SIGWINCH) as signals._recorder:
        with pytest.raises(ValueError, match="SIGKILL"):
            signals.record(signal.SIGWINCH, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGWINCH)
        signals.expect({signal.SIGWINCH: 1})


def test_a_session_that_does_not_use_it_loads_nothing(session):
    unused = """
def test(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("sigrec")
    loaded = {name for name in sys.modules if name.startswith("sigrec")}
    assert loaded == {"sigrec", "sigrec._pytest_plugin"}
"""
    _, cases = session({"unused": unused})
    assert cases["unused"]["test"][0] == ""


def test_it_is_listed(session):
    said, _ = session({}, "--fixtures")
    assert re.search(r"(?m)^signals -- .*\n.*signals\.expect", said)
