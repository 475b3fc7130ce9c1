"""In a PID namespace: two processes that record, and one that does not, have the same pid in turn."""

import subprocess
import sys

import sigrec

code = """
import os, signal, sys, sigrec
sigrec.register(10, lambda s, f: None)
signal.raise_signal(10)
print(os.getpid(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
pids = []
for _ in range(2):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write("4000")
    p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pids.append(int(p.stdout.readline()))
    if len(pids) == 2:
        break
    p.wait()
    with sigrec.open_recording(pids[0]) as dead:
        print("before", dead.state, dead.signals[10].delivered)
        first = dead.started_ns
p.wait()
with sigrec.open_recording(pids[1]) as dead:
    print("after", dead.state, dead.signals[10].delivered, dead.started_ns > first)
# A third, which does not use sigrec, has the pid now.
with open("/proc/sys/kernel/ns_last_pid", "w") as file:
    file.write("4000")
p = subprocess.Popen(["sleep", "60"])
pids.append(p.pid)
with sigrec.open_recording(p.pid) as dead:
    print("reused", dead.state)
p.kill()
print(len(set(pids)) == 1)
