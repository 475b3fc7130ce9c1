"""A bad argument is a ValueError with the value in it, and changes nothing: every parameter of the
whole public surface, with values of every wrong type and out of every range."""

import inspect
import logging
import math
import os
import signal
import threading
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest

import sigrec
import sigrec.compat
from tests.conftest import with_room

RT = signal.SIGRTMIN + 7
HUGE = 1 << 70
DIGITS = 10**5000  # no repr, and no float, can be made of it


class Unfriendly:
    """An object of which nothing can be asked."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = None


class Indexed:
    def __index__(self):
        return 10


class BytesPath:
    def __fspath__(self):
        return b"/tmp/x"


class NoPath:
    def __fspath__(self):
        return 5


class Int(int):
    pass


class Float(float):
    pass


class Str(str):
    pass


async def awaited(*arguments):
    pass


def yields(*arguments):
    yield


OBJECTS = [[], {}, (), object(), 1j, Decimal(1), Fraction(1), Indexed(), Unfriendly(), int, print]
NO_INT = [True, False, 1.0, 10.5, math.nan, math.inf, -math.inf, "10", "", b"10", *OBJECTS]
BEYOND = [HUGE, -HUGE, DIGITS, -DIGITS, 1 << 63, -(1 << 63) - 1]
NO_NUMBER = [True, False, "5", b"5", *OBJECTS]
NONE = [None]

NO_SIGNAL = [*NO_INT, *BEYOND, -1, 65]
SIGNAL = [*NO_SIGNAL, *NONE, 0]
CATCHABLE = [*SIGNAL, signal.SIGKILL, 19, 32, 33]
FLAG = [0, 1, 2.0, "yes", b"", *OBJECTS]
HANDLER = [
    None,
    5,
    "print",
    b"",
    0,
    True,
    signal.SIG_DFL,
    signal.SIG_IGN,
    Unfriendly(),
    awaited,
    yields,
]
TIMEOUT = [*NO_NUMBER, -1, -0.001, math.nan, -math.inf, -HUGE, -DIGITS]
INTERVAL = [*NO_NUMBER, 0, -1, 0.0, 1e-10, math.nan, math.inf, -math.inf, HUGE, DIGITS, -DIGITS]
ID = [*NO_INT, *BEYOND, *NONE, 0, -1, 1 << 31]
WORD = [*NO_INT, HUGE, -HUGE, DIGITS, 1 << 63, -(1 << 63) - 1, None]
CAPACITY = [*NO_INT, *BEYOND, 0, -1, 15, (1 << 24) + 1]
FILE = [5, True, 1.5, b"/tmp/x", "", "a\0b", BytesPath(), NoPath(), *OBJECTS]
TIME = [1.5, True, math.nan, "now", b"", datetime(2026, 1, 1), *OBJECTS]
DELIVER = [None, "", "both", b"main", 1, True, *OBJECTS]

INTAKE = {
    "intake": DELIVER,
    "moderation": [*NO_NUMBER, None, -1, 1.001, math.nan, math.inf, HUGE, DIGITS],
}
REGISTER = {
    "signum": CATCHABLE,
    "handler": [*HANDLER, lambda info: None, lambda signum, info, frame: None],
    "siginfo": [*FLAG, None],
    "batch": [*FLAG, None],
    "deliver": DELIVER,
    "reentrant": FLAG,
    "coalesce": FLAG,
    **INTAKE,
    "propagate": [5, "KeyboardInterrupt", True, int, KeyboardInterrupt(), Unfriendly()],
}
STREAM = {"signums": CATCHABLE, "backlog": [*CAPACITY[:-2], (1 << 24) + 1], **INTAKE}


LOGGER = logging.getLogger("sigrec.test")


def of_stream(method):
    def call(**arguments):
        with sigrec.stream(RT) as stream:
            getattr(stream, method)(**arguments)

    return call


def of_flag(**arguments):
    with sigrec.Flag(RT) as flag:
        flag.wait(**arguments)


def own_recording():
    """By its path: an earlier test may have begun it, in a directory of its own."""
    return sigrec.open_recording(sigrec.stats().processes[0].path)


def of_recording(method):
    def call(*signums, **arguments):
        with sigrec.record(RT), own_recording() as recording:
            getattr(recording, method)(*signums, **arguments)

    return call


def of_signals(method):
    def call(*signums, **arguments):
        signals = sigrec.SignalsFixture()
        try:
            getattr(signals, method)(*signums, **arguments)
        finally:
            signals._recorder.stop()

    return call


def of_log(*signums, logger=LOGGER, **options):
    sigrec.log_signals(logger, *signums, **options)


# Of each: how it is called, with arguments that are right, and each parameter's bad values.
CALLS = {
    "register": (sigrec.register, {"signum": RT, "handler": print}, REGISTER),
    "unregister": (sigrec.unregister, {}, {"signum": CATCHABLE}),
    "SignalManager.register": (
        sigrec.SignalManager().register, {"signum": RT, "handler": print}, REGISTER,
    ),
    "SignalManager.unregister": (sigrec.SignalManager().unregister, {}, {"signum": CATCHABLE}),
    "stream": (sigrec.stream, {"signums": RT}, STREAM),
    "Stream.get": (of_stream("get"), {}, {"timeout": TIMEOUT}),
    "wait": (sigrec.wait, {"signums": RT}, {"signums": CATCHABLE, "timeout": TIMEOUT}),
    "Flag": (sigrec.Flag, {}, {"signums": CATCHABLE}),
    "Flag.wait": (of_flag, {}, {"timeout": TIMEOUT}),
    "Missed": (
        sigrec.Missed, {"si_signo": 10, "count": 1}, {"si_signo": SIGNAL, "count": [*NO_INT, 0, -1]},
    ),
    "record": (sigrec.record, {"signums": RT}, {"signums": CATCHABLE, "children": [*FLAG, None]}),
    "log_signals": (
        of_log, {},
        {"logger": [None, 5, "root", *OBJECTS], "signums": CATCHABLE, "level": [*NO_INT, None, -1, 101, "INFO"]},
    ),
    "Stats.__getitem__": (sigrec.stats().__getitem__, {}, {"signum": SIGNAL}),
    "configure": (
        sigrec.configure, {}, {"history": CAPACITY, "queue": CAPACITY, "recording": FILE},
    ),
    "open_recording": (
        sigrec.open_recording, {},
        {"pid_or_path": [
            True, 1.5, None, b"x", "", "a\0b", BytesPath(), NoPath(), 0, -1, 1 << 31, *BEYOND, *OBJECTS,
        ]},
    ),
    "Recording.events": (
        of_recording("events"), {}, {"signums": SIGNAL, "since": TIME, "until": TIME},
    ),
    **{
        f"Recording.{name}": (
            of_recording(name), {}, {"signums": SIGNAL, "since": TIME, "until": TIME},
        )
        for name in ("to_arrow", "to_pandas")
    },
    "Recording.dispositions": (of_recording("dispositions"), {}, {"signums": SIGNAL}),
    "Recording.masks": (of_recording("masks"), {}, {"signums": SIGNAL}),
    "Recording.signal_name": (of_recording("signal_name"), {}, {"signum": [*NO_INT, None]}),
    "signal_name": (sigrec.signal_name, {}, {"signum": SIGNAL}),
    "signal_number": (
        sigrec.signal_number, {},
        {"name": [*NO_INT[:7], "", b"10", *OBJECTS, *BEYOND, None, 10, "SIG", "SIGNO", "0", "65", "1" * 5000, "١٠", "SIGRTMIN+99", "KILL\0"]},
    ),
    "sigqueue": (
        sigrec.sigqueue, {"pid": os.getpid(), "signum": 0},
        {"pid": ID, "signum": [*NO_SIGNAL, None], "value": WORD, "thread": [v for v in ID if v is not None]},
    ),
    "pidfd_sigqueue": (
        sigrec.pidfd_sigqueue, {"pidfd": 1 << 20, "signum": 0},
        {"pidfd": [*NO_INT, *BEYOND, None, -1, 1 << 31], "signum": [*NO_SIGNAL, None], "value": WORD},
    ),
    "timer": (
        sigrec.timer, {"interval": 60},
        {
            "interval": [*INTERVAL, None], "first": INTERVAL, "handler": [*HANDLER[1:], lambda: None, lambda signum, frame: None],
            "signum": [v for v in CATCHABLE if v is not None], "clock": [*NO_INT, *BEYOND, None, 1 << 40, 99],
            "thread": [*[v for v in ID if v is not None], 1], "value": WORD, **INTAKE,
        },
    ),
    "Stream.batches": (of_stream("batches"), {}, {"max": [*CAPACITY[:-2], None, (1 << 24) + 1], "timeout": TIMEOUT}),
    "attach": (sigrec.attach, {"pid": os.getpid()}, {"pid": [*NO_INT, *BEYOND, None, 0, -1, 1 << 31], "history": [*CAPACITY[:-1], None], "any": [*FLAG, None]}),
    "detach": (sigrec.detach, {"pid": os.getpid()}, {"pid": [*NO_INT, *BEYOND, None, 0, -1, 1 << 31], "any": [*FLAG, None]}),
    "compat.set_intake": (sigrec.compat.set_intake, {"intake": "handler"}, INTAKE),
    "timeout": (sigrec.timeout, {}, {"seconds": [*TIMEOUT, math.inf, HUGE, DIGITS, None]}),
    "SignalsFixture.record": (of_signals("record"), {}, {"signums": CATCHABLE}),
    "SignalsFixture.expect": (
        of_signals("expect"), {"counts": {}},
        {
            "counts": [None, 5, "x", [(10, 1)], {0: 1}, {"TERM": 1}, {10: -1}, {10: 1.5}, {10: "1"}, {True: 1}, {10: True}, Unfriendly()],
            "exact": [*FLAG, None], "timeout": [*TIMEOUT, None],
        },
    ),
}  # fmt: skip


def state():
    handlers = {n: signal.getsignal(n) for n in range(1, 32) if n not in (9, 19)}
    ledger = {s.signum: (s.mode, s.delivered) for s in sigrec.stats() if s.mode == "registered"}
    return handlers, ledger, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def call(name, parameter, value):
    function, right, _ = CALLS[name]
    arguments = {**right, parameter: value}
    if "signums" in arguments:
        function(arguments.pop("signums"), **arguments)
    else:
        function(*[arguments.pop("signum")] if name == "Stats.__getitem__" else [], **arguments)


@pytest.fixture(scope="module", autouse=True)
def started():
    """So that what is not refused is told from what was never there."""
    with sigrec.register(signal.SIGUSR1, print, deliver="thread"):
        yield


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for name, (_, _, bad) in CALLS.items() for parameter in bad]
)  # fmt: skip
def test_a_bad_argument(name, parameter):
    if name == "configure":
        settings = sigrec._recorder.publishing._settings
        settings.started = False  # else it is refused before it looks at its arguments
    before = state() if name != "configure" else None
    try:
        for value in CALLS[name][2][parameter]:
            try:
                shown = repr(value)
            except Exception:
                shown = f"<{type(value).__name__}>"
            with pytest.raises(ValueError) as caught:
                call(name, parameter, value)
                pytest.fail(f"{parameter}={shown} was taken")
            assert not isinstance(caught.value, sigrec.SigrecError), shown
            said = str(caught.value)
            wanted = [shown[:40]]
            if isinstance(value, int):
                wanted += {9: ["SIGKILL"], 19: ["SIGSTOP"]}.get(value, [])
            if parameter == "counts" and isinstance(value, dict):
                wanted += map(repr, [*value, *value.values()])
            assert any(words in said for words in wanted), said
    finally:
        if name == "configure":
            settings.started = True
    assert before is None or state() == before


def test_every_parameter_is_in_the_table():
    """A new one must come with its bad values."""
    missing = []
    for name in sigrec.__all__:
        value = getattr(sigrec, name)
        functions = {name: value}
        if inspect.isclass(value):
            made_by_the_user = name in ("Flag", "Missed", "SignalManager")
            functions = {name: value.__init__} if made_by_the_user else {}
            for member, what in inspect.getmembers_static(value):
                own = any(member in vars(b) for b in value.__mro__ if b.__module__ == "sigrec")
                if own and inspect.isfunction(what) and not member.startswith("_"):
                    functions[f"{name}.{member}"] = what
        for full, function in functions.items():
            for parameter in inspect.signature(function).parameters:
                known = CALLS.get(full, (None, None, {}))[2]
                if parameter != "self" and parameter not in known:
                    missing.append(f"{full}({parameter})")
    assert missing == []


def test_subclasses_of_the_right_types_are_right(tmp_path):
    with sigrec.register(Int(RT), print, deliver=Str("thread")) as registration:
        assert type(registration.signum) is int
        sigrec.sigqueue(Int(os.getpid()), Int(0), Int(5), thread=Int(threading.get_native_id()))
        with own_recording() as recording:
            path = recording.path
            assert list(recording.events(Int(RT), since=Int(0))) == []
            assert recording.signal_name(Int(10)) == sigrec.signal_name(Int(10)) == "SIGUSR1"
    sigrec.open_recording(Str(path)).close()
    assert sigrec.signal_number(Str("term")) == signal.SIGTERM
    with sigrec.stream(signal.SIGUSR2, backlog=Int(16)) as stream:
        for timeout in (Float(0.0), Int(0), 0):
            assert stream.get(timeout) is None
    assert sigrec.wait(RT, timeout=Float(0)) is None
    with with_room(
        sigrec.timer, Float(60), first=Int(HUGE >> 40), value=Int(3), clock=Int(1)
    ) as timer:
        assert timer.expirations == 0


def test_for_ever_is_a_time_to_wait():
    with sigrec.stream(RT) as stream, sigrec.Flag(signal.SIGUSR2) as flag:
        for timeout in (math.inf, HUGE, DIGITS, 1e300):
            with_room(signal.raise_signal, RT)
            assert stream.get(timeout).si_signo == RT
            signal.raise_signal(signal.SIGUSR2)
            assert flag.wait(timeout)


def test_nothing_is_begun_for_a_bad_argument(child):
    """Neither a thread nor a recording."""
    p = child(
        """
        for bad in (
            lambda: sigrec.wait(10, timeout="5"), lambda: sigrec.stream(10, backlog=0),
            lambda: sigrec.register(10, print, siginfo=1), lambda: sigrec.timer(1, clock=1 << 40),
            lambda: sigrec.record(10, children=1), lambda: sigrec.configure(recording=5),
            lambda: sigrec.timer(1, thread=1),
        ):
            try:
                bad()
            except ValueError:
                continue
            say("taken")
        say(threading.active_count(), _core.adopted(), os.listdir(os.environ["SIGREC_DIR"]))
        """
    )
    assert p.line() == "1 False []"
