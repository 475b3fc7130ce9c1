"""Takes a flood by the intake thread where the kernel has no room to queue anything."""

import os
import resource
import time

import sigrec
from sigrec import _core
from tests.handling.floods import ME, S, end, taken
from tests.prelude import ledger, settle

calls = []
sigrec.register(S, lambda signum, frame: calls.append(1), intake="thread")
read, write = os.pipe()
pid = os.fork()
if not pid:
    os.read(read, 1)
    _core.flood(ME, S, 1 << 40, False, 60 * 10**9, 0)
    os._exit(0)
_, hard = resource.getrlimit(resource.RLIMIT_SIGPENDING)
resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, hard))
os.write(write, b"x")
deadline = time.monotonic() + 20
while taken() < 20 and time.monotonic() < deadline:
    pass
end(pid)
while "SigBlk:\t" + 16 * "0" not in open("/proc/self/status").read():
    assert time.monotonic() < deadline + 20
settle(S)
delivered, _, handled, _ = ledger(S)
((unknown, count),) = sigrec.stats()[S].senders
print(len(calls) == handled == delivered == count, unknown, taken() >= 20)
