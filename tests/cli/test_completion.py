"""``sigrec --completion SHELL``: what a shell offers, asked of a real one."""

import shutil
import subprocess
import sys
from functools import cache

import pytest

from sigrec.cli import VERBS

pytest.importorskip("shtab")


@cache
def script(shell):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "--completion", shell], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def offered(directory, *words):
    """What bash offers for the last of these words."""
    bash = shutil.which("bash") or pytest.skip("no bash on this machine")
    ask = """
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=1000
    _shtab_sigrec sigrec "${@: -1}" "${@: -2:1}"
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [bash, "-c", script("bash") + ask, "bash", "sigrec", *words],
        cwd=directory, capture_output=True, text=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([""], set(VERBS)),
        (["ex"], {"export"}),
        (["export", "--format", "h"], {"html"}),
        *(([verb, "run."], {"run.sigrec"}) for verb in ("stats", "why", "tail", "export")),
        (["export", "run.sigrec", "--format", "csv", "-o", "pr"], {"program.py"}),
        (["run", "-o", "run."], {"run.sigrec"}),
        (["export", "--spool", "di"], {"directory"}),
        (["run", "pro"], {"program.py"}),
        (["run", "program.py", "run."], {"run.sigrec"}),
    ],
    ids=lambda part: " ".join(sorted(part)) or "verbs",
)
def test_bash(tmp_path, words, wanted):
    for name in ("run.sigrec", "program.py"):
        (tmp_path / name).touch()
    (tmp_path / "directory").mkdir()
    assert wanted <= offered(tmp_path, *words)


@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh", "zsh"])
def test_every_shell_that_has_a_script(shell):
    text = script(shell)
    assert all(verb in text for verb in VERBS)
    if found := shutil.which(shell):
        done = subprocess.run([found, "-n"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_a_shtab_of_long_ago(monkeypatch, capsys):
    import shtab

    from sigrec import cli

    monkeypatch.setattr(shtab, "SUPPORTED_SHELLS", ["bash"])
    with pytest.raises(SystemExit) as end:
        cli.main(["--completion", "fish"])
    assert end.value.code == 1
    assert "fish" in capsys.readouterr().err
