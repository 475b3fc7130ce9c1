"""Some of the matrix of endings; all of it: python -m tests.proof endings."""

import subprocess
import sys

import pytest

from tests.conftest import as_others

from .build import ROOT
from .endings import ENDINGS, Right, wrong

# One of each source: the victim, its sender, its parent, and one that cannot know.
FEW = ["SIGTERM by sigqueue", "exec of Python, twice", "SIGKILL by its parent's pidfd"]


def endings(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.proof.endings", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@as_others
def test_a_few_endings():
    done = endings(*FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FEW)} endings, " in done.stdout and ", 0 wrong" in done.stdout


@as_others
@pytest.mark.long
def test_every_ending_in_one_way():
    # 2,000 children, as without that option, take longer than all else.
    done = endings("--once", "--children", "400")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(ENDINGS) >= 30


CAUSE = {"kind": "signal", "signal": "SIGKILL", "status": None, "exception": None}
SENDER = {"kind": "process", "pid": 7, "uid": 0}
TOLD = {"source": "parent", "certainty": "told", "says": ""}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"cause": {**CAUSE, "kind": "unknown"}}, "cause.kind"),
        ({"cause": {**CAUSE, "signal": "SIGTERM"}}, "cause.signal"),
        ({"sender": None}, "sender: None"),
        ({"sender": {**SENDER, "pid": 8}}, "sender.pid"),
        ({"sender": {**SENDER, "kind": "unknown"}}, "sender.kind"),
        ({"evidence": []}, "evidence"),
        ({"evidence": [{**TOLD, "certainty": "seen"}]}, "evidence"),
    ],
)
def test_a_wrong_answer_is_noticed(change, complaint):
    answer = {"cause": CAUSE, "sender": SENDER, "evidence": [TOLD], "sentence": "", **change}
    found = wrong(answer, Right(CAUSE, SENDER, {("parent", "told")}))
    assert (found == []) is (complaint is None)
    assert complaint is None or complaint in found[0]
