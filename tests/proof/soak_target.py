"""Receives for the soak, and counts what is out of order or without detail."""

import json
import sys

import sigrec


class Seen:
    def __init__(self):
        self.next = self.calls = self.without = self.left_out = self.wrong = 0

    def __call__(self, signum, info, frame):
        self.calls += 1
        if info is None:
            self.without += 1
            return
        self.wrong += info.ordinal < self.next or info.si_signo != signum
        self.left_out += info.ordinal - self.next
        self.next = info.ordinal + 1


# What is touched or imported only once is no growth, however late it is: so it is touched here.
sigrec.configure(history=1024, queue=1024)
json.dumps([stats.pending for stats in sigrec.stats()])
seen = {int(n): Seen() for n in sys.argv[1:]}
for number, handler in seen.items():
    sigrec.register(number, handler, siginfo=True)
print("ready", flush=True)
sys.stdin.readline()
while any(stats.pending for stats in sigrec.stats()):
    pass
report = {}
for number, handler in seen.items():
    stats = sigrec.stats()[number]
    report[number] = [
        stats.delivered,
        stats.recorded + stats.dropped,
        stats.handled,
        stats.pending,
        handler.calls,
        handler.without,
        handler.left_out,
        handler.wrong,
        handler.next,
    ]
print(json.dumps(report), flush=True)
sys.stdin.readline()
