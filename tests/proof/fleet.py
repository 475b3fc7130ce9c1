"""Two real Prometheus servers on one `sigrec serve`: what they have seen is what there was, exactly.

    python -m tests.proof.fleet [--lives 2000] [--programs 198] [--restarts 5] [--workers 40]

Processes of many programs live shorter than a scrape interval, get signals, and end in four ways, while
serve is killed and started again; and so many workers of a gunicorn are killed in four ways. At the end,
of each series, the last raw sample minus the first one is compared with what the processes did, in both
servers; all alerts of examples/fleet fire, and Prometheus takes what its dashboard asks. Needs Debian's
prometheus (2.42 or later), or --prometheus PROGRAM.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from sigrec._recorder.program import library, preloaded

ROOT = Path(__file__).parents[2]
AT_ONCE = 20
SETTLE_S = 6
LIFE = r"""
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static void nothing(int signum) { (void)signum; }
int main(int argc, char **argv) {
    int count = atoi(argv[1]), how = atoi(argv[2]);
    signal(SIGUSR1, nothing);
    usleep(150000);
    for (int n = 0; n < count; n++)
        raise(SIGUSR1);
    usleep(150000);
    if (how == 9 || how == 15)
        kill(getpid(), how);
    exit(how);
}
"""
# What ends a worker of gunicorn, and what that is told as: it handles SIGTERM and SIGABRT.
WAYS = {
    signal.SIGKILL: "SIGKILL", signal.SIGSEGV: "SIGSEGV", signal.SIGTERM: "exit", signal.SIGABRT: "error",
}  # fmt: skip
STUCK = """
import os, signal, sys, time
import sigrec
sigrec.register(signal.SIGUSR2, lambda *a: time.sleep(3600))
os.kill(os.getpid(), signal.SIGUSR2)
"""
ALERTS = {
    "EndedBySIGKILL", "SIGTERMFromAnUnexpectedSender", "HandlerDoesNotReturn", "SigrecServeCannotWriteItsState",
}  # fmt: skip
CAUSES = {0: "exit", 3: "error", 9: "SIGKILL", 15: "SIGTERM"}


class Serve:
    def __init__(self, work, port):
        self.command = [
            sys.executable, "-m", "sigrec", "serve", "--listen", f"127.0.0.1:{port}",
            "--dir", f"{work}/run", "--state", f"{work}/state", "--settle", str(SETTLE_S),
        ]  # fmt: skip
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def lines(self):
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            return answer.read().decode().splitlines()

    def total(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.lines() if line.startswith(name))


class Gunicorn:
    """Its workers, recorded; the next one is killed once it is ready to be."""

    def __init__(self, work, environment):
        self.ready = work / "ready"
        self.ready.mkdir()
        (work / "app.py").write_text(
            "def app(environ, start):\n    start('200 OK', [])\n    return []\n"
        )
        (work / "conf.py").write_text(
            f"def post_worker_init(worker):\n    open({str(self.ready)!r} + f'/{{worker.pid}}', 'w')\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sigrec", "run", "--children", "-m", "gunicorn", "-w", "3",
             "-c", work / "conf.py", "-b", f"unix:{work}/socket", "--chdir", work, "app:app"],
            env=environment, stderr=open(work / "gunicorn.log", "w"),
        )  # fmt: skip

    def kill_one(self, how):
        """False: none is ready."""
        for path in self.ready.iterdir():
            path.unlink()
            os.kill(int(path.name), how)
            return True
        return False


def prometheus(program, work, number, interval, target):
    directory = work / f"prometheus{number}"
    directory.mkdir()
    port = 19090 + number
    (directory / "prometheus.yml").write_text(
        f"global: {{scrape_interval: {interval}s, evaluation_interval: 1s}}\n"
        f"rule_files: [{ROOT}/examples/fleet/alerts.yml]\n"
        f"scrape_configs: [{{job_name: sigrec, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    process = subprocess.Popen(
        [program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=open(directory / "log", "w"),
    )  # fmt: skip
    return process, f"http://127.0.0.1:{port}/api/v1/"


def ask(api, path, **parameters):
    url = f"{api}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)["data"]


def seen(api, metric, *labels):
    """By labels: the last raw sample minus the first one."""
    found = collections.Counter()
    for series in ask(api, "query", query=f"{metric}[2h]")["result"]:
        values = [float(value) for _, value in series["values"]]
        assert values == sorted(values), f"{series['metric']} fell"
        assert values[0] == 0, f"{series['metric']} began with {values[0]}"
        key = tuple(series["metric"].get(label, "") for label in labels)
        found[key] += int(values[-1] - values[0])
    return +found


def firing(api):
    return {one["labels"]["alertname"] for one in ask(api, "alerts")["alerts"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lives", type=int, default=2000)
    # With gunicorn, and the one that hangs, as many as have a name of their own: sigrec/_serve/counters.
    parser.add_argument("--programs", type=int, default=198)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--workers", type=int, default=40, help="of gunicorn, to be killed")
    parser.add_argument("--prometheus", default="prometheus")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    program = shutil.which(args.prometheus)
    if program is None:
        print("left out: no prometheus here (apt-get install prometheus)")
        return 0
    chance = random.Random(args.seed)
    work = Path(tempfile.mkdtemp(prefix="sigrec-fleet-"))
    run, programs = work / "run", work / "programs"
    run.mkdir(mode=0o700), programs.mkdir()
    (work / "life.c").write_text(LIFE)
    subprocess.run(["cc", "-O1", "-o", work / "life", work / "life.c"], check=True)
    names = [f"worker{n:03}" for n in range(args.programs)]
    for name in names:
        os.link(work / "life", programs / name)
    environment = preloaded({**os.environ, "SIGREC_DIR": str(run)}, library(), False)
    serve = Serve(work, 19842)
    servers = [prometheus(program, work, n, 1 + n, "127.0.0.1:19842") for n in range(2)]
    plain = {**os.environ, "SIGREC_DIR": str(run)}
    gunicorn = Gunicorn(work, plain)
    (work / "stuck.py").write_text(STUCK)
    stuck = subprocess.Popen([sys.executable, work / "stuck.py"], env=plain)
    delivered, endings = collections.Counter(), collections.Counter()
    living, begun, restarts, killed = [], 0, 0, 0
    began = time.monotonic()
    try:
        for _, api in servers:
            while True:
                try:
                    if ask(api, "query", query="sigrec_scan_seconds")["result"]:
                        break
                except OSError:
                    pass
                time.sleep(0.2)
        while begun < args.lives or living or killed < args.workers:
            living = [one for one in living if one.poll() is None]
            while begun < args.lives and len(living) < AT_ONCE:
                name, how = chance.choice(names), chance.choice(list(CAUSES))
                count = chance.randrange(1, 20)
                living.append(
                    subprocess.Popen([programs / name, str(count), str(how)], env=environment)
                )
                begun += 1
                delivered[name] += count
                endings[name, CAUSES[how]] += 1
            if killed < args.workers and (
                killed * args.lives <= begun * args.workers or begun == args.lives
            ):
                how = list(WAYS)[killed % len(WAYS)]
                if gunicorn.kill_one(how):
                    killed += 1
                    endings["gunicorn", WAYS[how]] += 1
            if begun > args.lives * (restarts + 1) / (args.restarts + 1):
                # In the middle of lives. What goes while nobody looks is not seen: so nothing
                # ends just then, and those that live go on.
                for one in living:
                    one.send_signal(signal.SIGSTOP)
                time.sleep(2.5)  # an end is in the state within a second
                serve.process.kill()
                serve.process.wait()
                serve.start()
                for one in living:
                    one.send_signal(signal.SIGCONT)
                restarts += 1
            time.sleep(0.01)
        while serve.total("sigrec_process_endings_total") < args.lives + killed:
            time.sleep(0.5)
            if time.monotonic() - began > 30 + args.lives / 5:
                break  # what is missing is shown below
        (work / "state.part").mkdir()  # in the place of a file that it writes
        time.sleep(SETTLE_S)
        (work / "state.part").rmdir()
        # The handler has been running for 30 s by then, as both servers have seen.
        until = time.monotonic() + 60
        while time.monotonic() < until and not all(firing(api) >= ALERTS for _, api in servers):
            time.sleep(1)
        time.sleep(6)
        dashboard = json.loads((ROOT / "examples/fleet/dashboard.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked = re.sub(r"\$(program|instance)\b", ".*", target["expr"])
                ask(servers[0][1], "query", query=asked.replace("$__rate_interval", "1m"))
        good = True
        for number, (_, api) in enumerate(servers):
            by_program = {
                key[0]: n
                for key, n in seen(
                    api, "sigrec_signals_delivered_total{signal='SIGUSR1'}", "program"
                ).items()
            }
            by_cause = dict(seen(api, "sigrec_process_endings_total", "program", "cause"))
            alerts = firing(api)
            rise = ask(api, "query", query="sum(increase(sigrec_process_endings_total[30m]))")
            series = len(ask(api, "query", query="{__name__=~'sigrec_.*_total'}")["result"])
            exact = by_program == dict(delivered) and by_cause == dict(endings)
            good &= exact and alerts >= ALERTS and series <= 10_010
            print(
                f"Prometheus {number + 1}: {sum(by_program.values())} of {sum(delivered.values())} signals, "
                f"{sum(by_cause.values())} of {sum(endings.values())} ends, {'exact' if exact else 'NOT EXACT'} "
                f"for each program and cause; increase() says {float(rise['result'][0]['value'][1]):.0f}; "
                f"{series} series; alerts: {', '.join(sorted(alerts)) or 'none'}"
            )
            for told, true in ((by_program, delivered), (by_cause, endings)):
                for key in sorted({*told, *true}):
                    if told.get(key, 0) != true.get(key, 0):
                        print(f"  {key}: {told.get(key, 0)} instead of {true.get(key, 0)}")
        other = {
            name: serve.total(f"sigrec_recordings_{name}_total") for name in ("missed", "lost")
        }
        print(
            f"{args.lives} lives of {len(names)} programs, {killed} workers of gunicorn, {restarts} times killed; {other}"
        )
        return 0 if good else 1
    finally:
        gunicorn.process.terminate()  # and with it its workers
        gunicorn.process.wait()
        for process in [
            stuck,
            serve.process,
            *(one for one, _ in servers),
            *living,
        ]:
            process.kill()
            process.wait()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
