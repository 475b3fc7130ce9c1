"""A program that forbids itself system calls, seccomp(2): its signals do what they did without us."""

import platform
import signal
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the filters here are for Linux on x86-64",
)

# Of the handler, and of what it calls: csrc/handler/handler.c, csrc/handler/course.c.
CALLS = {
    "gettid": 186, "getpid": 39, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigpending": 127,
    "rt_sigtimedwait": 128, "rt_tgsigqueueinfo": 297, "tgkill": 234, "kill": 62, "openat": 257,
    "close": 3, "mremap": 25, "timer_create": 222,
}  # fmt: skip

DENY = (Path(__file__).parent / "denies.py").read_text()  # how programs begin here


def sandboxed(child, code):
    return child(DENY + textwrap.dedent(code))


HOW = {
    "register": "sigrec.register(RT, lambda s, f: got.append(s))",
    "record": "signal.signal(RT, lambda s, f: got.append(s)); sigrec.record()",
}


@pytest.mark.parametrize("action", ["KILL", "TRAP", "EPERM", "ENOSYS"])
@pytest.mark.parametrize("how", HOW)
def test_handled_signals(child, how, action):
    """Everything that our handler could do without is forbidden, and a burst comes."""
    p = sandboxed(
        child,
        """
        got = []
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        sender("for _ in range(50): sigqueue(parent, RT)")
        %s
        deny(%r, %s, by_syscall=%r)
        os.close(w)
        while len(got) < %d: pass
        os.write(1, b"alive\\n")
        os._exit(0)
        """
        % (
            HOW[how],
            [n for c, n in CALLS.items() if c != "close"],
            action,
            action == "TRAP",
            50 if how == "register" else 1,  # signal.signal() keeps one flag
        ),
    )  # fmt: skip
    assert p.line() == "alive"
    p.end()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("action", ["KILL", "EPERM"])
def test_a_default_action_with_one_call_refused(child, call, action):
    p = sandboxed(
        child,
        """
        recorder = sigrec.record()
        deny([%d], %s)
        os.write(1, b"ready\\n")
        while True: time.sleep(1)
        """
        % (CALLS[call], action)
    )  # fmt: skip
    p.line()
    p.process.send_signal(signal.SIGTERM)
    # Without rt_sigaction there is no default action to ask for: what a shell would say.
    p.end(128 + signal.SIGTERM if call == "rt_sigaction" else -signal.SIGTERM)


def test_an_exit_without_files(child):
    """The recording stays, since to remove it would be the end."""
    p = sandboxed(
        child,
        """
        sigrec.register(RT, lambda s, f: None)
        deny([257, 2, 87, 263, 262, 4, 6], KILL)  # openat, open, unlink, unlinkat, stat and the like
        status = 0
        if sys.version_info < (3, 12):  # whose os.fork() opens /proc/self/stat itself
            pid = os.fork()
            if pid == 0:
                with_room(signal.raise_signal, RT)  # nor is a place looked for, for the child's recording
                os._exit(0)
            status = os.waitpid(pid, 0)[1]
        say(status)
        sys.stdout.flush()
        _core.say_goodbye()
        os._exit(0)
        """
    )  # fmt: skip
    assert p.line() == "0"
    p.end()


def test_a_filter_that_was_refused_forbids_nothing(child):
    p = sandboxed(
        child,
        """
        sigrec.register(RT, lambda s, f: None)
        libc.prctl(22, 2, None, 0, 0)
        libc.prctl(22, 3, 0, 0, 0)
        say(libc.syscall(317, 0, 1, None), _core.may_open())
        deny([257], EPERM)
        say(_core.may_open())
        deny([257], KILL)
        say(_core.may_open())
        """
    )  # fmt: skip
    assert p.line() == "-1 True"
    assert p.line() == "True"
    assert p.line() == "False"
    p.kill()


def test_a_raw_child_is_no_vfork_child(child):
    """clone(2) by itself: no fork hook has run in it. A signal by nobody known does no harm."""
    p = sandboxed(
        child,
        """
        sigrec.register(signal.SIGUSR1, lambda s, f: None)
        pid = libc.syscall(56, 17, 0, 0, 0, 0)  # as fork(2) does it
        if pid == 0:
            info = struct.pack("iiiiii", signal.SIGUSR1, 0, 0, 0, 0, 0) + bytes(104)
            libc.syscall(297, libc.syscall(39), libc.syscall(186), signal.SIGUSR1, info)
            os._exit(3)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )  # fmt: skip
    assert p.line() == "3"
    p.end()
