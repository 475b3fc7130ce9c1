"""The program under the storm: does what its plan says while chaos.py sends signals to it.

It talks by lines: the plan on stdin, then "go", "calm" and "finish"; what it saw on stdout.
"""

import contextlib
import faulthandler
import gc
import itertools
import json
import os
import signal
import sys
import threading
import time

import sigrec

HANG_S = 40  # without progress for so long: every thread's stack on stderr, and the end


class Boom(Exception):
    """What handlers raise."""


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one write: whole lines


def progress():
    faulthandler.dump_traceback_later(HANG_S, exit=True)


class Count:
    """Counts in one C call, which no handler and no other thread can interrupt."""

    def __init__(self):
        self._next = itertools.count()
        self.add = self._next.__next__

    @property
    def value(self):
        return int(repr(self._next)[len("count(") : -1])


def spin_here(until):
    while time.monotonic() < until:
        pass


def sleep_here(until):
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)


def stats_here():
    sigrec.stats().to_dict()


def may_raise(frame, handlers):
    """Whether a Boom in this frame arrives in a window, and on its way ends no other handler
    before that has counted."""
    while frame is not None:
        if frame.f_code is handlers:
            return False
        if frame.f_code in WINDOWS:
            return True
        frame = frame.f_back
    return False


# Not in what stats() calls: CPython 3.11 may lose what a handler raises inside open().
EXACT = {spin_here.__code__, sleep_here.__code__}
WINDOWS = {*EXACT, stats_here.__code__}


class Target:
    def __init__(self, plan):
        self.plan = plan
        self.signals = {int(number): options for number, options in plan["signals"].items()}
        self.calls = {number: Count() for number in self.signals}
        self.plain_calls = {number: Count() for number in self.signals}
        self.raised, self.caught, self.hooked = Count(), 0, Count()
        self.children = 0
        self.forkers = []  # the kernel sends SIGCHLD by way of the thread that forked
        self.own_sent = dict.fromkeys(self.signals, 0)
        self.registrations = {}  # by signal: those that stay
        self.stacked = []
        self.churned = {}
        self.churns = dict.fromkeys(self.signals, 0)
        self.recorders = []
        self.streams = []
        self.stream_counts = []
        self.readers = []
        self.timers = {}
        self.workers = []
        self.stop_workers = threading.Event()
        self.more = None

    # --- handlers --------------------------------------------------------------------

    def handler(self, number):
        """Counts its calls; now and then it raises, forks, or ends its own registration."""
        add = self.calls[number].add
        options = self.signals[number]
        every, slow, forks = options["raises"], options["slow"], options["forks"]

        def handle(signum, *rest):
            n = add()
            if slow:
                sum(range(200))
            if forks and n in (3, 40):
                self._fork(forks, None, 0)
            if options["leaves"] and n % 50 == 49:
                sigrec.unregister(signum)
            if every and n % every == 0:
                frame = rest[-1]
                if frame is None:
                    raise Boom
                if may_raise(frame, handle.__code__):
                    exact = frame.f_code in EXACT
                    if exact:
                        self.raised.add()
                    raise Boom(exact)

        return handle

    def register(self, number, deliver=None):
        options = self.signals[number]
        return sigrec.register(
            number,
            self.handler(number),
            siginfo=options["siginfo"],
            deliver=deliver or options["deliver"],
            reentrant=options["reentrant"],
            coalesce=options["coalesce"],
            intake=options["intake"],
            moderation=options["moderation"],
        )

    def plain(self, number):
        """The program's own handler, which knows nothing of sigrec."""
        add = self.plain_calls[number].add
        signal.signal(number, lambda signum, frame: add())

    # --- the phases ------------------------------------------------------------------

    def start(self):
        threading.excepthook = lambda args: self.hooked.add()
        for number, options in self.signals.items():
            role = options["role"]
            if role == "registered":
                self.registrations[number] = self.register(number)
            elif role in ("recorded", "ignored"):
                self.plain(number)
                self.recorders.append(sigrec.record(number))
            elif role == "churn":
                self.plain(number)
        if self.plan["record_all"]:
            self.recorders.append(sigrec.record())
        for numbers, backlog, readers, intake, form in self.plan["streams"]:
            stream = sigrec.stream(*numbers, backlog=backlog, intake=intake)
            self.streams.append(stream)
            for _ in range(readers):
                counts = dict.fromkeys(numbers, 0)
                self.stream_counts.append(counts)
                read = self.read if form == "for" else self.read_batches
                thread = threading.Thread(target=read, args=(stream, counts))
                thread.start()
                self.readers.append(thread)
        for i in range(self.plan["workers"]):
            thread = threading.Thread(target=self.work, args=(i,))
            thread.start()
            self.workers.append(thread)

    @staticmethod
    def read(stream, counts):
        for item in stream:
            counts[item.si_signo] += item.count if isinstance(item, sigrec.Missed) else 1

    @staticmethod
    def read_batches(stream, counts):
        for batch in stream.batches():
            if isinstance(batch, sigrec.Missed):
                counts[batch.si_signo] += batch.count
            elif isinstance(batch, list):
                for info in batch:
                    counts[info.si_signo] += 1
            else:
                for number in batch["si_signo"].tolist():
                    counts[number] += 1

    def work(self, i):
        """A thread for signals to land on: one works, the others mostly sleep."""
        while not self.stop_workers.wait(0.001 if i == 0 else 0.05):
            sum(range(1000))

    def storm(self):
        for name, *arguments in self.plan["actions"]:
            progress()
            getattr(self, "do_" + name)(*arguments)
        for registration in reversed(self.stacked):
            registration.cancel()
        self.stacked.clear()

    def settle(self):
        """Until nothing is in flight: neither in the kernel nor in our queues."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        quiet, late = 0, time.monotonic() + HANG_S / 2
        while quiet < 3:
            time.sleep(0.002)
            busy = in_flight() or [stats for stats in sigrec.stats() if stats.pending]
            quiet = 0 if busy else quiet + 1
            if time.monotonic() > late:
                say("FAIL", f"it does not settle: {busy}, of {threads_of(os.getpid())}")
                late += HANG_S
        progress()

    def report(self):
        return {
            "tids": [*self.forkers, *map(int, os.listdir("/proc/self/task"))],
            "calls": {n: count.value for n, count in self.calls.items()},
            "plain_calls": {n: count.value for n, count in self.plain_calls.items()},
            "raised": self.raised.value,
            "caught": self.caught,
            "own_sent": self.own_sent,
            "churns": self.churns,
            "children": self.children,
        }

    def finish(self):
        """Ends everything; returns what the streams had in all."""
        read = [dict.fromkeys(numbers, 0) for numbers, *_ in self.plan["streams"]]
        for stream in self.streams:
            stream.close()
        for thread in self.readers:
            thread.join()
        counts = iter(self.stream_counts)
        for i, (_, _, readers, *_) in enumerate(self.plan["streams"]):
            for _ in range(readers):
                for number, n in next(counts).items():
                    read[i][number] += n
            for item in self.streams[i].unread:
                n = item.count if isinstance(item, sigrec.Missed) else 1
                read[i][item.si_signo] += n
        for registration in [*self.churned.values(), *self.registrations.values()]:
            registration.cancel()
        for recorder in self.recorders:
            recorder.stop()
        if self.more is not None:
            self.more.stop()
        self.stop_workers.set()
        for thread in self.workers:
            thread.join()
        return read

    # --- actions, by the names in the plan -------------------------------------------

    def _window(self, inside, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                inside(until)
            except Boom as boom:
                while boom is not None:  # one may have come while another unwound the stack
                    self.caught += boom.args == (True,)
                    boom = boom.__context__

    def do_spin(self, seconds):
        self._window(spin_here, seconds)

    def do_sleep(self, seconds):
        self._window(sleep_here, seconds)

    def do_stats(self):
        self._window(lambda until: stats_here(), 0.002)

    def do_collect(self):
        gc.collect()

    def do_block(self, numbers, seconds):
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        time.sleep(seconds)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def do_restack(self, number, deliver):
        """One more registration on top, or the newest of those off: the signal stays ours."""
        if len(self.stacked) > 3:
            self.stacked.pop().cancel()
        else:
            self.stacked.append(self.register(number, deliver))

    def do_churn(self, number, deliver):
        self.churns[number] += 1
        registration = self.churned.pop(number, None)
        if registration is None:
            self.churned[number] = self.register(number, deliver)
        else:
            registration.cancel()

    def do_ignore(self, number, seconds):
        signal.signal(number, signal.SIG_IGN)
        time.sleep(seconds)
        self.plain(number)

    def do_record_more(self, numbers):
        """One more recorder, for signals that are counted anyway; or the end of that."""
        if self.more is None:
            self.more = sigrec.record(*numbers)
        else:
            self.more.stop()
            self.more = None

    def do_close_all(self):
        os.closerange(3, 256)

    def do_threads(self, count):
        threads = [threading.Thread(target=sum, args=(range(2000),)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def do_raise_signal(self, number, count):
        for _ in range(count):
            again(signal.raise_signal, number)
            self.own_sent[number] += 1

    def do_itimer(self, interval):
        signal.setitimer(signal.ITIMER_REAL, interval, interval)
        time.sleep(5 * interval)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def do_timer(self, number, interval, intake):
        timer = self.timers.pop(number, None)
        if timer is None:
            self.timers[number] = again(
                lambda: sigrec.timer(interval, signum=number, intake=intake)
            )
        else:
            timer.cancel()

    def do_wait(self, number, timeout):
        sigrec.wait(number, timeout=timeout)

    def do_fork(self, kind, number, count, from_thread):
        """A child that exits, executes, or has signals of its own."""
        if from_thread:
            thread = threading.Thread(target=self._fork, args=(kind, number, count))
            thread.start()
            thread.join()
        else:
            self._fork(kind, number, count)

    def _fork(self, kind, number, count):
        self.children += 1
        self.forkers.append(threading.get_native_id())
        pid = os.fork()
        if not pid:
            status = 1
            try:
                if kind == "exec":
                    os.execv("/bin/true", ["true"])
                if kind == "signals":
                    self._in_child(number, count)
                status = 0
            except BaseException as error:
                say("FAIL", f"forked child, {kind} {number}: {error!r}")
            finally:
                os._exit(status)
        end = time.monotonic() + HANG_S / 2
        try:
            while not (status := os.waitpid(pid, os.WNOHANG))[0] and time.monotonic() < end:
                time.sleep(0.001)
        except ChildProcessError:
            return  # SIGCHLD is ignored just now: the kernel took it
        if not status[0]:
            say("FAIL", f"forked child hangs: {threads_of(pid)}")
            os.kill(pid, signal.SIGABRT)  # faulthandler tells where
            status = os.waitpid(pid, 0)
        status = status[1]
        if status:
            say("FAIL", f"forked child, {kind} {number}: wait status {status}")

    def _in_child(self, number, count):
        """Its ledger begins at zero, and has its own signals only."""
        for stats in sigrec.stats():
            if stats.delivered or stats.handled or stats.pending:
                say("FAIL", f"forked child's ledger does not begin at zero: {stats!r}")
        before = self.calls[number].value
        for _ in range(count):
            again(sigrec.sigqueue, os.getpid(), number)
        while number not in sigrec.stats() or sigrec.stats()[number].delivered < count:
            time.sleep(0.0005)
        while sigrec.stats()[number].pending:
            time.sleep(0.0005)
        stats = sigrec.stats()[number]
        calls = self.calls[number].value - before
        if (stats.delivered, stats.handled) != (count, count):
            say("FAIL", f"forked child sent itself {count}: {stats!r}, handled {stats.handled}")
        if not self.signals[number]["coalesce"] and calls != count:
            say("FAIL", f"forked child sent itself {count} of {number}: {calls} handler calls")


def again(send, *arguments):
    """Until the user's RLIMIT_SIGPENDING allows it."""
    while True:
        try:
            return send(*arguments)
        except BlockingIOError:
            time.sleep(0.001)


def in_flight():
    """What says that a signal waits for the process or for one of its threads, or may be on its way into
    a handler: the thread that took it may have to wait for a processor, but does not sleep."""
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/status") as status:
                lines = status.read()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        for line in lines.splitlines():
            if line.startswith(("SigPnd:", "ShdPnd:")) and int(line.split()[1], 16):
                return f"{tid}: {lines[lines.index('SigPnd') :]}"
            if line.startswith("State:") and int(tid) != os.getpid() and "S" not in line.split():
                return f"{tid}: {line}"
    return None


def threads_of(pid):
    """What the threads of a process wait for, as the kernel sees it."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/stat") as stat, \
                open(f"/proc/{pid}/task/{tid}/wchan") as wchan:  # fmt: skip
            found.append((tid, stat.read().rsplit(")")[-1].split()[0], wchan.read()))
    return found


def resources():
    return {
        "threads": len(os.listdir("/proc/self/task")),
        "fds": len(os.listdir("/proc/self/fd")),
    }


def wait_for(word):
    """A line of stdin, byte by byte: a Boom cannot come, and nothing may stay in a buffer. Until the
    driver sends it, which may take long on a busy machine, no progress is expected here."""
    faulthandler.cancel_dump_traceback_later()
    line = b""
    while not line.endswith(b"\n"):
        one = os.read(0, 1)
        if not one:
            os._exit(3)  # the driver is gone
        line += one
    if word is not None and line.strip() != word.encode():
        raise RuntimeError(f"{line!r} where {word} was expected")
    progress()
    return line


def main():
    faulthandler.enable(all_threads=True)
    plan = json.loads(wait_for(None))
    # The dispatcher thread stays, once it runs.
    sigrec.register(signal.SIGRTMAX, print, deliver="thread").cancel()
    # What is imported when it is needed first is imported now: a Boom inside importlib may leave
    # CPython's import lock held for ever (between its acquire_lock() and its try).
    stats_here()
    with contextlib.suppress(ImportError):
        import numpy  # noqa: F401
    before = resources()
    target = Target(plan)
    target.start()
    say("ready", json.dumps([thread.native_id for thread in target.workers]))
    wait_for("go")
    target.storm()
    say("done")
    wait_for("calm")
    target.settle()
    say("report", json.dumps(target.report()))
    wait_for("finish")
    streams = target.finish()
    if not (child := os.fork()):  # which ends the intake thread, until the next flood
        os._exit(0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    end = time.monotonic() + 5
    while (after := resources()) != before and time.monotonic() < end:
        time.sleep(0.005)  # join() returns shortly before the kernel has ended the thread
    say("end", json.dumps({"streams": streams, "before": before, "after": after}))


if __name__ == "__main__":
    main()
    sys.exit(0)
