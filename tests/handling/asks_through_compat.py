"""Asks for the intake thread through sigrec.compat."""

import os
import signal as standard

import sigrec.compat as signal
from tests.handling.floods import S, calm, sender, taken
from tests.prelude import settle

values = []
pid, go = sender(20_000, 10_000)
signal.set_intake("thread", moderation=0.002)
signal.signal(S, lambda signum, frame: values.append(1))
signal.set_intake("handler")
go()
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    sum(range(1000))
calm()
settle(S)
print(len(values), 0 < taken() < 20_000)
signal.signal(S, signal.SIG_DFL)
print(standard.getsignal(S) == standard.SIG_DFL)
try:
    signal.set_intake("threads")
except ValueError as error:
    print(error)
