"""Forks bursts of children, ends them at once, and counts the recordings that say how they ended."""

import os
import signal
import sys

import sigrec

sigrec.record(children=True)
burst, left = map(int, sys.argv[1:])
while left > 0:
    pids = []
    for _ in range(burst):
        pid = os.fork()
        while not pid:
            signal.pause()
        pids.append(pid)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    # At once: of many that ended, not all are kept.
    ended = 0
    for pid in pids:
        try:
            with sigrec.open_recording(pid) as recording:
                ended += (recording.pid, recording.fatal_signal) == (pid, signal.SIGTERM)
        except sigrec.NoRecordingError:
            pass
    print(ended, flush=True)
    left -= burst
