"""Storms by fixed seeds, and proof that the checker can fail."""

import collections
import copy

import pytest

from tests.proof import audit, chaos

AUDIT = audit.possible()
# Audited, free, killed.
SEEDS = [187, 203, 195, 288, 74]
BOOKS = 13  # has every role, all of them audited


@pytest.mark.parametrize(
    "seed", [*SEEDS[:3], *(pytest.param(seed, marks=pytest.mark.long) for seed in SEEDS[3:])]
)
def test_a_storm_leaves_the_books_in_order(seed):
    totals = chaos.Totals()
    wrong = chaos.play(seed, AUDIT, totals)
    assert not wrong, "\n".join(wrong)  # in full: the stacks of a target that hangs are among it
    assert totals["rounds"] == 1
    assert totals["delivered"] > 0
    assert totals["differences"] == 0


def test_a_target_that_has_ended_is_not_told_without_its_reason(tmp_path):
    target = chaos.Target(tmp_path)
    try:
        target.tell("no plan")
        target.process.wait(60)
        with pytest.raises(
            chaos.Failed, match=r'(?s)ended \(1\) before it was told "go".*JSONDecode'
        ):
            target.tell("go")
    finally:
        target.end()


def test_a_third_of_the_plans_can_be_audited_in_full():
    kinds = collections.Counter(chaos.make_plan(seed)["kind"] for seed in range(300))
    assert kinds["audited"] >= 100
    assert kinds["killed"] and kinds["free"]


def test_a_seed_is_a_plan():
    assert chaos.make_plan(5) == chaos.make_plan(5) != chaos.make_plan(6)


@pytest.fixture(scope="module")
def books():
    """What check() gets after an audited round: all of it in order."""
    seen = []
    check, chaos.check = chaos.check, lambda *args, **options: seen.append(args) or []
    try:
        assert chaos.play(BOOKS, AUDIT, chaos.Totals()) == []
    finally:
        chaos.check = check
    assert check(*seen[0]) == []
    return seen[0]


def number_of(books, role):
    plan, ledger = books[:2]
    return next(
        number
        for number, options in plan["signals"].items()
        if options["role"] == role
        and not options["coalesce"]
        and number in ledger
        and number not in plan["broken"]
    )


@pytest.mark.parametrize(
    ("counter", "role", "complaint"),
    [
        ("delivered", "registered", "!= recorded"),
        ("recorded", "registered", "!= recorded"),
        ("handled", "registered", "!= handled"),
        ("handled", "registered", "handler calls"),
        ("delivered", "registered", "+ pending"),
        ("delivered", "stream", "stream had"),
    ],
)
def test_one_signal_fewer_in_the_ledger_is_noticed(books, counter, role, complaint):
    plan, ledger, *rest = books
    number = number_of(books, role)
    doctored = copy.copy(ledger)
    doctored[number] = copy.copy(ledger[number])
    setattr(doctored[number], counter, getattr(ledger[number], counter) - 1)
    found = chaos.check(plan, doctored, *rest)
    assert any(complaint in line for line in found), found
    assert all(line.startswith(f"seed {BOOKS}: ") for line in found)


@pytest.mark.skipif(not AUDIT, reason="signal:signal_generate needs root and perf")
def test_a_signal_that_every_book_of_ours_misses_is_noticed_by_the_kernels(books):
    plan, ledger, report, sent, kernel, streams = books
    number = number_of(books, "recorded")
    doctored = copy.copy(ledger)
    doctored[number] = copy.copy(ledger[number])
    doctored[number].delivered -= 1
    doctored[number].recorded -= 1
    found = chaos.check(plan, doctored, report, None, kernel, streams)
    assert len(found) == 1 and "the kernel queued" in found[0], found


def test_a_killed_target_may_be_off_by_a_signal_a_thread_and_no_more(books):
    plan, ledger = books[:2]
    number = number_of(books, "registered")
    doctored = copy.copy(ledger)
    doctored[number] = copy.copy(ledger[number])
    doctored[number].delivered += 1
    assert chaos.check(plan, doctored, threads=1) == []
    doctored[number].delivered += 1
    assert "killed with 1 threads, 4 off" in chaos.check(plan, doctored, threads=1)[0]


def test_a_handler_that_raised_into_nothing_is_noticed(books):
    plan, ledger, report, *rest = books
    found = chaos.check(plan, ledger, {**report, "raised": report["raised"] + 1}, *rest)
    assert len(found) == 1 and "handlers raised" in found[0]


def test_what_it_sent_and_was_told_of_is_compared():
    """With the kernel's: one of each that its own record has not, and then that has."""
    plan = {"seed": BOOKS, "signals": {}}
    events = [audit.Generated(10, 5, 0, -6, 5), audit.Generated(17, 5, 1, 2, 6)]
    missing = chaos.check_sent(plan, {}, 0, [10], events, {5})
    assert [line.partition(": ")[2] for line in missing] == [
        "SIGUSR1: sent 0 by its own record, the kernel generated 1",
        "told of 0 ends of children, the kernel of 1",
    ]
    ledger = {10: type("Stats", (), {"sent": 1})}
    assert chaos.check_sent(plan, ledger, 1, [10], events, {5}) == []
