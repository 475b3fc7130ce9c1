"""The benchmarks run, and what they count adds up. Never how fast anything is."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import sigrec
from benchmarks import (
    dispatch,
    flood,
    forms,
    import_time,
    latency,
    lone,
    moderation,
    preload,
    progress,
    recording,
    sending,
)
from benchmarks.__main__ import ALL
from benchmarks.forms import FORMS
from tests.compiling import needs_cc

ROOT = Path(__file__).parent.parent


@pytest.mark.long
@needs_cc
def test_quick_run_counts_right():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    rows = results["flood"]["rows"]
    assert len(rows) == 30
    for row in rows:
        assert row["sent"] == 5000
        for count in ("delivered", "handled"):
            assert row[count] is None or row[count] <= row["sent"]
        if row["kind"] == "sigrec":
            assert row["exact_in_every_run"]
    check_forms(results["forms"])
    check_latency(results["latency"])
    assert results["dispatch"]["ratio"] > 0
    assert len(results["progress"]) == 18
    assert len(results["moderation"]) == 20
    assert len(results["recording"]) == 3


@pytest.fixture
def cpus(monkeypatch):
    """Those of before: a benchmark pins its sender, which is this process."""
    before = os.sched_getaffinity(0)
    for name in ("SIGREC_BENCH_CPUS", "SIGREC_BENCH_PEERS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    os.sched_setaffinity(0, before)


# The short form: one or two receivers of each.
FEW = {
    dispatch: {},
    flood: {"STATES": ("busy",), "KINDS": ("sigrec", "C counter")},
    forms: {"FORMS": {name: FORMS[name] for name in ("sigrec: for, in a thread", "signal.signal")}},
    import_time: {},
    latency: {
        "CASES": {"signal.signal": ("idle",), 'sigrec deliver="main"': ("idle",)},
        "RATIOS": [('sigrec deliver="main"', "signal.signal")],
    },
    lone: {},
    moderation: {"RATES": (20_000,), "MODERATIONS": (None, 0.001), "DASHES": ("", "")},
    preload: {},
    progress: {"RATES": (20_000,), "KINDS": ("sigrec",)},
    recording: {"CASES": ("working",)},
    sending: {},
}


@needs_cc
@pytest.mark.parametrize(
    "benchmark",
    [
        # 2 s each:
        pytest.param(one, marks=[pytest.mark.long] * (ALL[one] in (moderation, progress)))
        for one in ALL
    ],
)
def test_a_few_receivers_count_right(benchmark, cpus, monkeypatch):
    module = ALL[benchmark]
    for name, value in FEW[module].items():
        monkeypatch.setattr(module, name, value)
    result = module.run(1, True)
    assert module.show(result)
    if module in (flood, forms):
        assert len(result["rows"]) == 4
        for row in result["rows"]:
            assert row["sent"] == 5000
            assert row.get("exact_in_every_run", True) and row.get("settled_in_every_run", True)
            if row.get("kind", row.get("form")).startswith("sigrec"):
                assert 0 < row["handled"] + row.get("missed", 0) == row["delivered"]
    elif module is latency:
        assert [(row["handled"], row["wrong"]) for row in result["rows"]] == [
            (result["count"], 0)
        ] * 2
    elif module is progress:
        assert result["sigrec 20000"]["handled"] > 0 and "<rect" in module.picture(result)
    elif module is moderation:
        assert all(row["handled"] > 0 and row["median_us"] > 0 for row in result.values())
    elif module is recording:
        assert result["working"]["recorded"] > 0
    elif module is preload:
        assert result["start"]["files_left"] == 0
        assert all(kill["ratio"] > 0 for kill in result["signal"].values())
    elif module is sending:
        assert all(row["recorded_ns"] > 0 for row in result.values())


def check_forms(result):
    rows, left_out = result["rows"], result["not_installed"]
    assert set(left_out) == {
        name for name, (needs, _) in FORMS.items() if needs and not find_spec(needs)
    }
    assert len(rows) == 2 * (len(FORMS) - len(left_out))
    for row in rows:
        assert row["sent"] == 5000
        assert row["handled"] <= row["sent"]
        if row["form"].startswith("sigrec"):
            assert row["exact_in_every_run"], row
            assert row["handled"] + row["missed"] == row["delivered"] > 0
            assert row["signal"] == "SIGUSR1" or row["delivered"] == row["sent"]
        else:
            assert row["settled_in_every_run"], row


def check_latency(result):
    assert len(result["rows"]) == 16
    for row in result["rows"]:
        assert (row["handled"], row["wrong"]) == (result["count"], 0), row
    assert len(result["ratios"]) == 22


def test_a_wrong_name_is_a_usage_error():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "speed" in done.stderr


@pytest.fixture
def sources(tmp_path):
    """A checkout in which nothing is built, as after ``pip install .``."""
    for name in ("sigrec", "benchmarks"):
        ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def test_a_checkout_does_not_hide_the_installed_sigrec(sources):
    installed = str(Path(sigrec.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "import", "--quick", "--rounds", "1"],
        cwd=sources, env={**os.environ, "PYTHONPATH": installed}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ms over bare Python" in done.stdout


def test_where_sigrec_is_not_installed(sources):
    """It says what to do: -S and no PYTHONPATH, so that there is none."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for command, words in (
        (["-m", "benchmarks"], f"pip install {sources}"),
        (["-m", "sigrec", "demo"], "pip install -e ."),
        (["-c", "import sigrec; sigrec.register(10, print)"], "pip install -e ."),
    ):
        done = subprocess.run(
            [sys.executable, "-S", *command], cwd=sources, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1 and words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr or command[0] == "-c", (command, done.stderr)
