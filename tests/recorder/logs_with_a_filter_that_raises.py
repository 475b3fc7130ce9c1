"""Logs signals by a logger that raises for the first of them."""

import logging
import os
import signal
import threading

import sigrec
from tests.prelude import RT, say, sigqueue

threading.excepthook = lambda args: say("raised", args.exc_value)
signal.signal(RT, lambda *a: None)


class Lines(logging.Handler):
    def emit(self, record):
        say("logged", record.signal["si_value"])


def refuses(record):
    if record.signal["si_value"] == 0:
        raise RuntimeError("no")
    return True


logger = logging.getLogger("app")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(Lines())
logger.addFilter(refuses)
with sigrec.log_signals(logger, RT):
    for value in range(3):
        sigqueue(os.getpid(), RT, value)
say("closed")
