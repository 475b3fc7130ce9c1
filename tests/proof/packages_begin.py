"""The beginning of each program of packages.py."""

import json
import os
import signal  # noqa: F401 (as for threading: the programs use them)
import socket
import subprocess
import sys
import threading  # noqa: F401
import time


def tell(victim, sender):
    while os.path.exists(f"/proc/{victim}"):
        time.sleep(0.01)
    print(json.dumps([victim, sender]), flush=True)
    sys.stdin.readline()


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **options,
    )


def pid_of_worker():
    while not (os.path.exists("pid") and os.path.getsize("pid")):
        time.sleep(0.01)
    return int(open("pid").read())


def written(path, text):
    with open(path, "w") as file:
        file.write(text)


def request(path):
    while True:
        try:
            one = socket.socket(socket.AF_UNIX)
            one.connect(path)
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return one
        except OSError:
            time.sleep(0.05)
