"""A process that already runs, recorded from now on."""

import errno
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import sigrec
from sigrec import _core
from sigrec._recorder.attach import NOT_BEGUN, _why_not
from sigrec.cli import main
from tests.compiling import compiled, library
from tests.conftest import wait_until

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="needs Linux on x86-64"
)


@pytest.fixture(scope="module")
def attached(tmp_path_factory):
    directory = tmp_path_factory.mktemp("attached")
    compiled(HERE / "attached.c", directory / "program")
    with suppress(subprocess.CalledProcessError):  # not everybody has the library
        compiled(HERE / "attached.c", directory / "static", "-static")
    return directory


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path / "recordings"))


@contextmanager
def started(*command, **how):
    """A program that says a line when it is ready, and no more than waits after that."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **how)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def waits(process):
    """In a system call, as one who has said that it is ready will be at once."""
    path = Path(f"/proc/{process.pid}/syscall")
    wait_until(lambda: path.read_text().split()[0].isdigit())


def sigrec_says(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def now(pid, **options):
    """attach(), and again where it says so: no thread of it could be stopped just then."""
    opened = []

    def done():
        try:
            opened.append(sigrec.attach(pid, **options))
        except sigrec.SigrecError as error:
            assert "Try again" in str(error)
        return opened

    wait_until(done)
    return opened[0]


def catches(pid):
    return next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in x)


PYTHON = [sys.executable, "-c", """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("got it", flush=True))
print("ready", flush=True)
time.sleep(100)
"""]  # fmt: skip
BASH = ["bash", "-c", "trap 'echo got it' USR1; echo ready; while :; do read line; done"]


@pytest.mark.parametrize("command", [PYTHON, BASH], ids=["python", "bash"])
def test_from_now_on_it_is_recorded(command):
    with started(*command, stdin=subprocess.PIPE) as process:
        waits(process)
        status, said = sigrec_says("attach", process.pid, "--history", "64")
        assert status == 0 and "is recorded from now on" in said, said
        process.send_signal(signal.SIGUSR1)
        if command is BASH:
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.stdout.readline() == "got it\n"
        with sigrec.open_recording(process.pid) as recording:
            assert recording.capacity == 64
            (event,) = recording.events()
            assert event.si_pid == os.getpid() and event.si_signo == signal.SIGUSR1
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
        process.stdin.close()
        said = sigrec_says("why", process.pid)[1]
        assert f"terminated by SIGTERM, sent by PID {os.getpid()}" in said
        assert "what came before is not known" in said


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_is_done_while_it_is_stopped(tmp_path):
    """Each time that the tracer lets it go on and waits, it may have to wait for a processor."""
    with started("sh", "-c", "echo ready; exec sleep 100") as process:
        waits(process)
        log = tmp_path / "log"
        subprocess.run(
            ["strace", "-f", "-qq", "-o", log, sys.executable, "-m", "sigrec", "attach", str(process.pid)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        calls = log.read_text()
        tracer = re.search(r"^(\d+) .*PTRACE_SEIZE", calls, re.M)[1]
        calls = [line for line in calls.splitlines() if line.startswith(tracer + " ")]
        stops = " ".join(calls).split("PTRACE_INTERRUPT")[1:]
        stops = [one.partition("PTRACE_DETACH")[0] for one in stops]
        goes_on = re.compile("PTRACE_(CONT|SYSCALL|SINGLESTEP)")
        assert sum(len(goes_on.findall(one)) for one in stops) <= 10
        assert max(one.count(tracer + " ") for one in stops) <= 170


def test_handlers_that_are_set_later_are_recorded_too():
    code = """
import signal, sys
print("ready", flush=True)
sys.stdin.readline()
signal.signal(signal.SIGUSR2, lambda *_: print("handled", flush=True))
print("set", flush=True)
while True:
    signal.pause()
"""
    with started(sys.executable, "-c", code, stdin=subprocess.PIPE) as process:
        waits(process)
        now(process.pid).close()
        process.stdin.close()
        assert process.stdout.readline() == "set\n"
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.readline() == "handled\n"
        with sigrec.open_recording(process.pid) as recording:
            assert recording.signals[signal.SIGUSR2].delivered == 1


def test_handlers_that_a_constructor_sets(tmp_path):
    plugin = library(HERE / "plugin.c", tmp_path / "plugin.so")
    opens = compiled(HERE / "opens.c", tmp_path / "opens", "-ldl")
    with started(opens, plugin, stdin=subprocess.PIPE) as process:
        waits(process)
        with now(process.pid) as recording:
            process.stdin.close()
            assert process.wait() == -signal.SIGHUP
            assert recording.signals[signal.SIGUSR1].delivered == 2
            assert recording.signals[signal.SIGTERM].delivered == 1


def test_detached_it_has_its_own_handlers_again_and_may_be_attached_to_once_more():
    with started(*PYTHON) as process:
        waits(process)
        before = catches(process.pid)
        now(process.pid).close()
        assert catches(process.pid) != before
        with pytest.raises(sigrec.SigrecError, match="is recorded already"):
            sigrec.attach(process.pid)
        sigrec.detach(process.pid)
        assert catches(process.pid) == before
        with pytest.raises(sigrec.SigrecError, match="nothing to detach"):
            sigrec.detach(process.pid)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "got it\n"
        not_since = r"not recorded since [\d:]{8}, when sigrec detached from it"
        said = sigrec_says("why", process.pid)[1]
        assert re.search(rf"\) is still running, and {not_since}; .*, and stops at ", said), said
        assert "  alive, not recorded since " in sigrec_says("stats", process.pid)[1]
        with now(process.pid) as recording:
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.readline() == "got it\n"
            wait_until(lambda: recording.signals[signal.SIGUSR1].delivered == 1)
            gap = r"sigrec was detached from [\d:]{8} to [\d:]{8}"
            assert re.search(rf"\n  {gap}\n", sigrec_says("stats", process.pid)[1])
            meanwhile = "of what came meanwhile only what the program recorded itself is known"
            said = sigrec_says("why", process.pid)[1]
            assert re.search(rf": what came before is not known; {gap}: {meanwhile}", said), said
            sigrec.detach(process.pid)
        with now(process.pid):
            said = sigrec_says("why", process.pid)[1]
            assert "; sigrec was detached 2 times, the last time from " in said, said


def test_detaching_has_no_history(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["attach", "4194305", "--detach", "--history", "1024"])
    assert raised.value.code == 2 and "--history is for what begins" in capsys.readouterr().err


def test_an_end_after_detach_is_not_known():
    with started(*PYTHON) as process:
        waits(process)
        now(process.pid).close()
        sigrec.detach(process.pid)
        process.terminate()
        process.wait()
        why = sigrec_says("why", process.pid)[1]
        since = r"had not been recorded since [\d:]{8}, when sigrec detached from it"
        assert re.search(rf"\) has ended, and {since}: how it ended is not known; ", why), why
        assert "SIGKILL" not in why
        stats = sigrec_says("stats", process.pid)[1]
        assert re.search("  ended, not recorded since [\\d:]{8}: how is not known\n", stats), stats


def test_what_has_changed_since_detach_is_not_told():
    """It may have another mask and other handlers by now, and nobody has written them down; also
    where sigrec attached once more, or where it records a signal itself."""
    code = """
import signal, sys
print("ready", flush=True)
sys.stdin.readline()
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGUSR2, print)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("set", flush=True)
sys.stdin.readline()
import sigrec
sigrec.record(signal.SIGCHLD)
print("records", flush=True)
sys.stdin.read()
"""
    told = {
        "stats": ("SIGHUP: set to be ignored", "SIGUSR2: handler set by ", "SIGTERM: blocked by "),
        "doctor": ("SIGHUP: set to be ignored", "SIGUSR2: handler set by ", "SIGTERM: blocked by "),
        "why": ("SIGHUP: set to be ignored", "SIGTERM: blocked by "),
    }

    with started(sys.executable, "-c", code, stdin=subprocess.PIPE) as process:

        def goes_on():
            process.stdin.write("\n")
            process.stdin.flush()
            said = process.stdout.readline()
            waits(process)
            return said

        def each():
            for verb, words in told.items():
                said = " ".join(sigrec_says(verb, process.pid)[1].split())
                yield said, [word in said for word in words]

        waits(process)
        now(process.pid).close()
        assert goes_on() == "set\n"
        assert all(all(found) for _, found in each()), [*each()]
        sigrec.detach(process.pid)
        assert not any(any(found) for _, found in each()), [*each()]
        doctor = " ".join(sigrec_says("doctor", process.pid)[1].split())
        assert re.search(r": not recorded since [\d:]{8}, when sigrec detached from it", doctor)
        assert re.search("it catches [^;]*SIGUSR2 ", doctor), doctor
        now(process.pid).close()
        assert not any(any(found) for _, found in each()), [*each()]
        sigrec.detach(process.pid)
        assert goes_on() == "records\n"
        assert not any(any(found) for _, found in each()), [*each()]


def test_after_detach_it_records_itself():
    code = """
import os, signal, sys
print("ready", flush=True)
sys.stdin.readline()
import sigrec
sigrec.record()
os.kill(os.getpid(), signal.SIGTERM)
"""
    with started(sys.executable, "-c", code, stdin=subprocess.PIPE) as process:
        waits(process)
        now(process.pid).close()
        sigrec.detach(process.pid)
        process.stdin.close()
        assert process.wait() == -signal.SIGTERM
        said = sigrec_says("why", process.pid)[1]
        assert "was terminated by SIGTERM, sent by itself" in said
        assert "stops at" not in said and "only what the program recorded itself" in said


def test_what_the_program_records_itself_goes_on_after_detach():
    """And what is attached to goes on where the program ends its own."""
    code = """
import signal, sys
print("ready", flush=True)
sys.stdin.readline()
import sigrec
with sigrec.record(signal.SIGCHLD, signal.SIGTERM):
    print("records", flush=True)
    sys.stdin.readline()
print("records no more", flush=True)
sys.stdin.readline()
"""
    with started(sys.executable, "-c", code, stdin=subprocess.PIPE) as process:

        def goes_on():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline()

        def recorded():
            with sigrec.open_recording(process.pid) as recording:
                return {n for n, stats in recording.signals.items() if stats.mode == "recorded"}

        waits(process)
        now(process.pid).close()
        assert goes_on() == "records\n"
        waits(process)
        status, said = sigrec_says("attach", process.pid, "--detach")
        assert status == 0 and "but for what the program itself has asked for" in said, said
        assert recorded() == {signal.SIGCHLD, signal.SIGTERM}
        now(process.pid).close()
        assert {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM} <= recorded()
        assert goes_on() == "records no more\n"
        assert {signal.SIGHUP, signal.SIGTERM} <= recorded()
        waits(process)
        sigrec.detach(process.pid)
        assert not recorded()


def test_a_python_that_was_attached_to_imports_sigrec_and_has_one_ledger():
    code = """
import os, signal, sys
print("ready", flush=True)
sys.stdin.readline()
import sigrec
from sigrec import _core
from tests.compiling import compiled
sigrec.register(signal.SIGUSR1, lambda signum, frame: None)
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGTERM)
"""
    with started(sys.executable, "-c", code, stdin=subprocess.PIPE) as process:
        waits(process)
        with now(process.pid) as recording:
            process.stdin.close()
            assert process.wait() == -signal.SIGTERM
            counts = {n: s.delivered for n, s in recording.signals.items() if s.delivered}
            assert counts == {signal.SIGUSR1: 1, signal.SIGTERM: 1}
            assert recording.signals[signal.SIGUSR1].handled == 1


def test_it_counts_what_came_before_the_import_and_after():
    """In a flood of several threads: one ledger, to the last signal."""
    program = HERE / "one_ledger.py"
    with started(sys.executable, program, stdin=subprocess.PIPE) as process:
        waits(process)
        now(process.pid).close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stdout.readline() == "600 900 1500 1500 900 0\n"


@pytest.mark.parametrize(
    "name", ["malloc", "handler", "vectors", "coroutine", "sequence", "sleeping"]
)
def test_no_harm_is_done(attached, name):
    with started(attached / "program", name) as process, now(process.pid) as recording:
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "fine\n"
        assert process.wait(30) == 0
        assert recording.signals[signal.SIGUSR1].delivered == 1


@pytest.mark.long
def test_which_calls_a_stop_breaks_off(attached):
    says = {
        "epoll": "EINTR", "recv-with-a-time-limit": "EINTR", "poll": "went on", "select": "went on",
        "nanosleep": "went on", "semaphore": "went on",
    }  # fmt: skip

    def said(name):
        with started(attached / "program", name) as process:
            waits(process)
            now(process.pid).close()
            return process.stdout.readline().strip()

    with ThreadPoolExecutor(len(says)) as pool:  # each waits for three seconds, or ends at once
        assert dict(zip(says, pool.map(said, says), strict=True)) == says


def test_the_doctor_says_beforehand_whether_it_can_be():
    with started(*BASH, stdin=subprocess.PIPE) as process:
        said = " ".join(sigrec_says("doctor", process.pid)[1].split())
        assert f"ok attach sigrec attach {process.pid} can record it from now on" in said
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "T (stopped)" in Path(f"/proc/{process.pid}/status").read_text())
        said = " ".join(sigrec_says("doctor", process.pid)[1].split())
        assert "note attach it cannot be attached to: it is stopped" in said


def test_what_the_tracer_blocks_meanwhile_is_not_the_programs():
    with started("sh", "-c", "echo ready; exec sleep 100") as process:
        waits(process)
        with now(process.pid) as recording:
            assert recording._identity.blocked == 0


# --- from outside ---------------------------------------------------------------------------

# A root of its own, in which our library is not; its PID 1 is the shell that waits.
CONTAINER = """
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir -p usr etc proc dev/shm tmp
mount --rbind /usr usr
for one in bin sbin lib lib64; do ln -s usr/$one $one; done
cp /etc/ld.so.cache etc
mount -t proc proc proc
: > dev/null
chroot . sh -c "$2" &
wait
"""
WITHIN = "trap 'echo got it' USR1; sleep 100 & echo ready; while :; do wait; done"


def children(pid):
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_one_in_a_container_is_attached_to_from_outside(tmp_path):
    """In a PID and a mount namespace of its own; afterwards it is asked by the PID that it has here."""
    new = ["unshare", "--pid", "--mount", "--fork", "--kill-child"]
    if subprocess.run([*new, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces can be made here")
    root = tmp_path / "root"
    root.mkdir()
    with started(*new, "sh", "-c", CONTAINER, "sh", root, WITHIN) as process:
        (init,) = children(process.pid)
        with pytest.raises(sigrec.SigrecError, match="it is PID 1, the init of its namespace"):
            sigrec.attach(init)
        (pid,) = children(init)
        with now(pid) as recording:
            assert recording.path.startswith(f"/proc/{pid}/root/")
            os.kill(pid, signal.SIGUSR1)
            assert process.stdout.readline() == "got it\n"
            wait_until(lambda: recording.signals[signal.SIGUSR1].delivered == 1)
            status, said = sigrec_says("why", pid)
            assert status == 0 and "is still running;" in said, said
            assert "SIGUSR1" in sigrec_says("stats", pid)[1]
            assert str(root) not in Path("/proc/self/mounts").read_text()
            sigrec.detach(pid)
            os.kill(pid, signal.SIGUSR1)
            assert process.stdout.readline() == "got it\n"
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: recording.state == "ended")
            assert recording.signals[signal.SIGUSR1].delivered == 1


# --- refusals ------------------------------------------------------------------------------


def refused(pid, words):
    before = catches(pid)
    with pytest.raises(sigrec.SigrecError, match=words):
        sigrec.attach(pid)
    assert catches(pid) == before
    assert "libsigrec" not in Path(f"/proc/{pid}/maps").read_text()
    assert Path(f"/proc/{pid}/status").read_text().count("TracerPid:\t0")


def test_what_cannot_be_attached_to_is_told(attached):
    with pytest.raises(ValueError, match="pid must be the PID of a process, not 0"):
        sigrec.attach(0)
    with pytest.raises(ValueError, match="history must be an int from 16"):
        sigrec.attach(1, history=3)
    with pytest.raises(sigrec.SigrecError, match="it is this process itself"):
        sigrec.attach(os.getpid())
    with pytest.raises(sigrec.SigrecError, match="it is PID 1"):
        sigrec.attach(1)
    ended = subprocess.Popen(["true"])
    wait_until(lambda: "Z (zombie)" in Path(f"/proc/{ended.pid}/status").read_text())
    with pytest.raises(sigrec.SigrecError, match="has ended, and is a zombie"):
        sigrec.attach(ended.pid)
    ended.wait()
    with pytest.raises(sigrec.SigrecError, match="there is no process"):
        sigrec.attach(ended.pid)
    with started(*BASH, stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "T (stopped)" in Path(f"/proc/{process.pid}/status").read_text())
        refused(process.pid, f"it is stopped. Let it go on: kill -CONT {process.pid}")
    ignores = "trap '' TRAP; echo ready; read line"
    with started("sh", "-c", ignores, stdin=subprocess.PIPE) as process:
        refused(process.pid, "it ignores SIGTRAP")
    if (attached / "static").exists():
        with started(attached / "static", "sleeping") as process:
            refused(process.pid, "it is statically linked")


REFUSED = {
    "musl": "it uses another C library",
    "setuid": "it is setuid or setgid",
    "32 bits": "it is of another machine, or of 32 bits",
    "sanitizer": "it is built with a sanitizer",
    "zombie leader": "it goes on without its main thread",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_one_of_a_kind_that_it_cannot_be_loaded_into(tmp_path, kind):
    program = tmp_path / "program"
    flags = {"32 bits": ["-m32"], "sanitizer": ["-fsanitize=address"]}.get(kind, [])
    if kind == "musl":
        musl = shutil.which("musl-gcc") or pytest.skip("no musl-gcc on this machine")
        subprocess.run([musl, "-o", program, HERE / "waits.c"], check=True)
    else:
        try:
            compiled(HERE / "waits.c", program, *flags)
        except subprocess.CalledProcessError:
            pytest.skip(f"the compiler here makes no such program: {flags}")
    if kind == "setuid":
        program.chmod(0o4755)
    with started(program, *(["ends"] if kind == "zombie leader" else [])) as process:
        refused(process.pid, REFUSED[kind])


def test_one_that_ends_meanwhile():
    for n in range(10):
        with started("sh", "-c", "echo ready; read line", stdin=subprocess.PIPE) as process:
            ends = threading.Timer(n / 1000, process.stdin.close)
            ends.start()
            try:
                sigrec.attach(process.pid).close()
            except sigrec.SigrecError as error:
                assert (
                    "ended" in str(error) or "no process" in str(error) or "Try again" in str(error)
                )
            ends.join()
            assert process.wait() == 1  # as of read, at the end of its input


def test_one_that_is_traced_already(attached):
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine")
    with started(*BASH, stdin=subprocess.PIPE) as process:
        tracer = subprocess.Popen(
            ["strace", "-o", os.devnull, "-p", str(process.pid)], stderr=subprocess.DEVNULL
        )
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: f"TracerPid:\t{tracer.pid}\n" in status.read_text())
        with pytest.raises(
            sigrec.SigrecError, match=f"traced already, by PID {tracer.pid} .strace"
        ):
            sigrec.attach(process.pid)
        tracer.terminate()
        tracer.wait()
        now(process.pid).close()


def test_one_with_a_seccomp_filter():
    code = """
import ctypes, signal
prctl = ctypes.CDLL(None).prctl
class Filter(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("of", ctypes.c_void_p)]
allow = ctypes.create_string_buffer(bytes.fromhex("0600000000 00ff7f".replace(" ", "")), 8)
assert prctl(38, 1, 0, 0, 0) == 0
assert prctl(22, 2, ctypes.byref(Filter(1, ctypes.addressof(allow))), 0, 0) == 0
print("ready", flush=True)
signal.pause()
"""
    with started(sys.executable, "-c", code) as process:
        waits(process)
        refused(process.pid, "it has a seccomp filter")
        now(process.pid, any=True).close()
        assert process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's process")
def test_another_users_process_and_root_without_the_right():
    with started(*BASH, stdin=subprocess.PIPE) as process:
        for change, words in (
            ("os.setuid(65534)", "belongs to uid 0, and you are uid 65534. sudo sigrec attach"),
        ):
            code = (
                f"import os, sigrec\nsigrec.attach\n{change}\ntry: sigrec.attach({process.pid})\n"
            )
            code += "except sigrec.SigrecError as error: print(error)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert words in done.stdout, done
    with started(*BASH, stdin=subprocess.PIPE, user=65534) as process:
        waits(process)
        done = subprocess.run(
            ["setpriv", "--bounding-set", "-sys_ptrace", sys.executable, "-m", "sigrec", "attach",
             str(process.pid)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert "root has no CAP_SYS_PTRACE here" in done.stderr, done
        now(process.pid).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's process")
def test_a_library_that_the_process_may_not_read_is_given_to_it(monkeypatch, tmp_path):
    """The same file is at that path for both; only in the process is it seen that it cannot be opened."""
    library = shutil.copy(os.fsdecode(_core.library()), tmp_path / "libsigrec.so")
    os.chmod(library, 0o600)
    monkeypatch.setattr(_core, "library", lambda: os.fsencode(library))
    with started(*BASH, stdin=subprocess.PIPE, user=65534) as process:
        waits(process)
        now(process.pid).close()
        assert "/memfd:libsigrec.so" in Path(f"/proc/{process.pid}/maps").read_text()


def test_one_that_reads_from_a_fifo(tmp_path):
    """Whose name is like that of a file, in which an allocator might read."""
    os.mkfifo(tmp_path / "fifo")
    with open(tmp_path / "fifo", "r+b", buffering=0) as fifo, started(*BASH, stdin=fifo) as process:
        waits(process)
        now(process.pid).close()


def test_one_that_waits_for_a_child_of_vfork(attached):
    with started(attached / "program", "vfork") as process:
        waits(process)
        refused(process.pid, "cannot be stopped now")
        assert process.poll() is None


@pytest.mark.parametrize("where", [[], ["anywhere"]], ids=["variables", "anywhere"])
def test_one_that_hangs_in_locks_for_good(attached, where):
    """In two of its variables, which are no allocator's; or where they might be."""
    with started(attached / "program", "deadlock", *where) as process:
        task = Path(f"/proc/{process.pid}/task")
        wait_until(lambda: len(list(task.iterdir())) == 2)
        for thread in task.iterdir():
            wait_until(lambda thread=thread: (thread / "syscall").read_text().startswith("202 "))
        if where:
            refused(process.pid, "none of its threads could be stopped without harm")
        else:
            with now(process.pid) as recording:
                process.send_signal(signal.SIGTERM)
                assert process.wait() == -signal.SIGTERM
                assert recording.fatal_signal == signal.SIGTERM


@pytest.mark.parametrize("ends, was", [(False, "was not attached to"), (True, "was not detached")])
def test_while_somebody_else_begins_or_ends(ends, was):
    words = _why_not(ends, 7, NOT_BEGUN, errno.EALREADY, b"")
    assert was in words and "PID 7" in words and words.endswith("Try again")
