"""Where endings are played: users, senders, and those who ask.

Everything runs in a PID namespace of its own, with a /dev/shm of its own, so that nobody outside is met. Whoever is
not root has neither, and one user only: then what another user sends, and what root is told, is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from .build import ROOT

ROOT_HERE = os.geteuid() == 0
LIMIT_S = 60

# Exec's what it is told, in its own words: pid is the victim's. It is not recorded.
HAND = """
import ctypes, json, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    code, pid = json.loads(line)
    exec(code)
    print("done", flush=True)
"""
# Answers questions, one a line, as the command line does.
ASKER = """
import contextlib, io, json, sys
from sigrec.cli import main
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(json.loads(line))
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
"""
# What every victim has; it says when it can be sent something.
VICTIM = """
import ctypes, os, signal, subprocess, sys, time
def ready():
    os.write(1, b"%d ready\\n" % os.getpid())
def wait():
    ready()
    time.sleep(60)
"""
REGISTERS = "import sigrec, signal\nsigrec.register(signal.SIGUSR2, lambda signum, frame: None)\n"
# Starts the victim, sends it something, if that is its part, and waits for its end.
PARENT = """
import json, os, signal, subprocess, sys, time
plan = json.loads(sys.argv[1])
if plan["chosen"]:
    sys.stdin.readline()
p = subprocess.Popen(plan["argv"], stdout=subprocess.PIPE, **plan["options"])
line = p.stdout.readline()
os.write(1, line)
pid = int(line.split()[0]) if line else p.pid
if line:
    exec(plan["act"])
sys.stdin.readline()
p.wait()
"""


class Server:
    """A process that does what it is told, a line at a time."""

    def __init__(self, stage: Stage, uid: int, code: str) -> None:
        self.process = stage.popen(
            [sys.executable, "-c", code], uid, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self.process.pid

    def tell(self, *words: Any) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Stage:
    """uid: the user whose processes end here."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self._place = Path(tempfile.mkdtemp(prefix="endings-"))
        self.home = self._place / "home"
        for directory in (self.home, self._place / "run"):
            directory.mkdir(mode=0o700)
            if ROOT_HERE:
                os.chown(directory, uid, uid)
        self._place.chmod(0o755)
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if not ROOT_HERE:  # else each user has a directory, where root finds it
            self.environment["SIGREC_DIR"] = str(self._place / "run")
        self._servers: dict[tuple[int, str], Server] = {}

    def popen(self, argv: list[str], uid: int, **options: Any) -> subprocess.Popen[bytes]:
        if ROOT_HERE and uid != 0:
            options |= {"user": uid, "group": uid, "extra_groups": []}
        return subprocess.Popen(argv, env=self.environment, **{"cwd": "/", **options})

    def new_home(self) -> Path:
        """Another empty directory of that user's."""
        home = Path(tempfile.mkdtemp(dir=self._place))
        if ROOT_HERE:
            os.chown(home, self.uid, self.uid)
        return home

    def kill_all(self) -> None:
        """Whatever of that user's is still there, but for the servers here. (Its PIDs are of this namespace.)"""
        servers = {server.pid for server in self._servers.values()}
        for name in os.listdir("/proc") if ROOT_HERE else []:
            with contextlib.suppress(OSError):
                if name.isdecimal() and os.stat(f"/proc/{name}").st_uid == self.uid:
                    if int(name) not in servers:
                        os.kill(int(name), signal.SIGKILL)

    def _server(self, uid: int, code: str) -> Server:
        if (uid, code) not in self._servers:
            self._servers[uid, code] = Server(self, uid, code)
        return self._servers[uid, code]

    def hand(self, uid: int) -> Server:
        return self._server(uid, HAND)

    def ask(self, uid: int, *words: str) -> Any:
        """What ``sigrec why --json`` prints; a text, if it is an error."""
        status, out, err = json.loads(self._server(uid, ASKER).tell("why", "--json", *words))
        return err if status else json.loads(out)

    def clear(self) -> None:
        """No recording of this user's is left of an earlier play."""
        shutil.rmtree(f"/dev/shm/sigrec-{self.uid}" if ROOT_HERE else self._place / "run", True)
        if not ROOT_HERE:
            (self._place / "run").mkdir(mode=0o700)

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        shutil.rmtree(self._place, ignore_errors=True)


class Play:
    """One victim, from its beginning to its end.

    mode: how it is recorded: "run", "children", "register". by: whose part the sending is: "hand" (a
    process that is not recorded), "parent", "sibling" (which are), or nobody's. sender: their user. chosen: the
    victim's PID, in a namespace whose ns_last_pid can be written (proc_sys_kernel(5)), as that of its mode "none".
    """

    def __init__(self, stage: Stage, mode: str, code: str, by: str, act: str, sender: int,
                 prefix: tuple[str, ...] = (), cgroup: str | None = None, chosen: int = 0) -> None:  # fmt: skip
        self.stage, self.mode, self.by, self.act, self.sender = stage, mode, by, act, sender
        self.has_parent = mode == "children" or by == "parent"
        self.parent_uid = sender if by == "parent" else stage.uid
        self.sender_pid = self._asked = 0
        run = [sys.executable, "-m", "sigrec", "run"]
        program = [sys.executable, "-c", VICTIM + code]
        if mode == "register":
            program = [sys.executable, "-c", REGISTERS + VICTIM + code]
        elif mode == "run":
            program = [*run, "-c", VICTIM + code]
        elif mode == "none":
            program = [sys.executable, "-S", "-c", VICTIM + code]
        program = [*prefix, *program]
        uid = stage.uid
        if self.has_parent:
            uid = self.parent_uid
            demoted = ROOT_HERE and uid != stage.uid
            options = {"user": stage.uid, "group": stage.uid, "extra_groups": []} if demoted else {}
            plan = {"argv": program, "options": options, "act": act if by == "parent" else ""}
            plan["chosen"] = chosen
            program = [*run, *(["--children"] if mode == "children" else []), "-c", PARENT]
            program.append(json.dumps(plan))
        if cgroup is not None:
            enter = f"echo $$ > {cgroup}/cgroup.procs; exec setpriv --reuid={uid} --regid={uid} --clear-groups "
            program, uid = ["sh", "-c", enter + '"$@"', "sh", *program], 0
        if chosen and not self.has_parent:
            choose(chosen)
        self.first = stage.popen(
            program, uid, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._late = threading.Timer(LIMIT_S, self._kill)
        self._late.start()
        assert self.first.stdin is not None and self.first.stdout is not None
        if chosen and self.has_parent:
            while not sleeps(self.first.pid):
                time.sleep(0.002)
            choose(chosen)
            self.first.stdin.write(b"\n")
            self.first.stdin.flush()
        line = self.first.stdout.readline()
        self.was_ready = bool(line)
        self.pid = int(line.split()[0]) if line else self.first.pid
        self.pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self.pidfd = os.pidfd_open(self.pid)
        if by == "parent":
            self.sender_pid = self.first.pid

    def go(self) -> None:
        """What its sender does."""
        if self.by == "hand":
            hand = self.stage.hand(self.sender)
            self.sender_pid = hand.pid
            assert hand.tell(self.act, self.pid) == "done\n"
        elif self.by == "sibling":
            code = f"import os, signal, sys, time\npid = {self.pid}\n{self.act}"
            argv = [sys.executable, "-m", "sigrec", "run", "-c", code]
            sibling = self.stage.popen(argv, self.sender, stderr=subprocess.PIPE)
            _, errors = sibling.communicate(timeout=LIMIT_S)
            assert sibling.returncode == 0, errors.decode()
            self.sender_pid = sibling.pid

    def end(self) -> None:
        """Until it has, but nobody has waited for it."""
        if self.pidfd >= 0:
            select.select([self.pidfd], [], [], LIMIT_S)

    def reap(self) -> str:
        """Its parent is told. What was written to stderr."""
        _, errors = self.first.communicate(b"\n", timeout=LIMIT_S)
        deadline = time.monotonic() + LIMIT_S
        while os.path.exists(f"/proc/{self.pid}") and time.monotonic() < deadline:
            time.sleep(0.002)  # an orphan is PID 1's
        return errors.decode(errors="replace")

    def close(self) -> None:
        self._late.cancel()
        if self.first.poll() is None:
            self._kill()
            self.first.communicate()
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.first.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError, OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


def choose(pid: int) -> None:
    """The PID of the next process here."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))


def sleeps(pid: int) -> bool:
    """Whether it reads a pipe."""
    with open(f"/proc/{pid}/wchan") as file:
        return "pipe_read" in file.read()


# For those whom the Python, or this checkout, is closed to (as in /root): the closed directory is covered by
# one that shows only what is needed. Then a /dev/shm of its own.
SHELL = """
closed=$1; shift
if [ -n "$closed" ]; then
    keep=$(mktemp -d) && mount -t tmpfs tmpfs $keep || exit 1
    n=0; for shown in $SHOWN; do n=$((n + 1)); mkdir $keep/$n && mount --bind $shown $keep/$n; done
    mount -t tmpfs -o mode=755 tmpfs "$closed" || exit 1
    n=0; for shown in $SHOWN; do n=$((n + 1)); mkdir -p $shown && mount --bind $keep/$n $shown; done
fi
mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"
"""
REAP = """
import os, subprocess, sys
first = subprocess.Popen(sys.argv[1:])
while True:
    pid, status = os.wait()
    if pid == first.pid:
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def within(argv: list[str]) -> int:
    """Runs that in namespaces of its own, as root; anybody else as it is. Its first process reaps orphans."""
    if not ROOT_HERE:
        return subprocess.run(argv, cwd=ROOT).returncode
    needed = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    closed = next(
        (d for path in needed for d in [*path.parents][::-1] if not d.stat().st_mode & 1), None
    )
    shown = [
        path for path in dict.fromkeys(needed) if closed is not None and closed in path.parents
    ]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    shell = ["sh", "-c", SHELL, "sh", str(closed or ""), sys.executable, "-S", "-c", REAP]
    environment = {**os.environ, "SHOWN": " ".join(map(str, shown))}
    return subprocess.run([*unshare, *shell, *argv], cwd=ROOT, env=environment).returncode
