"""Where the metrics go: to those who ask by HTTP, and into a file for node-exporter."""

from __future__ import annotations

import threading

from prometheus_client import write_to_textfile

from sigrec._serve import metrics
from sigrec._serve.access import Access, token_from
from sigrec._serve.http import App, listen, listen_unix, server
from sigrec._serve.page import Pages, is_report
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._serve.fleet import Fleet


class Http:
    """Serves the metrics and the page. address: of the metrics. page: the page's address with its
    token; None: all who can connect may see the page."""

    def __init__(self, fleet: Fleet, host: str, port: int, token_file: str | None) -> None:
        registry = metrics.registry(fleet.shown)
        if port < 0:
            path = host.removeprefix("unix:")
            token, listening = None, listen_unix(path)
            self.address, self.page = f"unix:{path}", None
        else:
            token, listening = token_from(token_file), listen(host.strip("[]"), port)
            at = f"{host}:{listening.getsockname()[1]}"
            self.address, self.page = f"http://{at}/metrics", f"http://{at}/?token={token}"
        app = App(
            lambda: (metrics.text(registry), metrics.CONTENT_TYPE),
            Access(token, host),
            Pages(fleet),
            is_report,
        )
        self._server = server(app, listening)

    def run(self) -> None:
        self._server.run()


class Textfile:
    """A file that is written anew every so many seconds; its readers never see half of it."""

    def __init__(
        self, fleet: Fleet, path: str, seconds: float, tell: Callable[[str], None]
    ) -> None:
        self._registry = metrics.registry(fleet.shown)
        self._path = path
        self._seconds = seconds
        self._tell = tell

    def run(self) -> None:
        told = ""
        while True:
            try:
                write_to_textfile(self._path, self._registry)
                said = ""
            except OSError as error:
                said = f"{self._path} cannot be written: {error.strerror}"
            if said and said != told:
                self._tell(printable(said))
            told = said
            threading.Event().wait(self._seconds)
