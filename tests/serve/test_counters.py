"""Names, births and bounds of what is counted."""

import pytest

from sigrec._serve.counters import FAMILIES, MOST_SERIES, OTHER, Counters
from sigrec._serve.programs import program

DELIVERED, ENDINGS = "sigrec_signals_delivered", "sigrec_process_endings"
PYTHON = "/usr/bin/python3.11"


@pytest.mark.parametrize(
    "argv, executable, name",
    [
        (["python3", "/srv/app/worker.py", "--password=hunter2"], PYTHON, "worker.py"),
        (["/usr/bin/python3", "-m", "celery", "worker"], PYTHON, "celery"),
        (["python3", "-Im", "celery"], PYTHON, "celery"),
        (["python3", "--", "-a.py"], PYTHON, "-a.py"),
        (["python3", "-mcelery"], PYTHON, "celery"),
        (["python3", "-W", "error", "-X", "dev", "a.py"], PYTHON, "a.py"),
        (["python3", "-Wd", "--check-hash-based-pycs", "always", "a.py"], PYTHON, "a.py"),
        (["python3", "-c", "secret = 1"], PYTHON, "python3.11"),
        (["python3", "-Bc", "secret = 1"], PYTHON, "python3.11"),
        (["python3", "-"], PYTHON, "python3.11"),
        (["python3"], PYTHON, "python3.11"),
        (["python3", "/srv/app/__main__.py"], PYTHON, "app"),
        (["python3", "/srv/app/"], PYTHON, "app"),
        (["gunicorn: master [secret]"], PYTHON, "python3.11"),
        (["python3", "/venv/bin/gunicorn", "app:app"], PYTHON, "gunicorn"),
        (["sleep", "1000"], "/usr/bin/sleep", "sleep"),
        (["nginx: worker process"], "/usr/sbin/nginx", "nginx"),
        (["/usr/sbin/nginx"], "", "nginx"),
        (["python3", "w.py"], "", "w.py"),
        ([], "", "unknown"),
        (["a\nb\x1b[31m"], "", "a\\nb\\x1b[31m"),
        (["x" * 200], "", "x" * 63 + "…"),
        (["\udcff"], "", "�"),
    ],
)
def test_a_program_has_its_executable_or_its_module_as_a_name(argv, executable, name):
    assert program(argv, executable) == name


def test_a_counter_shows_0_for_a_while_for_every_scraper():
    counters = Counters(settle=120)
    counters.add(DELIVERED, ("a", "SIGUSR1"), 5, now=1000)
    assert counters.shown(1119.9)[DELIVERED] == {("a", "SIGUSR1"): 0}
    assert counters.shown(1120)[DELIVERED] == {("a", "SIGUSR1"): 5}
    # The clock was set back: what was seen does not fall.
    assert counters.shown(500)[DELIVERED] == {("a", "SIGUSR1"): 5}


def test_the_birth_is_kept():
    counters, again = Counters(120), Counters(120)
    counters.add(DELIVERED, ("a", "SIGUSR1"), 5, now=1000)
    counters.program("a"), counters.sender("bash")
    again.restore(counters.to_dict())
    assert again.shown(1100)[DELIVERED] == {("a", "SIGUSR1"): 0}
    assert again.shown(1120)[DELIVERED] == {("a", "SIGUSR1"): 5}
    assert again.to_dict() == {**counters.to_dict(), "series": again.to_dict()["series"]}


def test_200_programs_have_a_place_and_20_senders():
    counters = Counters(0)
    names = [counters.program(f"p{n}") for n in range(300)]
    assert names == [f"p{n}" for n in range(200)] + [OTHER] * 100
    assert [counters.sender(f"s{n}") for n in range(30)][19:] == ["s19"] + [OTHER] * 10
    assert counters.program("p7") == "p7"


def test_programs_that_are_asked_for_find_a_place():
    counters = Counters(0)
    others = [counters.program(f"o{n}", asked_for=False) for n in range(200)]
    assert others.count(OTHER) == 50
    assert [counters.program(f"w{n}") for n in range(60)] == [f"w{n}" for n in range(50)] + [
        OTHER
    ] * 10


def test_10000_series_and_nothing_is_lost():
    counters = Counters(0)
    for n in range(200):
        name = counters.program(f"p{n}")
        for signum in range(1, 65):
            counters.add(DELIVERED, (name, str(signum)), 2, 0)
        for cause in range(1, 65):
            counters.add(ENDINGS, (name, str(cause), f"s{cause % 20}"), 1, 0)
    shown = counters.shown(0)
    assert sum(map(len, shown.values())) <= MOST_SERIES
    assert sum(shown[DELIVERED].values()) == 200 * 64 * 2
    assert sum(shown[ENDINGS].values()) == 200 * 64
    assert (OTHER, "64") in shown[DELIVERED]


def test_what_is_not_of_to_dict_is_refused():
    for kept in ({}, {"programs": [], "senders": [], "series": {DELIVERED: [["a", 1, 0]]}}):
        with pytest.raises((ValueError, KeyError)):
            Counters(0).restore(kept)
    assert set(Counters(0).to_dict()["series"]) == set(FAMILIES)
