"""Cancels a timer and a registration while an audit hook raises, with more pending than their own."""

import os
import signal
import sys

import sigrec
from sigrec import _core
from tests.prelude import RT, say, with_room


class Stop(BaseException):
    pass


def hook(event, arguments):
    if event == "open" and "/task/" in str(arguments[0]):
        raise Stop


signal.pthread_sigmask(signal.SIG_BLOCK, {RT, RT + 1})
timer = with_room(sigrec.timer, 60, signum=RT)
registration = sigrec.register(RT + 1, print)
os.kill(os.getpid(), RT + 1)
for _ in range(1100):
    with_room(os.kill, os.getpid(), RT)
sys.addaudithook(hook)
for one in timer, registration:
    try:
        one.cancel()
    except Stop:
        say("stopped", len(_core.registered(one.signum)))
say(RT in signal.sigpending())
with with_room(sigrec.timer, 60, signum=RT):
    say("again")
