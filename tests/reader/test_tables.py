"""to_arrow() and to_pandas(): what events() gives, in columns."""

import signal
import sys

import pytest

import sigrec
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from tests.reader.builder import RecordingBuilder, event

CHLD, SEGV, IO, USR1 = signal.SIGCHLD, signal.SIGSEGV, signal.SIGIO, signal.SIGUSR1
RT = 36

# One of each kind of si_code: by kill, by an unknown sender, by tgkill, sigqueue, a timer, a key, a child,
# a fault, a fault by kill, SIGIO in both forms.
EVENTS = [
    (USR1, {"code": 0, "pid": 7, "uid": 1000}), (USR1, {"code": 0}), (USR1, {"code": -6, "pid": 7}),
    (RT, {"code": -1, "pid": 7, "datum": (1 << 64) - 5}), (RT, {"code": -2, "datum": 9, "detail": 3, "timerid": 2}),
    (signal.SIGINT, {"code": 0x80}), (CHLD, {"code": 1, "pid": 8, "uid": 5, "detail": 3}), (CHLD, {"code": 0, "pid": 8}),
    (SEGV, {"code": 1, "datum": 0xDEAD}), (SEGV, {"code": 0, "pid": 7}),
    (IO, {"code": 1, "datum": 65, "detail": 4}), (IO, {"code": -5, "datum": 65, "detail": 4}),
]  # fmt: skip


def recording_of(events):
    builder = RecordingBuilder(capacity=64)
    for n, (signum, fields) in enumerate(events):
        builder.slot(n, event(signum, ordinal=n, monotonic_ns=1000 + n, **fields))
    return Recording(Source(builder.set(head=len(events)).read))


@pytest.mark.long
@pytest.mark.parametrize("count", [len(EVENTS), 0])
def test_the_columns_say_what_the_objects_say(count):
    pytest.importorskip("pyarrow")
    recording = recording_of(EVENTS[:count])
    rows = recording.to_arrow().to_pylist()
    objects = [info.to_dict() for info in recording.events()]
    assert len(rows) == len(objects) == count
    for row, wanted in zip(rows, objects, strict=True):
        assert row.pop("time").timestamp() == pytest.approx(wanted["time_ns"] / 1e9, abs=1e-5)
        assert row.pop("sender_kind") == wanted["sender"]["kind"]
        assert row.pop("sender_comm") == wanted["sender"]["comm"]
        assert row == {name: wanted[name] for name in row}


@pytest.mark.long
def test_what_is_asked_for():
    pytest.importorskip("pyarrow")
    recording = recording_of(EVENTS)
    assert set(recording.to_arrow(CHLD, RT)["si_signo"].to_pylist()) == {CHLD, RT}
    with pytest.raises(ValueError, match="signum"):
        recording.to_arrow(70)


@pytest.mark.long
def test_integers_stay_integers_in_pandas():
    pytest.importorskip("pandas")
    frame = recording_of(EVENTS).to_pandas()
    assert str(frame["si_value"].dtype) == "Int64" and len(frame) == len(EVENTS)
    assert frame["si_value"].dropna().tolist() == [-5, 9]


@pytest.mark.parametrize("missing", ["numpy", "pyarrow"])
def test_what_is_not_installed_is_said(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        sigrec.SigrecError, match=r"is not installed: pip install 'sigrec\[arrow\]'"
    ):
        recording_of(EVENTS).to_arrow()
