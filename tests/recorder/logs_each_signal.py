"""Logs a signal, of which some come before and after, and has a handler of its own all the time."""

import json
import logging
import os
import signal

import sigrec
from tests.prelude import RT, hear, say, sigqueue, with_room

got = []
signal.signal(RT, lambda *a: got.append(a[0]))


class Lines(logging.Handler):
    def emit(self, record):
        say(record.levelname, json.dumps({"says": record.getMessage(), **record.signal}))


logger = logging.getLogger("app")
logger.propagate = False
logger.addHandler(Lines())
with_room(signal.raise_signal, RT)  # before it is logged
with sigrec.log_signals(logger, RT, level=logging.WARNING) as log:
    for value in range(3):
        sigqueue(os.getpid(), RT, value)
    hear()
    with_room(signal.raise_signal, RT)
    signal.raise_signal(signal.SIGCONT)  # is not asked for
log.close()
with_room(signal.raise_signal, RT)  # after it
say("got", len(got))
