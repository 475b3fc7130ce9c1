"""What the reader once got wrong."""

import os
import signal
import subprocess
import sys
import time

import pytest

import sigrec
from sigrec._proc import host
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from sigrec._signals.names import name
from tests.reader.builder import RecordingBuilder, event

USR1 = int(signal.SIGUSR1)


def of_me(**fields):
    """Its event is from this very process, now; so whoever looks in /proc finds a name."""
    now = time.monotonic_ns()
    payload = event(USR1, now, pid=os.getpid(), uid=5)
    builder = RecordingBuilder().slot(0, payload).ledger(USR1, delivered=1, last=payload)
    builder.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
    return builder.anchors((now, time.time_ns())).set(**fields)


def comms(recording):
    (event,) = recording.events()
    stats = recording.signals[USR1]
    return {event.sender.comm, stats.last.sender.comm, *(s.comm for s, _ in stats.senders)}


@pytest.mark.parametrize(
    ("fields", "known"),
    [({}, True), ({"pid_namespace": 1}, False), ({"boot_id": b"another machine's"}, False)],
)
def test_a_sender_elsewhere_is_not_given_the_name_of_a_process_here(tmp_path, fields, known):
    with sigrec.open_recording(of_me(**fields).write(tmp_path / "a.sigrec")) as recording:
        mine = open("/proc/self/comm").read().strip()
        assert comms(recording) == {mine if known else None}


def test_pid_0_is_no_process_whatever_the_uid():
    """kill(2) from outside the PID namespace, by a user whom it maps."""
    sender = sigrec.SignalInfo._make(0, 1, 0, 10, 0, 0, 65534, 0, 0, 0, 0, 0).sender
    assert (sender.kind, sender.pid, sender.uid) == ("unknown", None, 65534)
    assert str(sender) == "an unknown sender (uid 65534)"


def test_a_closed_recording_does_not_read_what_has_its_descriptor_now(tmp_path):
    recording = sigrec.open_recording(RecordingBuilder().write(tmp_path / "a.sigrec"))
    other = RecordingBuilder().slot(0, event(USR1)).write(tmp_path / "b.sigrec")
    recording.close()
    with sigrec.open_recording(other):
        for look in (recording.events, lambda: recording.signals, lambda: recording.argv):
            with pytest.raises(ValueError, match="closed"):
                look()
    recording.close()


def test_a_bad_file_in_one_place_does_not_hide_the_good_one(run_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "sigrec").mkdir(mode=0o700)
    (run_directory / "4242.sigrec").write_bytes(b"junk")
    with pytest.raises(sigrec.RecordingError, match="not a recording"):
        sigrec.open_recording(4242)
    RecordingBuilder().write(tmp_path / "sigrec" / "4242.sigrec")
    with sigrec.open_recording(4242) as recording:
        assert recording.path == str(tmp_path / "sigrec" / "4242.sigrec")


def test_a_sparse_file_is_refused_before_it_is_read():
    """8 GiB of ring that take no disk: three copies of it would be asked for."""
    builder = RecordingBuilder().set(file_size=1 << 33, ring_capacity=1 << 26)
    with pytest.raises(sigrec.RecordingError):
        Recording(Source(builder.read))
    with pytest.raises(sigrec.RecordingError, match="command line"):
        Recording(Source(RecordingBuilder().set(argv_size=4097).read))


def test_a_locale_that_cannot_write_a_command_line(tmp_path):
    path = RecordingBuilder(argv=[b"x" * 200, "日本".encode()]).write(tmp_path / "a.sigrec")
    for encoding in ("latin-1", "ascii"):
        done = subprocess.run(
            [sys.executable, "-m", "sigrec", "stats", path],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_command_line_reads_without_the_core(tmp_path):
    path = RecordingBuilder().write(tmp_path / "a.sigrec")
    program = """
import sys
sys.modules["sigrec._core"] = None
from sigrec.cli import main
sys.exit(main(["stats", sys.argv[1]]))
"""
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_number_below_the_recorded_sigrtmin_has_no_name():
    """musl's SIGRTMIN is 35; on glibc 34 would be called SIGRTMIN, and so would 35."""
    assert name(34, 35) == "signal 34"
