"""`sigrec export --format parquet`: every event once, nothing that nobody asked for, and files that every engine reads."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from tests.conftest import wait_until

pyarrow = pytest.importorskip("pyarrow")

import pyarrow.parquet as parquet  # noqa: E402

from sigrec._lake import compact, schema, spool  # noqa: E402
from sigrec._lake.intervals import Intervals  # noqa: E402
from sigrec._lake.rows import redacted_command_line  # noqa: E402
from sigrec._lake.shipping import Shipping  # noqa: E402
from sigrec._lake.spool import Spool  # noqa: E402
from sigrec._serve.directories import Directories  # noqa: E402
from sigrec.cli import main  # noqa: E402
from tests.proof import lake as proof  # noqa: E402
from tests.proof import lake_kills  # noqa: E402

ROOT = Path(__file__).parents[2]
TIMES = {"string", "int32", "int64", "timestamp[us, tz=UTC]"}
# Takes signals, more than it keeps, and ends by one.
ENDS = """
sigrec.configure(history=64)
sigrec.register(signal.SIGUSR1, lambda *a: None)
sigrec.register(signal.SIGUSR2, lambda *a: None)
sigrec.record(signal.SIGTERM)
for _ in range(3):
    os.kill(os.getpid(), signal.SIGUSR2)
for _ in range(300):
    os.kill(os.getpid(), signal.SIGUSR1)
settle(signal.SIGUSR1, signal.SIGUSR2)
say("ready")
hear()
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture
def export(tmp_path, run_directory):
    """Runs it, over this test's recordings; what it says."""

    def call(*arguments, check=True):
        command = [sys.executable, "-m", "sigrec", "export", "--format", "parquet"]
        done = subprocess.run(
            [*command, "-o", tmp_path / "lake", *map(str, arguments)],
            env={**os.environ, "SIGREC_DIR": str(run_directory)}, capture_output=True, text=True,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    return call


def test_where_nothing_is_and_where_nothing_may_be_read_is_said(export, run_directory):
    where = f"{run_directory} (SIGREC_DIR)"
    done = export()
    assert done.stdout == "0 events, and the ends of 0 processes\n"
    assert done.stderr == f"sigrec: there is no recording in {where}\n"
    run_directory.chmod(0o777)
    untrusted = f"not trusted: {run_directory}: is writable by others (mode 0777)"
    assert export().stderr == f"sigrec: {untrusted}\n"  # and not: there is none


@pytest.fixture
def shipping(tmp_path, run_directory):
    """Makes one, over this test's recordings, as each run of the command does."""

    def make(argv="none", once=True):
        told = []
        made = Shipping(
            Spool(str(tmp_path / "lake"), str(tmp_path / "lake.spool")),
            Directories([str(run_directory)]), argv, told.append,
        )  # fmt: skip
        made.told = told
        made.begin()
        if once:
            made.once()
        return made

    return make


def rows(tmp_path, dataset):
    tables = [
        parquet.read_table(one.open("rb"))
        for one in (tmp_path / "lake" / dataset).glob("*/*.parquet")
    ]
    return [row for table in tables for row in table.to_pylist()]


def test_intervals_are_a_set():
    chance = random.Random(5)
    for _ in range(50):
        found, wanted = Intervals(), set()
        for _ in range(10):
            new = [chance.randrange(60) for _ in range(chance.randrange(8))]
            found.add(new)
            wanted |= set(new)
        assert [n for n in range(70) if found.has([n])[0]] == sorted(wanted)
        missing = [n for begin, end in found.missing(70) for n in range(begin, end)]
        assert sorted([*missing, *wanted]) == list(range(70))
    with pytest.raises(ValueError, match="not the bounds"):
        Intervals([5, 3])


def test_each_event_is_there_once_and_the_rest_is_in_gaps(child, shipping, tmp_path):
    p = child(ENDS)
    assert p.line() == "ready"
    assert shipping().ends == 0
    (alive,) = rows(tmp_path, "snapshots")
    assert (alive["pid"], alive["state"], alive["delivered"]) == (p.pid, "alive", 303)
    path = sigrec.open_recording(p.pid).path
    p.tell("")
    assert p.process.wait(30) == -signal.SIGTERM
    assert shipping().ends == 1
    again = shipping()
    assert again.events == again.ends == 0
    events = rows(tmp_path, "events")
    found = {(row["signal"], row["ordinal"]): row for row in events}
    assert len(found) == len(events)
    with sigrec.open_recording(path) as recording:
        for info in recording.events():
            row = found[info.signal_name, info.ordinal]
            assert (row["time_ns"], row["tid"]) == (info.time_ns, info.tid)
            assert row["sender"] == "itself" and row["si_pid"] == p.pid
    lake_kills.what_is_there(tmp_path / "lake")  # with the gaps, each ordinal once
    (end,) = rows(tmp_path, "processes")
    assert (end["cause"], end["sender"], end["certainty"]) == ("SIGTERM", "itself", "seen")
    assert end["sigterm_to_end_ns"] == 0 and end["delivered"] == 304
    counts = {row["signal"]: row["delivered"] for row in rows(tmp_path, "counts")}
    assert counts == {"SIGUSR1": 300, "SIGUSR2": 3, "SIGTERM": 1}
    assert {row["signal"] for row in rows(tmp_path, "gaps")} == {"SIGUSR1"}


def test_its_files_are_its_users_and_of_types_that_every_engine_reads(child, shipping, tmp_path):
    child(ENDS).line()
    shipping()
    for path in (tmp_path / "lake").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
        if path.is_file():
            assert path.suffix == ".parquet" and not path.name.startswith((".", "_"))
            found = parquet.read_schema(path.open("rb"))
            dataset = path.relative_to(tmp_path / "lake").parts[0]
            assert found.names == schema.schema(dataset).names
            assert {str(field.type) for field in found} <= TIMES
            assert all(field.nullable for field in found)


SECRETS = """
sigrec.record()
say("ready")
hear()
raise ValueError("SECRET-" + "exception")
"""


@pytest.mark.parametrize("argv, shown", [("none", False), ("redacted", False), ("full", True)])
def test_no_secret_gets_into_the_lake_by_default(
    argv, shown, child, shipping, tmp_path, monkeypatch
):
    monkeypatch.setenv("SIGREC_TEST_PASSWORD", "SECRET-environment")
    p = child(SECRETS, "--password=SECRET-1", "-pSECRET-2", "SECRET-3", "--token", "SECRET-4")
    assert p.line() == "ready"
    os.kill(p.pid, signal.SIGWINCH)
    shipping(argv)
    p.tell("")
    p.process.wait(30)
    shipping(argv)
    assert rows(tmp_path, "processes")[0]["exception"] == "ValueError"
    text = "".join(
        str(rows(tmp_path, dataset))
        for dataset in schema.DATASETS
        if (tmp_path / "lake" / dataset).is_dir()
    )
    state = (tmp_path / "lake.spool" / "state").read_text()
    assert ("SECRET-1" in text and "SECRET-3" in text) == shown
    assert "SECRET-e" not in text and "SECRET" not in state
    assert shown or "SECRET" not in text


def test_of_a_redacted_command_line_the_names_of_options_are_left():
    argv = ["/usr/bin/app", "--token=abc", "--verbose", "-v", "-psecret", "file", "--x=y=z", "-"]
    assert redacted_command_line(argv, "redacted") == "app --token=… --verbose -v … … --x=… …"
    assert redacted_command_line(["app: secret /x"], "redacted") == "app: …"  # a title
    assert redacted_command_line(argv, "none") is None
    assert redacted_command_line(["a", "\udcff\x1b"], "full") == "a \\xff\\x1b"


@pytest.mark.long
def test_killed_at_any_moment_each_event_is_there_once(tmp_path):
    """The short form of python -m tests.proof lake-kills."""
    events, _, _, again = lake_kills.run(tmp_path, kills=1, lives=10)
    assert events > 0
    lake_kills.compact(tmp_path, kills=0)
    again()


@pytest.mark.parametrize("at", ["write", "save", "rename", "kept"])
def test_a_write_that_fails_changes_nothing_and_is_made_up_for(
    at, child, shipping, tmp_path, monkeypatch
):
    child(ENDS).line()
    broken = shipping(once=False)

    def no(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "write":
            patch.setattr(spool, "write_parquet", no)
        elif at == "save":
            patch.setattr(broken._spool._state, "save", no)
        elif at == "kept":  # the rows are in the spool, and not in the lake
            patch.setattr(broken._spool, "publish", no)
        else:
            patch.setattr(spool.os, "rename", no)
        with pytest.raises(OSError, match="No space"):
            broken.once()
    broken._spool.close()
    shipping()
    events = [(row["signal"], row["ordinal"]) for row in rows(tmp_path, "events")]
    assert len(events) == len(set(events)) >= 67
    assert not list((tmp_path / "lake.spool").glob("*.part"))


def test_a_compaction_that_ends_anywhere_loses_and_doubles_nothing(
    shipping, child, tmp_path, monkeypatch
):
    for _ in range(2):
        child(ENDS).line()
        shipping()
    for path in list((tmp_path / "lake").glob("*/date=2*")):
        path.rename(path.with_name("date=2020-01-01"))
    where = str(tmp_path / "lake"), str(tmp_path / "lake.spool"), "2020-01-01"
    before = sorted(map(str, rows(tmp_path, "events")))
    assert len(list((tmp_path / "lake").glob("events/*/*"))) == 2

    def killed(*args):
        raise KeyboardInterrupt

    for what in ("_exchange_directories", "_finish", "_remove_directory", "sync_directory"):
        with monkeypatch.context() as patch:
            patch.setattr(compact, what, killed)
            with pytest.raises(KeyboardInterrupt):
                compact.compact(*where)
        assert sorted(map(str, rows(tmp_path, "events"))) == before, what
    compact.compact(*where)
    assert len(list((tmp_path / "lake").glob("events/*/*"))) == 1
    assert sorted(map(str, rows(tmp_path, "events"))) == before
    assert not list((tmp_path / "lake.spool").glob("compact-*"))


def test_an_older_file_has_fewer_columns_and_another_host_writes_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "lake" / "gaps" / "date=2020-01-01"
    path.mkdir(parents=True)
    exchange = compact._exchange_directories

    def late(one, other):
        parquet.write_table(whole, path / "late.parquet")
        exchange(one, other)

    monkeypatch.setattr(compact, "_exchange_directories", late)
    whole = pyarrow.Table.from_pylist(
        [{"host": "a", "time_ns": 5, "count": 1}], schema.schema("gaps")
    )
    parquet.write_table(whole.drop_columns(["signal"]), path / "old.parquet")
    parquet.write_table(whole.append_column("later", pyarrow.array([7])), path / "new.parquet")
    compact.compact(str(tmp_path / "lake"), str(tmp_path / "spool"), "2020-01-01")
    found = rows(tmp_path, "gaps")
    assert sorted(str(row.get("later")) for row in found) == ["7", "None", "None"]
    assert {row["count"] for row in found} == {1} and len(list(path.iterdir())) == 2


@pytest.mark.parametrize("name", ["lake", "./lake"])
def test_the_lake_and_the_spool_by_relative_paths(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["export", "--format", "parquet", "-o", name, "--compact", "2020-01-01"]
    assert main(command) == 1
    assert capsys.readouterr() == ("", f"sigrec: {name}: there is no such lake\n")
    assert not list(tmp_path.iterdir())
    day = tmp_path / "lake" / "gaps" / "date=2020-01-01"
    day.mkdir(parents=True)
    for n in "ab":
        parquet.write_table(schema.schema("gaps").empty_table(), day / f"{n}.parquet")
    assert main([*command, "--spool", "sp"]) == 0
    assert capsys.readouterr() == ("gaps: 2 files are one\n", "")
    assert main(command) == 0 and (tmp_path / "lake.spool").is_dir()


@pytest.mark.parametrize("date", ["2026-02-30", "2026-13-01", "0000-00-00", "20260131", "2026-W05"])
def test_not_a_date(date, tmp_path, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["export", "--format", "parquet", "-o", f"{tmp_path}/lake", "--compact", date])
    assert raised.value.code == 2 and f"not a date: '{date}'" in capsys.readouterr().err


def test_a_file_where_the_lake_would_be(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("kept")
    assert main(["export", "--format", "parquet", "-o", f"{tmp_path}/a.csv"]) == 1
    assert capsys.readouterr() == ("", f"sigrec: {tmp_path}/a.csv: Not a directory\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_damaged_file_of_the_lake_is_named(tmp_path, capsys):
    day = tmp_path / "lake" / "gaps" / "date=2020-01-01"
    day.mkdir(parents=True)
    for n in "ab":
        (day / f"compact-{n}.parquet").write_text("damaged")
    command = ["export", "--format", "parquet", "-o", f"{tmp_path}/lake"]
    assert main([*command, "--compact", "2020-01-01"]) == 1
    of_gaps = f"sigrec: {day}/compact-a.parquet: cannot be read as Parquet: "
    assert capsys.readouterr().err.startswith(of_gaps)
    day.parent.rename(tmp_path / "lake" / "events")
    assert main(command) == 1
    assert ".parquet: cannot be read as Parquet: " in capsys.readouterr().err


@pytest.mark.long
def test_followed_until_it_ends(child, export, tmp_path, run_directory):
    p = child(ENDS)
    assert p.line() == "ready"
    follower = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "export", "--format", "parquet", "-o", tmp_path / "lake",
         "--follow", str(p.pid)],
        env={**os.environ, "SIGREC_DIR": str(run_directory)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: (tmp_path / "lake.spool" / "state").exists())
        busy = export(check=False)
        assert busy.returncode == 1
        assert f"another export to Parquet files, PID {follower.pid}" in busy.stderr
        p.tell("")
        out, _ = follower.communicate(timeout=60)
        assert out.endswith("the end of 1 process\n") and follower.returncode == 0
    finally:
        follower.kill()
        follower.wait()
    assert [row["cause"] for row in rows(tmp_path, "processes")] == ["SIGTERM"]


def test_a_damaged_state_is_said_and_a_damaged_recording_left_out(
    child, shipping, tmp_path, run_directory
):
    child(ENDS).line()
    (run_directory / "7.sigrec").write_bytes(b"nonsense" * 100)
    left_out = f"{run_directory}/7.sigrec: cannot be read (damaged), and is left out"
    assert shipping().told == [left_out]
    (tmp_path / "lake.spool" / "state").write_text("nonsense")
    said, _ = shipping().told
    assert "what was taken is read from the lake" in said


def test_a_spool_that_is_lost_doubles_nothing(child, shipping, tmp_path):
    gone, alive = child(ENDS), child(ENDS)
    for p in (gone, alive):
        assert p.line() == "ready"
    gone.tell("")
    gone.process.wait(30)
    shipping()
    shutil.rmtree(tmp_path / "lake.spool")
    again = shipping()
    assert (again.events, again.ends, again.told) == (0, 0, [])
    shutil.rmtree(tmp_path / "lake.spool")
    alive.tell("")
    alive.process.wait(30)
    again = shipping()
    assert (again.events, again.ends) == (1, 1)
    lake_kills.what_is_there(tmp_path / "lake")


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments, status, said",
    [
        (["--compact", "2999-01-01"], 1, "is not over in UTC"),
        (["--compact", "yesterday"], 2, "not a date"),
        (["--compact", "2020-01-01", "--follow"], 2, "--compact is about what is in the lake"),
        (["--signal", "TERM"], 2, "parquet has every event"),
        (["--interval", "5"], 2, "--interval is for --follow"),
        (["999999999"], 1, "999999999"),
        (["--spool", "lake/spool"], 1, "is in the lake"),
    ],
)
def test_what_is_not_possible_is_said(arguments, status, said, export, tmp_path):
    arguments = [str(tmp_path / a) if a.startswith("lake/") else a for a in arguments]
    done = export(*arguments, check=False)
    assert done.returncode == status and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.long
def test_the_three_questions_have_the_right_answers(shipping, tmp_path, run_directory):
    """The short form of python -m tests.proof lake."""
    pytest.importorskip("duckdb")
    truth, alive = proof.make(run_directory, 2, 3, 3, 20)
    try:
        made = shipping()
    finally:
        for file in alive:
            file.close()
    assert (made.events, made.ends) == (truth.events, truth.processes)
    for (_, rows), right in zip(
        proof.answers("duckdb", tmp_path / "lake"), truth.answers(), strict=True
    ):
        assert rows == right


def test_the_schema_is_documented():
    text = (ROOT / "docs" / "reference" / "lake.md").read_text()
    for dataset, columns in schema.DATASETS.items():
        part = text.partition(f"\n## {dataset}/\n")[2].partition("\n## ")[0]
        documented = [line.split("|")[1:4] for line in part.splitlines() if line.startswith("| `")]
        wanted = [[f" `{c.name}` ", f" {c.kind} ", f" {c.says} "] for c in columns]
        assert documented == wanted, dataset
