"""The program behaves as if nobody recorded: each kind of disposition, once without and once with.

Every program runs as it is, under ``sigrec run``, and with ``sigrec.record`` of its signals by
name; as an ordinary process, and as PID 1 of a namespace. What must be the same: the wait
statuses (stops, death and core dump included), what it prints, which calls are restarted.
"""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sigrec
from tests.compiling import library, needs_cc

pytestmark = needs_cc

PRELUDE = (Path(__file__).parent / "course.py").read_text()

# name: (program, the signals that it gets, those that run (without names) leaves alone)
CASES = {
    "terminate": ("kill(signal.SIGTERM); say('survived')", [signal.SIGTERM], []),
    "terminate by a real-time signal": ("kill(40); say('survived')", [40], []),
    "core": ("kill(signal.SIGQUIT); say('survived')", [signal.SIGQUIT], []),
    "abort": ("os.abort()", [signal.SIGABRT], []),
    "null pointer": ("ctypes.string_at(0)", [signal.SIGSEGV], []),
    "a fault sent": ("kill(signal.SIGSEGV); say('survived')", [signal.SIGSEGV], []),
    "stop": ("kill(signal.SIGTSTP); say('going on'); kill(signal.SIGTTOU); say('and on')",
             [signal.SIGTSTP, signal.SIGTTOU], []),
    "ignored by default": (
        """
        for signum in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT):
            kill(signum)
            say(signum, signal.getsignal(signum)); c.show(signum)
        """, [signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT],
        [signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT]),
    "SIG_IGN": (
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kill(signal.SIGTERM, 3); say(signal.getsignal(signal.SIGTERM)); c.show(signal.SIGTERM)
        kill(signal.SIGPIPE)
        while_blocked(signal.SIGTERM, lambda: os.write(w, b"x")); c_read(); os.wait()
        import subprocess  # what it starts inherits what is ignored: execve(2)
        say(subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True).stdout)
        """, [signal.SIGTERM, signal.SIGPIPE], [signal.SIGTERM, signal.SIGPIPE]),
    "Python handler": (
        """
        def handler(signum, frame):
            say("handler", signum, frame.f_lineno, frame.f_code.co_name, signal.getsignal(signum) is handler)
        signal.signal(signal.SIGUSR1, handler)
        for _ in range(3):
            kill(signal.SIGUSR1)
            say("after")
        c.show(signal.SIGUSR1)
        while_blocked(signal.SIGUSR1, lambda: os.write(w, b"x")); c_read()
        say(os.read(r, 9)); os.wait()
        signal.siginterrupt(signal.SIGUSR1, False)
        c.show(signal.SIGUSR1)
        while_blocked(signal.SIGUSR1, lambda: os.write(w, b"x")); c_read(); os.wait()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN); kill(signal.SIGUSR1); c.show(signal.SIGUSR1)
        say(signal.signal(signal.SIGUSR1, signal.SIG_DFL)); c.show(signal.SIGUSR1)
        kill(signal.SIGUSR1); say("survived")
        """, [signal.SIGUSR1], []),
    "Python handler, wakeup fd and mask": (
        """
        a, b = os.pipe()
        os.set_blocking(b, False)
        say(signal.set_wakeup_fd(b))
        signal.signal(signal.SIGUSR1, lambda s, f: say("handler", s))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        kill(signal.SIGUSR1); say("blocked", signal.sigpending())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        say(os.read(a, 9), signal.set_wakeup_fd(-1))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        kill(signal.SIGUSR1); say(signal.sigwait([signal.SIGUSR1]))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        thread = threading.Thread(target=lambda: kill(signal.SIGUSR1)); thread.start(); thread.join()
        say("end")
        """, [signal.SIGUSR1], []),
    "C handler": (
        """
        SA_NODEFER, SA_RESTART, SA_RESETHAND = 0x40000000, 0x10000000, 0x80000000
        RT = 36
        c.install(RT, SA_NODEFER, signal.SIGUSR2); c.show(RT)
        while libc.sigqueue(me, RT, ctypes.c_void_p(1234)): pass  # no room
        c.install(RT, 0, 0); kill(RT)
        while_blocked(RT, lambda: os.write(w, b"x")); c_read(); say(os.read(r, 9)); os.wait()
        c.install(RT, SA_RESTART, 0)
        while_blocked(RT, lambda: os.write(w, b"x")); c_read(); os.wait()
        c.install_plain(signal.SIGUSR1); kill(signal.SIGUSR1, 2); c.show(signal.SIGUSR1)
        c.install(RT, ctypes.c_int(SA_RESETHAND), 0); kill(RT); c.show(RT); kill(RT); say("survived")
        """, [36, signal.SIGUSR1], []),
    "faulthandler": ("faulthandler.enable(); ctypes.string_at(0)", [signal.SIGSEGV], []),
    "faulthandler, abort": ("faulthandler.enable(); os.abort()", [signal.SIGABRT], []),
    "faulthandler.register": (
        """
        faulthandler.register(signal.SIGUSR1); kill(signal.SIGUSR1, 2); c.show(signal.SIGUSR1)
        say(faulthandler.unregister(signal.SIGUSR1)); c.show(signal.SIGUSR1)
        faulthandler.register(signal.SIGUSR2, chain=True); kill(signal.SIGUSR2); say("survived")
        """, [signal.SIGUSR1, signal.SIGUSR2], []),
    "default_int_handler": (
        """
        try:
            kill(signal.SIGINT)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        def slow():
            kill(signal.SIGINT)
        slow()
        """, [signal.SIGINT], []),
    "children": (
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
        if os.fork() == 0: os._exit(3)
        try:
            os.wait()
        except ChildProcessError as error:
            say(error)
        c.install(signal.SIGCHLD, 1, 0)  # SA_NOCLDSTOP: not told of stops
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGSTOP); os._exit(4)
        say(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
        os.kill(pid, signal.SIGCONT)
        say(os.waitpid(pid, 0)[1])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if os.fork() == 0: os._exit(5)
        say(os.wait()[1])
        import subprocess
        say(subprocess.run(["sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status"], capture_output=True).stdout)
        """, [signal.SIGCHLD], []),
}  # fmt: skip
# By name it begins after faulthandler was enabled.
CASES["faulthandler of before"] = CASES["faulthandler"]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    source = Path(__file__).with_name("course.c")
    return library(source, tmp_path_factory.mktemp("course") / "course.so")


def can_unshare():
    done = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True)
    return done.returncode == 0


def run(command, directory, **environment):
    """All wait statuses to the last, what it printed, and its stderr without addresses."""
    out, err = directory / "out", directory / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=directory,
            env={**os.environ, **environment}, process_group=0,
        )  # fmt: skip
        statuses = []
        while True:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            statuses.append(status)
            if not os.WIFSTOPPED(status):
                break
            os.killpg(process.pid, signal.SIGCONT)
        process.returncode = 0
    errors = re.sub(r"0x[0-9a-f]{8,}", "0x...", err.read_text())
    # faulthandler lists what extension modules are loaded: the one difference, and a true one.
    ours = "\nExtension modules: sigrec._core (total: 1)\n"
    errors = errors.replace(ours, "")
    # From 3.14 on it shows the C stack too, where our handler called faulthandler's.
    stack = r"\nCurrent thread's C stack trace \(most recent call first\):\n(  .*\n)*"
    errors = re.sub(stack, "", errors)
    return statuses, out.read_text(), errors


# What the kernel does otherwise for PID 1 is that it takes no default action of it: pid_namespaces(7).
DIFFERENT = ["terminate", "core", "null pointer", "stop", "SIG_IGN", "Python handler", "C handler"]


def places(case):
    marks = [] if case in DIFFERENT else [pytest.mark.long]
    return [(case, "ordinary"), pytest.param(case, "PID 1", marks=marks)]


@pytest.mark.parametrize("case, place", [each for case in CASES for each in places(case)])
def test_nobody_notices(case, place, course, tmp_path):
    if place == "PID 1" and not can_unshare():
        pytest.skip("no PID namespace can be made here")
    program, signums, left_alone = CASES[case]
    code = PRELUDE + textwrap.dedent(program)
    numbers = [int(signum) for signum in signums]
    begin = f"""if True:
        import sigrec
        {"faulthandler.enable()" if "before" in case else ""}
        sigrec.configure(recording={str(tmp_path / "named.sigrec")!r})
        sigrec.record(*{numbers})
        sys.modules.pop("sigrec")
    """
    prefix = ["unshare", "--pid", "--fork"] if place == "PID 1" else []
    plain = [*prefix, sys.executable, "-c", code]
    under_run = [*prefix, sys.executable, "-m", "sigrec", "run", "-o", "run.sigrec", "-c", code]
    environment = {"COURSE": str(course), "BEGIN": "", "PYTHONFAULTHANDLER": ""}
    expected = run(plain, tmp_path, **environment)
    assert run(under_run, tmp_path, **environment) == expected
    assert run(plain, tmp_path, **{**environment, "BEGIN": begin}) == expected

    with sigrec.open_recording(tmp_path / "run.sigrec") as recording:
        for number in numbers:
            stats = recording.signals.get(number)
            delivered = stats.delivered if stats else 0
            assert (delivered > 0) == (number not in left_alone), number
            if stats:
                assert stats.delivered == stats.recorded + stats.dropped
    with sigrec.open_recording(tmp_path / "named.sigrec") as recording:
        for number in numbers:
            stats = recording.signals[number]
            assert stats.delivered == stats.recorded > 0
            assert stats.senders
