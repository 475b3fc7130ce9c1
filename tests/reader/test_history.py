"""Recording.events(): slices by time and signal, piece by piece; and the ring as an array."""

import signal
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

import sigrec
from sigrec._reader.history import PIECE
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from tests.conftest import RT
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder, event

USR1, TERM = int(signal.SIGUSR1), int(signal.SIGTERM)
SECOND = 10**9


def ten():
    """One a second; the odd ones SIGTERM."""
    builder = RecordingBuilder()
    for n in range(10):
        builder.slot(n, event(TERM if n % 2 else USR1, MONOTONIC + n * SECOND, ordinal=n))
    return builder


def ordinals(events):
    return [info.ordinal for info in events]


def test_by_signal():
    recording = Recording(Source(ten().read))
    assert ordinals(recording.events()) == list(range(10))
    assert ordinals(recording.events(TERM)) == [1, 3, 5, 7, 9]
    assert ordinals(recording.events(signal.SIGTERM, USR1)) == list(range(10))
    assert ordinals(recording.events(1)) == []


@pytest.mark.parametrize("form", ["ns", "datetime", "another zone"])
def test_by_time(form):
    recording = Recording(Source(ten().read))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def at(second):
        ns = REALTIME + second * SECOND
        if form == "ns":
            return ns
        when = epoch + timedelta(microseconds=ns // 1000)
        return when if form == "datetime" else when.astimezone(timezone(timedelta(hours=-7)))

    assert ordinals(recording.events(since=at(3))) == [3, 4, 5, 6, 7, 8, 9]  # inclusive
    assert ordinals(recording.events(until=at(3))) == [0, 1, 2]  # exclusive
    assert ordinals(recording.events(TERM, since=at(3), until=at(7))) == [3, 5]
    assert ordinals(recording.events(since=at(100))) == []


def test_bad_arguments():
    recording = Recording(Source(ten().read))
    for bad in (0, 65, -1, True, "SIGTERM", 1.0, None):
        with pytest.raises(ValueError, match=str(bad)):
            recording.events(bad)
    naive = datetime(2026, 1, 1)

    class NoOffset(tzinfo):
        def utcoffset(self, when):
            return None

    for bad in (naive, naive.replace(tzinfo=NoOffset()), True, "now", 1.5):
        for name in ("since", "until"):
            with pytest.raises(ValueError, match=name):
                recording.events(**{name: bad})


def test_pieces_join_without_a_seam():
    capacity = 4 * PIECE
    builder = RecordingBuilder(capacity=capacity)
    for ticket in range(capacity + PIECE // 2):  # wrapped, and not at the border of a piece
        builder.slot(ticket, event(USR1, ordinal=ticket))
    found = ordinals(Recording(Source(builder.read)).events())
    assert found == list(range(PIECE // 2, capacity + PIECE // 2))


def test_what_a_burned_ticket_left_over_comes_first():
    builder = RecordingBuilder(capacity=16)
    for ticket in range(40):
        if ticket != 27:  # found its slot held, and went on: ticket 11's event stays
            builder.slot(ticket, event(USR1, ordinal=ticket))
    assert ordinals(Recording(Source(builder.read)).events()) == [
        11,
        *(n for n in range(24, 40) if n != 27),
    ]


def test_it_ends_where_it_was_when_it_began():
    """And what is overwritten before its turn is left out."""
    capacity = 2 * PIECE
    builder = RecordingBuilder(capacity=capacity)
    for ticket in range(capacity):
        builder.slot(ticket, event(USR1, ordinal=ticket))
    events = Recording(Source(builder.read)).events()
    first = next(events)
    builder.slot(capacity, event(USR1, ordinal=capacity))  # new, over the one that we have
    builder.slot(2 * capacity - 1, event(USR1, ordinal=2 * capacity - 1))  # over the last
    assert [first.ordinal, *ordinals(events)] == list(range(capacity - 1))


def test_memory_does_not_grow_with_the_number_of_events():
    peaks = []
    for capacity in (4 * PIECE, 16 * PIECE):
        builder = RecordingBuilder(capacity=capacity)
        builder.raw[builder.ring_at :] = b"".join(
            (2 * n + 2).to_bytes(8, "little") + event(USR1, ordinal=n) for n in range(capacity)
        )
        recording = Recording(Source(builder.set(head=capacity).read))
        tracemalloc.start()
        assert sum(1 for _ in recording) == capacity
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


# --- as an array -------------------------------------------------------------------------------


@pytest.fixture
def live(child):
    p = child(
        """
        sigrec.configure(history=64)
        sigrec.register(RT, lambda s, f: None)
        for n in range(10): sigqueue(os.getpid(), RT, n)
        settle(RT)
        say("ready")
        while hear() == "more":
            sigqueue(os.getpid(), RT, 4711)
            settle(RT)
            say("done")
        """
    )
    p.line()
    return p


def test_the_ring_is_not_copied_and_read_only(live):
    recording = sigrec.open_recording(live.pid)
    view = recording.ring()
    assert (len(view), view.readonly) == (64 * 64, True)
    before = bytes(view)
    live.tell("more")
    assert live.line() == "done"
    assert bytes(view) != before  # it is the file itself
    recording.close()
    assert bytes(view[:8]) == (2).to_bytes(8, "little")  # and stays valid


def test_numpy(live):
    numpy = pytest.importorskip("numpy")
    recording = sigrec.open_recording(live.pid)
    array = numpy.asarray(recording)
    assert array.shape == (64,) and array.dtype.itemsize == 64
    assert not array.flags.writeable and not array.flags.owndata
    there = array[(array["sequence"] != 0) & (array["sequence"] % 2 == 0)]
    there = there[numpy.argsort(there["sequence"])]
    events = list(recording.events())
    assert there["datum"].tolist() == [info.si_value for info in events] == list(range(10))
    for field in ("si_signo", "si_code", "si_pid", "si_uid", "ordinal", "tid", "monotonic_ns"):
        assert there[field].tolist() == [getattr(info, field) for info in events]
    live.tell("more")
    assert live.line() == "done"
    assert array["datum"][10] == 4711  # no copy
    recording.close()
    assert array["datum"][3] == 3
    again = numpy.asarray(sigrec.open_recording(live.pid))
    assert again["si_signo"].max() == RT


def test_to_tables(live):
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    with sigrec.open_recording(live.pid) as recording:
        frame = pandas.DataFrame(numpy.array(recording))
    frame = frame[(frame.sequence != 0) & (frame.sequence % 2 == 0)].sort_values("sequence")
    assert frame.datum.tolist() == list(range(10))


def test_no_array_of_what_is_not_in_a_file(tmp_path):
    recording = Recording(Source(RecordingBuilder().read))
    with pytest.raises(sigrec.RecordingError, match="not in a file"):
        recording.ring()
    closed = sigrec.open_recording(RecordingBuilder().write(tmp_path / "a.sigrec"))
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        closed.ring()
