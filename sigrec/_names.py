"""Signal names, as people write them."""

from __future__ import annotations

import signal


def name(signum: int, sigrtmin: int | None = None) -> str:
    """``"SIGUSR1"``, ``"SIGRTMIN+2"``; ``"signal 33"`` for one that has no name.

    sigrtmin: of the process whose signal it is; C libraries differ. Default: ours.
    """
    lowest = sigrtmin or int(getattr(signal, "SIGRTMIN", 65))
    if lowest <= signum <= 64:
        return f"SIGRTMIN+{signum - lowest}" if signum > lowest else "SIGRTMIN"
    try:
        if signum >= 32:  # the C library keeps these for itself; ours may have another lowest
            raise ValueError
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"
