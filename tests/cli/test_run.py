"""``sigrec run``: the program is run by Python itself, and sees nothing of it."""

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sigrec
from tests.conftest import file_name

SHOW = """
import json, os, site, sys
import __main__
print(json.dumps([
    sys.argv, sys.path, __name__, __main__.__dict__.get("__file__"), sys.orig_argv[1:],
    sys.flags.dev_mode, sys.warnoptions, sorted(k for k in os.environ if "SIGREC" in k),
    os.environ.get("PYTHONPATH"), "sitecustomize" in sys.modules,
    getattr(sys.modules.get("sitecustomize"), "MINE", None),
    [p for p in sys.path_importer_cache if "startup" in p], os.getcwd(),
    repr(__main__.__spec__ and __main__.__spec__.name), __builtins__ is not None,
]))
"""


def python(*args, flags=(), **options):
    return subprocess.run([sys.executable, *flags, *args], capture_output=True, text=True,
                          timeout=60, **options)  # fmt: skip


def run(*args, flags=(), **options):
    return python("-m", "sigrec", "run", *args, flags=flags, **options)


def by_place(*args, flags=()):
    """The command line, by a Python that does not have sigrec on its path."""
    root = os.path.dirname(os.path.dirname(sigrec.__file__))
    code = f"import sys; sys.path.insert(0, {root!r}); from sigrec.cli import main; sys.exit(main(sys.argv[1:]))"
    return python("-c", code, *args, flags=flags)


@pytest.fixture
def place(tmp_path, monkeypatch, run_directory):
    monkeypatch.chdir(tmp_path)
    # A path with sigrec on it, as a source checkout needs, and one of the program's own.
    root = os.path.dirname(os.path.dirname(sigrec.__file__))
    (tmp_path / "lib").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, str(tmp_path / "lib")]))
    monkeypatch.setenv("SIGREC_DIR", str(run_directory))
    return tmp_path


@pytest.mark.parametrize("flags", [(), ("-X", "dev"), ("-W", "error::ImportWarning"), ("-P",)])
@pytest.mark.parametrize("how", ["script", "module", "package", "code"])
def test_it_is_run_as_by_python_itself(place, how, flags, run_directory):
    (place / "show.py").write_text(SHOW)
    (place / "pack").mkdir()
    (place / "pack" / "__init__.py").write_text("")
    (place / "pack" / "__main__.py").write_text(SHOW)
    command = {
        "script": ["./show.py", "-o", "x", "--", "-c", "y"],
        "module": ["-m", "show", "-m", "--children", "two words"],
        "package": ["-m", "pack"],
        "code": ["-c", SHOW, "-h"],
    }[how]
    if "-P" in flags and how in ("module", "package"):
        flags = ()  # without the current directory there is no such module
    expected = python(*command, flags=flags)
    assert expected.returncode == 0, expected.stderr
    found = run(*command, flags=flags)
    assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)
    assert "show.py" in found.stdout or how != "script"
    assert len(list(run_directory.glob("*.sigrec"))) == 1  # and it was recorded


@pytest.mark.parametrize("code", [
    "1/0", "import sys; sys.exit(3)", "import sys; sys.exit('words')", "raise SystemExit(None)",
    "def f(): raise KeyError('x')\nf()", "import os; os._exit(4)", "raise KeyboardInterrupt",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "x = (",
    "import threading; threading.Thread(target=lambda: 1/0).start()",
    "import asyncio\nasync def main(): raise ValueError('x')\nasyncio.run(main())",
])  # fmt: skip
def test_tracebacks_and_statuses_are_pythons(place, code, run_directory):
    (place / "program.py").write_text(code)
    for n, command in enumerate((["program.py"], ["-c", code]), 1):
        expected, found = python(*command), run(*command)
        assert found.returncode == expected.returncode
        assert found.stderr == expected.stderr
        assert "sigrec" not in found.stderr
        assert len(list(run_directory.glob("*.sigrec"))) == n  # and it was recorded


def test_what_python_cannot_run(place):
    for command in (["nowhere.py"], ["-m", "nowhere"], ["."]):
        expected, found = python(*command), run(*command)
        assert (found.returncode, found.stderr) == (expected.returncode, expected.stderr)


def test_ctrl_c_before_the_program_begins():
    """Python would end with status 1, and say that its site module has failed."""
    code = """if True:
    import runpy, signal, sys
    from sigrec._recorder.run import STARTUP
    class Interrupting:
        def find_spec(self, name, *rest):
            if name == "sigrec._recorder.publishing":
                signal.raise_signal(signal.SIGINT)
    sys.meta_path.insert(0, Interrupting())
    runpy.run_path(STARTUP + "/sitecustomize.py")
    """
    options = '{"children": true, "output": null, "path": null, "init": 0}'
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=-1, env={**os.environ, "SIGREC_RUN": options}
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_the_programs_own_sitecustomize(place):
    (place / "lib" / "sitecustomize.py").write_text("MINE = 'mine'\nprint('mine runs')")
    expected, found = python("-c", SHOW), run("-c", SHOW)
    assert expected.stdout.startswith("mine runs\n[")
    assert found.stdout == "mine runs\n" + expected.stdout  # the first one is sigrec's own Python
    (place / "lib" / "sitecustomize.py").write_text("import no_such_module")
    expected, found = python("-c", "print(1)"), run("-c", "print(1)")
    assert found.stdout == expected.stdout == "1\n"  # site reports it, and goes on
    assert "no_such_module" in found.stderr and "not recording" not in found.stderr


def test_the_recording(place, run_directory):
    code = (
        "import os, signal; signal.signal(10, print); os.kill(os.getpid(), 10); print(os.getpid())"
    )
    done = run("-c", code)
    pid = int(done.stdout.split()[-1])
    # It stays after a clean exit: someone asked for it.
    with sigrec.open_recording(pid) as recording:
        assert recording.path == str(run_directory / file_name(pid))
        assert recording.state == "exited"
        assert recording.signals[10].delivered == 1
        assert recording.argv[-1] == code
    done = run("-o", "here.sigrec", "-c", code)
    with sigrec.open_recording("here.sigrec") as recording:
        assert recording.signals[10].delivered == 1
    assert len(list(run_directory.glob("*.sigrec"))) == 1
    pid = int(done.stdout.split()[-1])
    with sigrec.open_recording(pid) as recording:  # found by its PID as well
        assert recording.path == str(place / "here.sigrec")
    # Once more, over the first.
    run("--output", "here.sigrec", "-c", "pass")
    with sigrec.open_recording("here.sigrec") as recording:
        assert recording.signals[10].delivered == 0


def test_children_are_left_alone_unless_asked(place, run_directory):
    code = textwrap.dedent(
        """
        import os, signal, subprocess, sys
        child = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
        a = subprocess.Popen([sys.executable, "-c", child])
        b = os.fork()
        if b == 0:
            exec(child)
        print(os.getpid(), a.pid, b, a.wait(), os.waitpid(b, 0)[1])
        """
    )
    done = run("-c", code)
    main, exec_ed, forked, *statuses = map(int, done.stdout.split())
    assert statuses == [-15, 15]
    assert [path.name for path in run_directory.iterdir()] == [f"{main}.sigrec"]

    done = run("--children", "-o", "main.sigrec", "-c", code)
    main, exec_ed, forked, *statuses = map(int, done.stdout.split())
    assert statuses == [-15, 15]
    with sigrec.open_recording("main.sigrec") as recording:
        assert recording.pid == main
        assert recording.signals[15].delivered == 0
        # Python itself ignores these, that of `sigrec run` too; who started it did not.
        changes = [d for d in recording.dispositions() if d.si_signo == signal.SIGPIPE]
        assert "inherited" not in [change.how for change in changes]
    for pid in (exec_ed, forked):
        with sigrec.open_recording(pid) as recording:
            assert (recording.fatal_signal, recording.fatal_ordinal) == (15, 0)
            assert recording.signals[15].senders[0][0].pid == pid


def other_pythons():
    """One each of other versions than ours, where the machine has them."""
    found = {}
    for path in [
        *Path.home().glob(".pyenv/versions/*/bin/python"),
        *(Path(place) / name for place in ("/usr/bin", "/usr/local/bin") for name in OTHERS),
    ]:
        if path.exists():
            code = "import sys; print('%d.%d' % sys.version_info[:2])"
            version = subprocess.run([path, "-c", code], capture_output=True, text=True).stdout
            found.setdefault(version.strip(), str(path))
    found.pop("{}.{}".format(*sys.version_info), None)
    return found


OTHERS = ["python2.7", *(f"python3.{minor}" for minor in range(6, 16)), "pypy3"]


def test_which_children_are_not_recorded(place, run_directory):
    """Those that the docs name; they run as without sigrec, and nothing of it is on stderr."""
    ways = {
        "plain": [sys.executable],
        **{flag: [sys.executable, flag] for flag in ("-I", "-E", "-S")},
        "env -i": ["env", "-i", sys.executable],
        **{f"version {version}": [path] for version, path in other_pythons().items()},
    }
    code = "import os; os.write(2, b'its own'); os.kill(os.getpid(), 9)"
    done = run(
        "--children", "-c",
        f"""
import json, subprocess
for name, command in {ways!r}.items():
    done = subprocess.run([*command, "-c", {code!r}], capture_output=True, text=True)
    print(json.dumps([name, done.returncode, done.stderr]))
""",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in said] == list(ways)
    for name, status, errors in said:
        assert (status, errors) == (-9, "its own"), name
    argvs = []
    for path in run_directory.iterdir():
        with sigrec.open_recording(path) as recording:
            argvs.append(recording.argv)
    recorded = [[*command, "-c", code] for name, command in ways.items() if name != "env -i"]
    found = [argv for argv in argvs if argv[-1] == code and argv[0] != "env"]
    assert sorted(found) == sorted(recorded)
    page = (Path(__file__).parent.parent.parent / "docs/explanation/recording.md").read_text()
    listed = page[page.index("**`--children`**") :].partition("\n\n## ")[0]
    assert "`env -i`" in listed


def test_a_python_that_sigrec_is_not_built_for_says_nothing(place, tmp_path):
    """As with another version, on a machine that has none."""
    copy = tmp_path / "lib" / "sigrec"
    ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(os.path.dirname(sigrec.__file__), copy, ignore=ignored)
    options = json.dumps({"output": None, "children": True, "path": None})
    path = str(copy / "_recorder" / "startup")
    done = python("-c", "print(1)", env={**os.environ, "PYTHONPATH": path, "SIGREC_RUN": options})
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_pytest_where_warnings_are_errors(place):
    """pytest warns of a plugin's package that is imported before it, unless the package objects."""
    (place / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (place / "test_it.py").write_text("def test_it(): pass\n")
    # As an installed wheel has it; an editable install lists no files.
    about = place / "lib" / "sigrec_installed-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sigrec-installed\nVersion: 1\n")
    (about / "RECORD").write_text("sigrec/__init__.py,,\nplain.py,,\n")
    (about / "entry_points.txt").write_text("[pytest11]\nplain = plain\n")
    (place / "lib" / "plain.py").write_text("")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


RUNNER = """
import runpy, sys
del sys.argv[:5]  # its own: run -o FILE -m
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
PRINT = "import sys; print(sys.argv[1:], sys.orig_argv[1:], sys.flags.dev_mode)"


@pytest.mark.parametrize(
    ("runner", "given"),
    [
        ("none", ""),
        ("none", "-Xdev -W ignore -Wdefault"),
        ("none", "-B -OO -u"),
        ("none", "-Bu --check-hash-based-pycs never"),
        *((runner, "-X dev") for runner in ("none", "joined", "module", "script", "code")),
    ],
)
def test_the_interpreters_own_flags_and_no_runners(place, runner, given):
    """python -m memray run -o FILE -m sigrec run PROGRAM, and the like."""
    (place / "lib" / "runner.py").write_text(RUNNER)
    (place / "print.py").write_text(PRINT)
    of_runner = ["run", "-o", "m.bin", "-m", "sigrec"]
    command = {
        "none": ["-m", "sigrec"],
        "joined": ["-sm", "sigrec"],
        "module": ["-m", "runner", *of_runner],
        "script": ["lib/runner.py", *of_runner],
        "code": ["-c", RUNNER, *of_runner],
    }[runner]
    kept = given.split() + ["-s"] * (runner == "joined")
    done = python(*given.split(), *command, "run", "print.py", "-m", "x")
    assert done.returncode == 0, done.stderr
    expected = f"['-m', 'x'] {[*kept, 'print.py', '-m', 'x']!r} {'dev' in given}\n"
    assert done.stdout == expected


def test_usage():
    for arguments in (
        [],
        ["-m"],
        ["-c"],
        ["-o"],
        ["-o", "x"],
        ["-o", "", "x"],
        ["--"],
        ["--nonsense", "x"],
    ):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("usage: sigrec ")
        assert "Traceback" not in done.stderr
    done = run("--", "no such program.py")
    assert "can't open file" in done.stderr


def test_it_says_what_it_cannot_do(place):
    for path, words in (("no/where.sigrec", "no directory"), (".", "is a directory")):
        done = run("-o", path, "-c", "print('ran')")
        assert done.returncode == 1
        assert words in done.stderr and path in done.stderr
        assert done.stdout == ""  # and does not run the program without it
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))}
    done = run("-o", "r", "sh", "-c", "echo ran", **limit)  # as on a full disk
    assert (done.stdout, done.stderr) == ("", "sigrec: r: cannot be written: File too large\n")
    done = by_place("run", "-c", "print('ran')", flags=["-E"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "not with -E, -I or -S" in done.stderr and "Traceback" not in done.stderr


def test_what_is_there_already(place):
    """Nothing is lost: not a file that is no recording, nor how the program ended before."""
    (place / "notes.txt").write_text("precious")
    os.mkfifo(place / "pipe")
    (place / "empty").touch()  # as mktemp makes them
    (place / "link").symlink_to("notes.txt")
    (place / "dangling").symlink_to("nowhere")
    for path, words in (
        ("notes.txt", "not a recording"), ("pipe", "not a file"), ("link", "symbolic link"),
        ("dangling", "symbolic link"),
    ):  # fmt: skip
        done = run("-o", path, "-c", "print('ran')")
        assert (done.returncode, done.stdout) == (1, "") and words in done.stderr, path
    assert (place / "notes.txt").read_text() == "precious"
    assert run("-o", "empty", "-c", "").returncode == 0
    assert not (place / "empty.1").exists()
    (place / "empty.1").write_text("precious")
    done = run("-o", "empty", "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (1, "") and "empty.1: is there" in done.stderr
    assert (place / "empty.1").read_text() == "precious"
    assert (place / "dangling").is_symlink() and not (place / "nowhere").exists()
    assert [run("-o", "r", "-c", f"raise SystemExit({n})").returncode for n in (5, 6)] == [5, 6]
    for path, status in (("r", 6), ("r.1", 5)):
        with sigrec.open_recording(place / path) as recording:
            assert recording.exit_status == status
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    alive = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "-o", "r", "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert alive.stdout.readline() == b"ready\n"
    done = run("-o", "r", "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the recording of PID {alive.pid}, which is alive" in done.stderr
    alive.communicate()
    (place / "future").write_bytes(b"\x89SIGREC\n" + bytes(8))  # of another version
    assert run("-o", "future", "-c", "").returncode == 0
    assert (place / "future.1").exists()


def test_a_program_that_names_a_file_which_is_there_goes_on(place):
    (place / "notes.txt").write_text("precious")
    code = "import sigrec; sigrec.configure(recording='notes.txt'); sigrec.register(10, print); print(sigrec.stats().processes[0].path)"
    done = python("-c", code)
    assert done.returncode == 0 and "notes.txt" not in done.stdout
    assert "is not a recording; it is not overwritten" in done.stderr
    assert (place / "notes.txt").read_text() == "precious"


def test_recording_never_breaks_the_program(place, monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", "")  # publishing is off
    done = run("-c", "print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    environment = {**os.environ, "SIGREC_RUN": "nonsense"}
    from sigrec._recorder.run import STARTUP

    environment["PYTHONPATH"] = os.pathsep.join([STARTUP, os.environ["PYTHONPATH"]])
    done = python("-c", "print('ran')", env=environment)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith("sigrec: not recording: ")


def test_in_a_virtual_environment_without_paths(place, tmp_path, monkeypatch):
    """sigrec is found by its place, not by the program's path."""
    monkeypatch.delenv("PYTHONPATH")
    program = "import os, sys; print(sys.path); os.kill(os.getpid(), 9)"
    expected, found = python("-c", program), by_place("run", "-o", "r", "-c", program)
    assert (found.returncode, found.stdout) == (-9, expected.stdout), found.stderr
    with sigrec.open_recording("r") as recording:
        assert recording.state == "ended"


def test_ctrl_z_and_fg_in_a_shell(place, run_directory):
    """Job control by a real shell on a real terminal."""
    terminal = pytest.importorskip("tests.cli.terminal")
    (place / "program.py").write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            print("pid", os.getpid(), flush=True)
            while (line := sys.stdin.readline()) != "end\\n":
                print("heard", line.strip(), flush=True)
            print("done", flush=True)
            """
        )
    )
    shell = terminal.Terminal(
        command=["bash", "--norc", "--noprofile", "-i"],
        env={"PS1": "$ ", "HISTFILE": ""},
        columns=200,  # the interpreter's path may be long
    )
    try:
        shell.until(lambda text: "$" in text)
        shell.type(f"{sys.executable} -m sigrec run program.py\r".encode())
        shell.until(lambda text: "pid " in text)
        pid = int(next(row for row in shell.rows() if row.startswith("pid ")).split()[1])
        shell.type(b"one\r")
        shell.until(lambda text: "heard one" in text)
        shell.type(b"\x1a")  # Ctrl-Z
        shell.until(lambda text: "Stopped" in text)
        shell.type(b"fg\r")
        shell.until(lambda text: text.count("program.py") >= 3)
        shell.type(b"two\r")
        shell.until(lambda text: "heard two" in text)
        shell.type(b"\x1a")
        shell.until(lambda text: text.count("Stopped") == 2)
        shell.type(b"fg\r")
        shell.until(lambda text: text.count("program.py") >= 5)
        shell.type(b"end\r")
        shell.until(lambda text: "done" in text)
        shell.type(b"echo status $?\r")
        shell.until(lambda text: "status 0" in text)
        with sigrec.open_recording(pid) as recording:
            stats = recording.signals[signal.SIGTSTP]
            assert stats.delivered == 2
            assert [str(sender) for sender, _ in stats.senders] == ["the terminal"]
    finally:
        shell.close()


def test_ctrl_c_at_a_terminal(place):
    pid, leader = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [
            sys.executable, "-m", "sigrec", "run", "-c",
            # Not pause(): a signal just before it would be handled after it.
            "import os, time; os.write(1, b'ready\\n')\nwhile True: time.sleep(0.05)",
        ])  # fmt: skip
    said = b""
    while b"ready" not in said:
        said += os.read(leader, 1000)
    os.write(leader, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(leader)
    assert os.WTERMSIG(status) == signal.SIGINT
    with sigrec.open_recording(pid) as recording:
        assert recording.exit_reason == "KeyboardInterrupt"
        kinds = [(str(sender), count) for sender, count in recording.signals[2].senders]
        assert ("the terminal", 1) in kinds
