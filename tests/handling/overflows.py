"""A short queue, and the main thread in C with the GIL held."""

import ctypes
import signal

import sigrec
from tests.prelude import RT, say, settle

sigrec.configure(queue=1024, history=4096)
infos = []
undetailed = 0


def handler(signum, info, frame):
    global undetailed
    if info is None:
        undetailed += 1
    else:
        infos.append(info.ordinal)


terminated = []
sigrec.register(RT, handler, siginfo=True)
sigrec.register(
    signal.SIGTERM,
    lambda s, info, f: terminated.append((info.si_pid, len(infos) + undetailed)),
    siginfo=True,
)


class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


p = Pollfd(0, 1, 0)
poll = ctypes.PyDLL(None).poll
say("ready")
while poll(ctypes.byref(p), 1, -1) != 1:
    pass
settle(RT, signal.SIGTERM)
s = sigrec.stats()[RT]
say(s.delivered, s.handled, s.pending, s.undetailed, undetailed, len(infos), s.recorded + s.dropped)
say(infos == sorted(infos) and len(set(infos)) == len(infos))
say(*terminated[0], len(terminated))
