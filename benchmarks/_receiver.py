"""The flooded process of flood.py: ``python -m benchmarks._receiver KIND STATE SIGNUM``."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

from benchmarks._common import answer, load_peers, pin

Counts = Callable[[], tuple[float | None, float | None]]  # delivered, handled


def set_up(kind: str, signum: int) -> Counts:
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    if kind in ("sigrec", "sigrec, intake"):
        import sigrec

        sigrec.register(signum, handler, intake="handler" if kind == "sigrec" else "thread")
        return lambda: (sigrec.stats()[signum].delivered, handled)
    if kind == "signal":
        signal.signal(signum, handler)
        return lambda: (None, handled)
    if kind == "C counter":
        peers = load_peers(gil=False)
        assert peers.install_counting(signum) == 0
        return lambda: (peers.get_counted(), None)
    seen = 0
    if kind == "wakeup_fd":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signum, lambda signum, frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def read() -> None:
            nonlocal seen
            # Otherwise the kernel would give the flood to this thread as well, which could then not
            # empty the pipe.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
            while data := os.read(reader, 65536):
                seen += data.count(signum)

        threading.Thread(target=read, daemon=True).start()
    elif kind == "sigwaitinfo":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signum})

        def wait() -> None:
            nonlocal seen
            signals = {signum}
            while True:
                signal.sigwaitinfo(signals)
                seen += 1

        threading.Thread(target=wait, daemon=True).start()
    else:
        raise ValueError(kind)
    return lambda: (None, seen)


def stay(state: str) -> None:
    """Stays in this state until a line comes on stdin."""
    if state == "busy":
        while not select.select([0], [], [], 0)[0]:
            sum(i for i in range(200))
    elif state == "asleep":
        select.select([0], [], [])  # in the kernel; resumed after each handler (PEP 475)
    elif state == "in C":
        load_peers(gil=False).wait_in_c(0)
    else:
        raise ValueError(state)


def main(kind: str, state: str, signum: int) -> None:
    pin("receiver")
    counts = set_up(kind, signum)
    if state == "in C":
        load_peers(gil=False)
    print("ready", flush=True)
    stay(state)
    # When nothing has come for a while, nothing is on its way any more.
    last, since = counts(), time.monotonic()
    while time.monotonic() - since < 0.3:
        time.sleep(0.01)
        if (now := counts()) != last:
            last, since = now, time.monotonic()
    answer(delivered=last[0], handled=last[1])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
