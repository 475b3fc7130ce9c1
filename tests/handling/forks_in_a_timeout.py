"""Forks within a timeout() block; the child outlives the parent's, and has one of its own."""

import os
import time

import sigrec
from tests.prelude import have_alarm, say

have_alarm()
try:
    with sigrec.timeout(0.2):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.4)
            say("child goes on")
            have_alarm()
            try:
                with sigrec.timeout(0.01):
                    time.sleep(60)
            except TimeoutError:
                say("child's own")
            os._exit(0)
        time.sleep(60)
except TimeoutError:
    say(os.waitpid(pid, 0)[1])
