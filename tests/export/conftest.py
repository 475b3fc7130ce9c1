import pytest

import sigrec
from tests.conftest import wait_until

# A process can name itself anything.
COMM = b'=1+1,<b>"\x1b[1m\xff'
ARGV = (
    "<script>alert(1)</script>",
    "\x1b[31mred\x9b",
    "\udcff\udc80",
    "</script><!--",
    "a\nb",
    "${x}",
)

TARGET = f"""
import ctypes
for signum in (RT, signal.SIGUSR1, signal.SIGTERM):
    sigrec.register(signum, lambda s, f: None)
ctypes.CDLL(None).prctl(15, {COMM!r}, 0, 0, 0)
def three():
    for _ in range(3):
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
for _ in range(2):
    thread = threading.Thread(target=three)
    thread.start()
    thread.join()
for value in range(5):
    sigqueue(os.getpid(), RT, -value)
os.kill(os.getpid(), signal.SIGTERM)
settle(RT, signal.SIGUSR1, signal.SIGTERM)
say("ready")
hear()
"""
COUNTS = {"SIGUSR1": 6, "SIGTERM": 1, "SIGRTMIN+2": 5}


@pytest.fixture
def target(child):
    """A process that has taken COUNTS signals, in three threads, and waits."""
    while (
        True
    ):  # until none has lost its siginfo: while another process floods, there is no room for it
        p = child(TARGET, *ARGV)
        assert p.line() == "ready"
        with sigrec.open_recording(p.pid) as recording:
            if all(event.si_pid for event in recording.events()):
                return p
        p.kill()


# Keeps few, and takes many: most of the detail is gone.
FORGETFUL = """
sigrec.configure(history=64)
sigrec.register(RT, lambda s, f: None)
sigrec.register(signal.SIGUSR1, lambda s, f: None)
for _ in range(100):
    os.kill(os.getpid(), signal.SIGUSR1)
for value in range(1000):
    sigqueue(os.getpid(), RT, value)
settle(RT, signal.SIGUSR1)
say("ready")
hear()
"""


@pytest.fixture
def forgetful(child):
    p = child(FORGETFUL)
    assert p.line() == "ready"
    with sigrec.open_recording(p.pid) as recording:
        # The history's 64, and as many of SIGUSR1's newest, which are kept beside it.
        wait_until(lambda: sum(1 for _ in recording) == 128)
    return p
