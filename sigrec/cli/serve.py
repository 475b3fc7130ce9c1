"""Serve what the recorded processes of this host receive: as metrics for
Prometheus, at /metrics, and as a live page, at /.

  sigrec serve                            on 127.0.0.1:9842
  sigrec serve --listen 0.0.0.0:9842      for a Prometheus on another host
  sigrec serve --listen unix:/run/user/1000/sigrec.sock
  sigrec serve --textfile /var/lib/node_exporter/sigrec.prom
                                          for node-exporter; listens nowhere

Counts are exact, even of processes that live for less than the time between two
scrapes, and across restarts: the --state file keeps what was counted. Root sees
the recordings of all users, others see their own.

Needs the extra: pip install 'sigrec[serve]'
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading

from sigrec import SigrecError
from sigrec._reader import index
from sigrec._text import printable, whole
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

PORT = 9842
TEXTFILE_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        type=_address_argument,
        metavar="HOST:PORT|unix:PATH",
        help=f"the address to listen on (127.0.0.1:{PORT}; none, if there is a --textfile)",
    )
    parser.add_argument(
        "--textfile",
        type=_file_argument,
        metavar="FILE",
        help="write the metrics there every 15 seconds",
    )
    parser.add_argument(
        "--dir",
        action="append",
        type=_file_argument,
        metavar="DIR",
        help="look in that directory, and in the directories in it; may be given several times "
        "(default: SIGREC_DIR, if it is set; else where `sigrec stats` looks, for root those of all "
        "users)",
    )
    parser.add_argument(
        "--state",
        type=_file_argument,
        metavar="FILE",
        help="the file that holds what was counted (~/.local/state/sigrec/serve.state; root: "
        "/var/lib/sigrec/serve.state)",
    )
    parser.add_argument(
        "--settle",
        type=_arguments.seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long a new counter shows 0, so that every scraper sees it rise (120)",
    )
    parser.add_argument(
        "--program",
        type=_pattern_argument,
        metavar="REGEX",
        help="which programs to count by name first, if there are more than 200",
    )
    parser.add_argument(
        "--token-file",
        type=_file_argument,
        metavar="FILE",
        help="a file with the token for the page, which is made if it is missing (default: a new token, "
        "shown on a terminal)",
    )


def _address_argument(text: str) -> tuple[str, int]:
    """Host and port; for a Unix socket the whole text and -1."""
    if text.startswith("unix:"):
        if not text[5:] or "\0" in text or len(os.fsencode(text[5:])) > 107:
            raise argparse.ArgumentTypeError(
                f"not the path of a socket, of at most 107 bytes: {text!r}"
            )
        return text, -1
    host, colon, port_text = text.rpartition(":")
    port = whole(port_text)
    bare = host.startswith("[") == host.endswith("]") and (":" not in host or host.startswith("["))
    if not colon or not host or not bare or port is None or port > 65535:
        raise argparse.ArgumentTypeError(
            f"not an address: {text!r}; say 127.0.0.1:{PORT}, [::1]:{PORT} or unix:PATH"
        )
    return host, port


def _file_argument(text: str) -> str:
    return os.path.abspath(_arguments.path(text))


def _pattern_argument(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {text!r}: {error}") from None


def run(args: argparse.Namespace) -> int:
    address: tuple[str, int] | None = args.listen
    if address is None and args.textfile is None:
        address = "127.0.0.1", PORT
    from sigrec._serve.limits import one_arena, without_openssl

    with without_openssl():
        try:
            import prometheus_client as prometheus_client

            if address is not None:
                import waitress as waitress
        except ImportError as error:
            raise SigrecError(
                f"serve needs {error.name}, which is not installed: pip install 'sigrec[serve]'"
            ) from None
        from sigrec._serve import outputs
        from sigrec._serve.directories import Directories
        from sigrec._serve.fleet import Fleet, to_stderr
        from sigrec._serve.state import StateFile, can_be_made, default_path, only_a_file

    if args.textfile is not None:
        only_a_file(args.textfile)
        can_be_made(args.textfile)
    index.raise_descriptors()
    one_arena()
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # sigrec/_proc/lease.py
    state = StateFile(args.state or default_path())
    if state.unlocked is not None:
        to_stderr(printable(f"the state cannot be kept: {state.unlocked}"))
    fleet = Fleet(Directories(args.dir or []), state, args.settle, args.program, to_stderr)

    def stop(signum: int, frame: FrameType | None) -> None:
        fleet.stop()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    serving = None
    if address is not None:
        serving = outputs.Http(fleet, address[0], address[1], args.token_file)
    fleet.begin()
    if serving is not None:
        print(serving.address, flush=True)
        if sys.stdout.isatty() and serving.page is not None:
            print(f"the page: {serving.page}", flush=True)
        threading.Thread(target=serving.run, name="http", daemon=True).start()
    if args.textfile is not None:
        writer = outputs.Textfile(fleet, args.textfile, TEXTFILE_S, to_stderr)
        threading.Thread(target=writer.run, name="textfile", daemon=True).start()
    fleet.run()
    return 0
