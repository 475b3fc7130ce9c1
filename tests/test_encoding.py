"""Nothing of ours is read or written in whatever encoding the locale has: PEP 597."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WARN = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]


def by_default(tree):
    """Calls that open text and do not say in which encoding."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        called = ast.unparse(call.func)
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        modes = [
            a.value for a in [*call.args[1:2], named.get("mode")] if isinstance(a, ast.Constant)
        ]
        opens = called in ("open", "os.fdopen", "io.open") and not any("b" in str(m) for m in modes)
        opens |= called.endswith((".read_text", ".write_text")) or called == "io.TextIOWrapper"
        opens |= called.startswith("subprocess.") and bool(
            {"text", "universal_newlines"} & set(named)
        )
        if opens and "encoding" not in named:
            yield f"{call.lineno}: {called}"


@pytest.mark.parametrize("folder", ["sigrec", "benchmarks"])
def test_every_file_of_text_has_its_encoding(folder):
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        calls = list(by_default(ast.parse(path.read_text(encoding="utf-8"))))
        if calls:
            found[str(path)] = calls
    assert found == {}


def test_the_look_finds_what_it_looks_for():
    code = (
        "open(p); open(p, 'w'); open(p, 'rb'); open(p, encoding='x'); subprocess.run(a, text=True)"
    )
    assert len(list(by_default(ast.parse(code)))) == 3


def sigrec_warns(*arguments, **options):
    command = [sys.executable, *WARN, "-m", "sigrec", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", **options)


def test_no_warning_in_use(tmp_path):
    """Where warnings of this kind are errors."""
    code = "import sigrec, os; sigrec.register(10, print); sigrec.timer(9); sigrec.stream(12); os.kill(os.getpid(), 10); os.kill(os.getpid(), 9)"
    done = sigrec_warns("run", "-o", "r.sigrec", "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (-9, "")
    for arguments in (
        ["stats"],
        ["why"],
        ["tail"],
        ["export", "--format", "html"],
        ["export", "--format", "csv"],
    ):
        done = sigrec_warns(*arguments, "r.sigrec", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    done = sigrec_warns("doctor", env={**os.environ, "SIGREC_DIR": str(tmp_path)})
    assert "EncodingWarning" not in done.stdout + done.stderr and "sigrec" in done.stdout
