"""Every way in which a process ends, and what `sigrec why --json` says of it: cause, sender and certainty.

    python -m tests.proof.endings [ENDING ...] [--mode MODE] [--jobs 2]

Each ending is played with a victim that runs under `sigrec run`, one whose parent runs under `sigrec run --children`,
and one that only registers a signal; with a sender of the victim's user, and one of another user (root); and both that
user and root are asked. What is right is not looked up in sigrec, but follows from who could know: see Ending and
right(). A wrong answer is a failure, and "unknown" is right only where nobody knows who could be asked. As root all of it is
played; anybody else has one user.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.compiling import CC

from .endings_reused import Clock, reused, worn
from .endings_stage import ROOT_HERE, Play, Stage, within

MODES = ("run", "children", "register")
USER = 61000  # and the ones after it: nobody has them
SOON = "1"  # second; on a busy machine that may be before the victim is ready, and then it is more


class Ending(NamedTuple):
    """code: what the victim does. by, act: who sends what, "hand", "parent" or "sibling".

    kind, signal, status: how it ends, in truth. sender: who sent that, in truth: "sender" (who is named
    in `by`), "itself", "kernel", "timer", "terminal".

    own: the victim can record it, where it is recorded. registered: and also where it only registers a
    signal. Nothing can be recorded of SIGKILL, say.
    """

    code: str
    kind: str
    signal: str | None = None
    status: int | None = None
    sender: str | None = None
    by: str = ""
    act: str = ""
    own: bool = True
    registered: bool = False
    exception: str | None = None
    told: bool = True  # a recorded parent is told
    written: bool = True  # a recorded sender wrote it down
    vouched: bool = True  # the kernel says who sent it
    others: dict[str, dict[str, Any]] | None = None  # what is different: by mode
    prefix: tuple[str, ...] = ()
    memory: bool = False  # in a memory cgroup of its own
    left: bool = True  # a recording, of what the process was in the end
    reaped: bool = True  # before anybody asks
    modes: tuple[str, ...] = MODES
    waited: bool = False  # `why --wait` is asked before it ends


def exits(code: str, status: int, **more: Any) -> Ending:
    return Ending(code, "exit", status=status, **{"registered": True, **more})


def raises(code: str, exception: str) -> Ending:
    return Ending(code, "exception", status=1, exception=exception, registered=True)


def sent(signame: str, act: str, code: str = "wait()", by: str = "hand", **more: Any) -> Ending:
    more = {"sender": "sender", **more}
    return Ending(code, "signal", signal=signame, by=by, act=act, **more)


def itself(signame: str, code: str, sender: str = "itself", **more: Any) -> Ending:
    return Ending("ready()\n" + code, "signal", signal=signame, sender=sender, **more)


def killed(act: str, code: str = "wait()", by: str = "hand", **more: Any) -> Ending:
    return sent("SIGKILL", act, code, by, own=False, **more)


CAUGHT = "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'caught\\n'))\n"
GRACEFUL = CAUGHT + "ready()\nwhile True: time.sleep(60)"
THEN_KILL = "os.kill(pid, 15); time.sleep(0.05); os.kill(pid, 9)"
TERMINAL = """
keyboard, screen = os.openpty()
if os.getsid(0) != os.getpid():
    os.setsid()
os.open(os.ttyname(screen), os.O_RDWR)
ready()
"""
BLOCKED = """
signal.pthread_sigmask(signal.SIG_BLOCK, [15])
ready()
while not signal.sigpending(): time.sleep(0.001)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [15])
time.sleep(60)
"""
EATS = "ready()\neaten = []\nwhile True: eaten.append(bytearray(b'x' * (1 << 20)))"
CORE = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)); os.chdir(os.environ['HOME'])\n"
SECCOMP = """
import struct
code = struct.pack("=HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 39, 6, 0, 0, 0x80000000, 6, 0, 0, 0x7fff0000)
filters = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("filters", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(filters))))
libc.syscall(39)
"""
PYTHON = "os.execv(sys.executable, [sys.executable, '-c', {!r}])"
AGAIN = PYTHON.format("import os, sys; " + PYTHON.format("import sys; sys.exit(3)"))
PIDFD = "signal.pidfd_send_signal(os.pidfd_open(pid), {})"

ENDINGS: dict[str, Ending] = {
    # --- by itself
    "exit 0": exits("ready()", 0),
    "exit 3": exits("ready(); sys.exit(3)", 3),
    "sys.exit with a text": exits("ready(); sys.exit('no')", 1),
    "os._exit": exits("ready(); os._exit(7)", 7),
    "_exit of C": exits("ready(); ctypes.CDLL(None)._exit(9)", 9),
    "the system call exit_group": exits("ready(); ctypes.CDLL(None).syscall(231, 8)", 8, own=False, registered=False),
    "an exception": raises("ready(); raise ValueError('no')", "ValueError"),
    "out of address space": raises(
        "import resource; ready()\nresource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)); bytearray(1 << 30)",
        "MemoryError",
    ),
    "SIGTERM caught, and exit 5": exits(
        "signal.signal(15, lambda *_: sys.exit(5)); wait()", 5, by="hand", act="os.kill(pid, 15)"
    ),
    "exec of another program": Ending(
        "ready(); os.execv('/bin/true', ['true'])", "exec", told=False, registered=True,
        # It is recorded then, and leaves nothing of a clean end.
        others={"children": {"kind": "exit", "status": 0, "told": True, "own": False, "left": False}},
    ),
    "exec of Python, twice": Ending(
        "ready(); " + AGAIN, "exec", told=False, registered=True,
        others={"children": {"kind": "exit", "status": 3, "told": True}},
    ),
    # --- a signal of another process
    "SIGTERM by kill": sent("SIGTERM", "os.kill(pid, 15)"),
    "SIGTERM by tgkill": sent("SIGTERM", "libc.syscall(234, pid, pid, 15)"),
    "SIGTERM by sigqueue": sent("SIGTERM", "libc.sigqueue(pid, 15, 4711)", vouched=False),
    "SIGTERM by pidfd_send_signal": sent("SIGTERM", PIDFD.format(15)),
    "SIGTERM by killpg": sent("SIGTERM", "os.killpg(pid, 15)", "os.setpgid(0, 0) if os.getpgid(0) != os.getpid() else 0; wait()"),
    "SIGTERM, blocked until later": sent("SIGTERM", "os.kill(pid, 15)", BLOCKED),
    "SIGTERM while stopped": sent("SIGTERM", "os.kill(pid, 19); os.kill(pid, 15); os.kill(pid, 18)"),
    "SIGHUP by kill": sent("SIGHUP", "os.kill(pid, 1)"),
    "SIGINT, by default": sent("SIGINT", "os.kill(pid, 2)", "signal.signal(2, signal.SIG_DFL); wait()"),
    "SIGINT, a KeyboardInterrupt": sent("SIGINT", "os.kill(pid, 2)", exception="KeyboardInterrupt", registered=True, others={"register": {"sender": None}}),
    "SIGQUIT, dumped core": sent("SIGQUIT", "os.kill(pid, 3)", CORE + "wait()"),
    "SIGUSR1 by kill": sent("SIGUSR1", "os.kill(pid, 10)"),
    "SIGSEGV by kill": sent("SIGSEGV", "os.kill(pid, 11)"),
    "SIGALRM by kill": sent("SIGALRM", "os.kill(pid, 14)"),
    "a real-time signal": sent("SIGRTMIN+3", "os.kill(pid, signal.SIGRTMIN + 3)"),
    # (`sigrec run --children` records it, too.)
    "SIGTERM of `timeout`": sent(
        "SIGTERM", "", by="", sender="parent", prefix=("timeout", SOON), told=False,
        others={"children": {"told": True}},
    ),
    "SIGTERM when its parent ends": sent("SIGTERM", "os._exit(1)", "ctypes.CDLL(None).prctl(1, 15); wait()", by="parent", sender="kernel", told=False, written=False),
    # --- SIGKILL
    "SIGKILL by a process that is not recorded": killed("os.kill(pid, 9)"),
    "SIGKILL by its parent": killed("os.kill(pid, 9)", by="parent"),
    "SIGKILL by its parent's pidfd": killed(PIDFD.format(9), by="parent"),
    "SIGKILL by subprocess.run's timeout": killed(
        "try: p.communicate(timeout=0.05)\nexcept subprocess.TimeoutExpired: p.kill()", by="parent"
    ),
    "SIGKILL of the group that it made": killed(
        "os.killpg(pid, 9)", "os.setpgrp() if os.getpgrp() != os.getpid() else 0; wait()", by="parent"
    ),
    "SIGKILL of the group that it has left": killed(
        "os.system(f'kill -9 {pid}'); os.killpg(0, 9)", "os.setsid(); wait()", by="parent", sender=None, told=False,
        modes=("run", "children"),  # a program that only registers is not observed: its group is known as it was at registration
    ),
    "SIGKILL of the parent's own group": killed("os.killpg(0, 9)", by="parent", told=False),
    "SIGKILL by its parent, which does not wait": killed(
        "os.kill(pid, 9); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); os._exit(1)", by="parent", told=False
    ),
    "SIGTERM, then SIGKILL, by its parent": killed(THEN_KILL, GRACEFUL, by="parent"),
    "SIGSTOP, then SIGKILL, by its parent": killed("os.kill(pid, 19); os.kill(pid, 9)", by="parent"),
    "SIGKILL by a sibling": killed("os.kill(pid, 9)", by="sibling"),
    "SIGKILL by a sibling, twice": killed("os.kill(pid, 9)\ntry: os.kill(pid, 9)\nexcept OSError: pass", by="sibling"),
    "SIGKILL by a sibling's shell": killed("os.system(f'kill -9 {pid}')", by="sibling", sender=None),
    "SIGTERM, then SIGKILL, by a sibling": killed(THEN_KILL, GRACEFUL, by="sibling"),
    "SIGSTOP, then SIGKILL": killed("os.kill(pid, 19); os.kill(pid, 9)"),
    "SIGTERM, then SIGKILL": killed(THEN_KILL, GRACEFUL),
    "SIGKILL, and nobody has waited": killed("os.kill(pid, 9)", reaped=False),
    "SIGKILL of `timeout`": killed(
        "", by="", sender=None, prefix=("timeout", "--foreground", "-s", "KILL", SOON), told=False,
        others={"children": {"sender": "parent", "told": True}},
    ),
    "SIGKILL to itself": itself("SIGKILL", "os.kill(os.getpid(), 9)", own=False),
    "out of memory": Ending(EATS, "signal", signal="SIGKILL", sender="kernel", own=False, memory=True),
    # --- SIGTERM of who is recorded
    "SIGTERM by its parent": sent("SIGTERM", "p.terminate()", by="parent"),
    "SIGTERM by a sibling": sent("SIGTERM", "os.kill(pid, 15)", by="sibling"),
    # --- a signal of its own
    "raise": itself("SIGTERM", "signal.raise_signal(15)"),
    "kill of itself": itself("SIGTERM", "os.kill(os.getpid(), 15)"),
    "pthread_kill": itself("SIGTERM", "import threading; signal.pthread_kill(threading.get_ident(), 15)"),
    "abort": itself("SIGABRT", "os.abort()"),
    "a fatal error of the interpreter": itself("SIGABRT", "ctypes.pythonapi.Py_FatalError(b'no')"),
    "a broken pipe": itself("SIGPIPE", "signal.signal(13, signal.SIG_DFL); r, w = os.pipe(); os.close(r); os.write(w, b'x')"),
    "past the file size limit": itself(
        "SIGXFSZ", "import resource, tempfile; signal.signal(25, signal.SIG_DFL); f = tempfile.TemporaryFile()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); os.write(f.fileno(), b'x' * 11); os.write(f.fileno(), b'x')",
    ),
    # --- of the kernel
    "a fault": itself("SIGSEGV", "ctypes.string_at(0)", "kernel"),
    "a fault, dumped core": itself("SIGSEGV", CORE + "ctypes.string_at(0)", "kernel"),
    "a bus error": itself(
        "SIGBUS", "import mmap, tempfile; f = tempfile.TemporaryFile(); f.truncate(4096)\n"
        "m = mmap.mmap(f.fileno(), 4096); f.truncate(0); m[0]", "kernel",
    ),
    "a forbidden system call": itself("SIGSYS", SECCOMP, "kernel", own=False),
    "alarm": itself("SIGALRM", "signal.alarm(1); signal.pause()", "timer"),
    "a timer of CPU time": itself("SIGVTALRM", "signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)\nwhile True: pass", "timer"),
    "Ctrl-C": Ending(
        TERMINAL + "signal.signal(2, signal.SIG_DFL); os.write(keyboard, b'\\3'); time.sleep(60)",
        "signal", "SIGINT", sender="terminal",
    ),
    "Ctrl-\\": Ending(TERMINAL + "os.write(keyboard, b'\\x1c'); time.sleep(60)", "signal", "SIGQUIT", sender="terminal"),
    "a terminal that hangs up": Ending(TERMINAL + "os.close(keyboard); time.sleep(60)", "signal", "SIGHUP", sender="terminal"),
    # --- somebody waited for it
    "waited for: exit 3": exits("ready(); sys.stdin.readline(); sys.exit(3)", 3, by="hand", act="os.kill(pid, 10)", waited=True, reaped=False)._replace(
        code="signal.signal(10, lambda *_: sys.exit(3)); wait()"
    ),
    "waited for: SIGKILL": killed("os.kill(pid, 9)", waited=True, reaped=False),
    "waited for: SIGKILL by a sibling": killed("os.kill(pid, 9)", by="sibling", waited=True, reaped=False),
    "waited for: SIGTERM": sent("SIGTERM", "os.kill(pid, 15)", waited=True, reaped=False),
}  # fmt: skip


class Right(NamedTuple):
    cause: dict[str, Any] | None  # None: no recording is left
    sender: dict[str, Any] | None
    evidence: set[tuple[str, str]]


def right(ending: Ending, play: Play, asker: int) -> Right:
    """What must be said to that user, by who could know it."""
    user, mode = play.stage.uid, play.mode
    recorded = mode != "register"

    def readable(owner: int) -> bool:
        return asker in (0, owner)

    own = ending.own if recorded else ending.registered
    told = ending.told and play.has_parent and ending.reaped and readable(play.parent_uid)
    by_sender = not own and ending.written and {
        "parent": readable(play.sender), "sibling": readable(play.sender),
    }.get(play.by, recorded and ending.sender in ("itself", "parent")) and ending.sender is not None  # fmt: skip
    saw = not ending.reaped and readable(user)
    if not ending.waited and mode == "register" and ending.status == 0:
        return Right(None, None, set())
    known = own or told or saw or (by_sender and ending.signal == "SIGKILL")
    cause: dict[str, Any] = {
        "kind": ending.kind if known else "unknown",
        "signal": ending.signal if known else None,
        "status": ending.status if known else None,
        "exception": ending.exception if own else None,
    }
    if ending.kind == "exception" and not own:
        cause["kind"] = "exit" if known else "unknown"
    sender = None
    if cause["kind"] == "signal":
        sender = {"kind": "unknown", "pid": None, "uid": None}
        if own or by_sender:
            process = {
                "sender": ("process", play.sender_pid, play.sender),
                "parent": ("process", None, user),
                "itself": ("itself", play.pid, user),
            }
            kind, pid, uid = process.get(
                ending.sender or "", (ending.sender or "unknown", None, None)
            )
            sender = {"kind": kind, "pid": pid, "uid": uid}
    evidence = {("recording", "seen")} if ending.left else set()
    if own and not ending.vouched:
        evidence.add(("recording", "told"))
    if told:
        evidence.add(("parent", "told"))
    if by_sender:
        evidence.add(("sender", "seen"))
    if saw:
        evidence.add(("proc", "seen"))
    if ending.memory:
        evidence.add(("cgroup", "inferred"))
    return Right(cause, sender, evidence)


def wrong(answer: Any, expected: Right) -> list[str]:
    """What is, in words."""
    if isinstance(answer, str):
        return [] if expected.cause is None else [f"an answer is expected, not {answer.strip()!r}"]
    if expected.cause is None:
        return [f"no recording is expected, and not {answer['cause']}"]
    found = []
    for name, value in expected.cause.items():
        if answer["cause"][name] != value:
            found.append(f"cause.{name}: {answer['cause'][name]!r}, right is {value!r}")
    sender = answer["sender"]
    if (sender is None) != (expected.sender is None):
        found.append(f"sender: {sender}, right is {expected.sender}")
    elif sender is not None and expected.sender is not None:
        for name, value in expected.sender.items():
            if sender[name] != value and not (name == "pid" and expected.sender["uid"] is not None and value is None):  # fmt: skip
                found.append(f"sender.{name}: {sender[name]!r}, right is {value!r}")
    sources = {(one["source"], one["certainty"]) for one in answer["evidence"]}
    if sources != expected.evidence:
        found.append(f"evidence: {sorted(sources)}, right is {sorted(expected.evidence)}")
    if found:
        found.append(answer["sentence"])
    return found


class Result(NamedTuple):
    name: str
    mode: str
    column: str
    wrong: list[str]
    sentence: str


def play(stage: Stage, name: str, mode: str, other: bool) -> Iterator[Result]:
    """One ending; asked by everybody. other: another user sends."""
    ending = ENDINGS[name]
    ending = ending._replace(**(ending.others or {}).get(mode, {}))
    sender = 0 if other else stage.uid
    cgroup = make_cgroup(stage) if ending.memory else None
    stage.clear()
    one = Play(stage, mode, ending.code, ending.by, ending.act, sender, ending.prefix, cgroup)
    while SOON in ending.prefix and not one.was_ready:
        one.close()
        stage.clear()
        ending = ending._replace(
            prefix=tuple("20" if word == SOON else word for word in ending.prefix)
        )
        one = Play(stage, mode, ending.code, ending.by, ending.act, sender, ending.prefix, cgroup)
    column = "another user sends" if other else "the same user sends"
    askers = [stage.uid, 0] if ROOT_HERE else [stage.uid]
    try:
        asked = ask_before(stage, one, askers) if ending.waited else None
        one.go()
        one.end()
        errors = one.reap() if ending.reaped else ""
        for asker in askers:
            answer = asked[asker]() if asked else stage.ask(asker, str(one.pid))
            expected = right(ending, one, asker)
            found = wrong(answer, expected)
            if found:
                found += [errors[-500:]] if errors else []
            who = "root asks" if asker == 0 and ROOT_HERE else "the user asks"
            said = answer if isinstance(answer, str) else answer["sentence"]
            yield Result(name, mode, f"{column}, {who}", found, said)
    finally:
        one.close()
        if cgroup is not None:
            remove_cgroup(cgroup)


def ask_before(stage: Stage, one: Play, askers: list[int]) -> dict[int, Any]:
    """`why --wait`, which has begun to wait."""
    answers = {}
    for asker in askers:
        process = stage.popen(
            [sys.executable, "-m", "sigrec", "why", "--json", "--wait", str(one.pid)], asker,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while process.poll() is None and not waits(process.pid):
            time.sleep(0.005)

        def answer(process: Any = process) -> Any:
            import json

            out, errors = process.communicate(timeout=60)
            return json.loads(out) if process.returncode == 0 else errors

        answers[asker] = answer
    return answers


def waits(pid: int) -> bool:
    """Whether it is in poll(2): the recording is open by then."""
    try:
        with open(f"/proc/{pid}/wchan") as file:
            return "poll" in file.read()
    except OSError:
        return False


MEMORY = "/sys/fs/cgroup/memory"


def make_cgroup(stage: Stage) -> str:
    path = f"{MEMORY}/sigrec-endings-{os.getpid()}-{stage.uid}"
    os.mkdir(path)
    with open(f"{path}/memory.limit_in_bytes", "w") as file:
        file.write(str(64 << 20))
    return path


def remove_cgroup(path: str) -> None:
    for _ in range(1000):
        try:
            return os.rmdir(path)
        except OSError:
            time.sleep(0.01)


def possible(name: str) -> bool:
    return not ENDINGS[name].memory or (ROOT_HERE and os.path.isdir(MEMORY))


def cells(names: list[str], modes: list[str], once: bool = False) -> list[tuple[str, str, bool]]:
    """once: of each ending one cell, the next one in turn."""
    found = []
    for n, name in enumerate(filter(possible, names)):
        of_it = []
        for mode in filter(ENDINGS[name].modes.__contains__, modes):
            of_it.append((name, mode, False))
            if ENDINGS[name].by and ROOT_HERE:
                of_it.append((name, mode, True))
        found += [of_it[n % len(of_it)]] if once and of_it else of_it
    return found


def all_of(some: list[tuple[str, str, bool]], jobs: int) -> Iterator[Result]:
    """Several cells at a time, each with a user of its own."""
    todo: queue.SimpleQueue[tuple[str, str, bool]] = queue.SimpleQueue()
    for cell in some:
        todo.put(cell)
    done: queue.SimpleQueue[Result | None] = queue.SimpleQueue()

    def work(uid: int) -> None:
        stage = Stage(uid)
        try:
            while True:
                cell = todo.get_nowait()
                try:
                    for result in play(stage, *cell):
                        done.put(result)
                except Exception as error:
                    done.put(Result(*cell[:2], "", [f"could not be played: {error!r}"], ""))
        except queue.Empty:
            pass
        finally:
            stage.close()
            done.put(None)

    jobs = jobs if ROOT_HERE else 1
    for n in range(jobs):
        threading.Thread(target=work, args=(USER + n if ROOT_HERE else os.geteuid(),)).start()
    while jobs:
        result = done.get()
        if result is None:
            jobs -= 1
        else:
            yield result


def pids_used_again(children: int) -> Iterator[tuple[str, list[str]]]:
    for step_s in (0, -3600, 86400) if CC else (0,):
        stage = Stage(USER)
        yield from reused(stage, Clock(stage, step_s) if step_s else None)
        stage.close()
    stage = Stage(USER)
    yield from worn(stage, children)
    stage.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="ENDING", help="or a part of its name; reused: PIDs alone"
    )
    parser.add_argument("--mode", action="append", choices=MODES)
    parser.add_argument("--once", action="store_true", help="each ending in one mode only, in turn")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--children", type=int, default=2000, help="that have few PIDs")
    parser.add_argument("--say", action="store_true", help="the sentences, too")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        return within([sys.executable, "-m", "tests.proof.endings", *sys.argv[1:], "--inside"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    names = [name for name in ENDINGS if not args.names or any(one in name for one in args.names)]
    answers = failures = 0
    for result in all_of(cells(names, args.mode or list(MODES), args.once), args.jobs):
        answers += 1
        failures += bool(result.wrong)
        if result.wrong or args.say:
            print(
                f"{result.name} [{result.mode}; {result.column}]: {'WRONG' if result.wrong else 'right'}",
                flush=True,
            )
            for line in result.wrong or [result.sentence]:
                print(f"    {line}", flush=True)
    if ROOT_HERE and (not args.names or args.names == ["reused"]):
        for name, found in pids_used_again(args.children):
            answers += 1
            failures += bool(found)
            for line in found:
                print(f"a PID that is used again; {name}: WRONG\n    {line}", flush=True)
    print(f"{len(names)} endings, {answers} answers, {failures} wrong")
    return 1 if failures or not answers else 0


if __name__ == "__main__":
    sys.exit(main())
