"""A flood that the intake thread takes, in a program with a wakeup fd: that thread has none of the
program's descriptors, and so CPython must be told of signals in the main thread."""

import os
import signal
import socket
import sys

import sigrec
from tests.handling.floods import S, calls_until_nobody_takes, end, mid_flood, sender
from tests.prelude import ledger, settle

read, write = socket.socketpair()
read.setblocking(False)
write.setblocking(False)
signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
unraisable = []
sys.unraisablehook = lambda what: unraisable.append(repr(what.exc_value))
pid, go = sender()
calls = []
sigrec.register(S, lambda signum, frame: calls.append(signum), intake="thread")
before = os.listdir("/proc/self/fd")
go()
mid_flood()
woken = 0
for _ in range(20):
    mid_flood()
    try:
        woken += S in read.recv(65536)
    except BlockingIOError:
        pass
# Without any signal for kicks there is no such thread, and handlers take all.
signal.signal(signal.SIGURG, lambda *_: None)
mid_flood()
signal.signal(signal.SIGWINCH, lambda *_: None)
by_handlers = calls_until_nobody_takes(calls)
end(pid)
settle(S)
delivered, recorded, handled, pending = ledger(S)
same = set(os.listdir("/proc/self/fd")) <= set(before) | {str(read.fileno()), str(write.fileno())}
print(unraisable, woken > 0, by_handlers, same, len(calls) == handled == delivered)
