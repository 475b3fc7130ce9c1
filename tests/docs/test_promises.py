"""Sentences of the docs that no block of code holds: what they quote is what the program says."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
import sigrec.cli
from sigrec._proc import host
from tests.conftest import sigqueue, wait_until
from tests.docs.test_docs import DOCS, ROOT, matches
from tests.proof.__main__ import PROOFS
from tests.reader.builder import RecordingBuilder, event


def page(name):
    return (DOCS / name).read_text()


def run_in_a_container(code, cwd):
    """As PID 1 of a namespace, recorded into run.sigrec; and its PID here."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(Path(sigrec.__file__).parent.parent)}
    (cwd / "app.py").write_text(code)
    outer = subprocess.Popen(
        [*command, "-m", "sigrec", "run", "-o", "run.sigrec", "app.py"],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    if outer.stdout.readline() != b"ready\n":
        pytest.skip(f"no PID namespace can be made: {outer.communicate()[1].decode().strip()}")
    (inner,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    return outer, int(inner)


def test_what_why_says_of_a_sender_outside_of_the_container(tmp_path, capsys):
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
print("ready", flush=True)
while True:
    time.sleep(1)
"""
    outer, inner = run_in_a_container(code, tmp_path)
    os.kill(inner, signal.SIGTERM)
    outer.communicate(timeout=60)
    said = sigrec.cli.main(["why", str(tmp_path / "run.sigrec")]) or capsys.readouterr().out
    (quoted,) = re.findall(r"^    (PID 1 .*)", page("howto/containers.md"), re.M)
    # How long it took, and what this Python is called, is not promised.
    plain = [
        re.sub(r"python[\d.]*", "python", re.sub(r"\d+(\.\d+)? (s|ms) after", "1 s after", text))
        for text in (quoted, said)
    ]
    assert matches(*plain), said


def test_what_why_says_from_outside_of_the_container(tmp_path, capsys):
    builder = RecordingBuilder(pid=1).ledger(
        15, 3, delivered=1, last=event(15, code=0, pid=0, uid=0)
    )
    builder.set(boot_id=host.boot_id().encode(), pid_namespace=2)
    assert sigrec.cli.main(["why", str(builder.write(tmp_path / "a.sigrec"))]) == 0
    (quoted,) = re.findall(r"`(its last signal was [^`]*)`", page("howto/containers.md"))
    assert quoted in capsys.readouterr().out


def test_sentences_of_why_that_a_page_names(run_directory, tmp_path, capsys):
    """In "If it says nothing"."""
    named = re.findall(r"^- \*([^*]+)\*", page("howto/who-sent-sigterm.md"), re.M)
    killed = RecordingBuilder().write(run_directory / "4242.sigrec")
    sent = (
        RecordingBuilder()
        .set(fatal_signal=15)
        .ledger(15, 3, delivered=1, last=event(15, pid=0, uid=0))
    )
    said = ""
    for path in (killed, sent.write(tmp_path / "b.sigrec")):
        assert sigrec.cli.main(["why", str(path)]) == 0
        said += capsys.readouterr().out
    assert named and all(words in said for words in named), said


def test_exit_statuses(child, tmp_path):
    table = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page("reference/cli.md"), re.M))
    assert set(table) == {"0", "1", "2", "130"}
    p = child("sigrec.register(RT, print); say('ready'); hear()")
    assert p.line() == "ready"
    for end in (signal.SIGINT, None):  # Ctrl-C; the reader of its output leaves
        tail = subprocess.Popen(
            [sys.executable, "-m", "sigrec", "tail", "-f", str(p.pid)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        sigqueue(p.pid, sigrec.signal_number("SIGRTMIN+2"))
        assert tail.stdout.readline()
        if end is None:
            tail.stdout.close()
        else:
            tail.send_signal(end)
        status = tail.wait(timeout=60)
        assert (status, tail.stderr.read()) == (1 if end is None else 130, b"")


def test_an_ignored_signal_is_dropped_unless_it_is_blocked():
    """docs/explanation/signals.md, "What a process cannot see"."""
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        signal.raise_signal(signal.SIGUSR2)
        assert signal.SIGUSR2 not in signal.sigpending()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        signal.raise_signal(signal.SIGUSR2)
        assert signal.SIGUSR2 in signal.sigpending()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        assert signal.SIGUSR2 not in signal.sigpending()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGUSR2, before)


def test_each_proof_that_is_listed_can_be_run_by_its_name():
    table = page("explanation/proof.md").partition("## What each shows")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.M)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(PROOFS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof", "nosuch"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and "nosuch" in done.stderr and "Traceback" not in done.stderr


def test_each_claim_about_security_has_a_test_that_is_there():
    text = page("explanation/security.md")
    claims = re.findall(r"^- (.*(?:\n  .*)*)", text, re.M)
    assert len(claims) > 15
    advice = "**Command lines may hold secrets**"
    without = [claim for claim in claims if "[" not in claim and not claim.startswith(advice)]
    assert without == []
    for place, tests in re.findall(
        r"`((?:tests/)?[\w/.]*test_[\w/.]+)`((?::? ?,?\s*\*[^*`]+\*)*)", text
    ):
        path = ROOT / (place if place.startswith("tests/") else f"tests/{place}.py")
        assert path.exists(), place
        for words in re.findall(r"\*([^*]+)\*", tests):
            assert "_".join(words.lower().replace("'", "").split()) in path.read_text(), (
                f"{place}: {words}"
            )


def test_later_handlers_are_recorded_too(signals):
    """The plugin's docstring says so."""
    called = []
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: called.append(signum))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        signals.expect({signal.SIGUSR1: 1})
        wait_until(lambda: called)
    finally:
        signal.signal(signal.SIGUSR1, before)


README = (ROOT / "README.md").read_text()


def test_the_first_screen_of_the_readme():
    """What it is, the question that it answers, and two commands that need nothing before them."""
    screen = "\n".join(README.splitlines()[:24])
    assert re.search(r"^\*\*.{40,140}\*\*$", screen, re.M)
    assert "sigrec why" in screen and "was terminated by SIGTERM, sent by" in screen
    commands = re.findall(r"^```sh\n(.*)\n```$", screen, re.M)
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert commands[0].endswith("/sigrec demo") and commands[1].endswith("/pytest")


def test_the_readme_has_every_verb_and_no_other():
    from sigrec.cli import VERBS

    table = README.partition("## The commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `sigrec (\w+)", table, re.M)) == set(VERBS)


def test_the_readmes_example(child):
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    assert len([line for line in code.splitlines() if line]) <= 5
    p = child(f"exec({code!r})\nsys.stdout.reconfigure(line_buffering=True)\nsay('ready')\nhear()")
    assert p.line() == "ready"
    os.kill(p.pid, signal.SIGTERM)
    assert re.match(rf"SIGTERM from PID {os.getpid()} \(.*\) at \d{{4}}-", p.line())
    p.tell()
    p.end()
