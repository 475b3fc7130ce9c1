"""A storm of signals on a C program that knows nothing of sigrec, under `sigrec run` or attached to, and then the books.

    python -m tests.proof.native [--rounds N] [--seed N]

Several processes send to storm.c, which sets handlers again, blocks, has threads, forks, spawns and kills what it
spawned, opens and closes a library that sets handlers too, and sends itself signals. Every fourth round it is attached to. Then what the recording counted, what its handlers did, and what the kernel
generated (signal:signal_generate, as root with perf) must be the same for each signal: how many, from whom, what it
sent, and each end of a child. Every third round it is killed in the middle.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import sigrec
from sigrec import _core

from . import audit
from .build import CC, STRICT

HERE = Path(__file__).parent
ATTACHES = platform.machine() == "x86_64"
POSSIBLE = sys.platform == "linux" and CC is not None
SENDERS = 3
BURSTS = 40  # of each sender
STANDARD = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPROF, signal.SIGIO,
            signal.SIGWINCH]  # fmt: skip
SIGNALS = [*map(int, STANDARD), *(signal.SIGRTMIN + n for n in range(1, 6))]
KILLS = (int(signal.SIGKILL), int(signal.SIGTERM))


def built(directory: Path, *options: str) -> Path:
    program = directory / "storm"
    subprocess.run(
        [CC or "cc", *STRICT, "-O2", *options, "-o", program, HERE / "storm.c"], check=True
    )
    subprocess.run(
        [CC or "cc", *STRICT, "-shared", "-fPIC", *options, "-o", directory / "plugin.so", HERE / "storm_plugin.c"],
        check=True,
    )  # fmt: skip
    return program


def send(pid: int, seed: int, bursts: int) -> Counter[int]:
    """Bursts of this and that; how many went out, by signal."""
    r, sent = random.Random(seed), Counter[int]()
    for _ in range(bursts):
        number, count = r.choice(SIGNALS), r.randint(1, 300)
        queue = number >= signal.SIGRTMIN
        done, _, _ = _core.flood(pid, number, count, queue, 60 * 10**9, r.choice([0, 0, 5000]))
        sent[number] += done
    return sent


def start_sender(pid: int, seed: int, bursts: int) -> tuple[int, int]:
    """Its pid, and where it writes what it sent."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(theirs, json.dumps(send(pid, seed, bursts)).encode())
            status = 0
        except ProcessLookupError:
            status = 0  # it was killed
        finally:
            os._exit(status)
    os.close(theirs)
    return child, ours


def attach(pid: int, directory: str) -> Path:
    """Its recording."""
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "attach", str(pid)],
        env={**os.environ, "SIGREC_DIR": directory}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise audit.Failed(done.stderr)
    return Path(directory) / f"{pid}.sigrec"


def why(file: Path) -> str:
    return subprocess.run(
        [sys.executable, "-m", "sigrec", "why", file], capture_output=True, text=True, check=True
    ).stdout


def line(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout
    first, _, rest = process.stdout.readline().strip().partition(" ")
    if first != word:
        process.kill()
        raise audit.Failed(f"{first!r} where {word!r} was expected: {process.communicate()[1]}")
    return rest


def play(
    seed: int,
    program: Path,
    audited: bool,
    bursts: int = BURSTS,
    merged: bool = False,
    **preloaded: str,
) -> tuple[str, list[str]]:
    """One round: what was counted, in words, and what was wrong. merged: some of what was sent does
    not come. preloaded: its environment, with LD_PRELOAD, where it is not to run under `sigrec run`."""
    killed, attached = seed % 3 == 2, ATTACHES and not preloaded and seed % 4 == 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        file = Path(directory) / "storm.sigrec"
        tracer = audit.Tracer(directory) if audited and not killed else None
        how = ["--children"] if seed % 2 else []
        run = (
            []
            if preloaded or attached
            else [sys.executable, "-m", "sigrec", "run", *how, "-o", str(file)]
        )
        process = subprocess.Popen(
            [*run, program, str(seed), program.with_name("plugin.so")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "SIGREC_DIR": directory, "SIGREC_RECORDING": str(file), **preloaded},
        )  # fmt: skip
        assert process.stdin
        try:
            line(process, "ready")
            if attached:
                file = attach(process.pid, directory)
            process.stdin.write("go\n")
            process.stdin.flush()
            senders = [start_sender(process.pid, 10 * seed + n, bursts) for n in range(SENDERS)]
            sent: dict[int, Counter[int]] = {}
            for n, (pid, pipe) in enumerate(senders):
                if killed and n == 1:
                    process.kill()  # the others are in the middle
                said = b"".join(iter(lambda pipe=pipe: os.read(pipe, 65536), b""))
                os.close(pipe)
                assert os.waitpid(pid, 0)[1] == 0
                sent[pid] = Counter({int(k): v for k, v in json.loads(said or b"{}").items()})
            if killed:
                process.wait()
                says = why(file)
                with sigrec.open_recording(file) as recording:
                    return f"killed, {sum(s.delivered for s in recording.signals.values()):,}", [
                        f"{sigrec.signal_name(n)}: {stats}"
                        for n, stats in recording.signals.items()
                        if not 0 <= stats.delivered - stats.recorded - stats.dropped <= 5
                    ] + ([] if "SIGKILL" in says else [f"why: {says}"])
            process.stdin.write("calm\n")
            process.stdin.flush()
            report = json.loads(line(process, "report"))
            with sigrec.open_recording(file) as recording:
                ledger = recording.signals
                told = Counter((child.pid, child.code) for child in recording._sent.children())
            events = tracer.events() if tracer else None
            process.stdin.write("end\n")
            process.stdin.flush()
            wrong = check(process.pid, report, ledger, {} if merged else sent, told, events)
            if process.wait(60):
                wrong.append(f"exit status {process.returncode}")
            assert process.stderr
            if errors := process.stderr.read():
                wrong.append(f"on its stderr: {errors}")
            delivered = sum(ledger[n].delivered for n in SIGNALS if n in ledger)
            return f"{delivered:,} delivered{', audited' if events else ''}", wrong
        except audit.Failed as error:
            return "", [str(error)]
        finally:
            process.kill()
            process.wait()
            if tracer is not None and tracer.process.returncode is None:
                tracer.stop()


def check(
    pid: int,
    report: dict[str, Any],
    ledger: dict[int, sigrec.SignalStats],
    sent: dict[int, Counter[int]],
    told: Counter[Any],
    events: list[audit.Generated] | None,
) -> list[str]:
    """What does not agree, in words. sent: by each process, and events: the kernel's; {}, None: not known."""
    wrong = []
    tids = {pid, *report["tids"]}
    queued = audit.queued(events, tids) if events is not None else None
    by_sender: dict[int, Counter[int]] = collections.defaultdict(Counter)
    for event in events or []:
        if event.result == audit.QUEUED and event.tid in tids and event.is_sent:
            by_sender[event.number][pid if event.sender in tids else event.sender] += 1
    for number in SIGNALS:
        stats, name = ledger.get(number), sigrec.signal_name(number)
        calls = report["calls"].get(str(number), 0)
        own = report["raised"].get(str(number), 0)
        delivered = stats.delivered if stats else 0
        if calls != delivered:
            wrong.append(f"{name}: {calls} calls of its handlers != delivered {delivered}")
        if queued is not None and queued[number] != delivered:
            wrong.append(f"{name}: the kernel queued {queued[number]} != delivered {delivered}")
        total = own + sum(counts[number] for counts in sent.values())
        if number >= signal.SIGRTMIN and sent and total != delivered:
            wrong.append(f"{name}: sent {total} != delivered {delivered}")
        if stats is None:
            continue
        if stats.recorded + stats.dropped != delivered:
            wrong.append(f"{name}: {stats} does not add up")
        if stats.sent != own:
            wrong.append(f"{name}: it sent itself {own}, by its record {stats.sent}")
        if events is not None:
            ours = Counter[int | None]()
            for sender, count in stats.senders:
                ours[sender.pid] += count
            del ours[None]
            if ours != by_sender[number]:
                wrong.append(
                    f"{name}: sent by {dict(ours)}, by the kernel {dict(by_sender[number])}"
                )
    for number in KILLS:
        ours, own = (
            ledger[number].sent if number in ledger else 0,
            report["killed"].get(str(number), 0),
        )
        if ours != own:
            wrong.append(f"{sigrec.signal_name(number)}: it sent {own}, by its record {ours}")
    if events is not None:
        ends = Counter((e.sender, e.code) for e in events if e.tells_of_an_end and e.tid in tids)
        if sum(told.values()) <= audit.KEPT and told != ends and report["children"] <= audit.KEPT:
            wrong.append(f"told of {dict(told - ends)}, and by the kernel {dict(ends - told)}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    arguments = parser.parse_args()
    if not POSSIBLE:
        print("needs Linux and a C compiler")
        return 1
    audited = audit.possible()
    if not audited:
        print("not audited: signal:signal_generate can be read by root, with perf")
    failing = []
    with tempfile.TemporaryDirectory() as directory:
        program = built(Path(directory))
        for seed in range(arguments.seed, arguments.seed + arguments.rounds):
            said, wrong = play(seed, program, audited)
            print(f"seed {seed}: {said}", *wrong, sep="\n  FAILED ", flush=True)
            if wrong:
                failing.append(seed)
    print(f"{arguments.rounds} rounds, failed: {', '.join(map(str, failing)) or 'none'}")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
