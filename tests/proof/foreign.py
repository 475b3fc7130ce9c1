"""Somebody else's test suites, with sigrec and without: each test must have the same outcome.

    python -m tests.proof.foreign [SUITE ...] [--python 3.12] [--mode MODE]

Suites are CPython's own tests of what has to do with signals, and those of projects that live by them. Each
is run plain, and then in each mode:

    run        under `sigrec run`
    children   under `sigrec run --children`
    record     sigrec.record() at the start, in the Python programs that the tests start as well
    compat     sigrec.compat.install() at the start, likewise: in those as well that are started with -I or -E
    preload    libsigrec-preload.so alone, by LD_PRELOAD, in all programs that the tests start

A test whose outcome differs is run three times more, alone, both plain and in that mode: one that differs from
run to run without sigrec is reported as a flake and not as a difference. What must differ is listed in KNOWN, with
the reason. A test that hangs is killed after --limit seconds,
and the rest goes on. All Pythons that are found are used, or those named. What is built and downloaded,
and each run's log and output, is kept in --workspace.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .build import ROOT

RUNNER = Path(__file__).with_name("foreign_runner.py")
MODES = ("run", "children", "record", "compat", "preload")
# The lines of a .pth file, which the site module runs at each start of Python but those with -S.
AT_START = {
    "record": "import sigrec; sigrec.record()",
    "compat": "import sigrec.compat; sigrec.compat.install()",
}
REPEATS = 3
START_S = 120  # for what goes on between two tests

# One version each: what is compared is then the same today and tomorrow.
TO_BUILD = ["setuptools>=77", "cython>=3.1"]
SOURCES = ["anyio==4.16.0", "cysignals==1.12.5", "gunicorn==27.0.1", "trio==0.35.0"]
REQUIREMENTS = [
    *SOURCES, "eventlet==0.41.3", "gevent==26.9.0", "tornado==6.6.1",
    "pytest>=9", "pytest-asyncio", "pytest-cov", "pytest-mock", "pytest-timeout", "psutil", "trustme", "truststore",
    "blockbuster", "hypothesis", "h2", "httpx[http2]", "inotify", "packaging", "uvloop", *TO_BUILD,
]  # fmt: skip


# What must differ, and why: by test, the modes and the reason.
OUR_FLAGS = "prints the kernel's flags of a handler: ours has SA_SIGINFO"
KNOWN = {
    "src/cysignals/pysignals.pyx::cysignals.pysignals.getossignal": ({"compat"}, OUR_FLAGS),
    "src/cysignals/pysignals.pyx::cysignals.pysignals.setossignal": ({"compat"}, OUR_FLAGS),
}


class Suite(NamedTuple):
    """Some tests; each of `parts` is run in a process of its own."""

    kind: str
    parts: tuple[tuple[str, ...], ...]
    source: str | None = None  # the sdist in whose folder they run
    environment: tuple[tuple[str, str], ...] = ()


def cpython(*modules: str) -> Suite:
    return Suite("unittest", tuple((f"test.{module}",) for module in modules))


SUITES = {
    "signal": cpython("test_signal"),
    "threadsignals": cpython("test_threadsignals"),
    "threading": cpython("test_threading"),
    "asyncio": cpython(
        "test_asyncio.test_runners", "test_asyncio.test_unix_events",
        "test_asyncio.test_subprocess", "test_asyncio.test_events",
    ),
    "subprocess": cpython("test_subprocess"),
    "faulthandler": cpython("test_faulthandler"),
    "posix": cpython("test_posix"),
    "cysignals": Suite("pytest", ((),), "cysignals"),
    "trio": Suite(
        "pytest",
        (("-p", "no:asyncio", "--pyargs", *(f"trio.{module}" for module in (
            "_tests.test_signals", "_tests.test_subprocess", "_tests.test_threads",
            "_core._tests.test_ki", "_core._tests.test_guest_mode",
        ))),),
        "trio",
    ),
    "anyio": Suite(
        "pytest",
        (("tests/test_signals.py", "tests/test_subprocesses.py", "tests/test_to_process.py"),),
        "anyio",
    ),
    "tornado": Suite(
        "unittest",
        tuple((f"tornado.test.{module}",) for module in (
            "process_test", "ioloop_test", "autoreload_test", "asyncio_test",
        )),
    ),
    "gunicorn": Suite(
        "pytest",
        (("-o", "addopts=", "tests/test_arbiter.py", "tests/test_signal_integration.py", "tests/dirty/test_arbiter_signals.py",
          "tests/test_control_socket_integration.py", "tests/test_dirty_arbiter.py", "tests/test_gthread.py"),),
        "gunicorn",
    ),
    "gevent": Suite(
        "unittest",
        tuple((f"gevent.tests.{module}",) for module in (
            "test__signal", "test__subprocess", "test__subprocess_interrupted", "test__subprocess_poll",
            "test__core_fork", "test__monkey_fork_atomic", "test__threading_fork_from_dummy",
        )),
        environment=(("TRAVIS", "1"),),  # a test has 15 seconds there, and 2 elsewhere
    ),
}  # fmt: skip

CPYTHON = {
    name
    for name, suite in SUITES.items()
    if suite.parts[0][:1] and suite.parts[0][0].startswith("test.")
}


def find_pythons() -> dict[str, str]:
    """By version, as "3.12"; pyenv's before the system's."""
    found = {}
    for minor in range(11, 16):
        version = f"3.{minor}"
        candidates = [
            *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3")),
            shutil.which(f"python{version}"),
        ]
        for candidate in candidates:
            probe = "import sys, test.test_signal; print('%d.%d' % sys.version_info[:2])"
            if candidate is not None:
                p = subprocess.run([candidate, "-c", probe], capture_output=True, text=True)
                if p.stdout.strip() == version:
                    found[version] = str(candidate)
                    break
    return found


class Workspace:
    """For one Python: packages, and an environment each for plain Python and for each of AT_START."""

    def __init__(self, directory: Path, python: str, packages: Path) -> None:
        self.directory = directory
        self.packages = packages
        for kind in ("plain", *AT_START):
            environment = directory / kind
            if not environment.exists():
                make = [python, "-m", "venv", "--without-pip", environment]
                subprocess.run(make, check=True)
            (own,) = environment.glob("lib/python*/site-packages")
            lines = [f"import site; site.addsitedir({str(packages)!r})", AT_START.get(kind, "")]
            text = "\n".join(lines) + "\n"
            if not (own / "foreign.pth").exists() or (own / "foreign.pth").read_text() != text:
                (own / "foreign.pth").write_text(text)

    @classmethod
    def prepare(cls, directory: Path, python: str, foreign: bool = True) -> Workspace:
        """With this checkout's sigrec, and, if foreign, the suites from PyPI and what they need."""
        environment = directory / "packages"
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be making it just now
            cls._install(environment, python, REQUIREMENTS if foreign else TO_BUILD)
            (packages,) = environment.glob("lib/python*/site-packages")
            workspace = cls(directory, python, packages)
            for source in SOURCES if foreign else ():
                workspace._download(source, environment)
        return workspace

    @staticmethod
    def _install(environment: Path, python: str, requirements: list[str]) -> None:
        pip = _pip(environment)
        done = environment / "done.json"
        had = json.loads(done.read_text()) if done.exists() else {}
        missing = set(requirements) - set(had.get("requirements", ()))
        want = {
            "requirements": sorted(missing | set(had.get("requirements", ()))),
            "sigrec": _fingerprint(),
        }
        if missing:
            subprocess.run([python, "-m", "venv", environment], check=True)
            subprocess.run([*pip, "install", *sorted(missing)], check=True)
        if had.get("sigrec") != want["sigrec"]:
            options = ["--no-build-isolation", "--no-deps", "--force-reinstall"]
            with tempfile.TemporaryDirectory() as temporary:
                copy = Path(temporary) / "copy"
                copy.mkdir()
                for name in ("sigrec", "csrc"):
                    ignored = shutil.ignore_patterns("*.so", "__pycache__")
                    shutil.copytree(ROOT / name, copy / name, ignore=ignored)
                for file in filter(Path.is_file, ROOT.glob("[!.]*")):
                    shutil.copy(file, copy)
                subprocess.run([*pip, "install", *options, copy], check=True)
        if had != want:
            done.write_text(json.dumps(want))

    def _download(self, source: str, environment: Path) -> None:
        name = source.split("==")[0]
        if self.source(name) is None:
            to = self.directory / "sources"
            options = ["--no-deps", "--no-binary", name, "-d", str(to)]
            subprocess.run([*_pip(environment), "download", *options, source], check=True)
            with tarfile.open(to / (source.replace("==", "-") + ".tar.gz")) as tar:
                tar.extractall(to, filter="data")

    def source(self, name: str) -> Path | None:
        return next((p for p in (self.directory / "sources").glob(f"{name}-*") if p.is_dir()), None)

    def environment(self, mode: str) -> dict[str, str]:
        library = self.packages / "sigrec/libsigrec-preload.so"
        return {"LD_PRELOAD": str(library), "SIGREC_CHILDREN": "1"} if mode == "preload" else {}

    def command(self, mode: str) -> list[str]:
        kind = mode if mode in AT_START else "plain"
        options = {
            "run": ["-m", "sigrec", "run"],
            "children": ["-m", "sigrec", "run", "--children"],
        }
        return [str(self.directory / kind / "bin/python"), *options.get(mode, [])]


def _pip(environment: Path) -> list[str]:
    return [str(environment / "bin/python"), "-m", "pip", "-q", "--disable-pip-version-check"]


def _fingerprint() -> str:
    """Of what sigrec is built from, so that it is built anew when it has changed."""
    files = [*ROOT.glob("sigrec/**/*.p[yx]*"), *ROOT.glob("csrc/**/*.[ch]")]
    digest = hashlib.sha256()
    for file in sorted([*files, ROOT / "setup.py", ROOT / "pyproject.toml"]):
        digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()


class Outcome(NamedTuple):
    word: str
    why: str = ""


def run(
    workspace: Workspace, name: str, mode: str, only: list[str] | None, limit: float, note: str = ""
) -> dict[str, Outcome]:
    """Each test's outcome, by its name."""
    outcomes: dict[str, Outcome] = {}
    suite = SUITES[name]
    for number, part in enumerate(suite.parts):
        stem = workspace.directory / f"{name}-{number}-{mode}{note}"
        arguments = list(part)
        if suite.kind == "pytest":
            arguments += ["-q", "-p", "no:cacheprovider"]
            arguments += ["-p", "no:sigrec"] if mode == "plain" else []
            if suite.source == "trio":
                # Installed, as --pyargs has it, and with the configuration of the sdist.
                arguments += ["-c", str(workspace.source("trio") / "pyproject.toml")]
                arguments += ["--rootdir", str(workspace.packages)]
        log = stem.with_name(stem.name + ".log")
        log.unlink(missing_ok=True)
        spec = {
            "kind": suite.kind, "arguments": arguments, "log": str(log), "only": only, "mode": mode,
        }  # fmt: skip
        stem.with_name(stem.name + ".spec").write_text(json.dumps(spec))
        command = [*workspace.command(mode), str(RUNNER), str(stem.with_name(stem.name + ".spec"))]
        with stem.with_name(stem.name + ".out").open("wb") as output:
            more = {**dict(suite.environment), **workspace.environment(mode)}
            while _run_once(workspace, suite, command, log, output, limit, more):
                pass
        outcomes |= _read(log)
    return outcomes


def _run_once(workspace, suite, command, log, output, limit, more) -> bool:
    """Until it ends or hangs; whether there are tests to go on with."""
    with tempfile.TemporaryDirectory(prefix="foreign-") as temporary:
        recordings = Path(temporary) / "recordings"
        recordings.mkdir()
        directory = workspace.source(suite.source) if suite.source else temporary
        before = len(_events(log))
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, env={**os.environ, "SIGREC_DIR": str(recordings), "TMPDIR": temporary, **more},
        )  # fmt: skip
        began, size, running, hung = time.monotonic(), -1, False, False
        while process.poll() is None and not hung:
            time.sleep(0.05)
            now = log.stat().st_size if log.exists() else 0
            if now != size:
                began, size, running = time.monotonic(), now, _running(_events(log))
            hung = time.monotonic() - began > (limit if running else max(limit, START_S))
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind, too
        except ProcessLookupError:
            pass
        status = process.wait()
    events = _events(log)
    if events and events[-1]["event"] == "finished":
        # pytest's own statuses: some failed, and none was chosen, are no errors of the run.
        if events[-1]["outcome"] not in ("0", "1", "5"):
            raise SystemExit(
                f"{suite.kind} itself failed, status {events[-1]['outcome']}: {output.name}"
            )
        return False
    why = f"hung for {limit:g} s" if hung else f"ended the process, status {status}"
    test = events[-1]["test"] if _running(events) else "(the run)"
    with log.open("a") as file:
        for event in ("begin", "end"):
            line = {"event": event, "test": test, "outcome": why, "why": ""}
            file.write(json.dumps(line) + "\n")
    return len(events) > before


def _running(events: list[dict[str, str]]) -> bool:
    return bool(events) and events[-1]["event"] == "begin"


def _events(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _read(log: Path) -> dict[str, Outcome]:
    return {e["test"]: Outcome(e["outcome"], e["why"]) for e in _events(log) if e["event"] == "end"}


NOT_RUN = Outcome("not run")


class Row(NamedTuple):
    """What one suite showed in one mode."""

    mode: str
    tests: int
    same: int
    differences: list[str]
    known: list[str]
    flakes: list[str]

    def __str__(self) -> str:
        return (
            f"{self.mode}: {self.tests} tests, {self.same} the same, {len(self.differences)} differ,"
            f" {len(self.known)} differ as known, {len(self.flakes)} flake without sigrec"
        )

    def details(self) -> list[str]:
        kinds = {"differs": self.differences, "known": self.known, "flakes": self.flakes}
        return [f"{kind}: {text}" for kind, texts in kinds.items() for text in texts]


def compare(
    workspace: Workspace, name: str, modes: list[str], only: list[str] | None, limit: float
) -> Iterator[Row]:
    plain = run(workspace, name, "plain", only, limit)
    for mode in modes:
        ours = run(workspace, name, mode, only, limit)
        tests = plain.keys() | ours.keys()
        differ = sorted(
            test for test in tests if plain.get(test, NOT_RUN).word != ours.get(test, NOT_RUN).word
        )
        row = Row(mode, len(tests), len(tests) - len(differ), [], [], [])
        known = {test for test in differ if mode in KNOWN.get(test, ((), ""))[0]}
        row.known.extend(f"{test}: {KNOWN[test][1]}" for test in sorted(known))
        unknown = [test for test in differ if test not in known]
        again = [
            (
                run(workspace, name, "plain", unknown, limit, f"-again{i}"),
                run(workspace, name, mode, unknown, limit, f"-again{i}"),
            )
            for i in range(REPEATS if unknown else 0)
        ]
        for test in unknown:
            runs = [(plain, ours), *again]
            without, with_it = ([r[side].get(test, NOT_RUN) for r in runs] for side in (0, 1))
            text = f"{test}: plain {_counted(without)}, {mode} {_counted(with_it)}"
            if len({outcome.word for outcome in without}) > 1:
                row.flakes.append(text)
            else:
                why = next((o.why for o in with_it if o.why), "").strip().splitlines()
                row.differences.append("\n      ".join([text, *why[-12:]]))
        yield row


def _counted(outcomes: list[Outcome]) -> str:
    counts = Counter(outcome.word for outcome in outcomes)
    return ", ".join(f"{n}x {word}" for word, n in sorted(counts.items()))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--python", action="append", help='a version, as "3.12"; may be repeated')
    parser.add_argument("--mode", action="append", choices=MODES)
    parser.add_argument("--limit", type=float, default=120, help="seconds for one test")
    parser.add_argument(
        "--only", action="append", metavar="TEST", help="no other tests; by full name"
    )
    parser.add_argument("--workspace", type=Path, default=ROOT / "build/foreign")
    args = parser.parse_args()
    unknown = set(args.suites) - SUITES.keys()
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    pythons = find_pythons()
    missing = set(args.python or []) - pythons.keys()
    if missing or not pythons:
        parser.error(f"no CPython with its tests: {', '.join(sorted(missing)) or 'any'}")
    fine = True
    for version in args.python or pythons:
        suites = args.suites or list(SUITES)
        foreign = any(suite not in CPYTHON for suite in suites)
        directory = args.workspace.resolve() / version
        workspace = Workspace.prepare(directory, pythons[version], foreign)
        for name in suites:
            began = time.monotonic()
            for row in compare(workspace, name, args.mode or list(MODES), args.only, args.limit):
                print(f"{version} {name} {row}", flush=True)
                for text in row.details():
                    print(f"    {text}", flush=True)
                fine = fine and row.tests > 0 and not row.differences
            print(f"{version} {name}: {time.monotonic() - began:.0f} s", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
