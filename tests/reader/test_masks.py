"""What the threads of a process blocked, as a file says it: docs/reference/format.md."""

import pickle
import signal

import pytest

import sigrec
from sigrec._why.masks import blocked, lines
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder

USR1, TERM, HUP = signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP
TENTH = 10**8
FORKED, THREAD, PROCESS, SYSTEM_V = 2, 3, 4, 5


def bits(*signums):
    return sum(1 << n - 1 for n in signums)


ALL = bits(*range(1, 65))


def test_who_blocked_what_and_when(built):
    builder = RecordingBuilder().site(3, b"/srv/app.py", 12).site(7, b"/usr/lib/libfoo.so.1")
    builder.mask(TERM, 0, 1, THREAD, 3, mask=bits(TERM, HUP))
    builder.mask(TERM, 5, 0, PROCESS, 7, MONOTONIC + TENTH, tid=0, main=False)
    recording = built(builder)
    one, other = recording.masks()
    assert (one.si_signo, one.signal_name, one.blocked, one.main_thread, one.how, one.ordinal) == (
        TERM, "SIGTERM", True, True, "pthread_sigmask", 0,
    )  # fmt: skip
    assert (one.file, one.line, one.library, one.by) == ("/srv/app.py", 12, None, "app.py:12")
    assert (one.tid, one.mask) == (4242, {TERM, HUP})
    assert (one.time_ns, one.monotonic_ns) == (REALTIME, MONOTONIC)
    assert one.time.timestamp() == REALTIME // 1000 / 10**6
    assert (other.blocked, other.main_thread, other.tid, other.by) == (
        False,
        False,
        None,
        "libfoo.so.1",
    )
    assert (other.how, other.ordinal) == ("sigprocmask", 5)
    assert pickle.loads(pickle.dumps(one)) == one != other
    assert "SIGTERM blocked by app.py:12" in repr(one)
    assert recording.masks(HUP) == []
    with pytest.raises(ValueError, match="0"):
        recording.masks(0)
    (said,) = sigrec.open_recording(recording.path).masks(TERM)[:1]
    assert said == one


def test_of_each_signal_the_newest_four_of_the_main_thread_and_of_the_others(built):
    builder = RecordingBuilder().mask(HUP, 0)
    for ordinal in range(20):
        builder.mask(USR1, ordinal, ordinal % 2, monotonic_ns=MONOTONIC + ordinal)
        builder.mask(USR1, ordinal, ordinal % 2, monotonic_ns=MONOTONIC + ordinal, main=False)
    found = built(builder).masks()
    for main in (True, False):
        of = [one.ordinal for one in found if one.si_signo == USR1 and one.main_thread is main]
        assert of == [16, 17, 18, 19]
    assert [one.ordinal for one in found if one.si_signo == HUP] == [0]


def test_what_is_not_whole_is_left_out(built):
    builder = RecordingBuilder().mask(USR1, 0).mask(TERM, 0, sequence=1).mask(HUP, 4, sequence=2)
    assert [one.si_signo for one in built(builder).masks()] == [USR1]


def test_an_older_recording_has_none(built):
    assert built(RecordingBuilder(version=2)).masks() == []
    assert built(RecordingBuilder().mask(TERM, 0).set(sections_count=11)).masks() == []


def clock(time_ns):
    return f"T+{(time_ns - REALTIME) // TENTH}"


@pytest.mark.parametrize(
    ("changes", "at_first", "said"),
    [
        ([(TERM, 1, 1, bits(TERM))], 0, ["SIGTERM: blocked by app.py:12 since T+0"]),
        ([(TERM, 1, 0, bits(TERM))], 0, ["SIGTERM: blocked since T+0"]),
        ([(TERM, 1, 1, bits(TERM)), (TERM, 0, 1, 0)], bits(TERM), []),
        ([(TERM, 1, 1, bits(TERM)), (HUP, 1, 1, bits(TERM, HUP))], bits(USR1),
         ["SIGHUP: blocked by app.py:12 since T+1",
          "SIGUSR1: blocked since before its recording began",
          "SIGTERM: blocked by app.py:12 since T+0"]),
        # All for a while, and then what was blocked before.
        ([(TERM, 1, 1, bits(TERM)), (0, 1, 2, ALL), (0, 0, 2, bits(TERM, USR1))], bits(USR1),
         ["SIGUSR1: blocked since before its recording began", "SIGTERM: blocked by app.py:12 since T+0"]),
        # All, and nothing else.
        ([(TERM, 1, 1, bits(TERM)), (TERM, 0, 1, 0), (0, 1, 2, ALL)], 0,
         ["nearly all signals: blocked by framework.py:8 since T+2"]),
        # All, and one of them let in again.
        ([(0, 1, 2, ALL), (TERM, 0, 1, ALL & ~bits(TERM))], 0,
         ["nearly all signals: blocked by framework.py:8 since T+0"]),
        # All, and let in all, which lets in that as well.
        ([(TERM, 1, 1, bits(TERM)), (0, 1, 2, ALL), (0, 0, 2, 0)], 0, []),
    ],
)  # fmt: skip
def test_what_is_blocked_now(built, changes, at_first, said):
    builder = RecordingBuilder().identity(blocked=at_first)
    builder.site(1, b"/srv/app.py", 12).site(2, b"/x/framework.py", 8)
    count = {}
    for n, (signum, blocks, site, mask) in enumerate(changes):
        ordinal = count[signum] = count.get(signum, -1) + 1
        builder.mask(
            signum, ordinal, blocks, site=site, monotonic_ns=MONOTONIC + n * TENTH, mask=mask
        )
        builder.mask(signum, ordinal, 1, site=2, main=False)  # another thread's are its own
    recording = built(builder)
    found = blocked(recording.masks(), recording._identity.blocked)
    assert lines(found, clock) == said
    assert (TERM in found) == any(
        "SIGTERM" in one or ("all" in one and changes[-1][0] == 0) for one in said
    )


def test_in_its_parent_and_by_a_hostile_name(built):
    builder = (
        RecordingBuilder().site(1, b"\x1b[31m.so").mask(TERM, 0, 1, FORKED, 1, mask=bits(TERM))
    )
    (line,) = lines(blocked(built(builder).masks()), clock)
    assert line == r"SIGTERM: blocked by \x1b[31m.so, in its parent, since T+0"
