"""Numbers of Linux: what si_code says, sigaction(2), and which signals are of one kind. A recording
has them as numbers, and may be read on another system."""

# si_code values, <bits/siginfo-consts.h>; sigaction(2) says which fields each defines.
SI_USER = 0
SI_QUEUE = -1
SI_TIMER = -2
SI_SIGIO = -5
SI_TKILL = -6
SI_KERNEL = 0x80
POLL_HUP = 6
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)

SIGCHLD = 17
SIGSYS = 31
# What the instruction of a thread brought about; si_addr is its address, or the one that it used.
FAULTS = frozenset({4, 5, 7, 8, 11, SIGSYS})  # ILL TRAP BUS FPE SEGV SYS

# Sent by the kernel, SI_KERNEL, and yet known for what they are: setitimer(2), and the terminal
# driver, by a key (termios(3), ISIG), job control, a new size, a hangup.
TIMER_SIGNALS = frozenset({14, 26, 27})  # ALRM VTALRM PROF
TERMINAL_SIGNALS = frozenset({1, 2, 3, 20, 21, 22, 28})  # HUP INT QUIT TSTP TTIN TTOU WINCH
