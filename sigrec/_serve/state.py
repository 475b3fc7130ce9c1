"""The file that holds what was counted, so that a restart counts nothing twice.

A value is shown to nobody before it is in this file: what a scraper has seen never falls.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from hashlib import sha256

from sigrec._errors import SigrecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
_LARGEST = 1 << 28


class DamagedError(SigrecError):
    """What is in the file is not what was written there."""


def default_path() -> str:
    """XDG Base Directory Specification; of root, as the system's services have it."""
    if os.geteuid() == 0:
        return "/var/lib/sigrec/serve.state"
    home = os.environ.get("XDG_STATE_HOME", "")
    if not home.startswith("/"):
        home = os.path.expanduser("~/.local/state")
    return os.path.join(home, "sigrec", "serve.state")


def only_a_file(path: str) -> None:
    """SigrecError: there is something else, such as a device, which a new file would replace."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # whoever writes it says why it cannot
    if not stat.S_ISREG(mode):
        raise SigrecError(f"{path} is not a file, and would be replaced by one")


class StateFile:
    """One process at a time has it: SigrecError, with the PID of the other one.

    unlocked: why nobody could be kept from writing it at the same time; None: it is locked.
    """

    def __init__(self, path: str, of: str = "sigrec serve") -> None:
        only_a_file(path)
        self.path = os.path.realpath(path)
        self.unlocked: str | None = None
        self._lock = -1
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            # Beside the file, which is replaced, again and again.
            self._lock = os.open(
                f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            self.unlocked = f"{error.filename or self.path}: {error.strerror}"
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.close()
            raise SigrecError(
                f"{self.path} is the state of another {of}, PID {pid}: end that one, or give this one a "
                "state of its own"
            ) from None
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def load(self) -> dict[str, Any] | None:
        """None: there is none yet. DamagedError: there is something else; OSError: it cannot be read."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with open(fd, "rb") as file:
            head, body = file.readline(200), file.read(_LARGEST)
        try:
            found = json.loads(head)
            if found["sigrec serve"] != VERSION or found["sha256"] != sha256(body).hexdigest():
                raise ValueError
            kept = json.loads(body)
            if not isinstance(kept, dict):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            aside = f"{self.path}.damaged"  # it may be somebody's
            with suppress(OSError):
                os.rename(self.path, aside)
            raise DamagedError(
                f"{self.path} is damaged, or not the state of sigrec serve; it is {aside} now"
            ) from None
        return kept

    def save(self, kept: dict[str, Any]) -> None:
        """OSError: it could not, and the file is as it was."""
        body = json.dumps(kept, separators=(",", ":"), ensure_ascii=True).encode()
        head = json.dumps({"sigrec serve": VERSION, "sha256": sha256(body).hexdigest()}).encode()
        part = f"{self.path}.part"
        fd = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            with open(fd, "wb") as file:
                file.write(head + b"\n" + body)
                file.flush()
                os.fsync(fd)
            os.rename(part, self.path)
        except OSError:
            with suppress(OSError):
                os.unlink(part)
            raise
        self._directory()

    def _directory(self) -> None:
        """The new name is there after a power cut, too."""
        with suppress(OSError):
            fd = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        if self._lock >= 0:
            fd, self._lock = self._lock, -1
            os.close(fd)
