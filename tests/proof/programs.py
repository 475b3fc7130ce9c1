"""Real programs under `sigrec run`, driven by the signals that they document, and as they are: the same.

    python -m tests.proof.programs [NAME ...]

For each way to end one: the status, with the bit for a core dump, what it prints, and that `sigrec why` names
the signal and who sent it. And tools that start others: nohup, timeout, setsid, xargs, make, a shell's loop of 100
commands, a configure script of many execs, a bash on a terminal. What is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .build import ROOT

LIBRARY = ROOT / "sigrec/libsigrec-preload.so"
WAIT_S = 60.0


class Result(NamedTuple):
    """status as wait(2) gives it: with the bit of a core dump."""

    status: int
    output: list[str]

    def __str__(self) -> str:
        how = (
            f"{signal.Signals(os.WTERMSIG(self.status)).name}{' (core)' if os.WCOREDUMP(self.status) else ''}"
            if os.WIFSIGNALED(self.status)
            else f"status {os.waitstatus_to_exitcode(self.status)}"
        )
        return f"{how}, {len(self.output)} lines"


class Running:
    """One program, plain or recorded, in a directory of its own."""

    def __init__(
        self, directory: Path, command: list[str], recorded: bool, user: str | None = None
    ):
        self.directory, self.recorded, self.user = directory, recorded, user
        environment = {**os.environ, "LANG": "C.UTF-8"}
        self.recordings = directory / "recordings"
        if recorded and user is None:
            command = [sys.executable, "-m", "sigrec", "run", "--children", *command]
            environment["SIGREC_DIR"] = str(self.recordings)
        elif recorded:  # where our Python cannot be read
            library = shutil.copy(LIBRARY, directory)
            Path(library).chmod(0o755)
            environment |= {"LD_PRELOAD": library, "SIGREC_CHILDREN": "1"}
            environment["SIGREC_DIR"] = str(self.recordings)
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={**environment, "PYTHONPATH": str(ROOT)}, user=user, start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def said(self, pattern: str, times: int = 1) -> None:
        until = time.monotonic() + WAIT_S
        while len(re.findall(pattern, self.text())) < times:
            if time.monotonic() > until:
                raise AssertionError(f"it did not say {pattern!r}: {self.text()[-2000:]}")
            time.sleep(0.02)

    def send(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def end(self) -> Result:
        """Waits for its end."""
        until = time.monotonic() + WAIT_S
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                raise AssertionError(f"it does not end: {self.text()[-2000:]}")
            time.sleep(0.01)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        lines = {re.sub(r"0x[0-9a-f]+|\d+", "N", line) for line in self.text().splitlines()}
        return Result(status, sorted(lines))

    def why(self, pid: int | None = None) -> str:
        environment = {**os.environ, "SIGREC_DIR": str(self.recordings)}
        command = [sys.executable, "-m", "sigrec", "why", str(pid or self.pid)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
        return done.stdout or done.stderr

    def discard(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


class Course(NamedTuple):
    """needs: programs that must be installed. ready: what it says when it can be driven; drive: what is done
    then. knows: what `why` must say of it then. prints: whether its output must be the same, too."""

    needs: tuple[str, ...]
    command: tuple[str, ...]
    ready: str
    drive: Callable[[Running], object]
    knows: tuple[str, ...] = ()
    prints: bool = True
    user: str | None = None
    before: Callable[[Path], object] | None = None


def sending(*signums: int) -> Callable[[Running], object]:
    def drive(running: Running) -> None:
        for signum in signums:
            running.send(signum)

    return drive


def by_a_recorded_shell(running: Running) -> None:
    """kill -9 by one whose own recording says so."""
    script = f"kill -9 {running.pid}; exit 1"
    environment = {**os.environ, "SIGREC_DIR": str(running.recordings), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "sigrec", "run", "bash", "-c", script], env=environment)


def send_when(signum: int, pattern: str, *more: int) -> Callable[[Running], object]:
    """One; when it said so, the others."""

    def drive(running: Running) -> None:
        running.send(signum)
        running.said(pattern)
        for one in more:
            running.send(one)

    return drive


def get(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(WAIT_S)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return client.recv(100)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("it did not happen")
        time.sleep(0.02)


NGINX_CONF = "events {}\nhttp { access_log off; server { listen unix:nginx.socket; location / { return 200 hello; } } }\n"


def nginx_up(running: Running) -> None:
    def answers() -> bool:
        try:
            return b"200" in get(running.directory / "nginx.socket")
        except OSError:
            return False

    wait_for(answers)
    wait_for(lambda: children(running.pid))


def nginx_reload(running: Running) -> None:
    nginx_up(running)
    before = children(running.pid)
    running.send(signal.SIGHUP)
    wait_for(lambda: children(running.pid) and not set(before) & set(children(running.pid)))
    nginx_up(running)
    running.send(signal.SIGQUIT)


def nginx_worker(running: Running) -> None:
    nginx_up(running)
    (before,) = children(running.pid)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: children(running.pid) not in ([], [before]))
    nginx_up(running)
    running.send(signal.SIGTERM)


def postgres_init(directory: Path) -> None:
    subprocess.run(
        ["initdb", "-D", directory / "data", "-A", "trust", "-U", "postgres", "--no-sync"],
        user="postgres", check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def psql(running: Running, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["psql", "-h", str(running.directory), "-U", "postgres", "-At", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def postgres_up(running: Running) -> None:
    running.said("ready to accept connections")


def sleeping_backend(running: Running) -> int:
    query = "select pid from pg_stat_activity where query like 'select pg_sleep%'"
    answer = ""

    def found() -> bool:
        nonlocal answer
        answer = psql(running, "-c", query).communicate()[0].strip()
        return answer.isdigit()

    wait_for(found)
    return int(answer)


def postgres_cancel(running: Running) -> None:
    """pg_cancel_backend, by SIGINT; then one backend is terminated, by SIGTERM."""
    for call, says in (
        ("pg_cancel_backend", "canceling statement"),
        ("pg_terminate_backend", "terminating connection"),
    ):
        query = psql(running, "-c", "select pg_sleep(100)")
        backend = sleeping_backend(running)
        out, _ = psql(running, "-c", f"select {call}({backend})").communicate()
        assert out.strip() == "t", out
        out, _ = query.communicate(timeout=WAIT_S)
        assert says in out, out
    running.send(signal.SIGINT)  # fast shutdown


def postgres_killed(running: Running) -> None:
    """A backend is killed: the server ends all others, recovers, and goes on."""
    query = psql(running, "-c", "select pg_sleep(100)")
    os.kill(sleeping_backend(running), signal.SIGKILL)
    query.communicate(timeout=WAIT_S)
    running.said("ready to accept connections", 2)
    running.send(signal.SIGINT)


JAVA = """
public class Main {
    static class Node { int value; Node next; }
    public static void main(String[] arguments) throws Exception {
        int caught = 0;
        Node nothing = arguments.length > 5 ? new Node() : null;
        for (int i = 0; i < 20000; i++)
            try { caught += nothing.value; } catch (NullPointerException e) { caught++; }
        System.out.println("caught " + caught);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        System.out.println("ready");
        Thread.sleep(600000);
    }
}
"""
PERL = '$| = 1; $SIG{USR1} = sub { print "got it\\n" }; print "ready\\n"; sleep 100 while 1'
RUBY = '$stdout.sync = true; trap("USR1") { puts "got it" }; puts "ready"; loop { sleep 100 }'
NODE = 'process.on("SIGUSR2", () => console.log("got it")); console.log("ready"); setInterval(() => {}, 1000)'
BASH = "trap 'echo got it' USR1; echo ready; while :; do read -t 60 line; done"
REDIS = ("redis-server", "--port", "0", "--unixsocket", "redis.socket", "--save", "")
REDIS_READY = "(?i)ready to accept connections"

TERM, KILL, SEGV, QUIT = signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGQUIT


def script_ends(name: str, *command: str, usr: int = signal.SIGUSR1) -> dict[str, Course]:
    found = {}
    for word, signum in (("TERM", TERM), ("SEGV", SEGV), ("KILL", KILL)):
        drive = send_when(usr, "got it", signum)
        knows = (f"SIG{word}",) if word != "KILL" else ()
        found[f"{name}, {word}"] = Course((name,), command, "ready", drive, knows, word != "SEGV")
    return found


def courses() -> dict[str, Course]:
    sleep = ("sleep", "100")
    nginx = ("nginx", "-p", ".", "-c", "nginx.conf", "-g", "daemon off; pid nginx.pid; error_log stderr;")  # fmt: skip
    conf = lambda directory: (directory / "nginx.conf").write_text(NGINX_CONF)  # noqa: E731
    java = ("java", "-XX:-UsePerfData", "-XX:ErrorFile=hs", "Main.java")
    source = lambda directory: (directory / "Main.java").write_text(JAVA)  # noqa: E731
    postgres = ("postgres", "-D", "data", "-k", "..", "-c", "listen_addresses=", "-c", "fsync=off")
    return {
        **{
            f"sleep, {signum.name}": Course(("sleep",), sleep, "", sending(signum), (signum.name, "PID"))
            for signum in (TERM, SEGV, QUIT, signal.SIGHUP, signal.SIGRTMIN)
        },
        "sleep, KILL by a recorded shell": Course(("sleep", "bash"), sleep, "", by_a_recorded_shell, ("SIGKILL", "bash")),
        **script_ends("bash", "bash", "-c", BASH),
        **script_ends("perl", "perl", "-e", PERL),
        **script_ends("ruby", "ruby", "-e", RUBY),
        **script_ends("node", "node", "-e", NODE, usr=signal.SIGUSR2),
        "redis, TERM": Course(("redis-server",), REDIS, REDIS_READY, sending(TERM)),
        "redis, SEGV": Course(("redis-server",), REDIS, REDIS_READY, sending(SEGV), ("SIGSEGV",), False),
        "redis, KILL": Course(("redis-server",), REDIS, REDIS_READY, sending(KILL)),
        "nginx, HUP and QUIT": Course(("nginx",), nginx, "", nginx_reload, prints=False, before=conf),
        "nginx, a worker killed": Course(("nginx",), nginx, "", nginx_worker, prints=False, before=conf),
        "postgres, cancel and terminate": Course(
            ("postgres", "initdb", "psql"), postgres, "ready to accept", postgres_cancel, prints=False,
            user="postgres", before=postgres_init,
        ),
        "postgres, a backend killed": Course(
            ("postgres", "initdb", "psql"), postgres, "ready to accept", postgres_killed, prints=False,
            user="postgres", before=postgres_init,
        ),
        "java, TERM": Course(("java", "javac"), java, "ready", sending(TERM), ("SIGTERM",), before=source),
        "java, QUIT and TERM": Course(
            ("java", "javac"), java, "ready", send_when(QUIT, "Full thread dump", TERM), ("SIGTERM",), False, before=source
        ),
        "java, SEGV": Course(("java", "javac"), java, "ready", sending(SEGV), ("SIGABRT",), False, before=source),
        "java, KILL": Course(("java", "javac"), java, "ready", sending(KILL), before=source),
    }  # fmt: skip


def drive(course: Course, recorded: bool) -> tuple[Result, list[str]]:
    """What came of it, and what `why` lacks."""
    with tempfile.TemporaryDirectory(prefix="programs-") as temporary:
        directory = Path(temporary)
        if course.user is not None:
            shutil.chown(directory, course.user)
        if course.before is not None:
            course.before(directory)
        running = Running(directory, list(course.command), recorded, course.user)
        try:
            if course.ready:
                running.said(course.ready)
            else:  # until it is that program, and no Python of ours any more
                name = course.needs[0].encode()[:15]
                comm = Path(f"/proc/{running.pid}/comm")
                wait_for(lambda: comm.read_bytes().strip() == name)
                if recorded:
                    wait_for(lambda: list(running.recordings.glob(f"{running.pid}*.sigrec")))
                    time.sleep(0.1)
            course.drive(running)
            result = running.end()
            sentence = running.why() if recorded and course.knows else ""
            lacks = [word for word in course.knows if recorded and word not in sentence]
            return result, [f"`why` says {sentence.strip()!r}, and not {lacks}"] if lacks else []
        finally:
            running.discard()


def compare(course: Course) -> tuple[str, list[str]]:
    plain, _ = drive(course, False)
    ours, wrong = drive(course, True)
    if plain.status != ours.status:
        wrong.append(f"ends by {ours}, and not {plain}: {' '.join(ours.output)[-1000:]}")
    if course.prints and plain.output != ours.output:
        wrong.append(f"prints {sorted(set(ours.output) ^ set(plain.output))}")
    return str(plain), wrong


# --- what starts other programs ------------------------------------------------------------

CONFIGURE = """
for i in $(seq 1 {n}); do
    /bin/true; test -x /bin/sh; case $(uname -s) in Linux) ;; esac
    echo "#include <stdio.h>" > conf$i.c; grep -q stdio conf$i.c && sed -e s/stdio/stdlib/ conf$i.c | cat > conf.out
    (exit 3); [ $? = 3 ] || echo "status lost"; rm -f conf$i.c
done
echo checked $(expr {n} + 0); ls
"""
MAKE = """all: $(foreach n,1 2 3 4 5 6 7 8 9 10 11 12,t$(n))
t%:
\t@sh -c 'echo $*; exit 0'
bad:
\t@sh -c 'kill -TERM $$$$'
"""
SHELL = {
    "nohup": "nohup sh -c 'kill -HUP $$; echo still here'; echo $?",
    "timeout": "timeout 0.2 sleep 100; echo $?; timeout -s KILL 0.2 sleep 100; echo $?; timeout 5 sh -c 'exit 9'; echo $?",
    "setsid": "setsid -w sh -c 'kill -TERM $$'; echo $?",
    "xargs": "seq 1 200 | xargs -n 5 -P 4 echo | sort; echo a | xargs sh -c 'kill -9 $$'; echo $?",
    "make": "make -s -j4 all | sort; make -s bad; echo $?",
    "pipes": "yes | head -1; seq 1 100000 | sed 2q; (trap '' PIPE; seq 1 100000; echo $? >&2) | sed 1q",
    "a loop of 100": "for i in $(seq 1 100); do /bin/true; done; echo $?",
    "jobs": "set -m; sleep 100 & kill -STOP %1; sleep 0.1; jobs | sed 's/ .*sleep/ sleep/'; kill -CONT %1; kill %1; wait %1; echo $?",
}


def shell(script: str, recorded: bool) -> tuple[int, str, str, list[str]]:
    with tempfile.TemporaryDirectory(prefix="programs-") as temporary:
        Path(temporary, "Makefile").write_text(MAKE)
        recordings = Path(temporary, ".recordings")
        environment = {**os.environ, "SIGREC_DIR": str(recordings)}
        if recorded:
            environment |= {"LD_PRELOAD": str(LIBRARY), "SIGREC_CHILDREN": "1"}
        done = subprocess.run(
            ["bash", "-c", script], cwd=temporary, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        left = [file.name for file in recordings.glob("*")] if recorded else []
        err = re.sub(r"\d+", "N", done.stderr)
        return done.returncode, re.sub(r"/tmp/programs-\w+", "", done.stdout), err, left


def typed() -> Iterator[tuple[str, str]]:
    """What somebody types, in some 200 lines (jobs, pipes, traps, signals by key and by kill), and what is awaited
    then: a prompt, or that a program runs."""
    prompt = "$ "
    yield "PS1='$ '; set +o history; bind 'set enable-bracketed-paste off'", prompt
    for n in range(20):
        yield f"echo line {n} | tr a-z A-Z", prompt
        yield f"(exit {n}); echo $?", prompt
        yield "sleep 100", "sleep"
        yield "\x03", prompt  # Ctrl-C
        yield "echo $?", prompt
        yield "sleep 100", "sleep"
        yield "\x1a", prompt  # Ctrl-Z
        yield "kill %1; while kill -0 %1 2>/dev/null; do sleep 0.01; done; jobs; echo gone", prompt
        yield "jobs", prompt
    for line in (
        "trap 'echo usr1' USR1", "kill -USR1 $$", "trap", "trap - USR1", "sh -c 'kill -SEGV $$'", "echo $?",
        "false || echo or", "sh -c 'kill -9 $$'", "for i in 1 2 3; do echo $i; done | cat", "set -o | grep monitor",
    ):  # fmt: skip
        yield line, prompt
    yield "cat <<X", "> "
    yield "here", "> "
    yield "X", prompt
    yield "cat", "cat"
    yield "typed into cat", "cat\r\ntyped into cat\r\n"
    yield "\x04", prompt
    yield "cat", "cat"
    yield "\x1c", prompt  # Ctrl-backslash
    yield "echo $?", prompt
    yield "exit 7", ""


def transcript(recorded: bool) -> tuple[int, str]:
    environment = {**os.environ, "TERM": "dumb", "HISTFILE": "/dev/null", "LANG": "C"}
    environment.pop("PS1", None)  # an activated virtual environment's is not bash's own
    with tempfile.TemporaryDirectory(prefix="programs-") as temporary:
        environment["SIGREC_DIR"] = temporary
        if recorded:
            environment |= {"LD_PRELOAD": str(LIBRARY), "SIGREC_CHILDREN": "1"}
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(temporary)  # Ctrl-backslash dumps core there
            os.execvpe("bash", ["bash", "--norc", "--noprofile"], environment)
        text = b""

        def runs(name: str) -> bool:
            comms = [Path(f"/proc/{child}/comm") for child in children(pid)]
            return any(comm.exists() and comm.read_text().strip() == name for comm in comms)

        def until(awaited: str, after: int) -> None:
            nonlocal text
            limit = time.monotonic() + WAIT_S
            while time.monotonic() < limit:
                try:
                    if select.select([terminal], [], [], 0.02)[0]:
                        text += os.read(terminal, 65536)
                        continue
                except OSError:
                    return  # it has ended
                if text[after:].endswith(awaited.encode()) or (awaited.isalpha() and runs(awaited)):
                    return
            raise AssertionError(f"no {awaited!r} after {text[-500:]!r}")

        until("# " if os.geteuid() == 0 else "$ ", 0)
        for line, awaited in typed():
            key, after = line.encode(), len(text)
            os.write(terminal, key if len(key) == 1 and key < b" " else key + b"\n")
            if awaited:
                until(awaited, after)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    # Which job is the current one after its end depends on which was faster, with sigrec and without.
    shown = re.sub(r"\[1\][+-]", "[1]", text.decode(errors="replace"))
    return status, re.sub(r"\d{3,}", "N", shown)


def tools(chosen: Callable[[str], bool]) -> Iterator[tuple[str, str, list[str]]]:
    scripts = {**SHELL, "configure, 1,000 execs": CONFIGURE.format(n=150)}
    for name, script in scripts.items():
        if not chosen(name):
            continue
        plain, ours = shell(script, False), shell(script, True)
        wrong = [f"{ours[:3]}, and not {plain[:3]}"] if plain[:3] != ours[:3] else []
        if name == "a loop of 100" and ours[3]:
            wrong.append(f"leaves {ours[3]}")
        yield name, f"status {plain[0]}, {len(plain[1].splitlines())} lines", wrong
    if chosen("terminal"):
        plain, ours = transcript(False), transcript(True)  # type: ignore[assignment]
        wrong = []
        if plain != ours:
            a, b = str(plain[1]).splitlines(), str(ours[1]).splitlines()
            differ = [f"{x!r} / {y!r}" for x, y in zip(a, b, strict=False) if x != y][:5]
            wrong.append(f"differs: {plain[0]} {ours[0]}, {len(a)} and {len(b)} lines, {differ}")
        yield "terminal", f"{len(str(plain[1]).splitlines())} lines", wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a name: sleep, redis")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    failed = tried = 0

    def chosen(name: str) -> bool:
        return not arguments.names or any(part in name for part in arguments.names)

    def report(name: str, said: str, wrong: list[str]) -> None:
        nonlocal failed, tried
        tried += 1
        failed += bool(wrong)
        print(f"{name}: {'; '.join(wrong) or 'the same'}: {said}", flush=True)

    for name, course in courses().items():
        if not chosen(name):
            continue
        missing = [one for one in course.needs if shutil.which(one) is None]
        if missing or (course.user is not None and os.geteuid() != 0):
            why = f"not installed: {', '.join(missing)}" if missing else "needs root"
            print(f"{name}: left out, {why}", flush=True)
            continue
        try:
            report(name, *compare(course))
        except (AssertionError, OSError) as error:
            report(name, "", [str(error)])
    for name, said, wrong in tools(chosen):
        report(name, said, wrong)
    print(f"{tried} tried, {failed} differ")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
