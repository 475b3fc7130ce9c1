"""The process that ``sigrec demo`` floods: ``python -m sigrec.cli._demo_receiver LIBRARY SIGNUM``.

Says "ready", works until a line comes on stdin, and answers with what was delivered (-1: not
known) and how often its handler was called.
"""

from __future__ import annotations

import select
import signal
import sys

import sigrec


def main(library: str, signum: int) -> None:
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    if library == "sigrec":
        sigrec.register(signum, handler)
    else:
        signal.signal(signum, handler)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        sum(range(1000))  # stands for the work that a program does
    # All that demo sent before that line came is delivered by now; the last ones may still wait.
    if library == "sigrec":
        while sigrec.stats()[signum].pending:
            pass
        delivered = sigrec.stats()[signum].delivered
    else:
        delivered = -1
    print(delivered, handled, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
