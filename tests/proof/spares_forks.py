"""Forks children that exit at once, and says how much CPU time that took; after each line that it is told."""

import os
import resource
import sys

for module in sys.argv[2].split():
    __import__(module)
if sys.argv[1] == "hook":
    os.register_at_fork(after_in_child=lambda: None)
if sys.argv[1] == "ours":
    import sigrec

    sigrec.record(children=True)


def used():
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


for _line in sys.stdin:
    before = used()
    for _ in range(40):
        if not os.fork():
            os._exit(0)
        os.wait()
    print(used() - before, flush=True)
