"""The values of si_code (sigaction(2)), and which signals are of one kind. These are plain numbers,
since members of an enum are slower, and each event is compared with them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

# si_code values, <bits/siginfo-consts.h>; sigaction(2) says which fields each defines.
SI_USER = 0
SI_QUEUE = -1
SI_TIMER = -2
SI_SIGIO = -5
SI_TKILL = -6
SI_KERNEL = 0x80
POLL_HUP = 6
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)

SIGCHLD = int(_signal.SIGCHLD)
SIGSYS = int(_signal.SIGSYS)
# An instruction of a thread caused these; si_addr is its address, or the address that it used.
FAULTS = frozenset(
    map(
        int,
        (_signal.SIGILL, _signal.SIGTRAP, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGSEGV, SIGSYS),
    )
)

# Where the kernel sends these with SI_KERNEL, the cause is known all the same: setitimer(2), and
# the terminal, by a key (termios(3), ISIG), job control, a new size or a hangup.
TIMER_SIGNALS = frozenset(map(int, (_signal.SIGALRM, _signal.SIGVTALRM, _signal.SIGPROF)))
TERMINAL_SIGNALS = frozenset(
    map(int, (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTSTP, _signal.SIGTTIN,
              _signal.SIGTTOU, _signal.SIGWINCH))
)  # fmt: skip
