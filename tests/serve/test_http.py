"""What `sigrec serve` is asked over HTTP, by whom it may be, and what is refused."""

import contextlib
import fcntl
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import termios
import time

import pytest

from sigrec._serve.http import CONNECTIONS
from tests.conftest import wait_until

NAME = "sigrec_signals_delivered_total"
BEGINS = "counting begins now, with 0 recordings that are"
USR1 = (NAME, ("program", "worker.py"), ("signal", "SIGUSR1"))


def test_a_scrape_and_the_end(serve, worker, tmp_path, run_directory):
    one = serve()
    each = worker()
    each.send(5)
    wait_until(lambda: one.samples().get(USR1) == 5)
    status, headers, body = one.get(Host="anything.example")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE sigrec_process_endings_total counter\n" in body
    status, headers, empty = one.get(method="HEAD")
    assert (status, empty) == (200, b"") and int(headers["Content-Length"]) > 100
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert one.get(method=method)[0] == 405
    # Not a word of who, where and with what arguments.
    assert str(each.pid).encode() not in re.findall(rb'"(.*?)"', body)
    assert str(tmp_path).encode() not in body
    assert one.stop() == (0, f"sigrec: {BEGINS} in {run_directory}\n")


def test_many_ask_at_once_and_nothing_is_said_of_it(serve, run_directory):
    one = serve()
    asking = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(30)]
    for connection in asking:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    for connection in asking:
        with connection:
            assert connection.recv(12) == b"HTTP/1.0 200"
    assert one.stop() == (0, f"sigrec: {BEGINS} in {run_directory}\n")


def test_openssl_is_not_loaded(serve):
    """It takes 4 MB, for nothing."""
    one = serve()
    with open(f"/proc/{one.pid}/maps") as file:
        mapped = file.read()
    assert "libcrypto" not in mapped and "libssl" not in mapped
    assert one.get()[0] == 200


@pytest.mark.long
def test_killed_and_started_again(serve, worker):
    each = worker()
    one = serve()
    for n in range(3):
        each.send(5)
        wait_until(lambda one=one, n=n: one.samples()[USR1] == 5 * n + 5)
        one.process.kill()
        one.process.wait()
        one = serve()
        assert one.samples()[USR1] == 5 * n + 5


@pytest.mark.long
def test_killed_at_any_moment_40_times(serve, worker):
    """While signals come, processes end, and it is asked: nothing falls, nothing is counted twice."""
    chance = random.Random(4)
    each, count, dead, before = worker(), 0, 0, {}
    for _ in range(40):
        one = serve()
        try:
            deadline = time.monotonic() + chance.uniform(0, 0.4)
            while time.monotonic() < deadline:
                each.send(3)
                count += 3
                if chance.random() < 0.02:
                    victim = worker("victim.py")
                    victim.tell("os.kill(os.getpid(), 9)")  # its recording stays
                    victim.process.wait()
                    dead += 1
                now = one.samples()
                fell = [key for key, n in before.items() if "_total" in key[0] and now[key] < n]
                # Of this one's own life.
                assert not [key for key in fell if "state_write" not in key[0]]
                before = now
        finally:
            one.process.kill()
            one.process.wait()
    one = serve()
    killed = (
        "sigrec_process_endings_total", ("cause", "SIGKILL"), ("program", "victim.py"), ("sender", "itself"),
    )  # fmt: skip
    wait_until(lambda: one.samples().get(killed, 0) >= dead)
    now = one.samples()
    assert now[USR1] == count and now.get(killed, 0) == dead > 0
    assert now["sigrec_recordings_lost_total",] == 0


def test_a_second_one_exits_with_the_pid_of_the_first(serve, tmp_path):
    one = serve()
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "state"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"PID {one.pid}:" in done.stderr and "Traceback" not in done.stderr


def test_the_page_is_for_who_has_the_token(serve, tmp_path):
    token_file = tmp_path / "token"
    one = serve("--token-file", token_file)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    token = token_file.read_text().strip()
    assert one.get("/")[0] == 403
    assert one.get("/?token=wrong-wrong-wrong-wrong")[0] == 403
    assert one.get("/", Cookie=f"sigrec={token}")[0] == 403
    assert one.get(f"/?token={token}", Host="evil.example")[0] == 421
    assert one.get("/?" + "token=&" * 99)[0] == 403
    status, headers, _ = one.get(f"/?token={token}")
    assert status == 303 and headers["Location"] == "/"
    cookie = headers["Set-Cookie"]
    assert re.fullmatch(r"sigrec=\S+; Path=/; HttpOnly; SameSite=Strict", cookie)
    assert token not in cookie
    cookie = cookie.partition(";")[0]
    assert one.get("/", Cookie=cookie)[0] == 200
    for host in ("localhost", "127.0.0.1:1", "[::1]:80", f"LOCALHOST:{one.port}"):
        assert one.get("/", Cookie=cookie, Host=host)[0] == 200
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost:80:80",
        "[::2]",
        "127.0.0.2",
    ):
        assert one.get("/", Cookie=cookie, Host=host)[0] == 421
        assert one.get("/metrics", Host=host)[0] == 200
    assert one.stop()[1].count("\n") == 1  # and no traceback


def test_a_unix_socket_is_its_users(serve, tmp_path):
    path = tmp_path / "socket"
    one = serve(listen=f"unix:{path}")
    assert one.address == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def ask(path_, host):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(f"GET {path_} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b"")).split(None, 2)[1]

    assert ask("/metrics", "x") == b"200"
    assert ask("/", "localhost:8080") == b"200"  # ssh -L 8080:.../socket
    assert ask("/", "evil.example:8080") == b"421"
    one.process.kill()
    one.process.wait()
    assert serve(listen=f"unix:{path}").address  # what a killed one left is replaced


def test_a_new_connection_gets_nothing_that_was_for_a_closed_one(serve):
    """A turn of the server closes the oldest connection, and one that it accepts then may get its
    number, while what came on that number is still to be handled."""
    one = serve()
    with contextlib.ExitStack() as opened:
        clients = [
            opened.enter_context(socket.create_connection(("127.0.0.1", one.port), timeout=60))
            for _ in range(CONNECTIONS)
        ]
        ask = b"GET /nothing HTTP/1.1\r\n\r\n"  # for which no file is opened
        clients[-1].sendall(ask)
        assert clients[-1].recv(10) == b"HTTP/1.1 4"  # all were accepted
        os.kill(one.pid, signal.SIGSTOP)
        clients[0].sendall(b"G")
        new = opened.enter_context(socket.create_connection(("127.0.0.1", one.port), timeout=60))
        os.kill(one.pid, signal.SIGCONT)
        with contextlib.suppress(ConnectionResetError):
            assert clients[0].recv(1) == b""  # it made place
        new.sendall(ask)
        assert new.recv(10) == b"HTTP/1.1 4"


@pytest.mark.long  # 6 s: it waits until what is slow is dropped
def test_slow_connections_and_large_headers(serve):
    """Of many that say nothing the oldest make place, and the others do not stay for long."""
    one = serve()
    began = time.monotonic()
    slow = []
    try:
        for n in range(400):
            client = socket.create_connection(("127.0.0.1", one.port))
            client.settimeout(60)
            if n % 2:
                client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            slow.append(client)
        assert one.get()[0] == 200
        assert slow[0].recv(1) == b""  # the oldest is closed
        while time.monotonic() - began < 3:
            with_drops(slow)
            assert one.get()[0] == 200
        wait_until(lambda: with_drops(slow) == 0)  # however often they say something
    finally:
        for client in slow:
            client.close()
    with socket.create_connection(("127.0.0.1", one.port)) as client:
        client.settimeout(60)
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 100 << 20:
                sent += client.send(b"X: " + b"y" * 65000 + b"\r\n")
        except OSError:
            pass
        assert sent < 10 << 20
    assert one.get()[0] == 200
    with open(f"/proc/{one.pid}/status") as file:
        (rss,) = re.findall(r"VmRSS:\s*(\d+) kB", file.read())
    assert int(rss) < 60_000


LARGE = """
from sigrec._serve import http
from sigrec._serve.access import Access
http.REQUEST_S = 0.5
listening = http.listen("127.0.0.1", 0)
made = http.server(http.App(lambda: (b"x" * 300_000, "text/plain"), Access(None, "")), listening)
print(listening.getsockname()[1], flush=True)
made.run()
"""


def unread(clients):
    """How many bytes each of them has got, and not read."""
    got = (fcntl.ioctl(client, termios.FIONREAD, bytes(4)) for client in clients)
    return [int.from_bytes(size, sys.byteorder) for size in got]


def test_clients_that_ask_and_do_not_read():
    """Again and again, as many as there are threads: others are answered, and these do not stay."""
    with subprocess.Popen([sys.executable, "-c", LARGE], stdout=subprocess.PIPE) as one:
        address = "127.0.0.1", int(one.stdout.readline())
        clients = []
        try:
            for _ in range(5):
                clients.append(socket.create_connection(address, timeout=30))
                clients[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 180)
            before, now = [], unread(clients)
            while not any(now) or now != before:  # until nothing more comes: the threads are stuck
                time.sleep(0.1)
                before, now = now, unread(clients)
            with socket.create_connection(address, timeout=30) as scraper:
                scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                assert len(b"".join(iter(lambda: scraper.recv(1 << 16), b""))) > 300_000
            wait_until(lambda: len(os.listdir(f"/proc/{one.pid}/fd")) < 5 + 5)
        finally:
            for client in clients:
                client.close()
            one.kill()


SLOW = """
import time
from sigrec._serve import http
from sigrec._serve.access import Access
http.REQUEST_S = -1  # each connection is one that has waited too long
listening = http.listen("127.0.0.1", 0)
made = http.server(http.App(lambda: (b"x" * 8_000_000, "text/plain"), Access(None, "")), listening)
made.next_channel_cleanup = time.time() + 600
trigger = made.pull_trigger
made.pull_trigger = lambda: (made.maintenance(time.time()), trigger())  # it is not all sent yet
accept = made.handle_accept
made.handle_accept = lambda: (accept(), time.sleep(0.1), made.maintenance(time.time()))
print(listening.getsockname()[1], flush=True)
made.run()
"""


def test_a_request_that_waits_long_is_answered():
    """As on a busy machine: until it is read, and until its answer is sent."""
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE) as one:
        address = "127.0.0.1", int(one.stdout.readline())
        try:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                client.settimeout(30)
                client.connect(address)
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                said = b"".join(iter(lambda: client.recv(1 << 16), b""))
            assert len(said) > 8_000_000
        finally:
            one.kill()


def with_drops(clients):
    """A byte from each that is still open; how many are."""
    still = 0
    for client in clients:
        try:
            client.setblocking(False)
            client.send(b"y")
            try:
                still += client.recv(1) != b""
            except BlockingIOError:
                still += 1
        except OSError:
            pass
    return still


def test_a_textfile_for_node_exporter(run_directory, worker, tmp_path):
    each = worker()
    path = tmp_path / "sigrec.prom"
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sigrec",
            "serve",
            "--textfile",
            path,
            "--state",
            tmp_path / "state",
        ],
        stderr=subprocess.PIPE,
    ) as one:
        try:
            wait_until(path.exists)
            assert 'sigrec_processes{program="worker.py",state="alive"} 1.0' in path.read_text()
            assert os.listdir(tmp_path).count("sigrec.prom") == 1
        finally:
            one.terminate()
            one.stderr.read()
    assert one.returncode == 0
    assert each.process.poll() is None


@pytest.mark.parametrize(
    "args, says",
    [
        (["--listen", "9842"], "not an address: '9842'"),
        (["--listen", "localhost:99999"], "not an address: 'localhost:99999'"),
        (["--listen", "localhost:1_0"], "not an address"),
        (["--listen", "::1:80"], "not an address: '::1:80'; say 127.0.0.1:9842, [::1]:9842"),
        (["--listen", "unix:"], "not the path of a socket"),
        (["--listen", "unix:" + "x" * 108], "not the path of a socket"),
        (["--settle", "-1"], "not seconds from 0 to 86400: '-1'"),
        (["--settle", "nan"], "not seconds from 0 to 86400: 'nan'"),
        (["--program", "("], "not a regular expression: '('"),
        (["--dir", ""], "not a path: ''"),
        (["--state", ""], "not a path: ''"),
        (["--textfile", ""], "not a path: ''"),
        (["more"], "unrecognized arguments: more"),
    ],
)
def test_wrong_usage(args, says, capsys):
    from sigrec.cli import main

    with pytest.raises(SystemExit) as left:
        main(["serve", *args])
    assert left.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "args, says",
    [
        (["--listen", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1: "),
        (["--listen", "a..b:1"], "cannot listen on a..b:1: "),
        (["--textfile", "/proc"], "/proc is not a file, and would be replaced by one"),
        (
            ["--textfile", "/proc/nothing/x"],
            "/proc/nothing/x cannot be written: No such file or dir",
        ),
        (["--listen", "unix:/proc/nothing/socket"], "cannot listen on unix:/proc/nothing/socket: "),
        (["--listen", "unix:/etc/passwd"], "/etc/passwd: is there, and is not a socket"),
        (["--token-file", "/etc/passwd"], "/etc/passwd: others may read the token (mode 0644)"),
    ],
)
def test_what_cannot_be_done(args, says, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "serve", "--listen", "127.0.0.1:0", *args, "--state", tmp_path / "s"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"sigrec: {says}") and done.stderr.count("\n") == 1


def test_without_the_extra():
    for module in ("prometheus_client", "waitress"):
        code = f"import sys; sys.modules[{module!r}] = None; from sigrec.cli import main; sys.exit(main(['serve']))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1
        assert (
            done.stderr
            == f"sigrec: serve needs {module}, which is not installed: pip install 'sigrec[serve]'\n"
        )
