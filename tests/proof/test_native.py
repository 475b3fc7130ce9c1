"""A storm on a C program, and proof that the checker can fail; many: python -m tests.proof.native."""

import copy

import pytest

from . import audit, native

AUDIT = audit.possible()
pytestmark = pytest.mark.skipif(not native.POSSIBLE, reason="needs Linux and a C compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return native.built(tmp_path_factory.mktemp("storm"))


def test_a_storm_leaves_the_books_in_order(program, monkeypatch):
    seen, check = [], native.check
    monkeypatch.setattr(native, "check", lambda *args: seen.append(args) or [])
    assert native.play(1, program, AUDIT, bursts=8)[1] == []
    assert check(*seen[0]) == []
    pid, report, ledger, sent, told, events = seen[0]
    number = max(n for n in native.SIGNALS if n in ledger and ledger[n].senders)

    def found(change):
        doctored = copy.copy(ledger[number])
        doctored.senders = list(doctored.senders)
        change(doctored)
        wrong = check(pid, report, {**ledger, number: doctored}, sent, told, events)
        return " ".join(wrong)

    def fewer(name):
        return lambda stats: setattr(stats, name, getattr(stats, name) - 1)

    assert "calls of its handlers" in found(fewer("delivered"))
    assert "does not add up" in found(fewer("recorded"))
    assert "by its record" in found(fewer("sent"))
    if events is not None:
        assert "by the kernel" in found(lambda stats: stats.senders.pop())
        assert "told of" in " ".join(check(pid, report, ledger, sent, told + told, events))
        assert "the kernel queued" in found(fewer("delivered"))


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_more_of_them(program, seed):
    assert native.play(seed, program, AUDIT)[1] == []
