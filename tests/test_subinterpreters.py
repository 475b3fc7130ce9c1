"""In a subinterpreter recordings can be read; everything that needs signals says why not."""

import subprocess
import sys
import textwrap

import pytest

import sigrec
from tests.conftest import wait_until

try:
    import _interpreters  # noqa: F401
except ImportError:
    pytest.importorskip("_xxsubinterpreters")


PROGRAM = """
try:
    import _interpreters  # noqa: F401
except ImportError:
    import _xxsubinterpreters as _interpreters
import sys
{before}
def create(kind):
    return _interpreters.create(*(() if kind is None else (kind,)))
interpreter = create({kind!r})
run = _interpreters.run_string
run(interpreter, '''
{code}
''')
_interpreters.destroy(interpreter)
{after}
"""


def run(code, before="", after="", kind=None):
    program = PROGRAM.format(before=before, code=textwrap.dedent(code), after=after, kind=kind)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    return done.stdout, done.stderr


KIND = pytest.mark.parametrize("kind", [None, "legacy"] if sys.version_info >= (3, 13) else [None])
FIRST = pytest.mark.parametrize("main_has_it", [False, True], ids=["first", "after-main"])

REFUSED = """
import sigrec, signal
for call in (
    lambda: sigrec.register(signal.SIGUSR1, print),
    lambda: sigrec.record(signal.SIGUSR1),
    lambda: sigrec.stats(),
    lambda: sigrec.stream(signal.SIGUSR1),
    lambda: sigrec.sigqueue(1, 0),
    lambda: sigrec.timer(1),
):
    try:
        call()
    except sigrec.WrongThreadError as error:
        print(error, flush=True)
"""
WORDS = "signals are handled in the main interpreter: in a subinterpreter sigrec reads recordings, and no more\n"


@KIND
@FIRST
def test_what_needs_signals_is_refused(kind, main_has_it):
    use = (
        "import sigrec, signal, os; r = sigrec.register(10, lambda s, f: print('main', flush=True))"
    )
    out, errors = run(
        REFUSED,
        before=use if main_has_it else "",
        after=f"{use}\nos.kill(os.getpid(), 10)",  # and the main interpreter has its signals still
        kind=kind,
    )
    assert out == WORDS * 6 + "main\n", errors
    assert not errors


@KIND
@FIRST
def test_recordings_are_read(child, kind, main_has_it):
    p = child("sigrec.register(10, lambda s, f: None); say('ready'); hear()")
    p.line()
    p.process.send_signal(10)
    with sigrec.open_recording(p.pid) as recording:
        wait_until(lambda: recording.signals[10].delivered)
    out, errors = run(
        f"""
        import sigrec
        with sigrec.open_recording({p.pid}) as recording:
            print(recording.signals[10].delivered, len(list(recording.events())), recording.state)
        """,
        before="import sigrec, signal; sigrec.register(12, print)" if main_has_it else "",
        kind=kind,
    )
    assert out == "1 1 alive\n", errors
