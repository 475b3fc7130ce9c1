"""Forks while a stream is open; the child opens its own."""

import os
import signal
import warnings

import sigrec
from tests.prelude import RT, say, sigqueue

warnings.simplefilter("ignore", DeprecationWarning)
stream = sigrec.stream(RT, signal.SIGTERM)
pid = os.fork()
if pid == 0:
    try:
        next(stream)
    except sigrec.SigrecError as error:
        say(error)
    stream.close()
    with sigrec.stream(RT) as own:
        sigqueue(os.getpid(), RT, 7)
        say(next(own).si_value)
    os.kill(os.getpid(), signal.SIGTERM)  # nobody reads it here: it ends the child
    say("survived")
    os._exit(0)
say(os.waitpid(pid, 0)[1])
sigqueue(os.getpid(), RT, 8)
say(next(stream).si_value)
