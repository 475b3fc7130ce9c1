"""``sigrec why``: what it says of real ends of real processes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sigrec
from sigrec._proc import host
from sigrec._proc.process import start_ticks
from sigrec._times import rounded_duration
from sigrec._why.answer import Answer
from sigrec._why.brief import state_words
from sigrec._why.cause import cause
from sigrec._why.heard import heard_of
from sigrec._why.masks import of_end, of_now
from sigrec._why.sentence import why
from sigrec.cli import main
from tests.conftest import file_name, unrecorded, wait_until
from tests.reader.builder import IDENTITY_AT, MONOTONIC, REALTIME, RecordingBuilder, event

ME = os.getpid()
COMM = open("/proc/self/comm").read().strip()
SECOND = 10**9


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def user():
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def in_short(sentence):
    """Without the command lines of senders, and their parents."""
    return re.sub(
        r"(called [^ ]+ just after)(?:: .*?)?\), a child of PID \d+ \([^)]*\)", r"\1)", sentence
    )


class Run:
    def __init__(self, code, cwd):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sigrec", "run", "-c", textwrap.dedent(code)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=cwd,
            process_group=0,  # not orphaned where the tests lead a session: SIGTSTP does stop it
        )  # fmt: skip
        self.pid = self.process.pid

    def ready(self):
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def why(self):
        self.process.communicate(timeout=60)
        with sigrec.open_recording(self.pid) as recording:
            sentence = why(recording)
        assert sentence.endswith(".") and "\n" not in sentence
        assert f"PID {self.pid} (" in sentence
        # Not twice, not never: when.
        return re.sub(r"\d\d:\d\d:\d\d", "TIME", sentence.partition("…) ")[2] or sentence)


@pytest.fixture
def run(tmp_path):
    started = []

    def start(code):
        started.append(Run(code + "\n" + "# a long program" * 9, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


WAIT = "import signal, os; os.write(1, b'ready\\n')\nwhile True: signal.pause()"


def test_killed_from_python(run):
    program = run(WAIT).ready()
    os.kill(program.pid, signal.SIGTERM)
    assert in_short(program.why()) == (
        f"was terminated by SIGTERM, sent by PID {ME} (user {user()}, called {COMM} just after), at TIME."
    )


def test_a_shell_that_is_called_by_its_name_alone(run):
    program = run(WAIT).ready()
    shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE)
    shell.stdin.write(f"kill {program.pid}\nread line\n".encode())
    shell.stdin.flush()
    program.process.wait(60)
    shell.communicate(b"\n")
    assert (
        f"sent by PID {shell.pid} (user {user()}, called sh just after), a child of"
        in program.why()
    )


def test_killed_from_a_shell(run, capsys):
    program = run(WAIT).ready()
    command = f"kill -HUP {program.pid}; read line"  # a shell that lives on, as a person's does
    shell = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE)
    program.process.wait(60)
    shell.communicate()
    assert program.why() == (
        f"was terminated by SIGHUP, sent by PID {shell.pid} (user {user()}, called sh just after: "
        f"sh -c {command}), a child of PID {ME} ({COMM}), at TIME."
    )
    assert main(["why", "--json", str(program.pid)]) == 0
    sender = json.loads(capsys.readouterr().out)["sender"]
    assert sender["argv"] == ["sh", "-c", command]
    assert sender["parent"] == {"pid": ME, "comm": COMM}


@pytest.mark.parametrize("at_its_end", [True, False])
def test_the_end_of_its_parent(at_its_end, run_directory, capsys):
    code = f"import ctypes; ctypes.CDLL(None).prctl(1, {int(signal.SIGTERM)})\n{WAIT}"
    start = f"""if 1:
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-m", "sigrec", "run", "-c", {code!r}])
        print(child.pid, flush=True)
        for line in sys.stdin:
            child.terminate()"""
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == b"ready\n"
        recording = sigrec.open_recording(pid)
        if not at_its_end:
            parent.stdin.write(b"\n")
            parent.stdin.flush()
            wait_until(lambda: recording.fatal_signal)
    wait_until(lambda: recording.state != "alive")
    sentence = why(recording)
    recording.close()
    assert main(["why", "--json", str(pid)]) == 0
    said = json.loads(capsys.readouterr().out)
    sender = said["sender"]["kind"], said["sender"]["pid"]
    by = f"its parent, PID {parent.pid}"
    came = [one["says"] for one in said["evidence"] if "came from" in one["says"]]
    if at_its_end:
        words = f"as the kernel sends it at a parent's end (PR_SET_PDEATHSIG): {by}, had ended, at "
        assert f" was terminated by SIGTERM, {words}" in sentence
        assert came[0].startswith(f"SIGTERM came from the kernel, at the end of {by} (")
        assert sender == ("kernel", None)
    else:
        assert f" was terminated by SIGTERM, sent by PID {parent.pid} (" in sentence
        assert came[0].startswith(f"SIGTERM came from PID {parent.pid} (")
        assert sender == ("process", parent.pid)


def test_killed_by_its_parent_after_another_signal(run):
    program = run("import signal; signal.signal(1, lambda *a: None)\n" + WAIT).ready()
    os.kill(program.pid, signal.SIGHUP)
    with sigrec.open_recording(program.pid) as recording:
        wait_until(lambda: recording.signals[1].delivered)
    program.process.terminate()
    whom = f"PID {ME} (user {user()}, called {COMM} just after)"
    assert re.fullmatch(
        re.escape(f"was terminated by SIGTERM, sent by {whom}, at TIME, ")
        + r"\d[\d.]* (ms|s) "
        + re.escape(f"after SIGHUP from {whom}."),
        in_short(program.why()),
    )


def test_timeout(tmp_path):
    process = subprocess.Popen(
        ["timeout", "600", sys.executable, "-m", "sigrec", "run", "-o", "r", "-c", WAIT],
        cwd=tmp_path, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGALRM)  # as its own timer does
    assert process.wait(60) == 124
    process.stdout.close()
    with sigrec.open_recording(tmp_path / "r") as recording:
        sentence = in_short(why(recording))
    assert (
        f"terminated by SIGTERM, sent by PID {process.pid} (user {user()}, called timeout just after)"
        in sentence
    )


def test_ctrl_c_in_a_terminal(run):
    for handled in (False, True):
        code = ("signal.signal(2, signal.SIG_DFL)\n" if handled else "") + WAIT.partition("; ")[2]
        pid, leader = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [
                sys.executable, "-m", "sigrec", "run", "-c", "import signal, os\n" + code.replace("os; ", "")
            ])  # fmt: skip
        said = b""
        while b"ready" not in said:
            said += os.read(leader, 1000)
        os.write(leader, b"\x03")
        os.waitpid(pid, 0)
        os.close(leader)
        with sigrec.open_recording(pid) as recording:
            sentence = why(recording)
        how = (
            "was terminated by SIGINT, Ctrl-C in its terminal, at"
            if handled
            else "was ended by a KeyboardInterrupt that nobody caught: SIGINT, Ctrl-C in its terminal, at"
        )
        assert how in sentence


@pytest.mark.parametrize("code, words", [
    ("import ctypes; ctypes.string_at(0)",
     r"was ended by SIGSEGV, a fault at address 0x0 \(nothing is mapped there\), at TIME\."),
    ("import os; os.abort()",
     r"was terminated by SIGABRT, sent by itself \(it aborted itself\), at TIME\."),
    ("import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); r, w = os.pipe(); os.close(r); os.write(w, b'x')",
     r"was terminated by SIGPIPE, sent by itself \(it wrote to a pipe or socket that nobody reads any more\), at TIME\."),
    ("import signal; signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()",
     r"was terminated by SIGALRM, from a timer \(its own timer ran out: alarm\(2\) or setitimer\(2\)\), at TIME\."),
    ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 9))\nwhile True: pass",
     r"was terminated by SIGXCPU, from the kernel \(it had used up its CPU time limit, RLIMIT_CPU\), at TIME\."),
    ("import resource, signal; signal.signal(signal.SIGXFSZ, 0); resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9)); open('f', 'w').write('x' * 99)",
     r"was terminated by SIGXFSZ, sent by itself \(it wrote past its file size limit, RLIMIT_FSIZE\), at TIME\."),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
     r"was killed by SIGKILL, sent by itself at TIME\."),
    ("import os; os.system(f'kill -9 {os.getpid()}')",
     r"ends without a signal and without an exit, which usually means SIGKILL: .*; "
     r"nothing more is known\."),
    ("import os, signal; signal.signal(6, lambda *a: None); os.abort()",
     r"ends without a signal and without an exit, after it had called abort\(3\), or raise\(3\) of SIGABRT, "
     r"at TIME, which did not return: most likely that ended it, .* last that it received was SIGABRT from itself, .*"),
    ("import os, signal; signal.signal(6, signal.SIG_IGN); os.abort()",
     r"ends .*, after it had called abort\(3\), .* at TIME, which did not return: .*; nothing more is known\."),
    ("import threading as t; t.stack_size(1 << 15); deep = []\nfor _ in range(900): deep = [deep]\n"
     "t.Thread(target=repr, args=(deep,)).start()",
     r".*; or a fault for which the kernel calls no handler, as when a stack overflows; nothing more is known\."),
    ("pass", r"exited by itself with status 0 at TIME\."),
    ("import sys; sys.exit(3)", r"exited by itself with status 3 at TIME\."),
    ("raise ValueError", r"exited with status 1 at TIME, by an exception that nobody caught: ValueError\."),
    ("class Odd(Exception): pass\nraise Odd", r".* nobody caught: Odd\."),
    ("import json; json.loads('{')", r".* nobody caught: json\.decoder\.JSONDecodeError\."),
    ("import os; os._exit(7)", r"ended itself by _exit\(2\) with status 7 at TIME\."),
    ("import os; os.execv('/bin/true', ['true'])",
     r"did not end, but became /bin/true by exec at TIME, which has ended since and whose signals are not in this recording\."),
])  # fmt: skip
def test_its_own_end(run, code, words):
    for _ in range(100):
        sentence = run(code).why()
        if "an unknown sender" not in sentence:
            break  # else the kernel had no room for what it is told by: RLIMIT_SIGPENDING
    assert re.fullmatch(words, sentence), sentence


def test_abort_that_its_handler_outlived(run):
    """abort(3) sends SIGABRT a second time, which nobody writes down."""
    code = "import os, signal; signal.signal(6, lambda *a: None); print('ready', flush=True); input(); os.abort()"
    program = run(code).ready()
    with sigrec.open_recording(program.pid) as recording:
        program.process.stdin.write(b"\n")
        program.process.stdin.flush()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert " was killed by SIGABRT, sent by itself at " in why(recording)
        program.process.wait()
        assert state_words(recording, cause(recording)).endswith("(abort(3), most likely)")


def test_sigabrt_from_itself_where_it_is_not_known_what_it_sent(tmp_path):
    """A process that only registers SIGABRT does not write down that it calls abort(3)."""
    last = event(6, MONOTONIC + SECOND, 0, code=-6, pid=4242)
    builder = RecordingBuilder().ledger(6, 3, delivered=1, last=last)
    builder.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
    first = "without an exit, after SIGABRT from itself: if abort(3) sent that, it also ended the process"
    assert first in sentence_of(builder, tmp_path)
    assert first not in sentence_of(builder.set(handling=6), tmp_path)


@pytest.mark.parametrize("later", ["nothing", "SIGCHLD", "a child", "a disposition", "a mask"])
def test_abort_that_the_process_may_have_outlived(tmp_path, later):
    """A handler can leave abort(3) by longjmp(3): then it never returns, and the process goes on."""
    after, own = MONOTONIC + SECOND, event(6, MONOTONIC + 1, 0, code=-6, pid=4242)
    builder = RecordingBuilder().ledger(6, 3, delivered=1, last=own)
    builder.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
    builder.sent(0, 6, 4242, how=4, result=2**31 - 1)
    if later == "SIGCHLD":
        builder.ledger(17, 3, delivered=1, last=event(17, after))
    elif later == "a child":
        builder.child(0, 77, 1, 0, after)
    elif later == "a disposition":
        builder.disposition(6, 0, monotonic_ns=after)
    elif later == "a mask":
        builder.mask(10, 0, monotonic_ns=after)
    sentence = sentence_of(builder, tmp_path)
    assert ("most likely that ended it" in sentence) is (later == "nothing")
    assert "a handler left it by longjmp(3)" in sentence


def test_exec_into_a_program_that_still_runs(run):
    program = run("import os; os.write(1, b'ready\\n'); os.execv('/bin/cat', ['cat'])").ready()
    wait_until(lambda: open(f"/proc/{program.pid}/comm").read() == "cat\n")
    with sigrec.open_recording(program.pid) as recording:
        assert "became /bin/cat by exec at " in why(recording)
        assert "which still has that PID" in why(recording)


def test_an_exec_that_failed_is_no_end(run):
    code = "import os, signal\ntry: os.execv('/nowhere', ['x'])\nexcept OSError: pass\n"
    assert run(code).why() == "exited by itself with status 0 at TIME."


def test_killed_without_a_word_after_a_signal_that_it_handled(run):
    program = run("import signal; signal.signal(15, lambda *a: None)\n" + WAIT).ready()
    os.kill(program.pid, signal.SIGTERM)
    with sigrec.open_recording(program.pid) as recording:
        wait_until(lambda: recording.signals[15].delivered)
    program.process.kill()
    sentence = program.why()
    assert "ends without a signal and without an exit, which usually means SIGKILL" in sentence
    assert (
        f"the last that it received was SIGTERM from PID {ME} (user {user()}, called {COMM}"
        in sentence
    )


def test_still_running_and_stopped(run):
    program = run(WAIT).ready()
    with sigrec.open_recording(program.pid) as recording:
        assert re.search(r"\) is still running; no signal is recorded\.", why(recording))
        os.kill(program.pid, signal.SIGTSTP)
        os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
        sentence = why(recording)
        assert "is stopped, and not ended; its last signal was SIGTSTP from PID" in sentence
        # It is stopped in the handler, which blocks nearly all: nothing to tell.
        assert "blocked" not in sentence
        os.kill(program.pid, signal.SIGTERM)
        assert "; 1 SIGTERM is pending, until it is continued." in why(recording)


def test_stopped_with_a_signal_that_stays_blocked(run):
    """It is stopped in our handler, which blocks nearly all; but this one stays so afterwards."""
    program = run("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n" + WAIT).ready()
    with sigrec.open_recording(program.pid) as recording:
        os.kill(program.pid, signal.SIGTSTP)
        os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
        os.kill(program.pid, signal.SIGTERM)
        sentence = why(recording)
        assert "; 1 SIGTERM is pending, blocked in every thread; SIGTERM: blocked by " in sentence
        assert "until it is continued" not in sentence


def test_a_second_signal_while_the_first_is_handled(child, run_directory):
    p = child(
        """
        def slow(signum, frame):
            say("handling")
            while True:
                signal.pause()
        sigrec.record(signal.SIGHUP)
        sigrec.register(signal.SIGTERM, slow)
        say("ready")
        while True:
            signal.pause()
        """
    )
    assert p.line() == "ready"
    os.kill(p.pid, signal.SIGTERM)
    assert p.line() == "handling"
    with sigrec.open_recording(p.pid) as recording:
        assert re.search(
            r"\) is still running, while it was still handling SIGTERM \(since [\d:]{8}\); its last",
            why(recording),
        )
        os.kill(p.pid, signal.SIGHUP)
        p.process.wait()
        sentence = why(recording)
    assert re.search(
        r"was terminated by SIGHUP, sent by PID .*, while it was still handling SIGTERM \(since .{8}\), "
        r"\d.* after SIGTERM from PID", sentence
    )  # fmt: skip


def test_the_second_of_the_same_signal(run):
    program = run(
        "import signal; signal.signal(15, lambda *a: signal.signal(15, signal.SIG_DFL))\n" + WAIT
    )
    program.ready()
    os.kill(program.pid, signal.SIGTERM)
    with sigrec.open_recording(program.pid) as recording:
        wait_until(lambda: recording.signals[15].delivered)
    status = open(f"/proc/{program.pid}/status")
    wait_until(lambda: status.seek(0) == 0 and "State:\tS" in status.read())
    os.kill(program.pid, signal.SIGTERM)
    assert re.search(r"terminated by SIGTERM, .* after an earlier SIGTERM from PID", program.why())


PARENT = """
import signal, subprocess, sys
signal.signal(signal.SIGCHLD, lambda *a: None)
children = [
    subprocess.Popen([sys.executable, "-c", code])
    for code in ("import time; time.sleep(100)", "import os; input(); os._exit(3)")
]
print(*(child.pid for child in children), flush=True)
for child in children:
    child.wait()
input()
"""


def test_its_parent_was_told(run, run_directory, tmp_path, capsys, monkeypatch):
    from sigrec._reader import places

    monkeypatch.setattr(places, "directories", lambda: [str(run_directory)])
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "--children", str(script)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed, other = map(int, parent.stdout.readline().split())
    wait_until(lambda: all((run_directory / file_name(pid)).exists() for pid in (killed, other)))
    os.kill(killed, signal.SIGKILL)
    with sigrec.open_recording(parent.pid) as recording:
        wait_until(lambda: recording.signals[signal.SIGCHLD].delivered)
    with sigrec.open_recording(killed) as recording:
        assert re.search(
            rf"was killed by SIGKILL, as its parent, PID {parent.pid} \(python[\d.]* .*\), was told at "
            r"\d\d:\d\d:\d\d; nobody was told who sent the signal\.$",
            why(recording),
        )
    assert main(["why"]) == 0
    assert capsys.readouterr().out.startswith(f"PID {killed} ")
    parent.communicate("go on\nend\n", timeout=60)
    # Not the process whose file is the newest, nor one whose recording does not say how it ended.
    assert main(["why"]) == 0
    assert capsys.readouterr().out.startswith(f"PID {parent.pid} ")


SUBREAPER = Path(__file__).with_name("subreaper.py")


@pytest.mark.parametrize("when", ["before", "after"])  # it began to record
def test_a_subreaper_is_told_of_orphans(run_directory, when):
    process = subprocess.Popen(
        [sys.executable, SUBREAPER, when], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        orphan = int(process.stdout.readline())
        subprocess.run(["sh", "-c", f"kill -9 {orphan}"], check=True)  # by nobody who records
        process.stdin.write("\n")
        process.stdin.flush()
        wait_until(lambda: not os.path.exists(f"/proc/{orphan}"))
        with sigrec.open_recording(orphan) as recording:
            told = f"was killed by SIGKILL, as its parent, PID {process.pid} "
            wait_until(lambda: told in why(recording))
        process.kill()


def test_whom_it_believes_to_be_the_parent(tmp_path):
    child = RecordingBuilder(pid=7).write(tmp_path / "7.sigrec")
    builder = (
        RecordingBuilder(pid=8).ledger(17, delivered=1).slot(0, event(17, code=2, pid=7, detail=9))
    )

    def told(builder):
        builder.write(tmp_path / "8.sigrec")
        with sigrec.open_recording(child) as recording:
            return "was killed by SIGKILL, as its parent, PID 8" in why(recording)

    assert told(builder)
    assert not told(
        RecordingBuilder(pid=8).ledger(17, delivered=1).slot(0, event(17, code=2, pid=6, detail=9))
    )
    # A stop is no end; and what came before the process began belongs to another one.
    assert not told(
        RecordingBuilder(pid=8).ledger(17, delivered=1).slot(0, event(17, code=5, pid=7, detail=19))
    )
    early = (
        RecordingBuilder(pid=8)
        .ledger(17, delivered=1)
        .slot(0, event(17, MONOTONIC - 1, code=2, pid=7, detail=9))
    )
    assert not told(early)
    assert not told(builder.set(pid_namespace=2))
    assert not told(builder.set(pid_namespace=1, boot_id=b"another"))
    builder.set(boot_id=RecordingBuilder().raw[112:152])
    RecordingBuilder(pid=7).identity(ppid=9).write(tmp_path / "7.sigrec")  # an orphan
    assert not told(builder)
    assert told(builder.identity(subreaper=1))
    child = RecordingBuilder(pid=7).write(tmp_path / "7.sigrec")
    if os.geteuid() == 0:
        assert told(builder)
        os.chown(tmp_path / "8.sigrec", 65534, 65534)
        with sigrec.open_recording(child) as recording:
            assert "SIGKILL, as its parent" not in why(recording)


@pytest.fixture
def sleeper():
    """The PID of a process that has no recording. (This one may have one by now.)"""
    with unrecorded("sleep", "60") as process:
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
        yield process.pid
        process.kill()


def test_of_a_pid_that_another_process_has_now(run_directory, capsys, monkeypatch, sleeper):
    builder = RecordingBuilder(pid=sleeper).set(
        exit_kind=1, boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace()
    )
    path = builder.write(run_directory / file_name(sleeper))
    assert main(["why", str(sleeper)]) == 0
    out, err = capsys.readouterr()
    assert f"PID {sleeper} (python3 worker.py) exited" in out
    assert re.match(
        rf"sigrec: PID {sleeper} \(sleep.*\) runs, and no recording of it is found; of an",
        err,
    )
    assert main(["why", str(path)]) == 0 and capsys.readouterr() == (out, "")
    for verb in (["stats"], ["tail"], ["export", "--format", "jsonl"]):
        assert main([*verb, str(sleeper)]) == 0 and capsys.readouterr().err.startswith(err.strip())
        assert main([*verb, str(path)]) == 0 and "runs" not in capsys.readouterr().err
    with monkeypatch.context() as of_another_namespace:  # in /proc that PID is another process
        of_another_namespace.setattr("sigrec._why.heard.names_ours", lambda: False)
        assert main(["why", str(sleeper)]) == 0 and capsys.readouterr() == (out, "")
        told = RecordingBuilder(pid=os.getpid()).set(
            boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace()
        )
        told.slot(0, event(17, code=1, pid=sleeper, detail=3)).ledger(17, delivered=1)
        told.write(run_directory / file_name(os.getpid()))
        assert heard_of(sleeper) is None  # it lives
    for ticks in (start_ticks(sleeper), 0):  # itself, by another program; not known
        builder.set(start_ticks=ticks).write(path)
        assert main(["why", str(sleeper)]) == 0 and capsys.readouterr()[1] == ""


def test_what_ends_nothing_comes_last(tmp_path):
    """As where a server shuts down: asked to by somebody, and then its children end."""
    asked = event(15, MONOTONIC, pid=77)
    ended = event(17, MONOTONIC + SECOND, code=1, pid=78)
    builder = RecordingBuilder().set(exit_kind=1, exit_status=0, exit_ns=MONOTONIC + 2 * SECOND)
    builder.ledger(15, 3, delivered=1, last=asked).ledger(17, 3, delivered=1, last=ended)
    assert re.search(
        r", 2\.0 s after SIGTERM from PID 77 .* and 1\.0 s after SIGCHLD from",
        sentence_of(builder, tmp_path),
    )


def test_only_registered_signals_say_less(child):
    p = child("sigrec.register(signal.SIGUSR1, print); say('ready'); hear()")
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        p.process.terminate()
        p.process.wait()
        sentence = why(recording)
    assert "or a signal that was not recorded here (SIGTERM, SIGINT, SIGHUP, ...)" in sentence


def test_a_registered_signal_whose_handler_was_replaced(child):
    p = child(
        """
        def handler(signum, frame):
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        sigrec.register(signal.SIGTERM, handler)
        say("ready")
        hear()
        """
    )
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        p.process.terminate()
        p.process.wait()
        sentence = why(recording)
    assert ", ...), or SIGTERM, if sigrec's handler had been replaced, or os._exit; " in sentence


def test_a_stop_that_came_before_the_end(tmp_path):
    """Its parent is told of it, and it is the cause that matters."""
    child = RecordingBuilder(pid=7).write(tmp_path / "7.sigrec")
    stop = event(17, MONOTONIC, code=5, pid=7, detail=19)
    go_on = event(17, MONOTONIC + 1, ordinal=1, code=6, pid=7, detail=18)
    end = event(17, MONOTONIC + SECOND, ordinal=2, code=2, pid=7, detail=9)
    parent = RecordingBuilder(pid=8).ledger(17, delivered=2).slot(0, stop).slot(1, end)
    parent.write(tmp_path / "8.sigrec")
    words = "was killed by SIGKILL, 1.0 s after it was stopped by SIGSTOP, as its parent, PID 8"
    with sigrec.open_recording(child) as recording:
        assert words in why(recording)
        parent.slot(1, go_on).slot(2, end).write(tmp_path / "8.sigrec")
        assert "was killed by SIGKILL, as its parent, PID 8" in why(recording)


def test_what_is_blocked_and_pending(run, capsys):
    program = run(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {15, signal.SIGRTMIN})\n" + WAIT
    )
    program.ready()
    with sigrec.open_recording(program.pid) as recording:
        assert "pending" not in why(recording)
        os.kill(program.pid, signal.SIGTERM)
        by = "; SIGTERM: blocked by <string>:2 since "
        assert f"; 1 SIGTERM is pending, blocked in every thread{by}" in why(recording)
        os.kill(program.pid, signal.SIGRTMIN)
        words = "1 SIGTERM, SIGRTMIN are pending, blocked in every thread"
        assert f"; {words}{by}" in why(recording)
    assert main(["stats", str(program.pid)]) == 0
    assert f"  {words}\n" in capsys.readouterr().out


def test_what_is_ignored_did_not_end_it(run):
    code = (
        "import os, signal; signal.signal(2, signal.SIG_IGN); os.system(f'kill -9 {os.getpid()}')"
    )
    sentence = run(code).why()
    assert "usually means SIGKILL" in sentence
    assert "not recorded" not in sentence
    assert "; SIGINT: " in sentence and "set to be ignored " in sentence


def test_a_handler_that_was_gone(tmp_path):
    """A signal ended it by default, and it had had a handler."""
    last = event(15, MONOTONIC + 2 * SECOND, 0, pid=(1 << 30) + 5, uid=1)
    builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
    builder.site(1, b"/srv/app.py", 12).site(2, b"/srv/framework.py", 8)
    builder.disposition(15, 0, 2, 3, 1, MONOTONIC)
    assert "app.py" not in sentence_of(builder, tmp_path)
    builder.disposition(15, 1, 0, 3, 2, MONOTONIC + SECOND)
    builder.disposition(15, 2, 2, 3, 1, MONOTONIC + 3 * SECOND)  # too late
    assert sentence_of(builder, tmp_path).endswith(
        "; SIGTERM: handler set by app.py:12, set to its default 1.0 s later by framework.py:8."
    )
    with sigrec.open_recording(tmp_path / "a.sigrec") as recording:
        said = [one.says for one in Answer(recording).evidence if "app.py" in one.says]
    assert len(said) == 1 and said[0].startswith("SIGTERM: handler set by app.py:12")


def test_what_it_ignores_is_why_it_still_runs(run):
    code = f"import signal; signal.signal(15, signal.SIG_IGN)\n{WAIT}"
    program = run(code).ready()
    with sigrec.open_recording(program.pid) as recording:
        assert "; SIGTERM: set to be ignored by <string>:" in why(recording)


@pytest.mark.parametrize(("code", "short"), [
    ("raise ValueError", "exited with status 1, by an exception: ValueError"),
    ("import sys; sys.exit(3)", "exited with status 3"),
    ("pass", "exited cleanly"),
    ("import os; os._exit(7)", "ended by _exit(2) with status 7"),
    ("import os; os.execv('/bin/true', ['true'])", "replaced by another program (exec): /bin/true"),
    ("import os; os.kill(os.getpid(), 15)", "ended by SIGTERM"),
    ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL, sent by itself"),
    ("import os; os.system(f'kill -9 {os.getpid()}')",
     "ended without recording a cause (SIGKILL, most often)"),
])  # fmt: skip
def test_stats_and_tail_say_the_same_in_short(run, capsys, code, short):
    program = run(code)
    program.why()
    assert main(["stats", str(program.pid)]) == 0
    assert capsys.readouterr().out.startswith(f"PID {program.pid}  {short}\n")
    assert main(["tail", "-f", str(program.pid)]) == 0
    assert capsys.readouterr().out.endswith(f"PID {program.pid} {short}\n")


def test_a_watchdogs_signal_says_so(tmp_path):
    """Of its parent: who aborts itself has not timed out, and anybody can type kill -ABRT."""
    for pid, is_said in ((1, True), (77, False), (4242, False)):
        last = event(6, MONOTONIC, pid=pid)
        builder = RecordingBuilder().identity(ppid=1).ledger(6, 3, delivered=1, last=last)
        said = ", as a watchdog sends it to one that has timed out, at 2026" in sentence_of(
            builder, tmp_path
        )
        assert said is is_said


@pytest.mark.parametrize("pid", [1, 4242])
def test_who_sent_it_is_the_senders_word_in_what_sigqueue_sends(tmp_path, pid):
    last = event(15, MONOTONIC, code=-1, pid=pid, uid=0)
    builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
    who = "itself" if pid == 4242 else "PID 1 (user root)"
    assert f"sent by a process that says it is {who}, at" in sentence_of(builder, tmp_path)


def test_a_parent_whose_recording_has_a_name(run_directory, tmp_path):
    """It explains its children, too, wherever its file is."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "--children", "-o", tmp_path / "out", str(script)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed, other = map(int, parent.stdout.readline().split())
    wait_until(lambda: all((run_directory / file_name(pid)).exists() for pid in (killed, other)))
    os.kill(killed, signal.SIGKILL)
    with sigrec.open_recording(parent.pid) as recording:
        assert recording.path == str(tmp_path / "out")
        wait_until(lambda: recording.signals[signal.SIGCHLD].delivered)
    with sigrec.open_recording(killed) as recording:
        assert f"was killed by SIGKILL, as its parent, PID {parent.pid} (" in why(recording)
    parent.communicate("go on\nend\n", timeout=60)


# --- recordings of elsewhere ---------------------------------------------------------------


def test_what_a_library_blocked_may_not_have_been_blocked_at_the_end(run_directory):
    """It may have been in sigsuspend(2), which nobody writes down."""
    builder = RecordingBuilder().site(1, b"/usr/bin/dash").disposition(15, 0, 1, 3, 1)
    builder.mask(0, 0, site=1, mask=(1 << 64) - 1)
    assert sentence_of(builder, run_directory).endswith("; SIGTERM: set to be ignored by dash.")
    with sigrec.open_recording(run_directory / "a.sigrec") as recording:
        assert of_now(recording) == {}
        assert of_end(recording, None) == {}
        assert of_end(recording, frozenset({15})).keys() == {15}
    builder.site(2, b"/srv/app.py", 12).mask(
        15, 0, site=2, mask=1 << 14, monotonic_ns=MONOTONIC + 1
    )
    assert "; SIGTERM: blocked by app.py:12 since " in sentence_of(builder, run_directory)


def sentence_of(builder, tmp_path):
    with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
        return why(recording)


def test_of_another_boot_or_another_machine(tmp_path, run_directory, monkeypatch):
    """Which of both, the boot's number does not say; but where a file lies and when it began may."""
    assert (
        "is of another machine, or of this one before it was last started, and cannot be seen from "
        "here; its recording has no end"
    ) in sentence_of(RecordingBuilder(), tmp_path)
    from time import time_ns

    of_now = RecordingBuilder().set(started_ns=time_ns())
    for place in (tmp_path, run_directory):
        assert "is of another machine, and cannot be seen from here" in sentence_of(of_now, place)
    with sigrec.open_recording(run_directory / "a.sigrec") as recording:
        assert recording.state == "unknown"
    assert "this machine has been started anew since" in sentence_of(
        RecordingBuilder(), run_directory
    )
    with sigrec.open_recording(run_directory / "a.sigrec") as recording:
        assert recording.state == "ended"
    # Where both machines have a number, that tells.
    monkeypatch.setattr(host, "machine_id", lambda: "a" * 32)
    for number, words in (
        (b"a" * 32, "this machine has been started anew"),
        (b"b" * 32, "is of another machine, and"),
    ):
        builder = RecordingBuilder()
        at = IDENTITY_AT + 136
        builder.raw[at : at + 32] = number
        for place in (tmp_path, run_directory):
            assert words in sentence_of(builder, place)
    said = RecordingBuilder().set(exit_kind=1, exit_status=3, exit_ns=MONOTONIC)
    assert "exited by itself with status 3 at" in sentence_of(said, tmp_path)


def test_a_sender_that_cannot_be_seen(tmp_path):
    last = event(15, MONOTONIC + SECOND, 0, code=0, pid=0, uid=0)
    builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
    assert sentence_of(builder, tmp_path) == (
        "PID 4242 (python3 worker.py) was terminated by SIGTERM, sent by an unknown sender, at "
        "2026-01-02 03:04:06."
    )


def test_the_name_that_the_handler_read(tmp_path):
    last = event(15, MONOTONIC + SECOND, 0, code=0, pid=977, uid=4_000_000_001)
    builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
    builder.sender(0, 15, 977, named_ns=MONOTONIC, name=b"systemd")
    assert "sent by PID 977 (uid 4000000001, called systemd just after), at" in sentence_of(
        builder, tmp_path
    )


def test_a_name_that_was_read_for_one_signal_is_that_of_all(tmp_path):
    """For ten seconds: after that the PID may be another process's, and the handler reads again."""
    for later, named in ((SECOND, True), (11 * SECOND, False)):
        last = event(15, MONOTONIC + later, code=0, pid=977, uid=4_000_000_001)
        builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
        builder.sender(0, 10, 977, named_ns=MONOTONIC, since_ns=MONOTONIC, name=b"bash")
        builder.sender(1, 15, 977, last_ns=MONOTONIC + later, uid=4_000_000_001)
        path = builder.write(tmp_path / "a.sigrec")
        with sigrec.open_recording(path) as recording:
            assert ("called bash just after" in why(recording)) is named
            assert (recording.signals[15].senders[0][0].comm == "bash") is named


def test_lost_detail(tmp_path):
    builder = RecordingBuilder().set(fatal_signal=15, fatal_ordinal=7).ledger(15, 3, delivered=8)
    assert "was terminated by SIGTERM; who sent it is not recorded." in sentence_of(
        builder, tmp_path
    )


def test_hostile_text_is_never_printed_raw(tmp_path, capsys):
    hostile = b"\x1b]0;owned\x07\x1b[2J\n\xc2\x9b31m"
    last = event(15, MONOTONIC, 0, pid=77)
    builder = RecordingBuilder(argv=[hostile]).ledger(15, 3, delivered=1, last=last)
    builder.sender(0, 15, 77, named_ns=MONOTONIC, name=hostile[:16])
    for fields in (
        {"fatal_signal": 15},
        {"exit_kind": 1, "exit_reason": hostile},
        {"exit_kind": 3, "exit_reason": hostile},
    ):
        path = builder.set(fatal_signal=0, exit_kind=0).set(**fields).write(tmp_path / "a.sigrec")
        assert main(["why", str(path)]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert all(c.isprintable() for c in out[:-1])


# --- which one -------------------------------------------------------------------------------


def test_without_an_argument_what_ended_last(run, monkeypatch, run_directory, tmp_path, capsys):
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    from sigrec._reader import places

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    RecordingBuilder().set(state=1).write(elsewhere / "4242.sigrec")
    monkeypatch.setattr(places, "directories", lambda: [str(run_directory), str(elsewhere)])
    assert main(["why"]) == 1  # SIGREC_DIR is set: what lies elsewhere is not meant
    assert f"no process of this user has a recording in {run_directory}" in capsys.readouterr().err
    alive = run(WAIT).ready()
    assert main(["why"]) == 0
    assert f"PID {alive.pid} (" in capsys.readouterr().out
    dead = run("import sys; sys.exit(5)")
    dead.process.wait()
    assert main(["why"]) == 0
    assert f"PID {dead.pid} (" in capsys.readouterr().out


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "text").write_text("hello")
    for what in (str(tmp_path / "text"), str(tmp_path / "none"), "4194399", ""):
        assert main(["why", what]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1


def test_the_clock_of_the_ends_is_the_recordings(tmp_path):
    builder = RecordingBuilder().set(exit_kind=1, exit_status=0, exit_ns=MONOTONIC + 60 * SECOND)
    assert REALTIME // SECOND % 60 == 5
    assert sentence_of(builder, tmp_path).endswith("with status 0 at 2026-01-02 03:05:05.")


@pytest.mark.parametrize(
    ("ns", "text"),
    [(1_234, "0.001 ms"), (99_999, "0.1 ms"), (951_000, "1 ms"), (999_999, "1 ms"),
     (1_600_000, "2 ms"), (9_960_000, "10 ms"), (94_000_000, "94 ms"), (96_000_000, "0.1 s"),
     (119_900_000_000, "119.9 s"), (121_000_000_000, "2 min"), (7_300_000_000_000, "2 h")],
)  # fmt: skip
def test_durations(ns, text):
    assert rounded_duration(ns) == text
