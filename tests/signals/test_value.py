"""Objects that hold what was read: equal by it, and they go through pickle and copy."""

import copy
import multiprocessing
import os
import pickle
import signal

import pytest

import sigrec
from sigrec._signals.siginfo import SignalInfoFromElsewhere


def taken():
    """One of each, of real signals."""
    got = []
    with sigrec.register(signal.SIGUSR1, lambda s, info, f: got.append(info), siginfo=True):
        os.kill(os.getpid(), signal.SIGUSR1)
        ledger = sigrec.stats()
        # By its path: an earlier test may have begun it, in a directory of its own.
        with sigrec.open_recording(ledger.processes[0].path) as recording:
            read = list(recording.events(signal.SIGUSR1))[-1]
    return {
        "SignalInfo": got[0],
        "SignalInfo of a recording": read,
        "Sender": read.sender,
        "Missed": sigrec.Missed(10, 3),
        "SignalStats": ledger[signal.SIGUSR1],
        "ProcessStats": ledger.processes[0],
        "Stats": ledger,
    }


@pytest.fixture(scope="module")
def values():
    return taken()


NAMES = ["SignalInfo", "SignalInfo of a recording", "Sender", "Missed", "SignalStats", "ProcessStats", "Stats"]  # fmt: skip
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n))
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


def public(value):
    names = (name for name in dir(value) if not name.startswith("_"))
    return {name: v for name in names if not callable(v := getattr(value, name))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_round_trip(values, name, way):
    value = values[name]
    again = WAYS[way](value)
    assert type(again) is type(value)
    assert again == value
    assert hash(again) == hash(value)
    assert repr(again) == repr(value)
    assert public(again) == public(value)


def test_others_are_not_equal():
    one, other = taken(), taken()
    for name in NAMES:
        if name not in ("Sender", "Missed"):
            assert one[name] != other[name], name
        assert one[name] != "something else"
    assert sigrec.Missed(10, 3) != sigrec.Missed(10, 4)
    assert sigrec.Sender("process", 1, 0) != sigrec.Sender("process", 2, 0)


def test_what_is_immutable_stays_so(values):
    for name in ("SignalInfo", "Sender"):
        for again in (values[name], copy.copy(values[name])):
            for attribute in public(again):
                with pytest.raises(AttributeError):
                    setattr(again, attribute, 1)


def _check(pipe):
    info = pipe.recv()
    pipe.send((info, info.sender.pid, info.sender.comm))


def test_to_a_process_that_is_spawned_and_back(values):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_check, args=(theirs,))
    process.start()
    value = values["SignalInfo of a recording"]
    ours.send(value)
    assert ours.recv() == (value, os.getpid(), value.sender.comm)
    process.join()
    assert process.exitcode == 0


def test_on_another_machine_its_pid_is_somebody_else(values, monkeypatch):
    value = values["SignalInfo"]
    assert value.sender.argv is not None
    pickled = pickle.dumps(value)
    from sigrec._proc import host

    monkeypatch.setattr(host, "boot_id", lambda: "another")
    there = pickle.loads(pickled)
    assert type(there) is SignalInfoFromElsewhere
    assert there == value and there.sender.pid == os.getpid() and there.sender.argv is None
    assert type(pickle.loads(pickle.dumps(there))) is SignalInfoFromElsewhere
