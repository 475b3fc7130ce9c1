"""A handler at any moment: nothing waits for itself, and nothing is half changed.

    python -m tests.proof.reentry [KIND ...] [--rounds 10000]

close, cancel, register: a handler of the main thread ends a stream that the main thread reads, ends registrations, and
makes them while the main thread does the same, at a random moment of each round. interrupt: a handler raises at a
random moment inside each public call, and five times as often in each block. bytecode: the same, at every bytecode of
each public call in turn, once. After each round either all of the call holds or nothing, no block has left anything, and in the end the ledger is exact: delivered == handled.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import os
import random
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import sigrec
from sigrec import _core, compat
from sigrec._recorder import publishing
from sigrec._recorder.own import own_recording
from tests.conftest import sigqueue

ROOT = Path(sigrec.__file__).parent
A, B, C = (int(signal.SIGRTMIN) + n for n in (4, 5, 6))
ME = os.getpid()
MOMENT = 3e-4  # the longest time to the handler: about what a call takes
calls = Counter()


class Now(BaseException):
    """What the handler raises."""


def handler(signum, frame):
    calls[signum] += 1


def later(action):
    """action() in a handler of the main thread, soon. Returns what tells whether it has come."""
    came = []

    def alarm(signum, frame):
        came.append(1)
        action()

    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, MOMENT))
    return came


def wait_for(came):
    while not came:
        time.sleep(0)  # releases the GIL: before 3.13 CPython may overlook a signal until then


@functools.cache
def place_of_ledger():
    with own_recording() as recording:
        section = recording._header.ledger
        return section.at, section.entry


def ledger(signum):
    """delivered, handled, abandoned: docs/reference/format.md. (sigrec.stats() reads all of it.)"""
    _core.fold()
    _core.refresh_modes()
    at, size = place_of_ledger()
    counts = struct.unpack_from("<8Q", _core.read(at + signum * size, 64))
    return counts[0], counts[6], counts[7]


def settle(signum):
    while sum(ledger(signum)[1:]) < ledger(signum)[0]:
        time.sleep(0)


def check_ledger(*signums):
    for signum in signums:
        settle(signum)
        delivered, handled, abandoned = ledger(signum)
        assert delivered == handled and not abandoned, (signum, ledger(signum))


def check_nothing_left(*signums):
    for signum in signums:
        assert not _core.registered(signum) and not _core.in_place(signum), signum
        assert signal.getsignal(signum) == signal.SIG_DFL, (signum, signal.getsignal(signum))


def close(rounds):
    """stream.close() in a handler while the main thread reads, and sends more."""
    seen = 0
    for _ in range(rounds):
        signal.signal(A, signal.SIG_IGN)  # what close() gives back
        stream = sigrec.stream(A, backlog=4)
        came = later(stream.close)
        for _ in range(10):
            sigqueue(ME, A)
        for item in stream:
            seen += item.count if isinstance(item, sigrec.Missed) else 1
            sigqueue(ME, A) if not came else None
            if not stream._count and came:
                break
        wait_for(came)
        signal.signal(A, signal.SIG_DFL)
        assert stream.closed
        seen += sum(i.count if isinstance(i, sigrec.Missed) else 1 for i in stream.unread)
        check_nothing_left(A)
    check_ledger(A)
    delivered = ledger(A)[0]
    assert seen == delivered, (seen, delivered)
    return f"{delivered} delivered, {seen} in the streams"


def cancel(rounds):
    """cancel() of one of the main thread and one of the dispatcher thread, in a handler."""
    for _ in range(rounds):
        signal.signal(A, signal.SIG_IGN)
        signal.signal(B, signal.SIG_IGN)
        one = sigrec.register(A, handler)
        two = sigrec.register(B, handler, deliver="thread")
        came = later(lambda: (one.cancel(), two.cancel()))
        for _ in range(10):
            sigqueue(ME, A)
            sigqueue(ME, B)
        one.cancel()
        two.cancel()
        wait_for(came)
        signal.signal(A, signal.SIG_DFL)
        signal.signal(B, signal.SIG_DFL)
        check_nothing_left(A, B)
    check_ledger(A, B)
    delivered = sum(ledger(n)[0] for n in (A, B))
    assert delivered == calls[A] + calls[B], (delivered, calls)
    return f"{delivered} delivered, {calls[A] + calls[B]} calls"


def register(rounds):
    """register() in a handler while the main thread registers the same signals."""
    for _ in range(rounds):
        made = []

        def both():
            made.append(sigrec.register(A, handler))
            made.append(sigrec.register(B, handler, deliver="thread"))

        came = later(both)
        both()
        sigqueue(ME, A)
        sigqueue(ME, B)
        wait_for(came)
        sigqueue(ME, A)
        sigqueue(ME, B)
        assert len(_core.registered(A)) == len(_core.registered(B)) == 2
        for one in random.sample(made, 4):
            one.cancel()
        check_nothing_left(A, B)
    check_ledger(A, B)
    assert calls[A] == calls[B] == 2 * rounds, calls
    return f"{calls[A] + calls[B]} delivered and called"


# --- an exception inside each public call -------------------------------------------------------


def made_main():
    return sigrec.register(A, handler)


def made_thread():
    return sigrec.register(A, handler, deliver="thread")


def made_manager():
    manager = sigrec.SignalManager()
    manager.register(A, handler)
    manager.register(B, handler, deliver="thread")
    return manager


def made_compat():
    compat.signal(A, handler)


def other(signum, frame):
    calls[signum] += 1


BEFORE = {"history": 16384, "queue": 16384}
AFTER = {"history": 32, "queue": 64}


def not_begun():
    publishing.start()
    vars(publishing._settings).update(BEFORE, started=False)


def check_configured():
    settings = vars(publishing._settings)
    assert {name: settings[name] for name in BEFORE} in (BEFORE, AFTER), settings
    settings.update(BEFORE, started=True)


# What is there before the call, and the call.
CALLS = {
    "configure": (not_begun, lambda _: sigrec.configure(**AFTER)),
    "register": (None, lambda _: sigrec.register(A, handler)),
    "register, once more": (made_main, lambda _: sigrec.register(A, handler)),
    "register for the thread": (None, lambda _: sigrec.register(A, handler, deliver="thread")),
    "register for the main thread, after": (made_thread, lambda _: sigrec.register(A, handler)),
    "unregister": (made_main, lambda _: sigrec.unregister(A)),
    "cancel": (made_main, lambda made: made.cancel()),
    "cancel for the thread": (made_thread, lambda made: made.cancel()),
    "SignalManager.register": (sigrec.SignalManager, lambda made: made.register(A, handler)),
    "SignalManager.unregister": (made_manager, lambda made: made.unregister(A)),
    "SignalManager.close": (made_manager, lambda made: made.close()),
    "record": (None, lambda _: sigrec.record(A, B)),
    "Recorder.stop": (lambda: sigrec.record(A, B), lambda made: made.stop()),
    "stream": (None, lambda _: sigrec.stream(A, B)),
    "Stream.get": (lambda: sigrec.stream(A, B), lambda made: made.get(timeout=0.0001)),
    "Stream.close": (lambda: sigrec.stream(A, B), lambda made: made.close()),
    "wait": (None, lambda _: sigrec.wait(A, B, timeout=0.0001)),
    "Flag": (None, lambda _: sigrec.Flag(A, B)),
    "Flag.wait": (lambda: sigrec.Flag(A, B), lambda made: made.wait(0.0001)),
    "Flag.close": (lambda: sigrec.Flag(A, B), lambda made: made.close()),
    "timer": (None, lambda _: sigrec.timer(60, signum=A)),
    "Timer.cancel": (lambda: sigrec.timer(60, signum=A), lambda made: made.cancel()),
    "compat.signal": (None, lambda _: compat.signal(A, handler)),
    "compat.signal, another": (made_compat, lambda _: compat.signal(A, other)),
    "compat.signal, default": (made_compat, lambda _: compat.signal(A, signal.SIG_DFL)),
}
TOGETHER = ("SignalManager.close", "stream", "Stream.close", "Flag", "Flag.close")


def check_whole(name, made):
    """Whatever happened: what is registered is in place, and works; nothing else is."""
    if name == "configure":
        check_configured()
    registered = {n: _core.registered(n) for n in (A, B)}
    for n in (A, B):
        in_force = _core.in_place(n)
        # (Replaced by compat's default, of which only the registration is not ended yet.)
        assert in_force == bool(registered[n]) or name == "compat.signal, default", (
            name,
            registered,
        )
        if in_force:
            delivered, handled, abandoned = before = ledger(n)
            sigqueue(ME, n)
            settle(n)
            after = ledger(n)
            assert after == (delivered + 1, handled + 1, abandoned), (
                name, n, before, after, registered,
                sigrec.stats()[n].senders,  # who sent too many: one that means another process?
            )  # fmt: skip
        elif "compat" not in name and "record" not in name.lower():
            assert signal.getsignal(n) == signal.SIG_DFL, (name, n, signal.getsignal(n))
    if name in TOGETHER:
        assert bool(registered[A]) == bool(registered[B]), (name, registered)
    if "compat" in name:
        one = compat.getsignal(A)
        assert (one in (handler, other)) == _core.in_place(A), (name, one, registered)
        assert len(registered[A]) <= 1, registered
    if isinstance(made, sigrec.SignalManager):
        assert set(made.handlers) == {n for n in (A, B) if registered[n]}, (name, made.handlers)
    if isinstance(made, sigrec.Registration):
        assert made.active == (made._core_handler in registered[A]), name
    if "ecord" in name:
        recorded = modes("recorded")
        assert recorded[A] == recorded[B], (name, recorded)


def modes(wanted):
    stats = sigrec.stats()
    return {n: n in stats and stats[n].mode == wanted for n in (A, B)}


def clean_up(name):
    for n in (A, B):
        if compat.getsignal(n) in (handler, other):
            compat.signal(n, signal.SIG_DFL)
        sigrec.unregister(n)

    class Recorder:
        _stopped = None

    while name and any(modes("recorded").values()):
        _core.record_stop((A, B), True, Recorder(), ())
    check_nothing_left(A, B)


def attempt(name, interrupted):
    """One call, made by interrupted(), which raises Now in it, or not."""
    setup, call = CALLS[name]
    made = setup() if setup else None
    was_raised = interrupted(lambda made=made: call(made))
    check_whole(name, made)
    if isinstance(made, (sigrec.Stream, sigrec.Flag)):
        made.close()
    if isinstance(made, sigrec.Timer):
        made.cancel()
    del made
    clean_up("ecord" in name)
    return was_raised


def at_a_random_moment(call):
    def now():
        raise Now

    try:
        came = later(now)
        call()
        wait_for(came)
    except Now:
        pass
    return True


# What ends with its block, wherever that is interrupted.
BLOCKS = {
    "register": lambda: sigrec.register(A, handler),
    "register for the thread": lambda: sigrec.register(A, handler, deliver="thread"),
    "SignalManager": sigrec.SignalManager,
    "timer": lambda: sigrec.timer(60, lambda info: None, signum=A),
    "stream": lambda: sigrec.stream(A),
    "Flag": lambda: sigrec.Flag(A, B),
}


def check_ended(name):
    left = [n for n in (A, B) if _core.registered(n) or _core.in_place(n)]
    assert not left, (name, left)


def in_block(enter):
    with enter() as made:
        if isinstance(made, sigrec.SignalManager):
            made.register(A, handler)


def goes_on(n):
    """What hangs is shown after a minute; a busy machine may take its time for all of it."""
    if n % 20 == 0:
        faulthandler.dump_traceback_later(60, exit=True)


def interrupt(rounds):
    for name in CALLS:
        for n in range(rounds):
            goes_on(n)
            attempt(name, at_a_random_moment)
        check_ledger(A, B)
    for name, enter in BLOCKS.items():
        for n in range(5 * rounds):
            goes_on(n)
            at_a_random_moment(lambda enter=enter: in_block(enter))
            check_ended(name)
    return f"{len(CALLS)} calls and {len(BLOCKS)} blocks, each interrupted {rounds} times or more"


class Bytecodes:
    """Raises Now at the n-th bytecode of sigrec's."""

    def __init__(self, n):
        self.left = n
        self.came = False

    def trace(self, frame, event, argument):
        code = frame.f_code
        # (What lists the events changes nothing, and each attempt makes more of them than it tries.)
        lists = code.co_qualname.startswith(("Recorder._events_since", "SignalInfo."))
        if lists or "_reader" in code.co_filename or not code.co_filename.startswith(str(ROOT)):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and not self.came:
            self.left -= 1
            if self.left < 0:
                self.came = True
                raise Now
        return self.trace

    def __call__(self, call):
        sys.settrace(self.trace)
        try:
            call()
        except Now:
            pass
        finally:
            sys.settrace(None)
        return self.came


def bytecode(rounds):
    """rounds: how many bytecodes of each call are left out, and one."""
    points = 0
    for name in CALLS:
        attempt(name, Bytecodes(1 << 60))  # what is imported is imported
        n = 0
        while attempt(name, Bytecodes(n)):
            n += random.randint(1, 2 * rounds - 1) if rounds > 1 else 1
            points += 1
        check_ledger(A, B)
    return f"{len(CALLS)} calls, interrupted at {points} bytecodes"


KINDS = {f.__name__: f for f in (close, cancel, register, interrupt, bytecode)}
LIMITS = {"bytecode": 1800}  # seconds; not by rounds, which are bytecodes left out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--stride", type=int, default=1, help="of the bytecodes")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    failed = 0
    for kind in arguments.kinds or KINDS:
        rounds = arguments.stride if kind == "bytecode" else arguments.rounds
        if arguments.here:
            faulthandler.dump_traceback_later(LIMITS.get(kind, 60 + rounds / 5), exit=True)
            warnings.simplefilter("ignore")
            print(f"{kind}: {KINDS[kind](rounds)}: nothing hung, nothing half changed", flush=True)
            continue
        command = [sys.executable, "-m", "tests.proof.reentry", kind, "--here"]
        command += ["--rounds", str(arguments.rounds), "--stride", str(arguments.stride)]
        status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        if status:
            print(f"{kind}: FAILS, status {status}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
