"""sigrec in programs that gevent or eventlet has patched: nothing hangs, and nothing is lost.

    python -m tests.proof.green [--runs 20] [--python 3.12]

Each program below is run so many times, with each library, patched before `import sigrec` and after it. Five
real-time signals come from another process, and each must be told of; then every other run ends by itself and every
other by a SIGTERM, which must find a thread that takes it. The packages are those of tests/proof/foreign.py.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .build import ROOT
from .foreign import Workspace, find_pythons

LIBRARIES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
IMPORT = "import sigrec, sigrec.compat"
ORDERS = {"patched first": "{patch}\n{load}\n", "imported first": "{load}\n{patch}\n"}
BEGIN = Path(__file__).with_name("green_begin.py").read_text()
PROGRAMS = {
    "main": "with sigrec.register(RT, handler): send(); called()",
    "thread": "with sigrec.register(RT, handler, deliver='thread'): send(); called()",
    "compat": "sigrec.compat.signal(RT, handler); send(); called(); sigrec.compat.signal(RT, signal.SIG_DFL)",
    "stream": "with sigrec.stream(RT) as s: send(); calls.extend(next(s) for _ in range(5))",
    "wait": "with sigrec.register(RT, handler), sending(): assert all(sigrec.wait(RT, timeout=20) for _ in range(5)); called()",
    "flag": "with sigrec.Flag(RT) as f, sending(): calls.extend(RT for _ in range(5) if f.wait(20) and not f.clear())",
}
END = """
assert len(calls) >= 5, calls
print("told", flush=True)
if sys.stdin.readline() == "stay\\n":
    print("staying", flush=True)
    while True:
        time.sleep(0.01)
"""
LIMIT_S = 40


def run(python: str, code: str, stay: bool) -> str:
    """What became of it, "right" if that is so."""
    process = subprocess.Popen(
        [python, "-W", "ignore", "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd="/", env={**os.environ, "SIGREC_DIR": ""},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    late = threading.Timer(LIMIT_S, process.kill)
    late.start()
    out = ""
    if stay:
        process.stdin.write("stay\n")
        process.stdin.flush()
        for line in process.stdout:
            out += line
            if line == "staying\n":
                process.terminate()
    rest, errors = process.communicate()
    late.cancel()
    if process.returncode == -signal.SIGKILL:
        return f"hung; {(out + rest).strip()!r} {errors.strip()[-300:]!r}"
    right = process.returncode == (-signal.SIGTERM if stay else 0) and not errors
    return "right" if right else f"status {process.returncode}; {errors.strip()[-300:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--python", action="append", help='a version, as "3.12"; may be repeated')
    parser.add_argument("--workspace", type=Path, default=ROOT / "build/foreign")
    args = parser.parse_args()
    pythons = find_pythons()
    fine = True
    for version in args.python or pythons:
        workspace = Workspace.prepare(args.workspace.resolve() / version, pythons[version])
        (python,) = workspace.command("plain")
        for library, order, program in itertools.product(LIBRARIES, ORDERS, PROGRAMS):
            head = ORDERS[order].format(patch=LIBRARIES[library], load=IMPORT)
            code = head + BEGIN + PROGRAMS[program] + END
            with ThreadPoolExecutor(4) as pool:  # most of the time they wait
                runs = [pool.submit(run, python, code, bool(n % 2)) for n in range(args.runs)]
                results = Counter(one.result() for one in runs)
            fine = fine and set(results) == {"right"}
            said = "; ".join(f"{n} times {what}" for what, n in results.most_common())
            print(f"{version} {library}, {order}, {program}: {said}", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
