"""What may happen to a process and to its recording while it is in use: the program goes on.

What happens at the beginning (a full disk, a directory of somebody else's, a limit on the size of
files) is in test_publishing.py; hostile and damaged files are in tests/reader.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from tests.compiling import compiled
from tests.conftest import RT, wait_until

HERE = Path(__file__).resolve().parent

# A handler counts; for each line that the program reads, it prints how many it has counted.
SERVER = """
import warnings
warnings.simplefilter("always")
sigrec.register(RT, count_call)
say("ready")
while hear() != "end":
    settle(RT)
    say(*ledger(RT), calls, sigrec.stats().to_dict()["processes"][0]["recording"])
"""


def serve(child, prelude="", **options):
    p = child(prelude + SERVER, **options)
    assert p.line() == "ready"
    return p


def after(p, count):
    """Sends it so many more; its ledger and calls, and where it records."""
    p.flood(RT, count)
    p.tell()
    *numbers, recording = p.line().split()
    return [int(number) for number in numbers], None if recording == "None" else recording


def ends_well(p):
    p.tell("end")
    return p.end()[1]


@pytest.mark.parametrize("size", [0, 4096, 10_000])
def test_the_file_is_truncated(child, size):
    p = serve(child)
    numbers, recording = after(p, 1000)
    assert numbers == [1000, 1000, 1000, 0, 1000]
    os.truncate(recording, size)
    with pytest.raises(sigrec.SigrecError, match=f"{size}|truncated|empty"):
        sigrec.open_recording(recording)
    numbers, place = after(p, 1000)
    assert numbers == [2000, 2000, 2000, 0, 2000]
    assert place is None
    numbers, _ = after(p, 1000)
    assert numbers == [3000, 3000, 3000, 0, 3000]
    errors = ends_well(p)
    assert errors.count("RuntimeWarning") == 1 and "truncated" in errors
    assert not os.path.exists(recording)


def test_the_file_is_truncated_and_nothing_comes(child):
    """The interpreter itself is the one who finds out."""
    p = serve(child)
    _, recording = after(p, 10)
    os.truncate(recording, 0)
    assert after(p, 0)[0] == [10, 10, 10, 0, 10]
    assert "truncated" in ends_well(p)


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_truncated_and_the_next_thing_is_a_call_of_ours(child, deliver):
    """Which writes, with signals blocked: but not the one that a missing page raises."""
    p = child(
        """
        r = sigrec.register(RT, print, deliver=%r)
        os.truncate(_core.path(), 0)
        r.cancel()
        say("cancelled")
        sigrec.register(RT, print, deliver=%r)
        say(sigrec.stats()[RT].mode)
        """
        % (deliver, deliver)
    )
    assert p.line() == "cancelled"
    assert p.line() == "registered"
    p.end()


@pytest.mark.parametrize("call", ["sigrec.register(RT, print)", "sigrec.record(RT)"])
def test_truncated_before_the_next_signal_is_taken(child, call):
    p = child(
        """
        sigrec.register(signal.SIGUSR1, print)
        os.truncate(_core.path(), 0)
        %s
        say(sigrec.stats()[RT].mode)
        """
        % call
    )
    assert p.line() in ("registered", "recorded")
    p.end()


def test_truncated_with_faulthandler_enabled_before(child):
    p = serve(child, "import faulthandler\nfaulthandler.enable()\n")
    _, recording = after(p, 10)
    os.truncate(recording, 0)
    assert after(p, 10)[0] == [20, 20, 20, 0, 20]
    assert "Bus error" not in ends_well(p)


def test_truncated_with_faulthandler_enabled_later(child):
    """The program's handler of SIGBUS is asked first, and this one ends the process."""
    p = serve(child, "import faulthandler\nsigrec.register(10, print)\nfaulthandler.enable()\n")
    _, recording = after(p, 10)
    os.truncate(recording, 0)
    os.kill(p.pid, RT)
    assert "Bus error" in p.end(-signal.SIGBUS)[1]


def test_recorded_and_truncated(child):
    p = child(
        """
        import warnings
        seen = 0
        def handler(signum, frame):
            global seen
            seen += 1
        signal.signal(signal.SIGUSR1, handler)
        recorder = sigrec.record()
        signal.raise_signal(signal.SIGUSR1)
        say(sigrec.stats().to_dict()["processes"][0]["recording"])
        hear()
        signal.raise_signal(signal.SIGUSR1)
        stats = sigrec.stats()
        say(stats[signal.SIGUSR1].delivered, seen, signal.SIGBUS in stats and stats[signal.SIGBUS].delivered)
        recorder.stop()
        say(signal.getsignal(signal.SIGBUS))
        """
    )
    os.truncate(p.line(), 0)
    p.tell()
    assert p.line() == "2 2 0"
    assert p.line() == "0"  # SIG_DFL
    p.end()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is needed")
@pytest.mark.parametrize("how", ["register", "record"])
def test_a_small_alternate_stack_is_told(child, how):
    """sigaltstack(2): what the kernel alone needs is not enough, and the handler fits in what we
    say. (A page of its own is below it: to run over its end is death.)"""
    p = child(HERE / "has_a_small_stack.py", how)
    assert [p.line() for _ in range(3)] == ["RuntimeWarning True", "1", "100"]
    p.end()


HAS_SIGBUS = """
def bus():  # caught, ignored
    status = open("/proc/self/status").read()
    return [int(status.split(f"Sig{word}:")[1].split()[0], 16) >> 6 & 1 for word in ("Cgt", "Ign")]
signal.signal(signal.SIGBUS, signal.SIG_IGN)
"""


def test_sigbus_is_given_back_when_the_last_user_stops(child):
    p = child(
        HAS_SIGBUS
        + """
registration = sigrec.register(RT, print)
recorder = sigrec.record(signal.SIGUSR1)
registration.cancel()
say(*bus())
recorder.stop()
say(*bus())
def handler(signum, frame):
    r.cancel()
    say("cancelled")
r = sigrec.register(RT, handler)
say(*bus())
with_room(signal.raise_signal, RT)
say(*bus())
sigrec.stats()
say(*bus())
os.truncate(_core.path(), 0)  # what is written at the end takes it again
sys.exit(3)
"""
    )
    assert [p.line() for _ in range(6)] == ["1 0", "0 1", "1 0", "cancelled", "0 1", "0 1"]
    p.end(3)


@pytest.mark.parametrize("how", ["register(RT, print)", "record()", "record(signal.SIGBUS)"])
@pytest.mark.parametrize(
    "exec", ["os.execvp('grep', ['grep', *ARGV])", "subprocess.run(['grep', *ARGV])"]
)
def test_an_ignored_sigbus_is_ignored_after_an_exec(child, how, exec):
    p = child(
        HAS_SIGBUS
        + f"""
import subprocess
ARGV = ["SigIgn", "/proc/self/status"]
one = sigrec.{how}
try:
    os.execv("/nonexistent", ["x"])
except FileNotFoundError:
    pass
say(*bus())
{exec}
"""
    )
    assert p.line() == ("0 1" if how == "record()" else "1 0")
    assert int(p.line().split()[1], 16) >> 6 & 1
    p.end()


def test_a_forked_child_of_one_that_was_truncated(child):
    p = child(
        """
        sigrec.register(RT, lambda s, f: None)
        with_room(signal.raise_signal, RT)
        say(sigrec.stats().to_dict()["processes"][0]["recording"])
        hear()
        with_room(signal.raise_signal, RT)
        pid = os.fork()
        if not pid:
            with_room(signal.raise_signal, RT)
            say(*ledger(RT))
            os._exit(0)
        os.waitpid(pid, 0)
        say(*ledger(RT))
        """
    )
    os.truncate(p.line(), 0)
    p.tell()
    assert p.line() == "1 1 1 0"
    assert p.line() == "2 2 2 0"


@pytest.mark.parametrize("how", ["deleted", "replaced", "renamed", "unreadable", "directory gone"])
def test_what_happens_to_the_name_does_not_matter_to_the_writer(
    child, run_directory, how, tmp_path
):
    p = serve(child)
    _, recording = after(p, 500)
    if how == "deleted":
        os.unlink(recording)
    elif how == "replaced":
        (tmp_path / "other").write_text("not a recording")
        os.replace(tmp_path / "other", recording)
    elif how == "renamed":
        os.rename(recording, recording + ".old")
        with sigrec.open_recording(recording + ".old") as moved:
            assert moved.state == "alive"  # by what the process has mapped, not by the name
    elif how == "unreadable":
        os.chmod(recording, 0)
        run_directory.chmod(0)
    else:
        shutil.rmtree(run_directory)
    numbers, _ = after(p, 500)
    assert numbers == [1000, 1000, 1000, 0, 1000]
    if how == "replaced":
        with pytest.raises(sigrec.SigrecError):
            sigrec.open_recording(recording)
    if how == "unreadable":
        run_directory.chmod(0o700)
    assert ends_well(p) == ""
    if how == "replaced":
        assert os.path.exists(recording)  # not ours to remove


@pytest.mark.parametrize(
    "limit, value",
    [("NOFILE", 3), ("AS", 1), ("SIGPENDING", 0), ("FSIZE", 0), ("NPROC", 0), ("MEMLOCK", 0)],
)
def test_a_limit_that_is_reached_while_it_runs(child, limit, value):
    """Each is lowered once the program runs. AS: nothing more can be mapped."""
    import resource

    p = serve(child)
    which = getattr(resource, f"RLIMIT_{limit}")
    after(p, 0)  # (the library's own modules are imported when they are needed first)
    before = resource.prlimit(p.pid, which)
    resource.prlimit(p.pid, which, (value, before[1]))
    for _ in range(20):
        # With RLIMIT_SIGPENDING 0 the kernel has no room for a siginfo, and one by one they come.
        os.kill(p.pid, RT)
        wait_until(lambda: not pending_in_the_kernel(p.pid))
    if limit == "AS":
        resource.prlimit(p.pid, which, before)  # what shows it needs memory
    assert after(p, 0)[0] == [20, 20, 20, 0, 20]
    assert ends_well(p) == ""


def pending_in_the_kernel(pid):
    with open(f"/proc/{pid}/status") as status:
        lines = [line.split()[1] for line in status if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(int(mask, 16) for mask in lines)


def test_no_descriptor_is_left_at_registration(child):
    p = child(
        """
        import linecache, resource, signal, warnings
        import sigrec._handling.registration
        warnings.simplefilter("always")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))
        sigrec.register(signal.SIGUSR1, lambda s, f: None)
        signal.raise_signal(signal.SIGUSR1)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        one = sigrec.stats()[signal.SIGUSR1]
        print(one.delivered, one.recorded, one.handled, one.dropped, flush=True)
        """,
        prelude="",  # which imports more than a program does
    )
    assert p.line() == "1 1 1 0"
    error = p.end()[1]
    assert "Too many open files" in error and "truncated" not in error


def test_no_memory_for_a_recording(child):
    p = child(
        """
        import resource
        sigrec.register(10, print).cancel()
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 10), -1))
        try:
            sigrec.register(RT, print)
            say("registered")
        except OSError as error:
            say(error.strerror)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        say(signal.getsignal(RT) == signal.SIG_DFL, RT in sigrec.stats())
        sigrec.register(RT, lambda s, f: None)
        with_room(signal.raise_signal, RT)
        say(*ledger(RT))
        """
    )
    assert p.line() == "Cannot allocate memory"
    assert p.line() == "True False"
    assert p.line() == "1 1 1 0"


def test_a_pid_is_used_again():
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*unshare, "true"], capture_output=True).returncode
    ):
        pytest.skip("cannot make a PID namespace here")
    done = subprocess.run(
        [*unshare, sys.executable, Path(__file__).with_name("pid_used_again.py")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "before ended 1",
        "after ended 1 True",
        "reused ended",
        "True",
    ]


def test_no_room_is_left_where_sigbus_is_blocked(tmp_path):
    place = tmp_path / "full"
    place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=30m,mode=0700", "none", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small tmpfs here")
    program = compiled(Path(__file__).with_name("fills.c"), tmp_path / "fills")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sigrec", "run", "--", program, place / "others"],
            capture_output=True, text=True, timeout=60,
            env={**os.environ, "SIGREC_DIR": str(place)},
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("who", [[], ["a child"]], ids=["itself", "child"])
def test_a_handler_on_an_alternate_stack_starts_a_program(tmp_path, run_directory, who):
    program = compiled(Path(__file__).with_name("reports.c"), tmp_path / "reports")
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "run", "--children", "--", program, *who],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "crashed\n"), done.stderr
