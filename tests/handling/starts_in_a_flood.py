"""Which programs that are started in mid-flood, or after it, have the signal blocked: none is to."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile

import sigrec
from tests.handling.floods import S, calm, end, mid_flood, sender

GREP = ["grep", "SigBlk", "/proc/self/status"]
OWN = (
    f"import os, signal; signal.signal({S}, lambda *a: print('handled')); os.kill(os.getpid(), {S})"
)


def bit(text):
    return int(text.split()[1], 16) >> S - 1 & 1


def by(*before, **options):
    return bit(subprocess.check_output([*before, *GREP], text=True, **options))


def spawned(**options):
    read, write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
    child = os.posix_spawnp("grep", GREP, os.environ, file_actions=actions, **options)
    os.close(write)
    with open(read) as file:
        shown = bit(file.read())
    os.waitpid(child, 0)
    return shown


def by_multiprocessing(how):
    with tempfile.NamedTemporaryFile("r") as file:
        process = multiprocessing.get_context(how).Process(
            target=shutil.copyfile, args=("/proc/self/status", file.name)
        )
        process.start()
        process.join()
        return bit(next(line for line in file if line[:6] == "SigBlk"))


def one_that_handles_it():
    return subprocess.check_output([sys.executable, "-c", OWN], text=True) != "handled\n"


def main():
    pid, go = sender()
    sigrec.register(S, lambda signum, frame: None, intake="thread")
    go()
    rows = {
        "posix_spawn": spawned,
        "posix_spawn, setsigmask=[]": lambda: spawned(setsigmask=[]),
        "subprocess": by,
        "close_fds=False": lambda: by(close_fds=False),
        "shell=True": lambda: bit(subprocess.check_output(" ".join(GREP), shell=True, text=True)),
        "env": lambda: by("env"),
        "nohup": lambda: by("nohup"),
        "timeout": lambda: by("timeout", "60"),
        "multiprocessing fork": lambda: by_multiprocessing("fork"),
        "multiprocessing spawn": lambda: by_multiprocessing("spawn"),
        "multiprocessing forkserver": lambda: by_multiprocessing("forkserver"),
        "a Python that handles it": one_that_handles_it,
    }
    if shutil.which("bash"):
        rows["bash"] = lambda: bit(
            subprocess.check_output(["bash", "-c", " ".join(GREP)], text=True)
        )
    if shutil.which("perl"):
        show = 'open F, "/proc/self/status"; while (<F>) { print if /SigBlk/ }'
        rows["perl"] = lambda: bit(subprocess.check_output(["perl", "-e", show], text=True))
    if shutil.which("node"):
        look = 'console.log(fs.readFileSync("/proc/self/status", "utf8").match(/SigBlk.*/)[0])'
        rows["node"] = lambda: bit(subprocess.check_output(["node", "-e", look], text=True))
    wrong = []
    for name, row in rows.items():
        mid_flood()
        if row():
            wrong.append(name)
    end(pid)
    calm()
    wrong += [f"{name}, after it" for name, row in rows.items() if row()]
    print(wrong)


if __name__ == "__main__":  # multiprocessing imports this file
    main()
