"""Has an alternate stack that is too small for our handler, and then one that is not."""

import ctypes
import mmap
import signal
import sys
import warnings

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, say, with_room


def begin():
    return sigrec.record(RT) if sys.argv[1] == "record" else sigrec.register(RT, lambda s, f: None)


libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]


class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


base = libc.mmap(None, 1 << 16, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
assert libc.mprotect(ctypes.c_void_p(base), 4096, 0) == 0
needed = _core.alternate_stack()[1]


def stack(size):
    assert libc.sigaltstack(ctypes.byref(Stack(base + 4096, 0, size)), None) == 0
    assert _core.alternate_stack() == (size, needed)


stack(needed - 4096)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    signal.signal(RT, lambda s, f: None)
    one = begin()
    say(*[w.category.__name__ for w in caught], str(needed) in str(caught[0].message))
    stack(needed)
    begin()
    say(len(caught))
for _ in range(100):
    with_room(signal.raise_signal, RT)
say(ledger(RT)[0])
