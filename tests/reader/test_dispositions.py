"""What a process had its signals do, as a file says it: docs/reference/format.md."""

import pickle
import signal

import pytest

from sigrec._why.dispositions import lines, words
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder

USR1, TERM, HUP = signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP
IGNORE, HANDLER, OURS = 1, 2, 3
BEFORE, INHERITED, FORKED, SIGACTION, SIGNAL, REGISTER, RESET = range(7)
TENTH = 10**8


def test_who_set_what_and_when(built):
    builder = RecordingBuilder().site(3, b"/srv/app.py", 12).site(7, b"/usr/lib/libfoo.so.1")
    builder.disposition(USR1, 0, HANDLER, SIGACTION, 3, MONOTONIC, flags=0x8000000)
    builder.disposition(TERM, 0, IGNORE, SIGNAL, 7, MONOTONIC + TENTH)
    one, other = built(builder).dispositions()
    assert (one.si_signo, one.signal_name, one.action, one.how, one.ordinal) == (
        USR1, "SIGUSR1", "handler", "sigaction", 0,
    )  # fmt: skip
    assert (one.file, one.line, one.library, one.by) == ("/srv/app.py", 12, None, "app.py:12")
    assert (one.flags, one.time_ns, one.monotonic_ns) == (0x8000000, REALTIME, MONOTONIC)
    assert one.time.timestamp() == REALTIME // 1000 / 10**6
    assert (other.file, other.line, other.by) == (None, None, "libfoo.so.1")
    assert (other.action, other.how, other.library) == (
        "ignore", "signal", "/usr/lib/libfoo.so.1",
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(one)) == one != other
    assert built(builder).dispositions(TERM) == [other]
    with pytest.raises(ValueError, match="0"):
        built(builder).dispositions(0)


def test_of_each_signal_the_newest_eight(built):
    builder = RecordingBuilder()
    for ordinal in range(20):
        builder.disposition(USR1, ordinal, HANDLER, site=0, monotonic_ns=MONOTONIC + ordinal)
    builder.disposition(TERM, 0, HANDLER)
    found = built(builder).dispositions()
    assert [one.ordinal for one in found if one.si_signo == USR1] == list(range(12, 20))
    assert [one.ordinal for one in found if one.si_signo == TERM] == [0]


def test_what_is_not_whole_is_left_out(built):
    builder = RecordingBuilder().site(1, b"half", 1, whole=0)
    builder.disposition(USR1, 0, HANDLER, site=1)  # its call site is not there yet
    builder.disposition(TERM, 0, sequence=1)  # being written
    builder.disposition(HUP, 8, sequence=2)  # of another lap
    (one,) = built(builder).dispositions()
    assert (one.si_signo, one.by) == (USR1, None)


def test_the_program_itself_and_a_package(built):
    builder = RecordingBuilder().identity(executable=b"/usr/bin/server").site(1, b"")
    builder.site(2, b"/lib/python3/frame/__init__.py", 8)
    builder.disposition(USR1, 0, HANDLER, site=1).disposition(TERM, 0, HANDLER, site=2)
    assert [one.by for one in built(builder).dispositions()] == ["server", "frame/__init__.py:8"]


def test_an_older_recording_has_none(built):
    assert built(RecordingBuilder(version=2)).dispositions() == []
    assert built(RecordingBuilder().set(sections_count=9)).dispositions() == []
    builder = RecordingBuilder().disposition(USR1, 0, HANDLER, site=3).set(sections_count=10)
    assert [one.by for one in built(builder).dispositions()] == [None]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(HANDLER, SIGACTION, 1)], "handler set by app.py:12"),
        ([(HANDLER, SIGACTION, 0)], "handler set"),
        ([(OURS, REGISTER, 1)], "registered with sigrec by app.py:12"),
        ([(HANDLER, SIGACTION, 1), (HANDLER, SIGACTION, 2)],
         "handler set by app.py:12, replaced 0.1 s later by framework.py:8"),
        ([(HANDLER, SIGACTION, 1), (0, SIGACTION, 2)],
         "handler set by app.py:12, set to its default 0.1 s later by framework.py:8"),
        ([(HANDLER, SIGACTION, 1), (IGNORE, SIGNAL, 2), (HANDLER, SIGNAL, 1)],
         "set to be ignored by framework.py:8, handler set 0.1 s later by app.py:12 "
         "(after 1 other change)"),
        ([(IGNORE, INHERITED, 0)], "ignored since the start: by whoever started it"),
        ([(HANDLER, FORKED, 1)], "handler set by app.py:12, in its parent"),
        ([(HANDLER, SIGNAL, 1), (0, RESET, 0)],
         "handler set by app.py:12, and set to its default 0.1 s later, as it came (SA_RESETHAND)"),
        ([(HANDLER, BEFORE, 3)], "a handler of libfoo.so.1 since before its recording began"),
        ([(IGNORE, BEFORE, 0)], "ignored since before its recording began"),
        ([(9, 9, 1)], "action 9 by app.py:12"),
    ],
)  # fmt: skip
def test_in_words(built, changes, said):
    builder = RecordingBuilder().site(1, b"/srv/app.py", 12).site(2, b"/x/framework.py", 8)
    builder.site(3, b"/usr/lib/libfoo.so.1")
    for ordinal, (action, how, site) in enumerate(changes):
        builder.disposition(TERM, ordinal, action, how, site, MONOTONIC + ordinal * TENTH)
    assert words(built(builder).dispositions()) == said


def test_lines(built):
    builder = RecordingBuilder().disposition(HUP, 0, IGNORE, INHERITED)
    builder.disposition(signal.SIGPIPE, 0, IGNORE, BEFORE)  # Python's own: nothing to say
    builder.site(1, b"/srv/app.py", 12).site(2, b"\x1b[31m.so")
    builder.disposition(USR1, 0, HANDLER, site=1).disposition(TERM, 0, HANDLER, site=1)
    builder.disposition(signal.SIGALRM, 0, HANDLER, site=2)
    assert lines(built(builder).dispositions()) == [
        "SIGHUP: ignored since the start: nohup, or another that started it",
        "SIGUSR1, SIGTERM: handler set by app.py:12",
        "SIGALRM: handler set by \\x1b[31m.so",
    ]
