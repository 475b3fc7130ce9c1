"""Three SIGHUP, and then a flood of another signal: whether the three are shown, with their senders.

    python -m tests.proof.rare [COUNT]

COUNT (1,000,000) SIGRTMIN+2 come to a process whose history keeps 16,384 events, after SIGHUP from three processes.
`sigrec tail`, the page and each format of `sigrec export` must show all three, while it lives and after it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile

from sigrec import _core
from sigrec._reader.opening import open_recording

RARE, FLOOD, COUNT = signal.SIGHUP, signal.SIGRTMIN + 2, 1_000_000
RECEIVER = f"""
import signal, sigrec
sigrec.configure(history=int({{history}}))
signal.signal({int(FLOOD)}, signal.SIG_IGN)  # named, it is recorded all the same
sigrec.record({int(RARE)}, {int(FLOOD)})
signal.signal({int(RARE)}, lambda *_: None)
print("up", flush=True)
while True:
    signal.pause()
"""


def sigrec(*arguments: str) -> str:
    command = [sys.executable, "-m", "sigrec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def send(pid: int, count: int) -> list[int]:
    """The PIDs of the three that sent the rare one."""
    senders = []
    code = f"import os; os.kill({pid}, {int(RARE)})"
    for n in range(3):
        sender = subprocess.Popen([sys.executable, "-S", "-c", code])
        assert sender.wait() == 0
        senders.append(sender.pid)
        with open_recording(pid) as recording:  # it has come: standard signals merge
            while RARE not in recording.signals or recording.signals[RARE].delivered <= n:
                pass
    # By sigqueue(3): kill(2) of a real-time signal that finds the queue full merges.
    sent, _, _ = _core.flood(pid, FLOOD, count, True, 0)
    assert sent == count
    return senders


def shown(pid: int) -> dict[str, set[int]]:
    """By what showed it: the senders of the rare one."""

    def of(lines: str) -> set[int]:
        events = map(json.loads, lines.splitlines())
        return {e["si_pid"] for e in events if e.get("signal") == "SIGHUP" and "ordinal" in e}

    found = {"export jsonl": of(sigrec("export", str(pid), "--format", "jsonl"))}
    csv = [
        line
        for line in sigrec("export", str(pid), "--format", "csv").splitlines()
        if "SIGHUP" in line
    ]
    chrome = json.loads(sigrec("export", str(pid), "--format", "chrome"))["traceEvents"]
    tail = [line for line in sigrec("tail", str(pid), "-n", "all").splitlines() if "SIGHUP" in line]
    page = sigrec("export", str(pid), "--format", "html")
    with open_recording(pid) as recording:
        senders = {info.si_pid for info in recording.events(RARE)}
    found["Recording.events"] = {n for n in senders if n is not None}
    for what, text in (
        ("export csv", "\n".join(csv)),
        ("export chrome", json.dumps([e for e in chrome if "SIGHUP" in json.dumps(e)])),
        ("tail", "\n".join(tail)),
        ("page", page[page.index("<main") :] if "<main" in page else page),
    ):
        found[what] = {n for n in senders if n is not None and str(n) in text}
    return found


def run(count: int, history: int = 16384, alive: bool = True) -> dict[str, bool]:
    """By what was asked, and when: whether it showed all three. alive: also before it was killed."""
    right = {}
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER.format(history=history)], stdout=subprocess.PIPE
    )
    with receiver:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        senders = set(send(receiver.pid, count))
        with open_recording(receiver.pid) as recording:
            while recording.signals[FLOOD].delivered < count:
                pass
            assert recording.signals[FLOOD].overwritten >= count - history
        for what, found in shown(receiver.pid).items() if alive else ():
            right[f"{what}, alive"] = found == senders
        receiver.kill()
        receiver.wait()
        for what, found in shown(receiver.pid).items():
            right[f"{what}, killed"] = found == senders
    return right


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.environ["SIGREC_DIR"] = directory
        right = run(count)
    for what, it_is in right.items():
        print(f"3 {RARE.name} before {count:,} SIGRTMIN+2: {what}: {'right' if it_is else 'WRONG'}")
    return 0 if all(right.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
