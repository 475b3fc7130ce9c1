"""Starts a child, kills it in the way that is asked for, and prints its pid."""

import multiprocessing
import os
import signal
import subprocess
import sys

how = sys.argv[1]
if how == "multiprocessing":
    import time

    up = multiprocessing.Event()

    def work():
        up.set()
        time.sleep(100)

    p = multiprocessing.get_context("fork").Process(target=work)
    p.start()
    up.wait()
    p.kill()
    p.join()
    print(p.pid, flush=True)
    sys.exit()
code = "print(1, flush=True); import time; time.sleep(100)"
if how == "killpg of its own":
    code = "import os; os.setpgrp(); " + code
p = subprocess.Popen(
    [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=how == "killpg"
)
p.stdout.readline()
if how == "kill":
    os.kill(p.pid, signal.SIGKILL)
elif how in ("killpg", "killpg of its own"):
    os.killpg(p.pid, signal.SIGKILL)
elif how == "pidfd":
    signal.pidfd_send_signal(os.pidfd_open(p.pid), signal.SIGKILL)
elif how == "subprocess":
    p.kill()
elif how == "not waited for":
    os.kill(p.pid, signal.SIGKILL)
    os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
    print(p.pid, flush=True)
    os._exit(0)
p.wait()
print(p.pid, flush=True)
