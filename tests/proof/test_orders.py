"""Memory orders: litmus tests and models; longer: python -m tests.proof.orders."""

import pytest

from . import litmus, orders

# What no litmus test shows, a model must.
NOT_IN_LITMUS = [
    place
    for place in orders.all_places()
    if (place.file, place.line) not in orders.shown_by_litmus()
]


@pytest.mark.parametrize("name, verdict, threads", litmus.KNOWN, ids=lambda v: str(v)[:30])
def test_the_axioms(name, verdict, threads):
    assert litmus.allowed(litmus.Litmus(name, "", threads)) == verdict


@pytest.mark.parametrize("test", litmus.LITMUS, ids=lambda test: test.name)
def test_litmus_holds_and_needs_each_order(test):
    assert litmus.check(test) == []


needs_relacy = pytest.mark.skipif(
    not orders.POSSIBLE, reason="needs Relacy (Debian: relacy-dev) and a C++ compiler"
)


# What the compiler takes is most of the time. These four have every order in them; each one
# weakened is found in so few executions.
SHORT = [("-O0", 5000, model) for model in orders.MODELS if model != "dispatch"]
LONG = [pytest.param("-O1", 20_000, m, marks=pytest.mark.long) for m in orders.MODELS]


@needs_relacy
@pytest.mark.parametrize("optimize, executions, model", [*SHORT, *LONG])
def test_model_holds(model, optimize, executions, tmp_path):
    program = orders.build(model, tmp_path, None, optimize)
    held, said = orders.run(program, "bound", 10**9, switches=1)
    assert held, said
    held, said = orders.run(program, "random", executions)
    assert held, said


@needs_relacy
@pytest.mark.long
@pytest.mark.parametrize("place", NOT_IN_LITMUS, ids=lambda p: f"{p.file}:{p.line}")
def test_each_order_is_needed(place, tmp_path):
    for model in [m for m, files in orders.MODELS.items() if place.file in files]:
        held, said = orders.run(orders.build(model, tmp_path, place, "-O0"), "random", 100_000)
        if not held:
            return
    raise AssertionError(f"every model holds without it: {place}")
