"""Closes a SignalLog in a handler that interrupted code which holds the lock of a log handler."""

import logging
import os
import signal
import threading

import sigrec
from sigrec._recorder import logs
from tests.prelude import say

logs.CLOSE_S = 0.2
waits = threading.Event()


class Lines(logging.Handler):
    def handle(self, record):
        waits.set()
        return super().handle(record)

    def emit(self, record):
        say(record.getMessage().partition(" ")[0])
        log.close()  # for itself it does not wait


logger = logging.getLogger("app")
logger.propagate = False
logger.setLevel(logging.INFO)
lines = Lines()
logger.addHandler(lines)


def close(signum, frame):
    try:
        log.close()
    except sigrec.SigrecError as error:
        say(str(error).partition(":")[0])


signal.signal(signal.SIGUSR1, lambda *a: None)
signal.signal(signal.SIGUSR2, close)
log = sigrec.log_signals(logger, signal.SIGUSR1)
with lines.lock:
    os.kill(os.getpid(), signal.SIGUSR1)
    waits.wait()
    os.kill(os.getpid(), signal.SIGUSR2)
log.close()
log._thread.join()
