"""A month of a thousand hosts as Parquet files: three questions, the same answers in each engine, exact.

    python -m tests.proof.lake [--hosts 1000] [--workers 3] [--lives 4] [--events 250]

Recordings of processes that never were are made byte by byte, with all that a real one has, and what
they say is counted on the side. `sigrec export --format parquet` takes them; examples/fleet/questions.sql
is asked in DuckDB, and in ClickHouse (chdb) and Spark where these are installed; and each answer is compared with that count.
"""

import argparse
import collections
import importlib.util
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

from sigrec._reader.format import NOTED, NOTED_AT, SLOT_FIELDS
from tests.reader.builder import LEDGER_AT, RING_AT, SENDERS_AT, RecordingBuilder, event

ROOT = Path(__file__).parents[2]
SQL = ROOT / "examples" / "fleet" / "questions.sql"
USR1, TERM, KILL, SEGV = 10, 15, 9, 11
DAY = 86400 * 10**9
BEGIN = 1_793_491_200 * 10**9  # 2026-11-01T00:00Z
NIGHT = 1_795_543_200 * 10**9, 1_795_586_400 * 10**9  # of questions.sql
PROGRAMS = ("gunicorn", "celery", "worker.py", "uvicorn", "nginx", "postgres", "consumer.py")
SENDERS = {"systemd": 1, "deploy": 900, "kubelet": 901, "supervisord": 902, "": 903}
# How the workers end, and how often: asked and leaving, killed after 30 s, by the default action, OOM, ...
ENDS = {"handled": 30, "killed": 3, "default": 20, "oom": 5, "segv": 4, "exit": 30, "alive": 1}
SLOT = numpy.dtype(list(SLOT_FIELDS))


class Truth:
    def __init__(self):
        self.events = self.processes = 0
        self.night = {}  # by sender: signals, hosts, recordings, times
        self.oom = collections.defaultdict(list)
        self.asked = collections.defaultdict(lambda: [0, 0, []])

    def term(self, sender, host, which, at):
        if NIGHT[0] <= at < NIGHT[1]:
            self.night.setdefault(sender, []).append((host, which, at))

    def answers(self):
        """As the three questions are to be answered."""
        who = [
            (name, "process", len(of), len({h for h, _, _ in of}), len({r for _, r, _ in of}),
             min(at for *_, at in of), max(at for *_, at in of))
            for name, of in self.night.items()
        ]  # fmt: skip
        oom = [(program, len(hosts), len(set(hosts))) for program, hosts in self.oom.items()]
        took = []
        for program, (count, never, times) in sorted(self.asked.items()):
            place = -(-len(times) * 99 // 100)
            took.append((program, count, never, sorted(times)[place - 1]))
        return (
            sorted(who, key=lambda row: (-row[2], row[0])),
            sorted(oom, key=lambda row: (-row[1], row[0]))[:10],
            took,
        )


def make(directory, hosts, workers, lives, count, seed=1):
    """The recordings; what they say, and the files of those that still live, which are to stay open."""
    chance, truth, alive = random.Random(seed), Truth(), []
    capacity = 1 << max(4, (count + 8 - 1).bit_length())
    blank = RecordingBuilder(capacity).raw
    which = 0
    for host in range(hosts):
        name = f"host{host:04}"
        boot = f"{chance.getrandbits(128):032x}"
        boot = f"{boot[:8]}-{boot[8:12]}-{boot[12:16]}-{boot[16:20]}-{boot[20:]}".encode()
        for _ in range(workers):
            program = chance.choice(PROGRAMS)
            for life in range(lives):
                which += 1
                began = BEGIN + int((life + chance.random()) * 29 * DAY / lives)
                kind = chance.choices(list(ENDS), list(ENDS.values()))[0]
                raw = one(
                    blank, capacity, which, name, boot, program, began, kind, count, chance, truth,
                    DAY * 28 // lives,
                )  # fmt: skip
                path = directory / f"{which}.sigrec"
                with open(path, "wb") as file:
                    file.write(raw)
                if kind == "alive":
                    alive.append(open(path, "r+b"))
    return truth, alive


def one(blank, capacity, which, host, boot, program, began, kind, count, chance, truth, longest):
    made = RecordingBuilder.__new__(RecordingBuilder)
    made.raw, made.version, made.capacity, made.ring_at = bytearray(blank), 3, capacity, RING_AT
    from tests.reader.builder import FIELDS

    made.fields = FIELDS
    offset = began - 10**9  # the machine was started just before
    pid = 1000 + which % 4_000_000
    script = program.endswith(".py")
    argv = (f"python3\0{program}\0" if script else f"{program}\0--workers\0").encode()
    struct.pack_into(f"={len(argv)}s", made.raw, made.get("argv_offset"), argv)
    made.set(
        pid=pid, boot_id=boot, started_ns=began, id=which.to_bytes(16, "big"), argv_size=len(argv)
    )
    made.identity(
        ppid=1, host_name=host.encode(), machine_id=boot[:32], oom_kills=0,
        executable=b"/usr/bin/" + (b"python3" if script else program.encode()),
    )  # fmt: skip
    made.anchors((10**9, began))
    # The master sends many SIGUSR1, each at a time of its own.
    slots = numpy.zeros(count, SLOT)
    slots["sequence"] = 2 * numpy.arange(count, dtype="u8") + 2
    until = chance.randrange(longest // 2, longest)
    times = 2 * 10**9 + numpy.arange(count, dtype="u8") * (until // count)
    slots["monotonic_ns"], slots["ordinal"] = times, numpy.arange(count)
    slots["si_signo"], slots["si_pid"], slots["tid"] = USR1, 77, pid
    made.raw[RING_AT : RING_AT + slots.nbytes] = slots.tobytes()
    made.set(head=count)
    made.ledger(USR1, mode=1, delivered=count, recorded=count, queued=count, handled=count)
    made.sender(0, USR1, 77, count, name=b"master", named_ns=10**9, since_ns=1)
    truth.events += count
    at = int(times[-1]) + 10**9 + chance.randrange(10**9)
    if kind in ("handled", "killed", "default", "alive"):
        sender = chance.choice(list(SENDERS))
        term = event(TERM, at, 0, 0, SENDERS[sender], 0, tid=pid)
        made.slot(count, term)
        made.ledger(
            TERM, mode=1 if kind != "default" else 3, first=term, last=term, delivered=1, recorded=1
        )
        if sender:
            made.sender(1, TERM, SENDERS[sender], 1, name=sender.encode(), named_ns=at, since_ns=at)
        truth.events += 1
        truth.term(sender or "unknown", host, which, at + offset)
        asked = truth.asked[program]
        asked[0] += 1
    if kind == "handled":
        took = chance.randrange(10**6, 25 * 10**9)
        made.set(state=1, exit_kind=1, exit_status=0, exit_ns=at + took)
        asked[2].append(took)
    elif kind == "default":
        made.set(fatal_signal=TERM, fatal_ordinal=0)
        asked[2].append(0)
    elif kind == "killed":
        noted(made, at + 30 * 10**9, offset, KILL)
        asked[1] += 1
    elif kind == "alive":
        asked[1] += 1
    elif kind == "oom":
        noted(made, at, offset, KILL, 1)
        truth.oom[program].append(host)
    elif kind == "segv":
        fault = event(SEGV, at, 0, 1, datum=0xDEAD, tid=pid)
        made.slot(count, fault)
        made.ledger(SEGV, mode=3, first=fault, last=fault, delivered=1, recorded=1)
        made.set(fatal_signal=SEGV, fatal_ordinal=0)
        truth.events += 1
    else:
        made.set(state=1, exit_kind=1, exit_status=chance.randrange(3), exit_ns=at)
    truth.processes += kind != "alive"
    return made.raw


def noted(made, at, offset, status, oom=0):
    """As a bystander that waited for its end writes it."""
    NOTED.pack_into(
        made.raw, NOTED_AT, 0, at, at + offset, status, 2, oom, oom, at + offset if oom else 0
    )


def export(lake, directory, *more):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "export", "--format", "parquet", "-o", lake, *more],
        env={**os.environ, "SIGREC_DIR": str(directory)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return time.monotonic() - began, done.stdout.strip()


# --- engines ------------------------------------------------------------------------------------


def questions():
    text = re.sub(r"^--.*\n", "", SQL.read_text(), flags=re.M)
    return [one.strip() for one in text.split(";") if one.strip()]


def duckdb(lake):
    import duckdb

    connection = duckdb.connect()
    for name in ("events", "processes", "snapshots"):
        connection.execute(
            f"create view {name} as select * from read_parquet('{lake}/{name}/*/*.parquet', "
            "hive_partitioning = true, union_by_name = true)"
        )
    return lambda sql: connection.execute(sql).fetchall()


def clickhouse(lake):
    from chdb import session

    of = session.Session()
    of.query("set use_hive_partitioning = 1")
    for name in ("events", "processes", "snapshots"):
        of.query(f"create view {name} as select * from file('{lake}/{name}/*/*.parquet', Parquet)")

    def ask(sql):
        import json

        answer = of.query(sql, "JSONCompactEachRow")
        rows = [json.loads(line) for line in str(answer).splitlines()]
        # 64-bit numbers are in quotes there.
        return [
            tuple(int(v) if isinstance(v, str) and v.isdigit() else v for v in row) for row in rows
        ]

    return ask


def spark(lake):
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
    )  # fmt: skip
    session.sparkContext.setLogLevel("ERROR")
    for name in ("events", "processes", "snapshots"):
        read = session.read.option("mergeSchema", "true").parquet(f"{lake}/{name}")
        read.createOrReplaceTempView(name)
    return lambda sql: [tuple(row) for row in session.sql(sql).collect()]


ENGINES = {"duckdb": duckdb, "chdb": clickhouse, "pyspark": spark}


def answers(engine, lake):
    """(seconds, rows) of each question."""
    ask = ENGINES[engine](lake)
    found = []
    for sql in questions():
        began = time.monotonic()
        rows = [tuple(row) for row in ask(sql)]
        found.append((time.monotonic() - began, rows))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--lives", type=int, default=4)
    parser.add_argument("--events", type=int, default=250)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    args = parser.parse_args()
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = Path(tempfile.mkdtemp(prefix="sigrec-lake-", dir=where))
    try:
        run = work / "run"
        run.mkdir(mode=0o700)
        began = time.monotonic()
        truth, alive = make(run, args.hosts, args.workers, args.lives, args.events)
        print(
            f"{args.hosts} hosts, {truth.processes + len(alive)} lives: made in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        lake = work / "lake"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds, said = export(lake, run)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        size = sum(path.stat().st_size for path in lake.rglob("*.parquet"))
        wanted = f"{truth.events:,} events, and the ends of {truth.processes:,} processes"
        good = said == wanted
        print(f"export: {said} ({'exact' if good else 'NOT ' + wanted}) in {seconds:.1f} s: "
              f"{truth.events / seconds:,.0f} events/s, {truth.events / used:,.0f} a second of a processor; {size / 1e6:.1f} MB", flush=True)  # fmt: skip
        for engine in args.engines:
            if importlib.util.find_spec(engine) is None:
                print(f"{engine}: left out, it is not installed")
                continue
            found = answers(engine, lake)
            exact = [
                [tuple(r) for r in rows] == right
                for (_, rows), right in zip(found, truth.answers(), strict=True)
            ]
            for right, (_, rows), wanted in zip(exact, found, truth.answers(), strict=True):
                if not right:
                    print(f"wanted {wanted[:5]}\ngot    {rows[:5]}")
            good &= all(exact)
            times = ", ".join(f"{1000 * s:.0f} ms" for s, _ in found)
            print(f"{engine}: {sum(exact)} of {len(exact)} answers exact; {times}", flush=True)
            if engine == "duckdb":
                good &= all(s < 1 for s, _ in found)
        for file in alive:
            file.close()
        return 0 if good else 1
    finally:
        shutil.rmtree(work)


_ = LEDGER_AT, SENDERS_AT
if __name__ == "__main__":
    sys.exit(main())
