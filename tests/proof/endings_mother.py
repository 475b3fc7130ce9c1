"""Children that end one after another, in the ways of its arguments."""

import os
import signal
import sys

for n in range(int(sys.argv[1])):
    way = sys.argv[2 + n % 4]
    pid = os.fork()
    if not pid:
        if way == "exit":
            os._exit(n % 200 + 1)
        if way == "itself":
            os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    if way == "its parent":
        os.kill(pid, signal.SIGKILL)
    print(pid, way, flush=True)
    if way == "nobody":
        sys.stdin.readline()
    os.waitpid(pid, 0)
    print("ended", flush=True)
    sys.stdin.readline()
