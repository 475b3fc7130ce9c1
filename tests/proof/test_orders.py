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


@pytest.fixture(scope="module")
def short_models(tmp_path_factory):
    """Two that are quickly done; all of them are among the long tests."""
    return orders.build_all(SHORT, tmp_path_factory.mktemp("orders"), "-O0")


SHORT = ["trip", "wake"]


@needs_relacy
@pytest.mark.parametrize("model", SHORT)
def test_model_holds_in_some_executions(model, short_models):
    """Each one weakened is found in so few."""
    for schedule in (("bound", 10**9, 1), ("random", 5000)):
        held, said = orders.run(short_models, *schedule, model=model)
        assert held, said


@needs_relacy
@pytest.mark.long
@pytest.mark.parametrize("model", orders.MODELS)
def test_model_holds(model, tmp_path):
    program = orders.build(model, tmp_path)
    held, said = orders.run(program, "bound", 10**9, switches=1)
    assert held, said
    held, said = orders.run(program, "random", 20_000)
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
