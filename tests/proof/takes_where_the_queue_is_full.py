"""Takes a flood while another process of the user has filled the queue: nothing can be queued."""

import os
import signal
import subprocess
import sys
import time

import sigrec
from sigrec import _core
from sigrec._doctor.limit import queue_limit
from sigrec._proc.status import status

RT = signal.SIGRTMIN + 3
FILLS = """
import signal, sys
from tests.proof import crowd
signal.pthread_sigmask(signal.SIG_BLOCK, {crowd.FLOOD})
crowd.fill()
print(flush=True)
sys.stdin.read()
"""


def status_text():
    with open("/proc/self/status") as file:
        return file.read()


filler = subprocess.Popen([sys.executable, "-c", FILLS], stdin=-1, stdout=-1)
filler.stdout.readline()
calls = []
with sigrec.register(RT, lambda signum, frame: calls.append(1), intake="thread"):
    pid = os.fork()
    if not pid:
        _core.flood(os.getppid(), RT, 1 << 40, False, 30 * 10**9, 0)
        os._exit(0)
    deadline = time.monotonic() + 20
    while _core.count_intake(RT)[0] < 20 and time.monotonic() < deadline:
        pass
    os.kill(pid, 9)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        pass
    while "SigBlk:\t" + 16 * "0" not in status_text():
        assert time.monotonic() < deadline + 20, "it is not given back"
    found = queue_limit(status("self"))
filler.communicate(b"")
stats = sigrec.stats()[RT]
((unknown, count),) = stats.senders
assert len(calls) == stats.handled == stats.delivered == count, (len(calls), stats)
assert _core.count_intake(RT)[0] >= 20 and str(unknown) == "an unknown sender", unknown
assert found.verdict == "problem" and "500 signals may be queued" in found.found, found
