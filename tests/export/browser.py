"""A headless Chromium, spoken to over a pair of pipes: Chrome DevTools Protocol, no driver."""

import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

# The protocol is on descriptors 3 and 4. By way of others: 3 may be the one that becomes 4.
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    def __init__(self, directory):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        program = program or shutil.which("google-chrome")
        if program is None:
            pytest.skip("no chromium here")
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        options = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
                   "--disable-dev-shm-usage", f"--user-data-dir={directory}"]  # fmt: skip
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.pending = b""
        self.number = 0
        self.session = None
        self.events = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method, **parameters):
        """A command, and its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def message(self, timeout=60):
        deadline = time.monotonic() + timeout
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.into, 1 << 20) if ready else b""
            assert more, f"chromium says nothing (status {self.process.poll()})"
            self.pending += more
        message, _, self.pending = self.pending.partition(b"\0")
        return json.loads(message)

    def open(self, url, width=1200, scheme="light"):
        self.do("Emulation.setEmulatedMedia",
                features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=900,
                deviceScaleFactor=1, mobile=False)  # fmt: skip
        self.events.clear()
        self.do("Page.navigate", url=url)
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self.message())

    def told(self, *methods):
        """The parameters of such events since the page was opened."""
        self.do("Runtime.evaluate", expression="0")  # what was before it has come
        return [one["params"] for one in self.events if one.get("method") in methods]

    def js(self, expression):
        """The value of a JavaScript expression in the page."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def key(self, key, code=None):
        """Presses a key, as the keyboard does."""
        virtual = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        names = {"key": key, "code": key, "windowsVirtualKeyCode": virtual[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.do("Input.dispatchKeyEvent", type="keyDown", **names, **text)
        self.do("Input.dispatchKeyEvent", type="keyUp", **names)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()  # with the pipes gone, its children end as well
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
