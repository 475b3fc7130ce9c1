"""HTTP: the application with its paths, and a server by waitress whose connections are limited.

A client that connects and sends nothing, or little at a time, must not keep scrapers out. So a
connection without a request is closed after a while, and of too many connections the oldest such
one.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import time
from contextlib import suppress

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer

from sigrec._errors import SigrecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sigrec._serve.access import Access

    # Returns body and type of a path; None: there is no such path.
    Answer = Callable[[str], "tuple[bytes, str] | None"]

CONNECTIONS = 256
REQUEST_S = 5  # for a whole request
REQUEST_HEADER_SIZE = 16 << 10
MOST_UNSENT = 256 << 10  # to a client that asks for more
THREADS = 3

_ALWAYS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class App:
    """Everybody may see /metrics, by whatever name of this host; `access` decides who may see the
    rest.

    pages: None: there is no page. own_policy: whether the page of a path has a policy of its own.
    """

    def __init__(
        self,
        metrics: Callable[[], tuple[bytes, str]],
        access: Access,
        pages: Answer | None = None,
        own_policy: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._metrics = metrics
        self._access = access
        self._pages = pages
        self._own_policy = own_policy

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        headers += [("Content-Length", str(len(body))), *_ALWAYS]
        start(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _plain("405 Method Not Allowed", "GET or HEAD.", ("Allow", "GET, HEAD"))
        if path == "/metrics":
            body, kind = self._metrics()
            return "200 OK", [("Content-Type", kind)], body
        if not self._access.is_host(environ.get("HTTP_HOST", "")):
            return _plain(
                "421 Misdirected Request",
                "The page can only be asked for by this machine's own name.",
            )
        cookie = self._access.exchanged(environ)
        if cookie is not None:
            return _plain("303 See Other", "", ("Location", "/"), ("Set-Cookie", cookie))
        if not self._access.may_see(environ):
            return _plain(
                "403 Forbidden",
                "The page needs the token: open the address that sigrec serve printed, or /?token= followed "
                "by the content of its --token-file.",
            )
        page = self._pages(path) if self._pages is not None else None
        if page is None:
            return _plain("404 Not Found", "There is no such page.")
        body, kind = page
        policy = [] if self._own_policy(path) else [("Content-Security-Policy", POLICY)]
        return "200 OK", [("Content-Type", kind), ("X-Frame-Options", "DENY"), *policy], body


def _plain(
    status: str, text: str, *more: tuple[str, str]
) -> tuple[str, list[tuple[str, str]], bytes]:
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return status, [kind, *more], f"{text}\n".encode()


# --- the server ---------------------------------------------------------------------------------


class _Channel(HTTPChannel):  # type: ignore[misc]
    requests: Any  # a list
    request: Any  # one that is not whole yet
    socket: Any
    answering = False  # True until the answer is sent, also when the request is done with

    def service(self) -> None:
        """waitress waits in here for a client that sends requests
        and does not read. No thread may do that."""
        self.answering = True
        try:
            if self.total_outbufs_len > MOST_UNSENT:
                self.close_when_flushed = True  # and it is not read any more
                self.requests = []
            else:
                super().service()
        finally:
            self.creation_time = self.last_activity = time.time()  # the next wait begins
            self.answering = False

    def has_asked(self) -> bool:
        """Whether a request has come that is only not read yet, as on a busy machine."""
        if self.request is not None:  # which comes bit by bit
            return False
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


class _Bounded(BaseWSGIServer):  # type: ignore[misc]
    channel_class = _Channel

    def maintenance(self, now: float) -> None:
        for channel in self._waiting():
            unsent = channel.total_outbufs_len
            since = channel.last_activity if unsent else channel.creation_time
            if since < now - REQUEST_S and not (unsent == 0 and channel.has_asked()):
                channel.handle_close()  # will_close waits until the client reads

    def handle_accept(self) -> None:
        waiting = self._waiting() if len(self._channels()) >= CONNECTIONS else []
        super().handle_accept()
        # Last: else the new connection may get the closed one's descriptor, and with it what this
        # turn of the loop has still to read there, which closes it.
        if waiting:
            min(waiting, key=lambda channel: channel.creation_time).handle_close()

    def _waiting(self) -> list[Any]:
        """The connections that wait for a request, or the rest of
        one, or for a client that does not read."""
        return [
            channel
            for channel in self._channels()
            if not channel.requests and not channel.answering
        ]

    def _channels(self) -> list[Any]:
        by_descriptor: Any = self.active_channels
        return list(by_descriptor.values())


class _Tcp(_Bounded, TcpWSGIServer):  # type: ignore[misc]
    pass


class _Unix(_Bounded, UnixWSGIServer):  # type: ignore[misc]
    pass


def server(app: App, listening: socket.socket) -> BaseWSGIServer:
    """A server, whose run() serves in the thread that calls it."""
    adjustments = Adjustments(
        sockets=[listening],
        threads=THREADS,
        ident=None,
        connection_limit=CONNECTIONS + 16,  # the server's own descriptors count, too
        cleanup_interval=1,
        channel_timeout=REQUEST_S,
        max_request_header_size=REQUEST_HEADER_SIZE,
        max_request_body_size=1,
        inbuf_overflow=1 << 20,
        asyncore_use_poll=True,
        log_socket_errors=False,
    )
    # waitress logs that requests wait for a thread, which is no fault.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    kind = _Unix if listening.family == socket.AF_UNIX else _Tcp
    sockinfo = listening.family, listening.type, listening.proto, listening.getsockname()
    made = kind(app, {}, True, listening, adj=adjustments, bind_socket=False, sockinfo=sockinfo)
    return made


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises SigrecError if that fails."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        return listening
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise SigrecError(f"cannot listen on {host}:{port}: {why}") from None


def listen_unix(path: str) -> socket.socket:
    """A Unix socket that listens there, which only its user can open. A socket that an earlier run
    has left there is replaced, but nothing else."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise SigrecError(f"{path}: is there, and is not a socket")
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                    other.connect(path)
                raise SigrecError(f"{path}: somebody listens there already")
            except ConnectionRefusedError:
                os.unlink(path)
        before = os.umask(0o177)
        try:
            listening.bind(path)
        finally:
            os.umask(before)
    except (OSError, ValueError) as error:
        listening.close()
        raise SigrecError(
            f"cannot listen on unix:{path}: {getattr(error, 'strerror', None) or error}"
        ) from None
    except SigrecError:
        listening.close()
        raise
    return listening
