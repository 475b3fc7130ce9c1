"""What the hook on commit messages lets pass: .ci/commit-message."""

import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parent.parent / ".ci" / "commit-message"
pytestmark = pytest.mark.skipif(not HOOK.exists(), reason="no source tree here")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("x" * 72 + "\n\nBecause.\n", None),
        ("Merge branch 'other'\n", None),
        ("Subject\n\nBecause.\n# ------------------------ >8 ------------------------\nx\n", None),
        ("x" * 73 + "\n\nBecause.\n", "73 characters"),
        ("Subject\nBecause.\n", "an empty line is missing"),
        ("Subject\n\n# what git shows of the change\n", "there is no body"),
        ("Subject", "there is no body"),
    ],
)
def test_a_message(tmp_path, text, complaint):
    (tmp_path / "message").write_text(text)
    done = subprocess.run(
        [sys.executable, HOOK, tmp_path / "message"], capture_output=True, text=True
    )
    assert done.returncode == (complaint is not None), done.stderr
    assert (complaint or "") in done.stderr
