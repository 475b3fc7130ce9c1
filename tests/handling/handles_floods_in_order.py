"""Handles one flood after another, until the intake thread has taken part."""

import os
import sys

import sigrec
from tests.handling.floods import S, calm, sender
from tests.prelude import ledger, settle

got = []
senders = [sender(100_000, 0) for _ in range(5)]
registration = sigrec.register(
    S,
    lambda signum, info, frame: got.append(info and info.si_value),
    siginfo=True,
    deliver=sys.argv[2],
    intake="thread",
)
print(registration.intake)
floods = 0
while floods < 5 and not registration.intake["switches"]:  # else it was over before the thread ran
    pid, go = senders[floods]
    floods += 1
    go()
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        sum(range(1000))
calm()
settle(S)
print(
    got == list(range(100_000)) * floods,
    *(count // floods for count in ledger(S)),
    sigrec.stats()[S].undetailed,
)
intake = registration.intake
print(
    *(0 < intake[name] < 100_000 * floods for name in ("taken", "switches", "kicks")),
    intake["bytes"],
)
