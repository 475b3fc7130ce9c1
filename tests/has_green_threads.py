"""All forms once, in a program whose threads a library has replaced: before sigrec was imported, or
after. Its arguments: which library, and "before" or "after"."""

import sys


def gevent():
    from gevent import monkey

    monkey.patch_all()


def eventlet():
    import eventlet

    eventlet.monkey_patch()


def neither():
    """Where none is installed: nobody is the main thread, and no thread that is started runs."""
    import _thread
    import threading

    _thread.start_new_thread = threading._start_new_thread = lambda *arguments: 7
    green = threading.Thread()
    threading.current_thread = lambda: green


replace = {"gevent": gevent, "eventlet": eventlet, "threading": neither}[sys.argv[1]]
if sys.argv[2] == "before":
    replace()

import os  # noqa: E402
import signal  # noqa: E402

import sigrec  # noqa: E402
import sigrec._handling.streams  # noqa: E402
import sigrec.compat  # noqa: E402
from sigrec import _core  # noqa: E402

if sys.argv[2] == "after":
    replace()

RT = signal.SIGRTMIN + 2
calls = []


def handler(signum, frame):
    calls.append(signum)


def send(value=0):
    while True:  # until there is room: conftest.with_room
        try:
            return sigrec.sigqueue(os.getpid(), RT, value)
        except BlockingIOError:
            pass


with sigrec.register(RT, handler):
    send()
with sigrec.register(RT, handler, deliver="thread"):
    send()
sigrec.compat.signal(RT, handler)
send()
sigrec.compat.signal(RT, signal.SIG_DFL)
with sigrec.stream(RT) as stream:
    send(7)
    assert next(stream).si_value == 7
with sigrec.Flag(RT) as flag:
    send()
    assert flag.wait(60)
assert sigrec.wait(RT, timeout=0.001) is None
print(len(calls), _core.is_main_thread(), flush=True)
