"""register(), unregister(), SignalManager, configure(), sigqueue(): arguments, and what is restored."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from sigrec._handling.handlers import check_form
from tests.conftest import sigqueue

HERE = Path(__file__).parent

RT = signal.SIGRTMIN + 2


def ignore(signum, frame):
    pass


@pytest.mark.parametrize(
    "signum",
    [
        0,
        65,
        -1,
        10**30,
        signal.SIGKILL,
        signal.SIGSTOP,
        32,
        33,
        True,
        "SIGINT",
        2.0,
        None,
        b"2",
        [2],
    ],
)
@pytest.mark.parametrize("how", ["function", "manager", "unregister"])
def test_a_bad_signum_is_a_value_error_with_the_value(signum, how):
    before = [signal.getsignal(n) for n in signal.valid_signals()]
    manager = sigrec.SignalManager()
    with pytest.raises(ValueError) as caught:
        if how == "function":
            sigrec.register(signum, ignore)
        elif how == "manager":
            manager.register(signum, ignore)
        else:
            sigrec.unregister(signum)
    shown = {signal.SIGKILL: "SIGKILL", signal.SIGSTOP: "SIGSTOP"}.get(
        signum if type(signum) is not bool and isinstance(signum, int) else None, repr(signum)
    )
    assert shown in str(caught.value)
    assert not manager.handlers
    assert [signal.getsignal(n) for n in signal.valid_signals()] == before


@pytest.mark.parametrize("handler", [None, 1, "handler", signal.SIG_IGN, signal.SIG_DFL, object()])
def test_a_handler_that_is_not_callable_is_a_value_error(handler):
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(ValueError, match="callable"):
        sigrec.register(signal.SIGUSR1, handler)
    with pytest.raises(ValueError, match="callable"):
        sigrec.SignalManager().register(signal.SIGUSR1, handler)
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.parametrize(
    "options",
    [
        {"deliver": "worker"},
        {"deliver": None},
        {"reentrant": 1},
        {"coalesce": "yes"},
        {"siginfo": 1},
    ],
)
def test_bad_options_are_value_errors(options):
    with pytest.raises(ValueError) as caught:
        sigrec.register(signal.SIGUSR1, ignore, **options)
    assert repr(next(iter(options.values()))) in str(caught.value)
    assert not sigrec.unregister(signal.SIGUSR1)


def test_registering_off_the_main_thread(child):
    p = child(
        """
        def attempt():
            try:
                sigrec.register(signal.SIGUSR1, print)
            except ValueError as error:
                say(type(error).__name__, isinstance(error, sigrec.SigrecError), error)
        thread = threading.Thread(target=attempt, name="other")
        thread.start()
        thread.join()
        say(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)
        """
    )
    assert p.line().startswith("WrongThreadError True the handler of SIGUSR1")
    assert p.line() == "True"


def disposition(signum):
    """Handler, flags and mask as the kernel has them, by a C program's view of this process."""
    import ctypes

    class Action(ctypes.Structure):
        _fields_ = [
            ("handler", ctypes.c_void_p),
            ("mask", ctypes.c_ubyte * 128),
            ("flags", ctypes.c_int),
            ("restorer", ctypes.c_void_p),
        ]

    action = Action()
    assert ctypes.CDLL(None).sigaction(int(signum), None, ctypes.byref(action)) == 0
    return action.handler, bytes(action.mask)[:8], action.flags  # the kernel has 64 signals


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, ignore])
@pytest.mark.parametrize("restart", [True, False])
def test_the_disposition_is_restored_flags_and_mask_and_all(before, restart):
    saved = signal.signal(signal.SIGUSR2, before)
    try:
        if before is ignore and restart:
            signal.siginterrupt(signal.SIGUSR2, False)
        was = disposition(signal.SIGUSR2)
        registration = sigrec.register(signal.SIGUSR2, lambda s, f: None)
        assert disposition(signal.SIGUSR2) != was
        registration.cancel()
        registration.cancel()
        assert disposition(signal.SIGUSR2) == was
        assert signal.getsignal(signal.SIGUSR2) == before
        with sigrec.SignalManager() as manager:
            manager.register(signal.SIGUSR2, lambda s, f: None)
            manager.register(signal.SIGUSR2, lambda s, f: None)
        assert disposition(signal.SIGUSR2) == was
    finally:
        signal.signal(signal.SIGUSR2, saved)


def test_a_c_handler_is_restored(child):
    p = child(
        """
        import ctypes, faulthandler
        faulthandler.register(signal.SIGUSR2, file=sys.stdout)
        say(signal.getsignal(signal.SIGUSR2))
        with sigrec.register(signal.SIGUSR2, lambda s, f: say("ours")):
            signal.raise_signal(signal.SIGUSR2)
        signal.raise_signal(signal.SIGUSR2)
        """
    )
    out, _ = p.end()
    assert out.split("\n")[1] == "ours"
    assert "most recent call first" in out


def test_whoever_replaced_us_stays(child):
    p = child(
        """
        def theirs(signum, frame):
            say("theirs")
        registration = sigrec.register(signal.SIGUSR1, lambda s, f: say("ours"))
        signal.signal(signal.SIGUSR1, theirs)
        say(sigrec.stats()[signal.SIGUSR1].replaced)
        registration.cancel()
        say(signal.getsignal(signal.SIGUSR1) is theirs, sigrec.stats()[signal.SIGUSR1].replaced)
        signal.raise_signal(signal.SIGUSR1)
        """
    )
    assert [p.line() for _ in range(3)] == ["True", "True True", "theirs"]


def test_registrations_stack():
    log = []
    first = sigrec.register(RT, lambda s, f: log.append(1))
    try:
        with sigrec.register(RT, lambda s, f: log.append(2)):
            sigqueue(os.getpid(), RT)
        sigqueue(os.getpid(), RT)
        third = sigrec.register(RT, lambda s, f: log.append(3))
        first.cancel()
        sigqueue(os.getpid(), RT)
        third.cancel()
        assert log == [2, 1, 3]
        assert signal.getsignal(RT) == signal.SIG_DFL
    finally:
        sigrec.unregister(RT)


def test_unregister_says_whether_there_was_one():
    assert not sigrec.unregister(RT)
    sigrec.register(RT, ignore)
    sigrec.register(RT, ignore)
    assert sigrec.unregister(RT)
    assert not sigrec.unregister(RT)
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_manager():
    with sigrec.SignalManager() as manager:
        manager.register(signal.SIGUSR1, ignore)
        manager.register(RT, ignore)
        assert dict(manager.handlers) == {signal.SIGUSR1: ignore, RT: ignore}
        with pytest.raises(TypeError):
            manager.handlers[RT] = ignore
        assert manager.unregister(RT)
        assert not manager.unregister(RT)
        assert "SIGUSR1" in repr(manager)
    assert not manager.handlers
    assert not sigrec.unregister(signal.SIGUSR1)


@pytest.mark.parametrize(
    "options",
    [{"history": 0}, {"history": True}, {"queue": 1 << 30}, {"queue": "many"}, {"recording": 3},
     {"recording": ""}, {"recording": b"x"}],
)  # fmt: skip
def test_configure_refuses(child, options):
    p = child(
        f"""
        try:
            sigrec.configure(**{options!r})
        except (ValueError, TypeError) as error:
            say(error)
        """
    )
    assert repr(next(iter(options.values()))) in p.line() or "recording" in options


def test_configure_comes_first(child):
    p = child(
        """
        sigrec.configure(history=1000, queue=100)
        sigrec.register(RT, print)
        say(sigrec.open_recording(os.getpid()).capacity)
        try:
            sigrec.configure(history=2000)
        except sigrec.SigrecError as error:
            say(error)
        """
    )
    assert p.line() == "1024"
    assert "before the first register()" in p.line()


@pytest.mark.parametrize(
    "arguments",
    [(0, 10), (-1, 10), (True, 10), (1, 65), (1, "x"), (1, 10, 1 << 63), (1, 10, None), (1.0, 10)],
)
def test_sigqueue_refuses(arguments):
    with pytest.raises(ValueError):
        sigrec.sigqueue(*arguments)


def test_sigqueue_reports_what_the_kernel_says():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(ProcessLookupError):
        sigrec.sigqueue(gone.pid, signal.SIGUSR1)


@pytest.mark.parametrize("value", [0, 1, -1, 2**31, -(2**63), 2**63 - 1])
def test_sigqueue_carries_the_value(value):
    got = []
    with sigrec.register(RT, lambda s, info, f: got.append(info.si_value), siginfo=True):
        sigqueue(os.getpid(), RT, value)
    assert got == [value]


def test_import_starts_nothing(child):
    p = child(
        """
        import sys
        before = set(sys.modules)
        import signal, threading
        handlers = [signal.getsignal(n) for n in sorted(signal.valid_signals())]
        import sigrec
        for name in sigrec.__all__:
            getattr(sigrec, name)
        print(handlers == [signal.getsignal(n) for n in sorted(signal.valid_signals())], threading.active_count())
        print(*sorted({m.split(".")[0] for m in set(sys.modules) - before} - sys.stdlib_module_names))
        """,
        prelude="",
    )
    same, modules = p.end()[0].splitlines()
    assert same == "True 1"
    # Cython's own support modules have no file.
    assert {m for m in modules.split() if "cython" not in m} == {"sigrec"}


@pytest.mark.parametrize("environment", [{}, {"SIGREC_DIR": ""}], ids=["file", "no place"])
def test_who_registers_does_not_load_what_reads(child, environment):
    """Neither importing register() nor its first call does."""
    p = child(
        """
        import signal, sys
        from sigrec import register
        register(signal.SIGUSR1, print)
        rooms = {m.split(".")[1] for m in sys.modules if m.startswith("sigrec.")}
        print(rooms & {"_reader", "_proc", "_why"}, "_xxsubinterpreters" in sys.modules)
        """,
        prelude="",
        env=environment,
    )
    assert p.end()[0] == "set() False\n"


@pytest.mark.parametrize("what", ["unregister", "register", "raise"])
def test_a_handler_that_runs_while_its_registration_ends(child, what):
    """signal.signal() calls handlers that are due before it sets one: cancel() is left half done."""
    p = child(
        HERE / "ends_meanwhile.py",
        what,
    )
    assert p.line() == "None False False"
    assert p.line() == "the program's"
    p.end()


def test_a_module_that_another_thread_is_importing(monkeypatch):
    """It has no partial yet."""
    monkeypatch.setitem(sys.modules, "functools", type(sys)("functools"))
    check_form(lambda signum, frame: None, False, False)
