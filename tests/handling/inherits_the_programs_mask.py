"""What is started in a handler on the dispatcher thread says which signals it blocks."""

import os
import signal
import subprocess
import threading
import warnings
from multiprocessing.util import spawnv_passfds

import sigrec
from tests.prelude import hear, say

warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, 3.12
ASKS = ["/bin/sh", "-c", "exec grep SigBlk /proc/self/status"]


def blocked():
    with open("/proc/thread-self/status") as file:
        return next(line.split()[1] for line in file if line.startswith("SigBlk"))


def starts_a_thread(signum, frame):  # alone, since what comes first decides
    thread = threading.Thread(target=lambda: say(blocked()))
    thread.start()
    thread.join()


def spawns(signum, frame):  # as multiprocessing does, and its fork server
    pid = spawnv_passfds(ASKS[0].encode(), ASKS, ())
    os.waitpid(pid, 0)


def handler(signum, frame):
    say(blocked())
    say(subprocess.run(ASKS, stdout=subprocess.PIPE).stdout.split()[1].decode())
    pid = os.posix_spawn(ASKS[0], ASKS, os.environ)
    os.waitpid(pid, 0)
    if not os.fork():
        say(blocked())
        os._exit(0)
    os.wait()
    thread = threading.Thread(target=lambda: say(blocked()))
    thread.start()
    thread.join()


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
for alone in starts_a_thread, spawns:
    with sigrec.register(signal.SIGHUP, alone, deliver="thread"):
        os.kill(os.getpid(), signal.SIGHUP)
sigrec.register(signal.SIGHUP, handler, deliver="thread")
os.kill(os.getpid(), signal.SIGHUP)
hear()
os.kill(os.getpid(), signal.SIGHUP)
hear()
