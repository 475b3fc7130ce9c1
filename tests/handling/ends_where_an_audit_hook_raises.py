"""Closes a stream and cancels a registration while an audit hook raises what it is told to."""

import builtins
import os
import signal
import sys

import sigrec
from sigrec import _core
from tests.prelude import RT, say, sigqueue

refuses = None


def audit(event, args):
    if refuses and event == "open":
        raise refuses


def end(call):
    global refuses
    sigqueue(os.getpid(), RT)
    refuses = getattr(builtins, sys.argv[1])
    try:
        call()
    except BaseException as error:
        say(type(error).__name__)
    else:
        say("ended")
    refuses = None


sys.addaudithook(audit)
stream = sigrec.stream(RT)
signal.pthread_sigmask(signal.SIG_BLOCK, [RT])
end(stream.close)
say(stream.closed, _core.subscribed(RT), _core.in_place(RT))
registration = sigrec.register(RT, print, deliver="thread")
end(registration.cancel)
say(registration.active == _core.in_place(RT))
registration.cancel()
say(_core.in_place(RT))
