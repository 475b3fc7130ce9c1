"""Which masks show, in mid-flood, what the intake thread has borrowed: none is to."""

import ctypes
import os
import signal
import subprocess
import tempfile
import threading
import time

import sigrec
from tests.handling.floods import S, blocked, calm, end, mid_flood, sender

pid, go = sender()
seen, stop = {}, threading.Event()
before = threading.Thread(target=stop.wait)
before.start()
sigrec.register(S, lambda signum, frame: None, intake="thread")
go()

SHOW = ["/bin/cat", "/proc/self/status"]
out = tempfile.mkstemp()[1]


def shown(text):
    return next(
        int(line.split()[1], 16) >> S - 1 & 1 for line in text.splitlines() if line[:6] == "SigBlk"
    )


def written():
    with open(out) as file:
        return shown(file.read())


def in_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(S in signal.pthread_sigmask(0, [])))
    thread.start()
    thread.join()
    return found[0]


def forked():
    pid = os.fork()
    if not pid:
        os._exit(blocked())
    return os.waitpid(pid, 0)[1]


def spawned():
    how = [(os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_TRUNC, 0)]
    os.waitpid(os.posix_spawn(SHOW[0], SHOW, os.environ, file_actions=how), 0)
    return written()


def by_shell(system):
    system(f"{' '.join(SHOW)} > {out}")
    return written()


libc = ctypes.CDLL(None)
rows = {
    "its own mask": lambda: S in signal.pthread_sigmask(signal.SIG_BLOCK, []),
    "old mask of another": lambda: (
        S in signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    ),
    "thread": in_thread,
    "fork": forked,
    "subprocess": lambda: shown(subprocess.check_output(SHOW, text=True)),
    "preexec_fn": lambda: shown(subprocess.check_output(SHOW, text=True, preexec_fn=int)),
    "posix_spawn": spawned,
    "system": lambda: by_shell(os.system),
    "libc.system": lambda: by_shell(lambda command: libc.system(command.encode())),
    "popen": lambda: shown(os.popen(" ".join(SHOW)).read()),
    "spawnv": lambda: by_shell(lambda c: os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", c])),
}
for name, row in rows.items():
    mid_flood()
    if row():
        seen[name] = True
end(pid)
calm()
for thread in (threading.main_thread(), before):
    deadline = time.monotonic() + 20
    while blocked(f"self/task/{thread.native_id}") and time.monotonic() < deadline:
        pass
    if blocked(f"self/task/{thread.native_id}"):
        seen[thread.name] = True
stop.set()
os.unlink(out)
print(seen)
