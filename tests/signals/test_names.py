"""signal_name(), signal_number(): signals as people write them."""

import signal

import pytest

import sigrec


def test_there_and_back():
    for signum in sorted(signal.valid_signals()):
        assert sigrec.signal_number(sigrec.signal_name(signum)) == signum


@pytest.mark.parametrize("text, number", [
    ("SIGTERM", 15), ("term", 15), ("15", 15), ("SigUsr1", 10), ("CLD", 17), ("SIGIOT", 6),
    ("SIGRTMIN", signal.SIGRTMIN), ("rtmin+2", signal.SIGRTMIN + 2), ("SIGRTMAX", signal.SIGRTMAX),
    ("RTMAX-1", signal.SIGRTMAX - 1), ("64", 64), ("SIGRTMIN+0", signal.SIGRTMIN),
])  # fmt: skip
def test_numbers(text, number):
    assert sigrec.signal_number(text) == number
    assert type(sigrec.signal_number(text)) is int


@pytest.mark.parametrize("bad", [
    "", "SIG", "SIGNOPE", "0", "65", "-1", "٣", "SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+", "SIGRTMIN+99",
    "SIGRTMIN+ 1", "SIGRTMIN*1", "RTMIN+1x", "SIG_DFL", 15, None, b"TERM",
])  # fmt: skip
def test_what_is_no_signal(bad):
    with pytest.raises(ValueError, match="not a signal: "):
        sigrec.signal_number(bad)


def test_names():
    assert sigrec.signal_name(signal.SIGRTMIN + 2) == "SIGRTMIN+2"
    assert sigrec.signal_name(signal.SIGRTMIN) == "SIGRTMIN"
    assert sigrec.signal_name(signal.SIGUSR1) == "SIGUSR1"
    assert sigrec.signal_name(33) == "signal 33"
    for bad in (0, 65, -1, True, "10", None, 1.0):
        with pytest.raises(ValueError, match="must be a signal number"):
            sigrec.signal_name(bad)
