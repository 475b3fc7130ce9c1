"""Any dynamically linked program, recorded from its start: libsigrec-preload.so."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

import sigrec
from tests.compiling import CC, compiled, library, needs_cc
from tests.conftest import sigqueue

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIBRARY = Path(sigrec.__file__).parent / "libsigrec-preload.so"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="interposition needs Linux on x86-64 or aarch64",
)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "recordings"


def environment(directory, *, children=False, **more):
    """Of a program that is recorded there, and, with children, of all that it starts."""
    recorded = {"LD_PRELOAD": str(LIBRARY), "SIGREC_DIR": str(directory), **more}
    return {**os.environ, **recorded, **({"SIGREC_CHILDREN": "1"} if children else {})}


def run(*command, **how):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **how)


def begin(directory, *command, **more):
    """A program that prints a line when it is ready."""
    process = subprocess.Popen(command, env=environment(directory, **more), stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def why(pid, directory):
    done = run(sys.executable, "-m", "sigrec", "why", str(pid),
               env={**os.environ, "SIGREC_DIR": str(directory)})  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGSEGV, signal.SIGRTMIN])
def test_what_ended_a_shell_is_known(directory, signum):
    process = begin(directory, "sh", "-c", "echo; while :; do read line; done < /dev/zero")
    # (By kill(2) a real-time signal loses its siginfo where there is no room.)
    (sigqueue if signum == signal.SIGRTMIN else os.kill)(process.pid, signum)
    assert process.wait() == -signum
    process.stdout.close()
    with sigrec.open_recording(next(directory.iterdir())) as recording:
        assert recording.pid == process.pid
        (event,) = recording.events(signum)
        assert event.si_pid == os.getpid()
    assert signal.Signals(signum).name in why(process.pid, directory)


@pytest.mark.parametrize(("name", "status"), [("bash", 3), ("bash", 0), ("sh", 0)])
def test_a_killed_child_of_a_shell_is_the_deed_of_that_shell(directory, name, status):
    script = f"sleep 100 & echo $!; read line; kill -9 $!; wait; exit {status}"
    shell = subprocess.Popen(
        [name, "-c", script], env=environment(directory, children=True), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    child = int(shell.stdout.readline())
    while not any("sleep" in sigrec.open_recording(f).argv for f in directory.glob("*.sigrec")):
        pass  # it is the shell still
    shell.communicate("\n")
    assert shell.returncode == status
    assert f"SIGKILL, sent by its parent, PID {shell.pid}" in why(child, directory)


def test_clean_ends_leave_no_file(directory):
    loop = "for i in 1 2 3 4 5; do /bin/true; (exit 0); env true; done"
    for shell in filter(shutil.which, ["bash", "dash"]):
        done = run(shell, "-c", f"{loop}; /bin/true", env=environment(directory, children=True))
        assert (done.returncode, done.stderr) == (0, "")
    assert list(directory.iterdir()) == []
    run("sh", "-c", "exit 1", env=environment(directory))
    assert len(list(directory.iterdir())) == 1


def test_a_short_program_touches_few_pages_more():
    """Each is one or two microseconds, of the half millisecond that /bin/true lives."""

    def pages(**more):
        process = os.posix_spawn("/bin/true", ["true"], {**os.environ, **more})
        return os.wait4(process, 0)[2].ru_minflt

    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:  # on a disk, more
        ours = environment(directory, children=True)
        pairs = [(pages(**ours), pages()) for _ in range(9)]
    assert sorted(recorded - plain for recorded, plain in pairs)[4] <= 38


def test_a_program_finds_nothing_of_ours(directory):
    plain = {**os.environ, "SIGREC_DIR": str(directory)}
    directory.mkdir(0o700)
    ours = environment(directory, SIGREC_KEEP="1", SIGREC_RECORDING=str(directory / "a.sigrec"))
    assert run("env", env=ours).stdout == run("env", env=plain).stdout
    assert {file.suffix for file in directory.iterdir()} == {".sigrec", ".named"}


def test_handlers_that_a_constructor_sets(directory, tmp_path):
    library(HERE / "plugin.c", tmp_path / "plugin.so")
    own = "-Wl,--enable-new-dtags,-rpath,$ORIGIN"
    opens = compiled(HERE / "opens.c", tmp_path / "opens", own, "-ldl")
    how = {"cwd": tmp_path, "input": "\n"}
    plain = run(opens, "./plugin.so", **how)
    assert plain.returncode == -signal.SIGHUP
    assert "restored\nprogram\nprogram\n" in plain.stdout
    for name, where in ("plugin.so", tmp_path / "other"), ("./plugin.so", directory):
        ours = run(opens, name, **how, env=environment(where))  # the first by the RUNPATH
        assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
    with sigrec.open_recording(next(directory.iterdir())) as recording:
        wanted = {signal.SIGUSR1: 2, signal.SIGUSR2: 2, signal.SIGHUP: 2, signal.SIGTERM: 1}
        for signum, delivered in wanted.items():
            assert recording.signals[signum].delivered == delivered


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """starts.c and shows.c, by name."""
    made = tmp_path_factory.mktemp("programs")
    compiled(HERE / "shows.c", made / "plain")
    with suppress(subprocess.CalledProcessError):  # not everybody has these libraries
        compiled(HERE / "shows.c", made / "static", "-static")
    compiled(HERE / "starts.c", made / "starts")
    return made


WAYS = ["execv", "execve", "execvp", "execvpe", "fexecve", "execl", "execlp", "execle",
        "posix_spawn", "posix_spawnp"]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
def test_what_cannot_be_recorded_starts_as_without_us(directory, programs, how):
    env = environment(directory, children=True, PATH=f"{programs}:{os.environ['PATH']}")
    search = how.endswith("p") or how == "execvpe"
    for name in "plain", "static":
        if not (programs / name).exists():
            continue
        target = name if search else str(programs / name)
        for vfork in [[]] if how.startswith("posix") else [[], ["vfork"]]:
            done = run(programs / "starts", how, *vfork, target, env=env)
            ours = " SIGREC_CHILDREN LD_PRELOAD" if name == "plain" else ""
            assert sorted(done.stdout.split()) == sorted(f"<a b><>{ours}".split())
            assert (done.returncode, done.stderr) == (5, "")


OF_ANOTHER_MACHINE = 18  # where an ELF header says for which


def made(form, programs, to):
    """shows.c in that form, or None."""
    flags = {"AddressSanitizer": "-fsanitize=address,leak", "ThreadSanitizer": "-fsanitize=thread",
             "32 bits": "-m32"}  # fmt: skip
    if form in flags:
        with suppress(subprocess.CalledProcessError):
            return compiled(HERE / "shows.c", to, flags[form])
    elif form == "musl" and shutil.which("musl-gcc"):
        subprocess.run(["musl-gcc", "-o", to, HERE / "shows.c"], check=True)
        return to
    elif form == "setuid":
        shutil.copy(programs / "plain", to).chmod(0o4755)
        return to
    elif form == "another machine":
        program = bytearray((programs / "plain").read_bytes())
        program[OF_ANOTHER_MACHINE] ^= 0x40
        to.write_bytes(program)
        to.chmod(0o755)
        return to
    return None


FORMS = ["AddressSanitizer", "ThreadSanitizer", "32 bits", "musl", "setuid", "another machine"]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_of_another_kind_starts_as_without_us(directory, programs, tmp_path, form):
    target = made(form, programs, tmp_path / "program")
    if target is None:
        pytest.skip(f"nothing here makes a program of that form: {form}")
    for how in "execvp", "posix_spawn":
        plain = run(programs / "starts", how, target)
        ours = run(programs / "starts", how, target, env=environment(directory, children=True))
        assert (ours.returncode, ours.stdout, ours.stderr) == (
            plain.returncode, plain.stdout, plain.stderr,
        )  # fmt: skip
        assert form == "another machine" or plain.returncode == 5


def test_a_program_of_another_c_library_that_loads_it_all_the_same_is_as_without_it(
    directory, tmp_path
):
    """Its parent, a shell, is not recorded, and passes LD_PRELOAD on. (This process might be: a
    test before may have put sigrec in front of exec, which then takes it out.)"""
    if not shutil.which("musl-gcc"):
        pytest.skip("no musl-gcc on this machine")
    program = tmp_path / "program"
    subprocess.run(["musl-gcc", "-o", program, HERE / "shows.c"], check=True)
    started = 'LD_PRELOAD="$1" SIGREC_DIR="$2" exec "$0"'
    done = run("sh", "-c", started, program, LIBRARY, directory)
    assert (done.returncode, done.stdout, done.stderr) == (5, " LD_PRELOAD\n", "")
    assert not directory.exists()


# What a recorded shell does, where nothing that it starts could load the library.
NOWHERE = {
    "deleted": "rm -r $LIBRARIES",
    "not executable": "mount -o bind $LIBRARIES $LIBRARIES && mount -o remount,bind,noexec $LIBRARIES",
    "another mount namespace": "mount -t tmpfs none $LIBRARIES",
    "another user": "chmod 700 $LIBRARIES; exec setpriv --reuid 65534 --clear-groups sh -c",
}


@pytest.mark.parametrize("how", NOWHERE)
def test_where_it_cannot_be_loaded_from_a_program_starts_as_without_us(directory, tmp_path, how):
    inside = ["unshare", "-m"] if "mount" in NOWHERE[how] else []
    if inside and run(*inside, "true").returncode:
        pytest.skip("needs a mount namespace of its own")
    if "setpriv" in NOWHERE[how] and (os.geteuid() or not shutil.which("setpriv")):
        pytest.skip("needs root, and setpriv(1)")
    script = "(exit 3); sh -c 'exit 4'; echo $?; env true; env | grep -c ^LD_PRELOAD="
    first = NOWHERE[how] + (' "$SCRIPT"' if "setpriv" in NOWHERE[how] else '; eval "$SCRIPT"')
    results = []
    for recorded in False, True:
        libraries = tmp_path / "libraries"
        libraries.mkdir(exist_ok=True)  # it may have been removed
        library = str(shutil.copy(LIBRARY, libraries))
        env = environment(directory, children=True, LD_PRELOAD=library) if recorded else os.environ
        env = {**env, "LIBRARIES": str(libraries), "SCRIPT": script}
        results.append(run(*inside, "sh", "-c", first, env=env))
    plain, ours = results
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, "4\n0\n", "")
    assert plain.stdout == ours.stdout


@pytest.mark.parametrize("other", ["libjemalloc.so.2", "libeatmydata.so"])
def test_beside_another_library_that_is_preloaded(directory, other):
    script = "sh -c 'exit 3'; echo $?; env | grep LD_PRELOAD; kill -TERM $$"
    plain = run("sh", "-c", script, env={**os.environ, "LD_PRELOAD": other})
    if plain.stderr:
        pytest.skip(f"{other} is not installed")
    for both in f"{LIBRARY} {other}", f"{other}:{LIBRARY}":
        done = run("sh", "-c", script, env=environment(directory, LD_PRELOAD=both))
        assert (done.returncode, done.stdout, done.stderr) == (-15, plain.stdout, "")
        (path,) = directory.glob("*.sigrec")
        with sigrec.open_recording(path) as recording:
            assert recording.signals[signal.SIGTERM].delivered == 1
        path.unlink()


def test_faults_that_a_program_lives_on_leave_room_for_others(directory, programs):
    lives = compiled(HERE / "lives_on_faults.c", programs / "lives")
    assert run(lives, env=environment(directory, SIGREC_HISTORY="128")).returncode == 3
    (path,) = directory.iterdir()
    with sigrec.open_recording(path) as recording:
        faults = recording.signals[signal.SIGSEGV]
        assert (faults.delivered, faults.recorded, faults.overwritten) == (500, 500, 436)
        assert recording.signals[signal.SIGUSR1].overwritten == 0
        ordinals = [event.ordinal for event in recording.events(signal.SIGSEGV)]
        assert ordinals == [*range(64), *range(436, 500)]  # the first, and the newest


ONE_LEDGER = """
import os, signal, sigrec
os.kill(os.getpid(), signal.SIGURG)
with sigrec.register(signal.SIGUSR1, lambda *_: None), sigrec.record(signal.SIGUSR2, signal.SIGWINCH):
    signal.signal(signal.SIGUSR2, lambda *_: None)
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR2)
for one in sigrec.stats():
    if one.delivered:
        print(one.signal_name, one.mode, one.delivered, one.recorded, one.handled)
raise KeyError
"""


def test_a_python_goes_on_with_what_was_begun_before_it(directory):
    done = run(sys.executable, "-c", ONE_LEDGER, env=environment(directory))
    assert done.stdout.splitlines() == ["SIGUSR1 recorded 4 4 3", "SIGUSR2 recorded 4 4 0"]
    (path,) = directory.iterdir()
    with sigrec.open_recording(path) as recording:
        assert recording.exit_reason == "KeyError"


def test_it_counts_what_came_before_it_was_imported_and_after(directory):
    """In a flood of several threads: one ledger, to the last signal."""
    done = run(sys.executable, HERE / "one_ledger.py", env=environment(directory), input="\n")
    assert done.stdout == "ready\n600 900 1500 1500 900 0\n", done.stderr


OTHER_BUILD = """
import os, signal, sys, sigrec
signal.signal(signal.SIGUSR1, lambda *_: print("the program's own"))
for begin in sigrec.register, sigrec.record:
    try:
        begin(signal.SIGUSR1, *([print] if begin is sigrec.register else []))
    except sigrec.SigrecError as error:
        print(error)
os.kill(os.getpid(), signal.SIGUSR1)
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.long
@needs_cc
def test_one_of_another_build_goes_on_alone(directory, tmp_path):
    """Its recording is whole, and who imports sigrec is told both paths."""
    other = tmp_path / "libsigrec-preload.so"
    sources = sorted((ROOT / "csrc").glob("*/*.c"))
    subprocess.run(
        [CC, "-std=c11", "-O0", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread", "-Icsrc",
         "-DSIGREC_ABI=1", "-Wl,--version-script=csrc/libsigrec.map,-z,nodelete,-z,now", "-o", other,
         *sources, "csrc/preload.c", "-ldl"],
        check=True, cwd=ROOT,
    )  # fmt: skip
    done = run(sys.executable, "-c", OTHER_BUILD, env=environment(directory, LD_PRELOAD=str(other)))
    assert done.returncode == -signal.SIGTERM, done.stderr
    register, record, own = done.stdout.splitlines()
    assert register == record and own == "the program's own"
    assert str(other) in register and str(LIBRARY.with_name("libsigrec.so")) in register
    (path,) = directory.iterdir()
    with sigrec.open_recording(path) as recording:
        counts = {n: one.delivered for n, one in recording.signals.items() if one.delivered}
        assert counts == {signal.SIGUSR1: 1, signal.SIGTERM: 1}


ALLOCATES = """
import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: None)
kept = [bytes(n) for n in range(20000)]
for _ in range(100):
    os.kill(os.getpid(), signal.SIGUSR1)
print(len(kept))
sys.exit(3)
"""


@pytest.mark.long
def test_beside_memray(directory, tmp_path):
    """It patches the same tables as we do."""
    pytest.importorskip("memray")
    program = tmp_path / "program.py"
    program.write_text(ALLOCATES)
    results, counted = [], []
    for n, env in enumerate([os.environ, environment(directory, children=True)]):
        kept = tmp_path / f"{n}.bin"
        memray = [sys.executable, "-m", "memray"]
        done = run(*memray, "run", "-q", "-o", kept, program, env=env)
        results.append((done.returncode, done.stdout, done.stderr))
        said = run(*memray, "stats", "--json", "-o", f"{kept}.json", kept, "-f")
        assert said.returncode == 0, said.stdout + said.stderr
        counted.append(json.loads(Path(f"{kept}.json").read_text())["total_num_allocations"])
    assert results == [(3, "20000\n", "")] * 2
    assert counted[0] * 0.9 < counted[1] < counted[0] * 1.1
    (path,) = directory.iterdir()
    with sigrec.open_recording(path) as recording:
        assert recording.signals[signal.SIGUSR1].delivered == 100
