"""Receives in one of several ways what the test sends, and says when it is ready."""

import os
import select
import signal
import sys
import threading

import sigrec
from tests.handling.floods import calm
from tests.prelude import hear, ledger, say, settle

signum = int(sys.argv[1])
if sys.argv[2] != "recorded":
    sigrec.register(
        signum, lambda s, f: None, intake="thread" if sys.argv[2] == "intake" else "handler"
    )
else:  # the program's own handler, and its own wakeup fd, which gets a byte for each
    signal.signal(signum, lambda s, f: None)
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    bytes_read = 0

    def read():
        global bytes_read
        while some := os.read(ours, 65536):
            bytes_read += len(some)

    reader = threading.Thread(target=read)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signum])
    reader.start()  # takes none of the signals
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signum])
    recorder = sigrec.record()
say("ready")
hear()
say("busy")
while not select.select([0], [], [], 0)[0]:
    sum(range(100))
calm()  # what the intake thread has borrowed may still wait in the kernel
settle(signum)
if sys.argv[2] == "recorded":
    signal.set_wakeup_fd(-1)
    os.close(theirs)
    reader.join()
    assert recorder.counts[signum] == ledger(signum)[0]
say(*ledger(signum), bytes_read if sys.argv[2] == "recorded" else -1)
