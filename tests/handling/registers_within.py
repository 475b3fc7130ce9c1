"""A handler that unregisters, replaces and registers."""

import os
import signal

import sigrec
from tests.prelude import RT, say, sigqueue

log = []


def once(signum, frame):
    log.append("once")
    sigrec.unregister(signum)


signal.signal(RT, lambda s, f: log.append("before"))
sigrec.register(RT, once)
sigqueue(os.getpid(), RT)
sigqueue(os.getpid(), RT)
say(*log)
log.clear()


def second(signum, frame):
    log.append("second")


def replaces(signum, frame):
    log.append("first")
    sigrec.register(signum, second)


sigrec.register(RT, replaces)
sigqueue(os.getpid(), RT)
sigqueue(os.getpid(), RT)
say(*log)
log.clear()


def adds(signum, frame):
    sigrec.register(signal.SIGUSR1, lambda s, f: log.append("added"))
    signal.raise_signal(signal.SIGUSR1)
    log.append("adder")


sigrec.register(RT, adds)
sigqueue(os.getpid(), RT)
say(*log)
