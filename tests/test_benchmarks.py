"""The benchmarks run, and what they count adds up. Never how fast anything is."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.forms import FORMS

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) on this machine")
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
    assert len(results["progress"]) == 6
    assert len(results["recording"]) == 3


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
    assert len(result["rows"]) == 12
    for row in result["rows"]:
        assert (row["handled"], row["wrong"]) == (result["count"], 0), row
    assert len(result["ratios"]) == 7


def test_a_wrong_name_is_a_usage_error():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "speed" in done.stderr
