"""Who may see the page: a Host of this machine, and a token, or the Unix socket's own mode.

Everybody on a host can connect to loopback, but recordings are only for their user. And a web page
from elsewhere whose name was made to point here (DNS rebinding) sends its own name as Host.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from sigrec._errors import SigrecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COOKIE = "sigrec"
_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


def token_from(path: str | None) -> str:
    """The token in that file, which is made with a new
    token if it is missing. None: a new token."""
    if path is None:
        return secrets.token_urlsafe(24)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read_token(path)
    except OSError as error:
        raise SigrecError(f"{path}: cannot be made: {error.strerror}") from None
    token = secrets.token_urlsafe(24)
    with open(fd, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    return token


def _read_token(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SigrecError(
                    f"{path}: others may read the token (mode {stat.S_IMODE(status.st_mode):04o}): "
                    f"chmod 600 {path}"
                )
            token = file.read(4096).strip()
    except OSError as error:
        raise SigrecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(token) < 16:
        raise SigrecError(f"{path}: a token has at least 16 characters, and this has {len(token)}")
    return token


class Access:
    """token: None: all who can connect may see the page. host: where it listens."""

    def __init__(self, token: str | None, host: str) -> None:
        self._token = token
        self._hosts = {*_OF_THIS_MACHINE, host.lower()} - {"", "0.0.0.0", "[::]"}
        self._session = secrets.token_urlsafe(24)  # the cookie's value, not the token

    def is_host(self, host: str) -> bool:
        """Whether the header Host names this machine. Its port may be that of a tunnel."""
        name, bracket, port = host.rpartition("]")
        name = name + bracket if bracket else host.partition(":")[0]
        port = port if bracket else host.partition(":")[2]
        return name.lower() in self._hosts and (not port.strip(":") or port.strip(":").isdecimal())

    def may_see(self, environ: dict[str, Any]) -> bool:
        if self._token is None:
            return True
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._session)

    def exchanged(self, environ: dict[str, Any]) -> str | None:
        """Exchanges the token in the address for a cookie, which no script can read and no other
        site can send. None: there is no token, or it is a wrong one."""
        try:
            given = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=8).get("token")
        except ValueError:  # there are several
            return None
        if self._token is None or not given or not _same(given[0], self._token):
            return None
        return f"{COOKIE}={self._session}; Path=/; HttpOnly; SameSite=Strict"


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())
