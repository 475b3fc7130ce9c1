"""sigrec.compat: what the documentation of ``signal`` promises, function by function; CPython's own
tests of it; and programs written for it."""

import importlib.util
import inspect
import json
import os
import pickle
import pty
import signal as standard
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import sigrec
from sigrec import compat
from tests.conftest import RT, sigqueue

ME = os.getpid()
USR1, USR2, ALRM = standard.SIGUSR1, standard.SIGUSR2, standard.SIGALRM


@pytest.fixture(autouse=True)
def dispositions():
    before = {n: standard.getsignal(n) for n in (USR1, USR2, ALRM, standard.SIGINT, RT)}
    yield
    compat.uninstall()
    for signum, handler in before.items():
        compat.signal(signum, compat.SIG_DFL)
        standard.signal(signum, handler)
        assert standard.getsignal(signum) == handler


# --- the surface ------------------------------------------------------------------------


def test_every_public_name_is_there_and_the_same():
    names = {name for name in dir(standard) if not name.startswith("_")}
    assert len(names) > 50
    for name in names - {"signal", "getsignal"}:
        assert getattr(compat, name) is getattr(standard, name), name
    for name in ("signal", "getsignal"):
        assert getattr(compat, name).__module__ == "signal"
        ours, theirs = (
            inspect.signature(getattr(compat, name)),
            inspect.signature(getattr(standard, name)),
        )
        assert list(ours.parameters) == list(theirs.parameters)


def test_the_enums_stay_the_standard_ones():
    assert pickle.loads(pickle.dumps(compat.SIGUSR1)) is standard.SIGUSR1
    assert repr(compat.Signals(15)) == "<Signals.SIGTERM: 15>"
    assert compat.Signals.__module__ == "signal"


# --- signal(), getsignal() ------------------------------------------------------------------


def test_a_call_for_each_delivery():
    calls = []
    compat.signal(RT, lambda signum, frame: calls.append((type(signum), signum, frame)))
    sent, _, _ = sigrec._core.flood(ME, RT, 1000, True, 60_000_000_000)  # in C: no handler runs
    while len(calls) < 1000:
        pass
    assert sent == len(calls) == 1000
    assert {(kind, n) for kind, n, _ in calls} == {(int, int(RT))}
    assert all(inspect.isframe(frame) for *_, frame in calls)


def test_it_returns_what_was_before_and_getsignal_shows_it():
    def first(s, f): ...
    def second(s, f): ...

    assert compat.getsignal(USR1) is standard.SIG_DFL
    assert compat.signal(USR1, first) is standard.SIG_DFL
    assert compat.getsignal(USR1) is first
    assert compat.signal(USR1, second) is first
    assert compat.signal(USR1, compat.SIG_IGN) is second
    assert compat.getsignal(USR1) is standard.SIG_IGN
    os.kill(ME, USR1)  # ignored
    assert compat.signal(USR1, first) is standard.SIG_IGN
    assert compat.signal(USR1, compat.SIG_DFL) is first
    assert compat.getsignal(USR1) is standard.SIG_DFL
    assert compat.signal(USR1, 0) is standard.SIG_DFL
    assert sigrec.stats()[USR1].mode != "registered"


def test_what_was_there_before_can_be_put_back():
    """Also where it is sigrec's own handler, which stands for those of sigrec.register()."""
    calls = []
    with sigrec.register(USR1, lambda s, f: calls.append("registered")) as registration:
        before = compat.signal(USR1, lambda s, f: calls.append("set"))
        standard.raise_signal(USR1)
        compat.signal(USR1, before)
        standard.raise_signal(USR1)
        assert calls == ["set", "registered"]
        assert registration.active
    compat.signal(USR1, before)  # it stands for nothing now
    os.kill(ME, USR1)
    assert calls == ["set", "registered"]
    compat.signal(USR1, compat.SIG_DFL)


def test_a_handler_may_be_false():
    class Handlers(list):
        def __call__(self, signum, frame): ...

    handlers = Handlers()
    compat.signal(USR1, handlers)
    assert compat.getsignal(USR1) is handlers
    assert compat.signal(USR1, compat.SIG_DFL) is handlers


def test_of_a_handler_that_python_does_not_know_it_is_none(child):
    p = child(
        """
        import faulthandler, sigrec.compat as compat
        faulthandler.register(10, chain=False)  # before Python looked
        say(compat.getsignal(10) == signal.getsignal(10))
        """
    )
    assert p.line() == "True"
    p.end()


def test_beside_the_standard_one():
    """What others set with signal.signal is seen, replaced, and given back."""

    def theirs(s, f): ...
    def ours(s, f): ...

    standard.signal(USR1, theirs)
    assert compat.getsignal(USR1) is theirs
    assert compat.signal(USR1, ours) is theirs
    standard.signal(USR1, theirs)
    assert compat.getsignal(USR1) is theirs
    assert compat.signal(USR1, ours) is theirs
    assert compat.getsignal(USR1) is ours
    calls = []
    assert compat.signal(USR1, lambda s, f: calls.append(s)) is ours
    os.kill(ME, USR1)
    assert calls == [USR1]


@pytest.mark.parametrize("arguments", [
    (USR1, None), (USR1, 2), (USR1, "SIG_IGN"), (0, print), (65, print), (-1, print), ("x", print),
    (None, print), (standard.SIGKILL, print), (standard.SIGSTOP, print), (32, print), (1 << 70, print),
])  # fmt: skip
def test_it_raises_what_the_standard_one_raises(arguments):
    with pytest.raises(Exception) as theirs:
        standard.signal(*arguments)
    compat.signal(USR1, print)
    with pytest.raises(Exception) as ours:
        compat.signal(*arguments)
    assert (ours.type, str(ours.value)) == (theirs.type, str(theirs.value))
    assert compat.getsignal(USR1) is print  # and nothing has changed


@pytest.mark.parametrize("bad", [0, 65, "x", None])
def test_getsignal_raises_what_the_standard_one_raises(bad):
    with pytest.raises(Exception) as theirs:
        standard.getsignal(bad)
    with pytest.raises(theirs.type) as ours:
        compat.getsignal(bad)
    assert str(ours.value) == str(theirs.value)


def test_off_the_main_thread():
    errors = []

    def other():
        for module in (standard, compat):
            try:
                module.signal(USR1, print)
            except ValueError as error:
                errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 2 and errors[0] == errors[1]


def test_a_handler_is_interrupted_by_its_own_signal():
    depths, inside = [], []

    def handler(signum, frame):
        inside.append(1)
        depths.append(len(inside))
        if len(depths) < 5:
            os.kill(ME, USR1)
        inside.pop()

    compat.signal(USR1, handler)
    os.kill(ME, USR1)
    assert depths == [1, 2, 3, 4, 5]


def test_an_exception_surfaces_where_the_signal_came():
    class Stop(Exception): ...

    def handler(signum, frame):
        raise Stop(frame.f_code.co_name)

    compat.signal(USR1, handler)

    def interrupted():
        os.kill(ME, USR1)
        for _ in range(10**9):
            pass

    with pytest.raises(Stop, match="interrupted"):
        interrupted()


def test_several_ctrl_c_are_one_keyboard_interrupt():
    assert compat.signal(standard.SIGINT, compat.default_int_handler) is not None
    with pytest.raises(KeyboardInterrupt):
        sigrec._core.flood(ME, standard.SIGINT, 3, False, 60_000_000_000)
        for _ in range(10**9):
            pass
    for _ in range(1000):
        pass  # and no second one in the cleanup


# --- the others, with a handler of compat's ---------------------------------------------------


@pytest.fixture
def calls():
    seen = []
    compat.signal(USR1, lambda signum, frame: seen.append(signum))
    compat.signal(ALRM, lambda signum, frame: seen.append(signum))
    return seen


def test_raise_signal_pthread_kill_and_pidfd(calls):
    compat.raise_signal(USR1)
    assert calls == [USR1]
    compat.pthread_kill(threading.get_ident(), USR1)
    assert calls == [USR1] * 2
    if hasattr(compat, "pidfd_send_signal"):
        with open(os.pidfd_open(ME)) as pidfd:
            compat.pidfd_send_signal(pidfd.fileno(), USR1)
        assert calls == [USR1] * 3


def test_alarm_setitimer_getitimer_and_pause(calls):
    assert compat.alarm(100) == 0
    assert 0 < compat.alarm(0) <= 100
    compat.setitimer(compat.ITIMER_REAL, 0.01)
    compat.pause()
    assert calls == [ALRM]
    compat.setitimer(compat.ITIMER_REAL, 100, 50)
    assert compat.getitimer(compat.ITIMER_REAL)[1] == 50
    compat.setitimer(compat.ITIMER_REAL, 0)
    with pytest.raises(compat.ItimerError):
        compat.setitimer(compat.ITIMER_REAL, -1)


def test_masks_and_waiting(child):
    """In a process of its own: here other threads, which do not block it, may be left."""
    p = child(
        """
        import sigrec.compat as compat
        calls, ME = [], os.getpid()
        compat.signal(10, lambda s, f: calls.append(s))
        compat.pthread_sigmask(compat.SIG_BLOCK, {10})
        os.kill(ME, 10)
        say(calls, 10 in compat.sigpending(), compat.sigwait({10}))
        os.kill(ME, 10)
        say(compat.sigwaitinfo({10}).si_pid == ME, compat.sigtimedwait({10}, 0), calls)
        os.kill(ME, 10)
        compat.pthread_sigmask(compat.SIG_UNBLOCK, {10})
        say(calls)
        """
    )
    assert p.line() == "[] True 10"
    assert p.line() == "True None []"  # waited for, and not handled
    assert p.line() == "[10]"
    p.end()


def test_siginterrupt_and_that_a_new_handler_resets_it(child):
    """sleeping in read(2) of C, which returns EINTR or goes on."""
    p = child(
        """
        import ctypes, sigrec.compat as compat
        libc = ctypes.CDLL(None, use_errno=True)
        libc.siginterrupt  # there is such a function
        RESTART = 0x10000000
        def flags():
            # struct sigaction, x86-64 and aarch64: handler, mask (128 bytes), flags
            raw = (ctypes.c_char * 152)()
            assert libc.sigaction(10, None, raw) == 0
            return int.from_bytes(raw[136:140], sys.byteorder)
        compat.signal(10, print)
        say(flags() & RESTART)
        compat.siginterrupt(10, False)
        say(flags() & RESTART == RESTART)
        compat.signal(10, len)
        say(flags() & RESTART)
        """
    )
    assert [p.line(), p.line(), p.line()] == ["0", "True", "0"]
    p.end()


def test_set_wakeup_fd(calls):
    r, w = os.pipe()
    os.set_blocking(w, False)
    try:
        assert compat.set_wakeup_fd(w) == -1
        os.kill(ME, USR1)
        os.kill(ME, ALRM)
        assert sorted(os.read(r, 10)) == [USR1, ALRM]
    finally:
        assert compat.set_wakeup_fd(-1) == w
        os.close(r)
        os.close(w)


def test_after_fork_and_in_exec(child):
    p = child(
        """
        import subprocess, sigrec.compat as compat
        calls = []
        compat.signal(10, lambda s, f: calls.append(s))
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), 10)
            os._exit(len(calls))
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), len(calls))
        code = "import signal; print(signal.getsignal(10) == signal.SIG_DFL, flush=True)"
        subprocess.run([sys.executable, "-c", code])
        """
    )
    assert p.line() == "1 0"
    assert p.line() == "True"
    p.end()


# --- install() -------------------------------------------------------------------------------


def test_install_and_uninstall():
    before = (standard.signal, standard.getsignal)
    compat.install()
    compat.install()
    calls = []
    assert standard.signal(RT, lambda s, f: calls.append(s)) == standard.SIG_DFL
    sigrec._core.flood(ME, RT, 100, True, 60_000_000_000)
    while len(calls) < 100:
        pass
    compat.uninstall()
    compat.uninstall()
    assert (standard.signal, standard.getsignal) == before
    sigqueue(ME, RT)  # what was set stays
    assert len(calls) == 101


def test_libraries_under_install():
    """asyncio's handlers, its children, and a pool."""
    program = Path(__file__).with_name("under_install.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=100)
    assert done.stdout == "registered\n3\nTrue\n285\ntimeout\n", done.stderr


# --- CPython's own tests ------------------------------------------------------------------------

# Not ours to pass: every function of the module must say that it is signal's; install() is not.
LEFT_OUT = {"test_functions_module_attr"}
SLOWEST = "SiginterruptTest.test_siginterrupt_off"


def run_cpythons(names, fault=""):
    """Starts those of its tests, with a fault planted in each Python that they start, which 24 of
    them do: there, too, `signal` is compat."""
    program = str(Path(__file__).with_name("runs_cpythons.py"))
    command = [sys.executable, program, *map(json.dumps, (names, fault, SLOWEST))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


needs_cpythons = pytest.mark.skipif(
    not importlib.util.find_spec("test.test_signal"), reason="no CPython tests here"
)


@needs_cpythons
def test_cpythons_own_tests():
    import unittest

    import test.test_signal as tests

    names = [
        f"{name}.{method}"
        for name, found in vars(tests).items()
        if isinstance(found, type) and issubclass(found, unittest.TestCase)
        for method in unittest.defaultTestLoader.getTestCaseNames(found)
        if method not in LEFT_OUT
    ]
    # Most of the slow ones sleep: so several at a time, and the slowest one alone.
    names.remove(SLOWEST)
    groups = [[SLOWEST], *(names[n::8] for n in range(8))]
    running = [(group, run_cpythons(group)) for group in groups]
    total = of_children = 0
    for group, process in running:
        out, errors = process.communicate(timeout=200)
        run, failures, wrong, started = map(int, out.split()[-4:])
        assert (failures, wrong) == (0, 0), f"{group}: {errors}"
        total += run
        of_children += started
    assert total > 40
    assert of_children > 20


@needs_cpythons
def test_what_cpythons_own_tests_start_uses_compat():
    names = [
        "PendingSignalsTests.test_pthread_kill",
        "PendingSignalsTests.test_pthread_sigmask",
        "PendingSignalsTests.test_sigpending",
    ]
    never_called = """
real = sigrec.compat.signal
sigrec.compat.signal = lambda signum, handler: real(signum, lambda *args: None)
"""
    process = run_cpythons(names, never_called)
    out, errors = process.communicate(timeout=200)
    run, failures, wrong, started = map(int, out.split()[-4:])
    assert failures + wrong == run == len(names) <= started, errors


# --- programs ------------------------------------------------------------------------------------

MODULES = pytest.mark.parametrize("module", ["signal", "sigrec.compat"])


def start(code, module):
    """The program as it was written, and with the import replaced."""
    program = textwrap.dedent(code).replace("import signal\n", f"import {module} as signal\n")
    assert f"import {module} as signal" in program
    return program


def test_the_example_of_the_documentation(tmp_path):
    """https://docs.python.org/3/library/signal.html#examples: open() of a device that may hang."""
    os.mkfifo(tmp_path / "fifo")
    code = """
    import signal
    import os, sys

    def handler(signum, frame):
        signame = signal.Signals(signum).name
        print(f'Signal handler called with signal {signame} ({signum})', flush=True)
        raise OSError("Couldn't open device!")

    # Set the signal handler and a 1-second alarm
    signal.signal(signal.SIGALRM, handler)
    signal.alarm(1)

    try:
        fd = os.open(sys.argv[1], os.O_RDONLY)  # hangs: nobody writes
    except OSError as error:
        print(error)

    signal.alarm(0)          # Disable the alarm
    """
    # Both at once: alarm() knows whole seconds only.
    for started in [
        subprocess.Popen(
            [sys.executable, "-c", start(code, module), tmp_path / "fifo"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for module in ("signal", "sigrec.compat")
    ]:  # fmt: skip
        out, errors = started.communicate(timeout=60)
        assert out == "Signal handler called with signal SIGALRM (14)\nCouldn't open device!\n", (
            errors
        )


@MODULES
def test_a_ctrl_c_loop_in_a_terminal(module):
    # It says it by a pipe, at once: a print() within a print() is an error, and what is written to a
    # terminal may be dropped when the session ends.
    code = """
    import signal
    import os
    import sys
    import time

    presses = 0
    def handler(signum, frame):
        global presses
        presses += 1
        os.write(int(sys.argv[1]), b"press %d\\n" % presses)
        if presses == 3:
            raise SystemExit(7)

    signal.signal(signal.SIGINT, handler)
    os.write(int(sys.argv[1]), b"ready\\n")
    while True:
        time.sleep(1)
    """
    read, write = os.pipe()
    pid, leader = pty.fork()
    if pid == 0:
        os.set_inheritable(write, True)
        os.execv(sys.executable, [sys.executable, "-c", start(code, module), str(write)])
    os.close(write)
    with open(read) as said:
        assert said.readline() == "ready\n"
        for press in (1, 2, 3):
            os.write(leader, b"\x03")
            assert said.readline() == f"press {press}\n"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    os.close(leader)


@MODULES
def test_reload_on_sighup_and_stop_on_sigterm(module):
    code = """
    import signal
    import threading

    reload_now, stop = False, False
    def on_signal(signum, frame):
        global reload_now, stop
        if signum == signal.SIGHUP:
            reload_now = True
        else:
            stop = True
    for signum in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(signum, on_signal)
    print("ready", flush=True)
    while not stop:
        signal.pause() if not reload_now else None
        if reload_now:
            reload_now = False
            print("reload", flush=True)
    print("stop", flush=True)
    """
    # The moment before pause() is nobody's to close: a timer brings it back, as such programs do.
    code = code.replace(
        "signal.pause() if not reload_now else None", "signal.sigtimedwait([], 0.05)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start(code, module)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        process.send_signal(standard.SIGHUP)
        assert process.stdout.readline() == "reload\n"
    process.terminate()
    assert process.communicate(timeout=60)[0] == "stop\n"
    assert process.returncode == 0


@pytest.mark.parametrize("module, least, most", [("signal", 1, 999), ("sigrec.compat", 1000, 1000)])
def test_a_burst_of_a_real_time_signal(child, module, least, most):
    p = child(
        """
        import sigrec.compat
        import importlib
        module = importlib.import_module(sys.argv[1])
        module.signal(RT, count_call)
        _core.flood(os.getpid(), RT, 1000, True, 60_000_000_000)  # in C meanwhile
        if module is sigrec.compat: settle(RT)
        for _ in range(1000): pass
        say(calls)
        """,
        module,
    )
    assert least <= int(p.line()) <= most
    p.end()
