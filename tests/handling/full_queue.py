"""Takes a flood by the intake thread where the kernel has no room to queue anything."""

import os
import resource
import time

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, settle

calls, ME = [], os.getpid()
sigrec.register(RT, lambda signum, frame: calls.append(1), intake="thread")
read, write = os.pipe()
pid = os.fork()
if not pid:
    os.read(read, 1)
    _core.flood(ME, RT, 1 << 40, False, 60 * 10**9, 0)
    os._exit(0)
_, hard = resource.getrlimit(resource.RLIMIT_SIGPENDING)
resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, hard))
os.write(write, b"x")
deadline = time.monotonic() + 20
while _core.count_intake(RT)[0] < 20 and time.monotonic() < deadline:
    pass
os.kill(pid, 9)
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    pass
while "SigBlk:\t" + 16 * "0" not in open("/proc/self/status").read():
    assert time.monotonic() < deadline + 20
settle(RT)
delivered, _, handled, _ = ledger(RT)
((unknown, count),) = sigrec.stats()[RT].senders
print(len(calls) == handled == delivered == count, unknown, _core.count_intake(RT)[0] >= 20)
