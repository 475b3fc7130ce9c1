"""What a signal means and what came with it, in words."""

from __future__ import annotations

import signal

from sigrec._signals.codes import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    CLD_TRAPPED,
    FAULTS,
    SIGSYS,
)
from sigrec._signals.names import name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._signals.siginfo import SignalInfo


# What a fault means, by signal and si_code: sigaction(2).
FAULT_WORDS: dict[tuple[int, int], str] = {
    (signal.SIGSEGV, 1): "nothing is mapped there",
    (signal.SIGSEGV, 2): "the mapping does not permit it",
    (signal.SIGBUS, 1): "the address is not aligned",
    (signal.SIGBUS, 2): "beyond the end of a mapped file, or no such memory",
    (signal.SIGFPE, 1): "an integer was divided by zero",
    (signal.SIGFPE, 2): "an integer overflowed",
}
FAULTS_IN_CODE = FAULTS - {SIGSYS}  # what SIGSYS means does not depend on si_code: MEANS
# The key for which the terminal sends a signal.
KEYS: dict[int, str] = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGQUIT: "Ctrl-\\",
    signal.SIGTSTP: "Ctrl-Z",
}
# Why a process has sent itself a signal.
BY_ITSELF: dict[int, str] = {
    signal.SIGPIPE: "it wrote to a pipe or socket that nobody reads any more",
    signal.SIGXFSZ: "it wrote past its file size limit, RLIMIT_FSIZE",
    signal.SIGABRT: "it aborted itself",
}
# Why a parent may have sent one: gunicorn's master and systemd (WatchdogSignal=) do that.
BY_PARENT: dict[int, str] = {
    signal.SIGABRT: "as a watchdog sends it to one that has timed out",
}
# Why the kernel has sent one.
MEANS: dict[int, str] = {
    signal.SIGXCPU: "it had used up its CPU time limit, RLIMIT_CPU",
    signal.SIGALRM: "its own timer ran out: alarm(2) or setitimer(2)",
    signal.SIGVTALRM: "its own timer of CPU time ran out: setitimer(2)",
    signal.SIGPROF: "its own profiling timer ran out: setitimer(2)",
    signal.SIGHUP: "the terminal hung up, or its session's leader ended",
    signal.SIGSYS: "it made a system call that a filter forbids: seccomp(2)",
}
# The default action of these ends no process.
HARMLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)

# What became of a child, by SIGCHLD's si_code.
CHILD_ENDED = {
    CLD_EXITED: "exited with status",
    CLD_KILLED: "was killed by",
    CLD_DUMPED: "was killed, and dumped core, by",
}
_CHILD = {
    CLD_EXITED: "exit status {}",
    CLD_KILLED: "killed by {}",
    CLD_DUMPED: "killed by {}, core dumped",
    CLD_TRAPPED: "trapped by {}",
    CLD_STOPPED: "stopped by {}",
    CLD_CONTINUED: "continued",
}


def carried(info: SignalInfo) -> Iterator[str]:
    """What came with the signal, in words."""
    if info.si_status is not None:
        status = info.si_status
        what = _CHILD.get(info.si_code, "status {}")
        yield what.format(status if info.si_code in (CLD_EXITED, CLD_CONTINUED) else name(status))
    if info.si_timerid is not None:
        yield f"timer {info.si_timerid}"
    if info.si_overrun:
        yield f"overrun {info.si_overrun}"
    if info.si_value is not None:
        yield f"value {info.si_value}"
    if info.si_addr is not None:
        yield f"address {info.si_addr:#x}"
    if info.si_fd is not None:
        yield f"fd {info.si_fd}"
        yield f"band {info.si_band:#x}"
    if info.si_errno:
        yield f"errno {info.si_errno}"
