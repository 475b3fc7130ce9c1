"""The claims of docs/explanation/security.md that no other test has."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import sigrec
from tests.conftest import RT


def test_a_recording_is_its_owners_alone(child, tmp_path):
    p = child(
        """
        os.umask(0)
        sigrec.register(RT, print)
        say(sigrec.stats().to_dict()["processes"][0]["recording"])
        hear()
        """,
        env={"SIGREC_DIR": str(tmp_path / "new")},
    )
    status = os.lstat(p.line())
    assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()
    assert stat.S_IMODE(os.lstat(tmp_path / "new").st_mode) == 0o700


def test_one_with_a_name_too(tmp_path):
    file = tmp_path / "named.sigrec"
    subprocess.run(
        [sys.executable, "-c", "import os; os.umask(0); import runpy, sys\n"
         "sys.argv = ['sigrec', 'run', '-o', sys.argv[1], '-c', 'pass']; runpy.run_module('sigrec')",
         str(file)],
        check=True,
    )  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_descriptor_of_it_stays(child):
    p = child(
        """
        before = set(os.listdir("/proc/self/fd"))
        sigrec.register(RT, lambda s, f: None)
        with_room(signal.raise_signal, RT)
        settle(RT)
        say(set(os.listdir("/proc/self/fd")) - before or "none")
        """
    )
    assert p.line() == "none"


def test_a_flood_makes_nothing_grow(child, run_directory):
    p = child(
        """
        def rss():
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        sigrec.register(RT, lambda s, i, f: None, siginfo=True)
        say("ready")
        while hear():
            settle(RT)
            say(rss(), sigrec.stats()[RT].delivered)
        """
    )
    p.line()
    seen = []
    for n in range(1, 5):
        for _ in range(4):  # senders come and go
            p.flood(RT, 25_000)
        p.tell()
        rss, delivered = map(int, p.line().split())
        assert delivered == n * 100_000
        (file,) = run_directory.iterdir()
        seen.append((rss, file.stat().st_size))
    assert len({size for _, size in seen}) == 1
    assert seen[-1][0] <= seen[0][0] + 256  # KB


def test_isolated_mode_does_not_keep_the_directory_out(tmp_path):
    """docs/explanation/security.md says so: -I and -E are about Python's own variables."""
    tmp_path.chmod(0o700)
    root = str(Path(sigrec.__file__).parent.parent)
    code = (
        f"import sys; sys.path.insert(0, {root!r}); import sigrec; sigrec.register(10, print); "
        "print(sigrec.stats().processes[0].path)"
    )
    environment = {**os.environ, "SIGREC_DIR": str(tmp_path)}
    for flag in ("-I", "-E"):
        command = [sys.executable, flag, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.stdout.startswith(str(tmp_path)), done.stderr


def test_a_recording_has_no_environment_and_no_message(tmp_path):
    code = "import sigrec; sigrec.configure(recording='r'); sigrec.register(10, print); raise ValueError('in-the-' + 'message')"
    environment = {**os.environ, "OF_MINE": "in-the-environment"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert b"in-the-message" in done.stderr
    raw = (tmp_path / "r").read_bytes()
    assert b"ValueError" in raw and b"register(10" in raw
    assert b"in-the-environment" not in raw and b"in-the-message" not in raw


def test_a_backlog_takes_128_bytes_an_event(child):
    p = child(
        """
        import tracemalloc
        stream = sigrec.stream(RT)
        def fill(count):
            for n in range(count):
                sigqueue(os.getpid(), RT, n + (1 << 40))
            settle(RT)
        fill(100)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        fill(2000)
        after, _ = tracemalloc.get_traced_memory()
        say((after - before) / 2000)
        """
    )
    assert 56 < float(p.line()) < 128  # a ring of 56-byte places, which doubles
