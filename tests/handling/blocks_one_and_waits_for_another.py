"""Of three signals that it registers, one is blocked, and a thread waits for another by sigwaitinfo."""

import select
import signal
import sys
import threading

import sigrec
from tests.prelude import RT, ledger, say, settle

RT2, RT3 = signal.SIGRTMIN + 3, signal.SIGRTMIN + 4
for signum in (RT, RT2, RT3):
    sigrec.register(signum, lambda signum, frame: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {RT2, RT3})
taken = []


def wait():
    while len(taken) < 1000:
        taken.append(signal.sigwaitinfo({RT3}).si_signo)


thread = threading.Thread(target=wait)
thread.start()
say("ready")
while not select.select([sys.stdin], [], [], 0)[0]:
    pass
thread.join()
blocked = sigrec.stats()[RT2].delivered
signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT2})
settle(RT, RT2)
say(len(taken), sigrec.stats()[RT3].delivered, blocked, *ledger(RT2), *ledger(RT))
