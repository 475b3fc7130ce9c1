"""The file that holds what was counted, so that a restart counts nothing twice.

A value is in this file before it is shown, so that what a scraper has seen never falls.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from contextlib import suppress
from hashlib import sha256

from sigrec._errors import SigrecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE_VERSION = 1
_LARGEST_STATE = 1 << 28


class DamagedError(SigrecError):
    """The content of the file is not what was written there."""


def default_path() -> str:
    """The path by the XDG Base Directory Specification; for root, where
    services of the system keep their state."""
    if os.geteuid() == 0:
        return "/var/lib/sigrec/serve.state"
    home = os.environ.get("XDG_STATE_HOME", "")
    if not home.startswith("/"):
        home = os.path.expanduser("~/.local/state")
    return os.path.join(home, "sigrec", "serve.state")


def only_a_file(path: str) -> None:
    """Raises SigrecError if there is anything but a file,
    such as a device, which would be replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # writing the state will fail, and say why
    if not stat.S_ISREG(mode):
        raise SigrecError(f"{path} is not a file, and would be replaced by one")


def can_be_made(path: str) -> None:
    """Raises SigrecError if no file of that name can be made, or put in its place."""
    try:
        tempfile.TemporaryFile(dir=os.path.dirname(path)).close()
    except OSError as error:
        raise SigrecError(f"{path} cannot be written: {error.strerror}") from None


class StateFile:
    """The state file, which one process at a time can use: for another one it raises SigrecError,
    with the PID of the first.

    unlocked: why the file could not be locked; None: it is locked.
    """

    def __init__(self, path: str, of: str = "sigrec serve") -> None:
        only_a_file(path)
        self.path = os.path.realpath(path)
        self.unlocked: str | None = None
        self._lock = -1
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            # The lock is a file beside the state, which is replaced again and again.
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
        with suppress(OSError):  # the disk may be full; the lock holds all the same
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def load(self) -> dict[str, Any] | None:
        """The state; None: there is none yet. Raises DamagedError if the file holds something else,
        and SigrecError if it cannot be read: it would be replaced, and what it has be lost."""
        try:
            state_fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(state_fd, "rb") as file:
                head_line, body = file.readline(200), file.read(_LARGEST_STATE)
        except FileNotFoundError:
            return None
        except OSError as error:
            if not os.access(os.path.dirname(self.path), os.W_OK | os.X_OK):
                return None  # nor can it be replaced, as save() will say
            raise SigrecError(
                f"{self.path} cannot be read: {error.strerror}; so it is not replaced: let this user read it, "
                "or name another one"
            ) from None
        try:
            head = json.loads(head_line)
            if head["sigrec serve"] != STATE_VERSION or head["sha256"] != sha256(body).hexdigest():
                raise ValueError
            kept = json.loads(body)
            if not isinstance(kept, dict):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            aside = f"{self.path}.damaged"  # the file is kept, since it may be the user's
            what = f"{self.path} is damaged, or not the state of sigrec serve"
            try:
                os.rename(self.path, aside)
            except OSError as error:
                if not os.access(os.path.dirname(self.path), os.W_OK | os.X_OK):
                    raise DamagedError(f"{what}, and cannot be replaced") from None
                raise SigrecError(
                    f"{what}, and cannot become {aside}: {error.strerror}; so it is not replaced: move it, or "
                    "name another one"
                ) from None
            raise DamagedError(f"{what}; it is {aside} now") from None
        return kept

    def save(self, kept: dict[str, Any]) -> None:
        """Writes the state. Raises OSError if it could not: the file is as it was then."""
        body = json.dumps(kept, separators=(",", ":"), ensure_ascii=True).encode()
        head = json.dumps(
            {"sigrec serve": STATE_VERSION, "sha256": sha256(body).hexdigest()}
        ).encode()
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
        self._sync_directory()

    def _sync_directory(self) -> None:
        """Makes sure that the new name is still there after a power cut."""
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
