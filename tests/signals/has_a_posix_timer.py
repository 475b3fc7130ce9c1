"""A POSIX timer, made by ctypes, expires while its signal is blocked."""

import ctypes
import signal
import time

import sigrec
from tests.prelude import RT, say, settle

libc = ctypes.CDLL(None, use_errno=True)
got = []
sigrec.register(RT, lambda s, info, f: got.append(info), siginfo=True)


class Sigevent(ctypes.Structure):
    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_char * 48),
    ]


event = Sigevent(77, RT, 0)
timer = ctypes.c_void_p()
while libc.timer_create(1, ctypes.byref(event), ctypes.byref(timer)):
    pass  # no room
spec = (ctypes.c_long * 4)(0, 100_000, 0, 100_000)  # each 0.1 ms
signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
assert libc.timer_settime(timer, 0, spec, None) == 0
time.sleep(0.05)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
while not got:
    pass
libc.timer_delete(timer)
settle(RT)
info = got[0]
overruns = sigrec.stats()[RT].overruns
say(
    info.si_code,
    info.si_value,
    info.si_overrun > 0,
    info.si_pid,
    info.sender.kind,
    overruns == sum(i.si_overrun for i in got),
)
