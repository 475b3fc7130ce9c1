"""Attaches to real programs in every state that they may be in: none may be harmed, none may hang.

    python -m tests.proof.attach [NAME ...] [--runs 20]
    python -m tests.proof.attach "C, malloc storm" "C, a handler above malloc" --runs 500

Each is attached to, and sent a SIGUSR1 (or what the program has a handler for) after that. It must be in the recording; who can answer
must answer; who waits must wait on as before; and at the end it must end as it would. A refusal in words, with the process
as it was, counts as such. At the end stands a table of programs and states: how often it was recorded / refused / wrong,
and "-" where a program has no such state.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import sigrec
from sigrec._recorder.attach import begin_attach
from tests.compiling import compiled

from .build import ROOT

PROGRAM = "program"  # tests/recorder/attached.c
WRONG = ("harmed", "hung")


class Target(NamedTuple):
    """answers: what it prints for SIGUSR1; "": it goes on waiting, and is killed."""

    command: tuple[str, ...]
    answers: str = "fine"


PYTHON = {
    "sleeping": "time.sleep(100)",
    "busy": "\nwhile True: pass",
    "in epoll": "select.epoll().poll()",
    "malloc storm": "\nwhile True: [bytes(n * 500) for n in range(64)]",
    "hung in a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "threads": "\nfor n in range(4): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
    "signal.pause()",
    # SIGALRM's handler is usleep(3) itself: it waits for 14 us, most often above malloc(3).
    "a handler above malloc": "\nimport ctypes\nlibc = ctypes.CDLL(None)\n"
    "libc.signal(signal.SIGALRM, ctypes.cast(libc.usleep, ctypes.c_void_p))\n"
    "signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)\n"
    "while True: [bytes(n * 500) for n in range(64)]",
}
HANGS = {
    "in C with the GIL": "sum(range(1 << 60))",
    # The same by sleep(3), whose 14 seconds are not over when it is attached to.
    "hung above malloc": "import ctypes\nlibc = ctypes.CDLL(None)\n"
    "libc.signal(signal.SIGALRM, ctypes.cast(libc.sleep, ctypes.c_void_p))\n"
    "signal.setitimer(signal.ITIMER_REAL, 1e-3)\n"
    "while True: [bytes(n * 500) for n in range(64)]",
}
BEGIN = (
    "import os, select, signal, threading, time\n"
    "signal.signal(signal.SIGUSR1, lambda *_: (os.write(1, b'fine\\n'), os._exit(0)))\n"
    "os.write(1, b'ready\\n')\n"
)
PERL = '$| = 1; $SIG{USR1} = sub { print "fine\\n"; exit 0 }; print "ready\\n"; '
RUBY = '$stdout.sync = true; trap("USR1") { puts "fine"; exit!(0) }; puts "ready"; '
JAVA = Path(__file__).with_name("attach_target.java").read_text()
GO = Path(__file__).with_name("attach_target.go").read_text()
NODE = (
    'process.on("SIGUSR2", () => { console.log("fine"); process.exit(0) }); console.log("ready"); '
)


def pythons() -> dict[str, str]:
    """What runs here, and what else of these is installed."""
    found = {f"python {sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for version in ("3.11", "3.12", "3.13"):
        built = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
        path = str(built[0]) if built else shutil.which(f"python{version}")
        if path is not None:
            found.setdefault(f"python {version}", path)
    return found


COMPILED = {
    "sleeping": "sleeping",
    "busy": "busy",
    "hung in a lock": "hung",
    "malloc storm": "storm",
}
IN_C = {
    "sleeping": "sleeping",
    "malloc storm": "malloc",
    "a handler above malloc": "handler",
    "vectors": "vectors",
    "coroutines of 8 KB": "coroutine",
}


def compiled_languages(directory: str) -> dict[str, Target]:
    """A JVM, whose null checks are faults; Go linked with libc, which sends itself SIGURG."""
    found = {}
    if shutil.which("javac"):
        Path(directory, "Main.java").write_text(JAVA)
        quiet = {"check": True, "cwd": directory, "stderr": subprocess.DEVNULL}
        subprocess.run(["javac", "Main.java"], **quiet)
        for state, word in COMPILED.items():
            found[f"java, {state}"] = Target(
                ("java", "-Xshare:auto", "-cp", directory, "Main", word)
            )
    if shutil.which("go"):
        Path(directory, "main.go").write_text(GO)
        places = {
            "GOCACHE": f"{directory}/cache",
            "GOPATH": f"{directory}/path",
            "CGO_ENABLED": "1",
        }
        subprocess.run(
            ["go", "build", "-o", "go-program", "main.go"],
            check=True, cwd=directory, env={**os.environ, **places, "GO111MODULE": "off"},
        )  # fmt: skip
        for state, word in COMPILED.items():
            found[f"go, {state}"] = Target((f"{directory}/go-program", word))
    return found


def targets(program: str) -> dict[str, Target]:
    found = compiled_languages(os.path.dirname(program))
    for name, python in pythons().items():
        for state, code in PYTHON.items():
            found[f"{name}, {state}"] = Target((python, "-c", BEGIN + code))
        for state, code in HANGS.items():
            found[f"{name}, {state}"] = Target((python, "-c", BEGIN + code), "")
    for state, word in IN_C.items():
        found[f"C, {state}"] = Target((program, word))
    found["C, hung in a lock"] = Target((program, "deadlock"), "")
    trap = "trap 'echo fine; exit 0' USR1; echo ready; "
    found["bash, sleeping"] = Target(("bash", "-c", trap + "while :; do read -t 1 line; done"))
    found["bash, busy"] = Target(("bash", "-c", trap + "while :; do :; done"))
    found["bash, malloc storm"] = Target(
        ("bash", "-c", trap + "while :; do x=$x$RANDOM; [ ${#x} -gt 50000 ] && x=; done")
    )
    if shutil.which("perl"):
        found["perl, sleeping"] = Target(("perl", "-e", PERL + "sleep 100 while 1"))
        found["perl, malloc storm"] = Target(
            ("perl", "-e", PERL + '$x = "a" x (100 + $n++ % 60000) while 1')
        )
    if shutil.which("ruby"):
        for state, code in (
            ("sleeping", "sleep"),
            ("busy", "loop {}"),
            ("malloc storm", "loop { 'a' * rand(60000) }"),
            ("hung in a lock", "Thread.new { sleep }; Queue.new.pop"),
        ):
            found[f"ruby, {state}"] = Target(("ruby", "-e", RUBY + code))
    if shutil.which("node"):
        found["node, in epoll"] = Target(("node", "-e", NODE + "setInterval(() => {}, 1000)"))
        found["node, busy"] = Target(
            ("node", "-e", NODE + "setInterval(() => { for (let i = 0; i < 1e6; i++); }, 0)")
        )
        found["node, malloc storm"] = Target(
            (
                "node",
                "-e",
                NODE
                + "setInterval(() => { for (let i = 0; i < 1e3; i++) Buffer.alloc(i * 50); }, 0)",
            )
        )
    if shutil.which("redis-server"):
        found["redis, in epoll"] = Target(
            ("redis-server", "--port", "0", "--unixsocket", "redis.socket", "--save", "")
        )
    if shutil.which("nginx"):
        serves = "daemon off; pid nginx.pid; error_log stderr;"
        for state, more in {"sleeping": "", "in epoll": " master_process off;"}.items():
            found[f"nginx, {state}"] = Target(
                ("nginx", "-p", ".", "-g", serves + more, "-c", "nginx.conf")
            )
    return found


def attempt(target: Target, directory: str, n: int) -> tuple[str, float]:
    """What came of it, and for how many ms it was stopped."""
    server = target.command[0] in ("redis-server", "nginx")
    process = subprocess.Popen(
        target.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if server else None,
        cwd=directory,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    try:
        if server:
            time.sleep(0.3)
        else:
            process.stdout.readline()
            time.sleep(0.05 + 0.003 * n)
        try:
            took = begin_attach(process.pid)
        except sigrec.SigrecError as error:
            process.poll()
            words = str(error).partition(": ")[2]
            return f"refused: {words}" if process.returncode is None else "harmed: it ended", 0
        ms = took.stopped_ns / 1e6
        with sigrec.open_recording(process.pid) as recording:
            signum = (
                signal.SIGTERM
                if server
                else signal.SIGUSR2
                if target.command[0] in ("node", "java")
                else signal.SIGUSR1
            )
            time.sleep(0.02)
            if process.poll() is not None:
                return f"harmed: it ended, {process.returncode}", ms
            process.send_signal(signum)
            until = time.monotonic() + 20
            while not recording.signals[signum].delivered:
                if time.monotonic() > until:
                    return "hung, or not recorded", ms
                time.sleep(0.005)
            if not target.answers:
                return ("fine" if process.poll() is None else "harmed: it ended"), ms
            try:
                out, _ = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                return "hung", ms
            if process.returncode or (not server and out != b"fine\n"):
                return f"harmed: {process.returncode}, {out[:100]!r}", ms
        return "fine", ms
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def table(outcomes: dict[str, Counter[str]]) -> str:
    """A row for each program, a column for each state."""
    cells: dict[str, dict[str, str]] = {}
    for name, counts in outcomes.items():
        program, _, state = name.partition(", ")
        refused = sum(n for outcome, n in counts.items() if outcome.startswith("refused"))
        wrong = sum(n for outcome, n in counts.items() if outcome.startswith(WRONG))
        cells.setdefault(program, {})[state] = f"{counts['fine']} / {refused} / {wrong}"
    states = list(dict.fromkeys(state for row in cells.values() for state in row))
    rows = [["", *states], ["---"] * (len(states) + 1)]
    rows += [[program, *(row.get(one, "-") for one in states)] for program, row in cells.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a name: python, busy")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, PROGRAM)
        source = ROOT / "tests/recorder/attached.c"
        compiled(source, program)
        Path(directory, "nginx.conf").write_text(
            "events {}\nhttp { access_log off; server { listen unix:nginx.socket; } }\n"
        )
        os.environ["SIGREC_DIR"] = os.path.join(directory, "recordings")
        chosen = {
            name: target
            for name, target in targets(program).items()
            if not arguments.names or any(part in name for part in arguments.names)
        }
        wrong, total, all_ms = 0, 0, []
        all_outcomes: dict[str, Counter[str]] = {}
        for name, target in chosen.items():
            outcomes = all_outcomes[name] = Counter()
            times = []
            for n in range(arguments.runs):
                outcome, ms = attempt(target, directory, n)
                outcomes[outcome] += 1
                wrong += outcome.startswith(WRONG)
                total += 1
                if ms:
                    times.append(ms)
            all_ms += times
            times.sort()
            stopped = (
                f"; ms: {times[len(times) // 2]:.1f}, at most {times[-1]:.1f}" if times else ""
            )
            said = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            print(f"{name}: {said}{stopped}", flush=True)
        print(table(all_outcomes))
        all_ms.sort()
        if all_ms:
            print(f"{total} attempts, {wrong} wrong; stopped for {all_ms[len(all_ms) // 2]:.1f} ms in the "
                  f"median, {all_ms[-1]:.1f} ms at most")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
