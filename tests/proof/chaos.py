"""A storm of signals on a program that does everything it should not, and then the books.

    python -m tests.proof.chaos [--seconds 60] [--seed N]

Each round has a seed of its own, from which everything is planned that the target program does and
everything that is sent to it. When it is over, the target's ledger must add up, and agree with
what the handlers, the streams and (as root, with perf) the kernel counted. ``--seed N`` plays that
one round again; with ``--seconds``, the rounds from there on.
"""

import argparse
import collections
import itertools
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import sigrec
from sigrec import _core
from sigrec._reader.format import SENT_HEADS_AT

from . import audit

CHILDREN_HEAD_AT = SENT_HEADS_AT + 16
ROOT = Path(__file__).parents[2]
LINE_TIMEOUT_S = 90  # more than the target's own HANG_S, which tells more
MOST_SENT = 40_000  # a round

STANDARD = [
    getattr(signal, "SIG" + name)
    for name in [
        "HUP",
        "INT",
        "QUIT",
        "USR1",
        "USR2",
        "TERM",
        "ALRM",
        "VTALRM",
        "PROF",
        "IO",
        "URG",
        "WINCH",
        "CHLD",
        "PWR",
        "XCPU",
    ]
]
REAL_TIME = [signal.SIGRTMIN + n for n in range(1, 15)]


class Failed(Exception):
    """A round in which something did not add up."""


# CPython itself prints that of a program that ignores a signal while another thread takes it.
RACE = re.compile(r"Traceback .*\n(?:  .*\n)*OSError: Signal \d+ ignored due to race condition\n?")
# Of handlers that raised while others of their signal waited: the first of them surfaced.
TOLD = re.compile(r"sigrec: and (\d+) more exceptions? of signal handlers\n?")

# --- the plan ------------------------------------------------------------------------


def make_plan(seed):
    """All that happens in the round of this seed, but for the timing.

    ``broken``: signals of which the kernel's count and ours may differ, since the plan has
    something for them that the kernel or Python does without us.
    """
    r = random.Random(seed)
    kind = r.choices(["audited", "free", "killed"], [5, 3, 3])[0]
    numbers = r.sample(STANDARD, r.randint(2, 7)) + r.sample(REAL_TIME, r.randint(2, 7))
    roles = ["registered"] * 5 + ["stream", "stream", "recorded"]
    if kind != "audited":
        roles += ["churn", "churn", "ignored"]
    signals = {}
    for number in map(int, numbers):
        signals[number] = {
            "role": r.choice(roles),
            "deliver": r.choice(["main", "main", "thread"]),
            "siginfo": r.random() < 0.5,
            "reentrant": r.choice([None, True, False]),
            "coalesce": r.random() < 0.15,
            "raises": r.choice([0, 0, 7, 100]),
            "slow": r.random() < 0.2,
            "forks": r.choice([None] * 8 + ["exit", "exec"]),
            "intake": r.choice(["handler", "thread"]),
            "moderation": r.choice([0, 0.001, 0.01]),
        }
    signals[int(numbers[-1])]["role"] = "registered"  # one at least
    for options in signals.values():
        options["leaves"] = options["role"] == "churn" and r.random() < 0.5
    if kind != "audited" and r.random() < 0.4:  # SIGSTOP and SIGCONT discard each other
        signals[int(signal.SIGCONT)] = dict(signals[int(numbers[-1])], role="registered")
    by_role = collections.defaultdict(list)
    for number, options in signals.items():
        by_role[options["role"]].append(number)
    broken = {*by_role["churn"], *by_role["ignored"], int(signal.SIGCONT)}

    streams = []
    if by_role["stream"]:
        streams = [
            [
                by_role["stream"],
                r.choice([1, 10, 1000, 16384]),
                r.randint(0, 2),
                r.choice(["handler", "thread"]),
                r.choice(["for", "batches"]),
            ]
            for _ in range(r.randint(1, 2))
        ]
    workers = r.randint(0, 3)
    plan = {
        "seed": seed,
        "kind": kind,
        "signals": signals,
        "streams": streams,
        "workers": workers,
        "record_all": not by_role["churn"] and r.random() < 0.3,
        "timers": [],
        "kill_after": r.uniform(0.02, 0.9),
    }
    plan["actions"] = [_action(r, plan, by_role) for _ in range(r.randint(20, 60))]
    if kind == "killed":
        plan["actions"] *= 4  # it must not get to the end
    broken.update(plan["timers"])
    if any(action[0] == "itimer" for action in plan["actions"]):
        # perf does not see what a timer's interrupt generates on an idle processor.
        broken.add(int(signal.SIGALRM))
    plan["sends"] = _sends(r, plan)
    plan["broken"] = sorted(broken)
    return plan


def _action(r, plan, by_role):
    """One thing that the target does; what the plan has no signal for becomes a spin."""
    registered = by_role["registered"]
    names = [
        "spin",
        "spin",
        "spin",
        "sleep",
        "sleep",
        "stats",
        "stats",
        "collect",
        "block",
        "restack",
        "restack",
        "fork",
        "fork",
        "fork",
        "close_all",
        "threads",
        "raise_signal",
        "record_more",
        "itimer",
        "wait",
    ]
    if plan["kind"] != "audited":
        names += ["churn"] * 6 + ["ignore", "timer", "timer"]
    name = r.choice(names)
    some = r.choice(registered)
    if name == "sleep":
        return ["sleep", r.uniform(0, 0.02)]
    if name in ("stats", "collect", "close_all"):
        return [name]
    if name == "block":
        count = r.randint(1, len(plan["signals"]))
        return ["block", r.sample(sorted(plan["signals"]), count), r.uniform(0, 0.01)]
    if name == "restack" and not plan["signals"][some]["coalesce"]:
        return ["restack", some, r.choice(["main", "thread"])]
    if name == "threads":
        return ["threads", r.randint(1, 6)]
    if name == "raise_signal":
        return ["raise_signal", some, r.randint(1, 50)]
    if name == "record_more":
        return ["record_more", by_role["registered"] + by_role["recorded"]]
    if name == "itimer" and int(signal.SIGALRM) in plan["signals"]:
        return ["itimer", r.uniform(0.0005, 0.003)]
    if name == "wait" and by_role["stream"]:
        return ["wait", r.choice(by_role["stream"]), r.uniform(0, 0.01)]
    if name == "fork":
        real_time = [n for n in registered if n >= signal.SIGRTMIN]
        kind = r.choice(["exit", "exec", "signals", "signals"])
        return ["fork", kind, r.choice(real_time), r.randint(1, 300), r.random() < 0.25]
    if name == "churn" and by_role["churn"]:
        return ["churn", r.choice(by_role["churn"]), r.choice(["main", "thread"])]
    if name == "ignore" and by_role["ignored"]:
        return ["ignore", r.choice(by_role["ignored"]), r.uniform(0, 0.01)]
    if name == "timer":
        number = int(r.choice([signal.SIGRTMAX - 1, signal.SIGRTMAX - 2]))
        plan["timers"].append(number)
        return ["timer", number, r.uniform(0.0002, 0.01), r.choice(["handler", "thread"])]
    return ["spin", r.uniform(0, 0.02)]


def _sends(r, plan):
    """What is sent to the target, in this order."""
    sends, left = [], r.randint(MOST_SENT // 10, MOST_SENT)
    while left > 0 or len(sends) < 10:
        number = r.choice(sorted(plan["signals"]))
        how = r.choice(["flood", "flood", "slow", "thread", "stop", "pause"])
        if how == "pause":
            sends.append(["pause", r.uniform(0, 0.02)])
            continue
        count = r.randint(1, 4000) if how == "flood" else r.randint(1, 200)
        if how == "flood":
            sends.append(["flood", number, count, r.choice([0, 0, 2000, 20_000])])
        elif how == "slow":
            sends.append(["slow", number, count, r.uniform(0, 0.0005)])
        elif how == "thread":
            sends.append(["thread", number, count, r.randint(0, plan["workers"])])
        else:
            sends.append(["stop", number, count, r.uniform(0, 0.01)])
        left -= count
    return sends


# --- sending -------------------------------------------------------------------------


class Sender:
    """Plays the plan's sends, and counts what went out, by signal."""

    def __init__(self, pid, threads):
        self.pid = pid
        self.threads = threads
        self.sent = collections.Counter()

    def one(self, number, **options):
        while True:  # until the user's RLIMIT_SIGPENDING allows it
            try:
                if number < signal.SIGRTMIN and not options:
                    os.kill(self.pid, number)
                else:
                    sigrec.sigqueue(self.pid, number, **options)
                break
            except BlockingIOError:
                time.sleep(0.001)
        self.sent[number] += 1

    def do_pause(self, seconds):
        time.sleep(seconds)

    def do_flood(self, number, count, every_ns):
        queue = number >= signal.SIGRTMIN
        limit_ns = LINE_TIMEOUT_S * 10**9
        sent, _, _ = _core.flood(self.pid, number, count, queue, limit_ns, every_ns)
        self.sent[number] += sent

    def do_slow(self, number, count, seconds):
        for _ in range(count):
            self.one(number)
            if seconds > 0.0001:
                time.sleep(seconds)

    def do_thread(self, number, count, index):
        for _ in range(count):
            self.one(number, thread=self.threads[index])

    def do_stop(self, number, count, seconds):
        os.kill(self.pid, signal.SIGSTOP)
        for _ in range(count):
            self.one(number)
        time.sleep(seconds)
        os.kill(self.pid, signal.SIGCONT)


# --- the checks ----------------------------------------------------------------------


def check(plan, ledger, report=None, sent=None, kernel=None, streams=None, threads=0,
          told=0):  # fmt: skip
    """What does not add up, in words. ledger: SignalStats by signal number. After a calm end there
    is the target's report; else it was killed, and each of its threads may have had one signal
    in hand. told: exceptions of handlers that did not surface behind another one, and were told of
    as a number."""
    wrong = []
    calm = report is not None

    def say(number, message):
        wrong.append(f"seed {plan['seed']}: {sigrec.signal_name(number)}: {message}")

    off = 0
    for number, stats in ledger.items():
        options = plan["signals"].get(number, {})
        role = options.get("role", "other")
        difference = stats.delivered - stats.recorded - stats.dropped
        off += abs(difference)
        if difference and calm:
            say(number, f"delivered {stats.delivered} != recorded {stats.recorded} "
                f"+ dropped {stats.dropped}")  # fmt: skip
        if role not in ("registered", "stream", "churn") and number not in plan["timers"]:
            continue
        if number in plan["timers"] and plan["record_all"]:
            continue  # also counted while it has no handler
        accounted = stats.handled + stats.pending
        if number not in plan["signals"] or role == "churn":
            accounted += stats.abandoned
        elif stats.abandoned:
            say(number, f"abandoned {stats.abandoned}, and it was never unregistered")
        off += abs(stats.delivered - accounted)
        if calm and stats.delivered != accounted:
            say(number, f"delivered {stats.delivered} != handled {stats.handled} "
                f"+ pending {stats.pending} (abandoned {stats.abandoned})")  # fmt: skip
        if calm and stats.pending:
            say(number, f"pending {stats.pending} at the end")
    if not calm:
        if off > 2 * threads:  # each may be missing in both equations
            wrong.append(f"seed {plan['seed']}: killed with {threads} threads, {off} off: {ledger}")
        return wrong

    for number, options in plan["signals"].items():
        if number not in ledger:
            if sent and sent[number] and options["role"] != "churn":
                say(number, f"sent {sent[number]}, and not in the ledger")
            continue
        stats, calls = ledger[number], report["calls"][str(number)]
        if options["role"] == "registered":
            if options["coalesce"]:
                if calls > stats.handled or bool(calls) != bool(stats.handled):
                    say(number, f"{calls} calls stand for handled {stats.handled}")
            elif calls != stats.handled:
                say(number, f"{calls} handler calls != handled {stats.handled}")
        for stream in streams or []:
            if str(number) in stream and stream[str(number)] != stats.delivered:
                say(number, f"stream had {stream[str(number)]} != delivered {stats.delivered}")
        if number in plan["broken"]:
            continue
        if sent is not None and number >= signal.SIGRTMIN:
            total = sent[number] + report["own_sent"][str(number)]
            if total != stats.delivered:
                say(number, f"sent {total} != delivered {stats.delivered}")
        if kernel is not None and kernel[number] != stats.delivered:
            say(number, f"the kernel queued {kernel[number]} != delivered {stats.delivered}")
    if not 0 <= report["raised"] - report["caught"] <= told:
        wrong.append(
            f"seed {plan['seed']}: handlers raised {report['raised']}, "
            f"{report['caught']} arrived, and {told} were told of"
        )
    return wrong


def records_throughout(plan):
    """What it sends and is told is written down for as long as anything is recorded."""
    roles = {options["role"] for options in plan["signals"].values()}
    return plan["record_all"] or bool(roles & {"recorded", "ignored"})


def check_sent(plan, ledger, told, exact, events, tids):
    """What it sent itself, and the ends of children that it waited for; told: how many."""
    wrong = []
    by_kernel = audit.sent(events, tids)
    for number in exact:
        ours = ledger[number].sent if number in ledger else 0
        if ours != by_kernel[number]:
            wrong.append(f"seed {plan['seed']}: {sigrec.signal_name(number)}: sent {ours} by its own "
                         f"record, the kernel generated {by_kernel[number]}")  # fmt: skip
    ended = audit.ends(events, tids)
    if told != ended and "ignored" not in {o["role"] for o in plan["signals"].values()}:
        wrong.append(f"seed {plan['seed']}: told of {told} ends of children, the kernel of {ended}")
    return wrong


# --- a round -------------------------------------------------------------------------


class Target:
    """The program under the storm, and a conversation with it by lines."""

    def __init__(self, directory):
        self.errors = tempfile.TemporaryFile()
        self.complaints = []
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.proof.chaos_target"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=ROOT,
            # (OpenBLAS, NumPy's, would end its threads at a fork.)
            env={**os.environ, "SIGREC_DIR": directory, "OPENBLAS_NUM_THREADS": "1"},
            bufsize=0,
        )
        self.pid = self.process.pid
        self._read = b""

    def tell(self, text):
        try:
            self.process.stdin.write(text.encode() + b"\n")
        except BrokenPipeError:
            raise self.ended(f'it was told "{text[:20]}"') from None

    def ended(self, before):
        status = self.process.wait(LINE_TIMEOUT_S)
        said = "\n".join([*self.complaints, self.stderr()])
        return Failed(f"ended ({status}) before {before}: {said}")

    def line(self, word):
        """The rest of its next line, which begins with that word. Complaints are kept."""
        while True:
            while b"\n" not in self._read:
                if not select.select([self.process.stdout], [], [], LINE_TIMEOUT_S)[0]:
                    raise Failed(f'hangs, where "{word}" was expected: {self.stderr()}')
                more = os.read(self.process.stdout.fileno(), 65536)
                if not more:
                    raise self.ended(f'"{word}"')
                self._read += more
            line, _, self._read = self._read.partition(b"\n")
            first, _, rest = line.decode().partition(" ")
            if first == word:
                return rest
            self.complaints.append(line.decode())

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


class Totals(collections.Counter):
    """Of all rounds: rounds, calm, killed, sent, delivered, audited, differences."""


def play(seed, audited, totals):
    """One round; returns what was wrong."""
    plan = make_plan(seed)
    # A child of a target that was killed may be making a file in it at the end.
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as directory:
        exact = sorted(set(plan["signals"]) - set(plan["broken"]))
        tracer = None
        if audited and plan["kind"] != "killed":
            tracer = audit.Tracer(directory, {*exact, signal.SIGCHLD})
        target = Target(directory)
        try:
            return _play(plan, directory, target, tracer, exact, totals)
        except (Failed, audit.Failed) as error:
            return [f"seed {seed}: {error}"]
        finally:
            target.end()
            if tracer is not None and tracer.process.returncode is None:
                tracer.stop()


def _recording_of(pid, directory):
    """open_recording(pid), of a process that publishes in that directory."""
    before = os.environ.get("SIGREC_DIR")
    os.environ["SIGREC_DIR"] = directory
    try:
        return sigrec.open_recording(pid)
    finally:
        if before is None:
            del os.environ["SIGREC_DIR"]
        else:
            os.environ["SIGREC_DIR"] = before


def _play(plan, directory, target, tracer, exact, totals):
    target.tell(json.dumps(plan))
    workers = json.loads(target.line("ready"))
    sender = Sender(target.pid, [target.pid, *workers])
    killed = plan["kind"] == "killed"
    threads = 0

    def kill():
        nonlocal threads
        threads = len(os.listdir(f"/proc/{target.pid}/task")) + 1
        target.process.kill()

    killer = threading.Timer(plan["kill_after"], kill)
    target.tell("go")
    if killed:
        killer.start()
    # A target that was killed is a zombie until we wait for it: its pid goes to nobody else.
    for how, *arguments in plan["sends"] if not killed else itertools.cycle(plan["sends"]):
        if killed and not killer.is_alive():
            break
        try:
            getattr(sender, "do_" + how)(*arguments)
        except ProcessLookupError:  # a zombie has no threads
            if target.process.poll() is None:
                raise
        ended = target.process.poll()
        if ended is not None and not (killed and ended == -signal.SIGKILL):
            raise Failed(f"it ended during the storm ({ended}): {target.stderr()}")
    totals["rounds"] += 1
    totals["sent"] += sender.sent.total()
    if killed:
        target.process.wait()
        totals["killed"] += 1
        with _recording_of(target.pid, directory) as recording:
            ledger = recording.signals
        totals["delivered"] += sum(stats.delivered for stats in ledger.values())
        return check(plan, ledger, threads=threads)

    target.line("done")
    target.tell("calm")
    report = json.loads(target.line("report"))
    with _recording_of(target.pid, directory) as recording:
        ledger = recording.signals
        told = recording._source.word(CHILDREN_HEAD_AT)
    tids = {target.pid, *report["tids"]}
    events = tracer.events() if tracer else None
    kernel = None if events is None else audit.queued(events, tids)
    target.tell("finish")
    end = json.loads(target.line("end"))
    status = target.process.wait(LINE_TIMEOUT_S)
    totals["calm"] += 1
    totals["delivered"] += sum(stats.delivered for stats in ledger.values())
    if kernel is not None:
        totals["audited"] += sum(kernel[number] for number in exact)
        totals["differences"] += sum(
            abs(kernel[n] - (ledger[n].delivered if n in ledger else 0)) for n in exact
        )
        totals["audited rounds"] += 1
    counted = sum(int(number) for number in TOLD.findall(target.stderr()))
    wrong = check(plan, ledger, report, sender.sent, kernel, end["streams"], told=counted)
    if events is not None and records_throughout(plan):
        wrong += check_sent(plan, ledger, told, exact, events, tids)
        totals["sent audited"] += sum(ledger[n].sent for n in exact if n in ledger) + told
    if any("the kernel queued" in complaint for complaint in wrong):
        kept = Path(tempfile.gettempdir()) / f"chaos-{plan['seed']}.trace"
        kept.write_text(f"{target.pid} {report['tids']}\n{tracer.script}")
        wrong.append(f"seed {plan['seed']}: what the kernel traced is in {kept}")
    if end["before"] != end["after"]:
        wrong.append(f"seed {plan['seed']}: leak: {end['before']} before, {end['after']} after")
    if status:
        wrong.append(f"seed {plan['seed']}: exit status {status}: {target.stderr()}")
    elif complaint := TOLD.sub("", RACE.sub("", target.stderr())):
        wrong.append(f"seed {plan['seed']}: on its stderr: {complaint}")
    return wrong + [f"seed {plan['seed']}: {complaint}" for complaint in target.complaints]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.proof.chaos")
    parser.add_argument("--seconds", type=float, help="for so long (default: 60; --seed: a round)")
    parser.add_argument("--seed", type=int, help="of the first round")
    options = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    seconds = options.seconds
    if seconds is None:
        seconds = 60 if options.seed is None else 0
    audited = audit.possible()
    if not audited:
        print("not audited: signal:signal_generate can be read by root, with perf")
    totals, failing, seed = Totals(), [], first
    end = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        before = Totals(totals)
        wrong = play(seed, audited, totals)
        new = totals - before
        print(
            f"seed {seed} {make_plan(seed)['kind']}: sent {new['sent']:,} "
            f"delivered {new['delivered']:,} audited {new['audited']:,} "
            f"differences {new['differences']} {time.monotonic() - begin:.1f} s",
            flush=True,
        )
        for line in wrong:
            print("FAILED", line, flush=True)
        if wrong:
            failing.append(seed)
        seed += 1
        if time.monotonic() >= end:
            break
    print(
        f"seeds {first} to {seed - 1}: {totals['rounds']} rounds ({totals['killed']} killed), "
        f"{totals['sent']:,} signals sent, {totals['delivered']:,} delivered; "
        f"{totals['audited']:,} audited against the kernel in {totals['audited rounds']} rounds, "
        f"differences: {totals['differences']}; {totals['sent audited']:,} that it sent or was told of; "
        f"failed: {', '.join(map(str, failing)) or 'none'}"
    )
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
