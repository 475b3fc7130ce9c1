"""`sigrec export --follow` is killed again and again: each event is in the lake exactly once.

    python -m tests.proof.lake_kills [--kills 100] [--lives 250]

Processes that live up to some seconds get signals and end in three ways, while the one that follows them is killed at any
moment, also while it makes files of the lake, and started again. At the end each recording's events
and gaps together are what its process counted, once each, and each process has one row. Then the day is made one
file, by a compaction that is killed as often, and all is there as before.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

from sigrec._recorder.program import library, preloaded
from tests.proof.fleet import CAUSES, LIFE

AT_ONCE = 12
# A process that exits with 0 takes its recording along: if nobody follows then, nobody has seen it.
LONGER = LIFE.replace("raise(SIGUSR1);", "{ raise(SIGUSR1); usleep(5000); }")
HOW = [status for status, cause in CAUSES.items() if cause != "exit"]


def rows(lake, dataset, columns):
    """Of all files, as a reader's glob finds them."""
    tables = [
        parquet.read_table(path.open("rb"), columns=columns)
        for path in sorted((lake / dataset).glob("*/*.parquet"))
    ]
    return pyarrow.concat_tables(tables).to_pylist() if tables else []


def command(lake, *more):
    return [sys.executable, "-m", "sigrec", "export", "--format", "parquet", "-o", lake, *more]


def follow(work):
    return subprocess.Popen(
        command(work / "lake", "--follow", "--interval", "0.3"),
        env={**os.environ, "SIGREC_DIR": str(work / "run")},
        stdout=subprocess.DEVNULL, stderr=open(work / "log", "a"),
    )  # fmt: skip


def what_is_there(lake):
    """(recording, program: its events, gaps, its count), of SIGUSR1."""
    events, gaps, counts = collections.defaultdict(list), collections.defaultdict(list), {}
    for row in rows(lake, "events", ["recording", "signal", "ordinal"]):
        events[row["recording"], row["signal"]].append(row["ordinal"])
    for row in rows(lake, "gaps", ["recording", "signal", "first_ordinal", "last_ordinal"]):
        gaps[row["recording"], row["signal"]] += range(
            row["first_ordinal"], row["last_ordinal"] + 1
        )
    for row in rows(lake, "counts", ["recording", "signal", "delivered"]):
        assert (row["recording"], row["signal"]) not in counts, f"{row} is there twice"
        counts[row["recording"], row["signal"]] = row["delivered"]
    for key in {*events, *gaps}:
        assert sorted(events[key] + gaps[key]) == list(range(counts[key])), key
    return sum(map(len, events.values())), sum(map(len, gaps.values()))


def check(work, lives, sent, endings):
    lake = work / "lake"
    ended = rows(lake, "processes", ["recording", "program", "cause"])
    assert len({row["recording"] for row in ended}) == len(ended), "a process has two rows"
    assert len(ended) == lives, f"{len(ended)} of {lives} processes"
    causes = collections.Counter((row["program"], row["cause"]) for row in ended)
    assert causes == endings, endings - causes
    events, gaps = what_is_there(lake)
    by_program = collections.Counter()
    for row in rows(lake, "counts", ["program", "signal", "delivered"]):
        if row["signal"] == "SIGUSR1":
            by_program[row["program"]] += row["delivered"]
    assert by_program == sent, sent - by_program
    return events, gaps


def changed(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def run(work, kills, lives, seed=1):
    """What there is at the end, once it is what the processes did: events, gaps, files."""
    chance = random.Random(seed)
    directory, programs = work / "run", work / "programs"
    directory.mkdir(mode=0o700), programs.mkdir()
    (work / "life.c").write_text(LONGER)
    subprocess.run(["cc", "-O1", "-o", work / "life", work / "life.c"], check=True)
    names = [f"worker{n}" for n in range(5)]
    for name in names:
        os.link(work / "life", programs / name)
    environment = preloaded({**os.environ, "SIGREC_DIR": str(directory)}, library(), False)
    sent, endings, living = collections.Counter(), collections.Counter(), []
    begun = killed = 0
    follower = follow(work)
    kill_at = None  # counted from its first output, since its start takes long on a busy machine
    state, before, begins = work / "lake.spool" / "state", 0, False
    try:
        while begun < lives or killed < kills or living:
            living = [one for one in living if one.poll() is None]
            # The processes are spread over the kills, so that each kill finds some.
            while (
                begun < lives
                and len(living) < AT_ONCE
                and begun <= lives * (killed + 1) / (kills + 1)
            ):
                name, how, count = (
                    chance.choice(names),
                    chance.choice(HOW),
                    chance.randrange(1, 500 if kills > 1 else 20),
                )
                living.append(
                    subprocess.Popen([programs / name, str(count), str(how)], env=environment)
                )
                begun += 1
                sent[name] += count
                endings[name, CAUSES[how]] += 1
            if kill_at is None and (begins or changed(state) != before):
                kill_at = time.monotonic() + chance.random() * 1.2
            if killed < kills and kill_at is not None and time.monotonic() >= kill_at:
                follower.send_signal(signal.SIGKILL)
                follower.wait()
                killed += 1
                before, begins = changed(state), chance.random() < 0.2  # while it begins
                follower, kill_at = follow(work), None
            assert follower.poll() is None, (work / "log").read_text()
            time.sleep(0.02)
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(60) in (0, -signal.SIGTERM)  # it may just have begun
        done = subprocess.run(
            command(work / "lake"), env={**os.environ, "SIGREC_DIR": str(directory)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert not done.stderr, done.stderr
        events, gaps = check(work, lives, sent, endings)
        files = len(list((work / "lake").rglob("*.parquet")))
        return events, gaps, files, lambda: check(work, lives, sent, endings)
    finally:
        for one in [follower, *living]:
            one.kill()
            one.wait()


def compact(work, kills, seed=1):
    """The day, as if it were over, killed so many times before it is let to its end."""
    chance = random.Random(seed)
    for path in list((work / "lake").glob("*/date=2*")):
        path.rename(path.with_name("date=2020-01-01"))
    compacting = command(work / "lake", "--compact", "2020-01-01")
    for _ in range(kills):
        one = subprocess.Popen(
            compacting, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(0.3 + chance.random() * 0.5)
        one.kill()
        assert not one.communicate()[1]
    subprocess.run(compacting, check=True, stdout=subprocess.DEVNULL)
    return len(list((work / "lake").rglob("*.parquet")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lives", type=int, default=250)  # more are removed
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="sigrec-kills-"))
    try:
        began = time.monotonic()
        events, gaps, files, again = run(work, args.kills, args.lives, args.seed)
        print(f"{args.lives} lives, {args.kills} times killed: {events} events and {gaps} in gaps, "
              f"each exactly once, in {files} files; {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        left = compact(work, args.kills // 5, args.seed)
        assert again() == (events, gaps)
        print(f"compacted, {args.kills // 5} times killed: the same in {left} files")
        return 0
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
