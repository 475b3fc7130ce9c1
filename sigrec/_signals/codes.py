"""What si_code says, sigaction(2), and which signals are of one kind. As numbers: a lookup by an enum's
member is slower, and this is on each event's way."""

from __future__ import annotations

import signal

# si_code values, <bits/siginfo-consts.h>; sigaction(2) says which fields each defines.
SI_USER = 0
SI_QUEUE = -1
SI_TIMER = -2
SI_SIGIO = -5
SI_TKILL = -6
SI_KERNEL = 0x80
POLL_HUP = 6
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)

SIGCHLD = int(signal.SIGCHLD)
SIGSYS = int(signal.SIGSYS)
# What the instruction of a thread brought about; si_addr is its address, or the one that it used.
FAULTS = frozenset(
    map(int, (signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, SIGSYS))
)

# Sent by the kernel, SI_KERNEL, and yet known for what they are: setitimer(2), and the terminal
# driver, by a key (termios(3), ISIG), job control, a new size, a hangup.
TIMER_SIGNALS = frozenset(map(int, (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)))
TERMINAL_SIGNALS = frozenset(
    map(int, (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN,
              signal.SIGTTOU, signal.SIGWINCH))
)  # fmt: skip
