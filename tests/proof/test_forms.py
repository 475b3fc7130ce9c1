"""The kernel agrees in every form; a few of them are in tests/core/test_kernel_audit.py."""

import pytest

from .audit import possible
from .forms import FORMS, INTAKES, SIGNALS, Receiver, play

pytestmark = pytest.mark.skipif(not possible(), reason="needs root and perf")


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_the_kernel_agrees(form):
    said, wrong = play(form, INTAKES[form][-1], SIGNALS[0], 5000)
    assert not wrong, said


def test_one_signal_fewer_anywhere_is_noticed():
    receiver = Receiver.__new__(Receiver)
    receiver.form, receiver.intake, receiver.taken = "main", "thread", 1
    receiver.number = SIGNALS[0]
    right = {"delivered": 9, "recorded": 9, "handled": 9, "pending": 0, "given": 9}
    assert receiver.wrong(9, right) == []
    for name, value in {**right, "pending": 2}.items():
        assert receiver.wrong(9, {**right, name: value - 1}) != []
    assert receiver.wrong(10, right) != []
    receiver.taken = 0
    assert receiver.wrong(9, right) == ["the intake thread has taken none"]
