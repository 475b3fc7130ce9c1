"""libsigrec.so: the core as a library of its own, of which a process has one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from tests.compiling import library, needs_cc

LIBRARY = Path(sigrec.__file__).parent / "libsigrec.so"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")


def run(code, *preload):
    environment = {**os.environ, "LD_PRELOAD": " ".join(map(str, preload))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == "" and done.returncode == 0
    return done.stdout.splitlines()


ONE_CORE = """
import os, signal, sigrec
handled = []
sigrec.register(signal.SIGUSR1, lambda signum, frame: handled.append(signum))
for _ in range(3):
    sigrec.sigqueue(os.getpid(), signal.SIGUSR1)
print(len(handled), sigrec.stats()[signal.SIGUSR1].delivered)
maps = open("/proc/self/maps").read().splitlines()
print(*sorted({line[73:] for line in maps if line.endswith(".so") and "sigrec" in line}), sep="\\n")
"""


@LINUX
def test_the_core_that_is_there_already_is_taken_whatever_its_name(tmp_path):
    there = shutil.copy(LIBRARY, tmp_path / "sigrec-elsewhere.so")
    counts, *loaded = run(ONE_CORE, there)
    assert counts == "3 3"
    assert str(there) in loaded and str(LIBRARY) not in loaded
    counts, *loaded = run(ONE_CORE)
    assert counts == "3 3" and str(LIBRARY) in loaded


OTHER_BUILD = """
import os, signal, sigrec
for begin in sigrec.register, sigrec.record:
    try:
        begin(signal.SIGUSR1, *([print] if begin is sigrec.register else []))
    except sigrec.SigrecError as error:
        print(error)
signal.signal(signal.SIGUSR1, lambda signum, frame: print("the program's own"))
sigrec.sigqueue(os.getpid(), signal.SIGUSR1)
print(*sigrec.stats())
"""


@LINUX
@needs_cc
def test_beside_a_core_of_another_build_nothing_begins(tmp_path):
    source = tmp_path / "other.c"
    source.write_text("const void *sigrec_core(unsigned abi) { return (void)abi, (void *)0; }")
    other = library(source, tmp_path / "libsigrec.so")
    register, record, own, counts = run(OTHER_BUILD, other)
    assert register == record
    assert str(other) in register and str(LIBRARY) in register
    assert (own, counts) == ("the program's own", "")


@LINUX
def test_to_load_it_changes_nothing():
    status = (
        "import sys; text = open('/proc/self/status').read(); print(text[text.index('SigPnd'):])"
    )
    lines = run(status)
    caught = [line for line in lines if line.startswith("Sig")]
    assert len(caught) == 4
    for code, preload in ((f"from sigrec import _core; {status}", []), (status, [LIBRARY])):
        assert [line for line in run(code, *preload) if line.startswith("Sig")] == caught


def test_it_offers_one_symbol_and_looks_nowhere_else():
    nm, readelf = shutil.which("nm"), shutil.which("readelf")
    if sys.platform != "linux" or not nm or not readelf:
        pytest.skip("needs nm and readelf, of Linux")
    how = {"capture_output": True, "text": True, "check": True}
    offered = subprocess.run([nm, "-D", "--defined-only", LIBRARY], **how).stdout.split()
    assert offered[2::3] == ["sigrec_core"]
    dynamic = subprocess.run([readelf, "-d", LIBRARY], **how).stdout
    assert "NODELETE" in dynamic and "PATH)" not in dynamic
