"""Litmus tests: the memory orders that no schedule of a model can show, under the C11 axioms.

    python -m tests.proof.litmus

A model (orders.py) executes the program, and so a load never sees a store that comes later. The
language allows more. Here each test is one candidate execution, a few events with the values that
are read, which must not be allowed; it is checked against the axioms (Lahav et al., "Repairing
sequential consistency in C/C++11", PLDI 2017, without their rule against load buffering, since
C11 has none). The orders are looked up in the sources, by tags, so that changing one there changes the
test; and each of them, weakened to relaxed, must make the execution allowed.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from . import tags

ORDER = r"memory_order_(relaxed|acquire|release|acq_rel|seq_cst)"


class Place(NamedTuple):
    """The first memory order after a tag."""

    tag: str

    def _find(self) -> tuple[str, int]:
        path, offset = tags.find(self.tag)
        source = path.read_text()
        match = re.compile(ORDER).search(source, offset)
        assert match
        return match[1], source.count("\n", 0, match.start()) + 1

    @property
    def file(self) -> str:
        return tags.find(self.tag).path.name

    @property
    def order(self) -> str:
        return self._find()[0]

    @property
    def line(self) -> int:
        return self._find()[1]


Order = Place | str


class Event(NamedTuple):
    kind: str  # W, R, U (read-modify-write), F
    location: str
    read: int | None
    written: int | None
    order: Order


def write(location: str, value: int, order: Order = "relaxed") -> Event:
    return Event("W", location, None, value, order)


def read(location: str, value: int, order: Order = "relaxed") -> Event:
    return Event("R", location, value, None, order)


def update(location: str, old: int, new: int, order: Order = "relaxed") -> Event:
    return Event("U", location, old, new, order)


def fence(order: Order) -> Event:
    return Event("F", "", None, None, order)


class Litmus(NamedTuple):
    name: str
    wrong: str  # what would be so
    threads: list[list[Event]]


def message(name: str, wrong: str, release: Order, acquire: Order) -> Litmus:
    """Data, and a flag that says that it is there: seen, and the data not."""
    return Litmus(name, wrong, [
        [write("data", 1), write("flag", 1, release)],
        [read("flag", 1, acquire), read("data", 0)],
    ])  # fmt: skip


def torn(name: str, wrong: str, claim: Order, fence_w: Order, publish: Order, first: Order,
         fence_r: Order) -> Litmus:  # fmt: skip
    """A reader looks at the sequence, at the payload, and at the sequence again, while the
    payload of the next one is already written."""
    return Litmus(name, wrong, [
        [write("word", 1), write("sequence", 2, publish)],
        [update("sequence", 2, 3, claim), fence(fence_w), write("word", 2)],
        [read("sequence", 2, first), read("word", 2), fence(fence_r), read("sequence", 2)],
    ])  # fmt: skip


def unpublished(name: str, wrong: str, publish: Order, first: Order) -> Litmus:
    """A published sequence is seen, and not the payload."""
    return Litmus(name, wrong, [
        [write("word", 1), write("sequence", 2, publish)],
        [read("sequence", 2, first), read("word", 0)],
    ])  # fmt: skip


def overtaken(name: str, wrong: str, release: Order, claim: Order, publish: Order,
              first: Order) -> Litmus:  # fmt: skip
    """Two write the same slot, one after the other, and the first one's payload comes last."""
    return Litmus(name, wrong, [
        [write("word", 1), write("sequence", 2, release)],
        [update("sequence", 2, 3, claim), write("word", 2), write("sequence", 4, publish)],
        [read("sequence", 4, first), read("word", 1)],
    ])  # fmt: skip


RING_CLAIM = Place("ring-claim")
RING_FREE = Place("ring-free")
KEEP_CLAIM = Place("keep-claim")
KEEP_FENCE = Place("keep-fence")
KEEP_PUBLISH = Place("keep-publish")
KEEP_LOOK = Place("keep-look")
KEEP_READ_FENCE = Place("keep-read-fence")
ACTION_LOOK = Place("action-look")
ACTION_FENCE = Place("action-fence")
ACTION_CLAIM = Place("action-claim")
ACTION_CLAIM_FENCE = Place("action-claim-fence")
ACTION_LET_GO = Place("action-let-go")
ACTION_CURRENT = Place("action-current")
ACTION_REPLACE = Place("action-replace")
# The reader of a recording is CPython: it has no fence, and hundreds of instructions between
# two reads. What it is given is ordered; that it sees it in order is not proven here.
READER = "acquire"

LITMUS = [
    Litmus(
        "a slot is free only when the consumer has read it",
        "the consumer reads what the next lap writes there", [
            [read("word", 2), write("tail", 1, Place("ring-consume"))],
            [read("tail", 1, Place("ring-tail-look")), write("word", 2)],
        ],
    ),
    overtaken("a late producer sets its slot free", "its payload overtakes the next one's",
              RING_FREE, RING_CLAIM, Place("ring-publish"), Place("ring-peek")),
    unpublished("the ledger's last event", "its sequence is there, and its payload is not",
                KEEP_PUBLISH, KEEP_LOOK),
    torn("the ledger's last event, written over while it is read",
         "half of the next event is taken for this one",
         "relaxed", KEEP_FENCE, "release", "acquire", KEEP_READ_FENCE),
    overtaken("the ledger's last event, by two threads", "the older payload overtakes the newer",
              KEEP_PUBLISH, KEEP_CLAIM, KEEP_PUBLISH, KEEP_LOOK),
    unpublished("the program's action", "it is current, and its words are not there",
                ACTION_CURRENT, ACTION_LOOK),
    unpublished("the program's action, replaced", "it is current, and its words are not there",
                ACTION_REPLACE, ACTION_LOOK),
    # It was current when the reader looked; then another was, and its slot is claimed.
    Litmus(
        "an action is not written over while it is read", "words of the next action are read", [
            [update("current", 1, 2, "release")],
            [read("current", 2), fence(ACTION_CLAIM_FENCE), write("word", 9)],
            [read("current", 1, "acquire"), read("word", 9), fence(ACTION_FENCE),
             read("current", 1)],
        ],
    ),
    Litmus(
        "the current action is not written over", "it is claimed as free", [
            [update("current", 1, 2, "release"), update("busy", 5, 6, ACTION_LET_GO)],
            [update("busy", 6, 7, ACTION_CLAIM), read("current", 1)],
        ],
    ),
    Litmus(
        "one writer after the other has a slot of actions",
        "the words of the one before come last", [
            [write("word", 1), update("busy", 5, 6, ACTION_LET_GO)],
            [update("busy", 6, 7, ACTION_CLAIM), write("word", 2),
             write("current", 1, ACTION_CURRENT)],
            [read("current", 1, ACTION_LOOK), read("word", 1)],
        ],
    ),
    message("a registered signal's queue", "the handler sees the mode, and no queue",
            Place("install-mode"), Place("handler-mode")),
    message("a registered signal's queue, again", "a signal that was only recorded until now has none",
            Place("install-mode"), Place("registered-look")),
    message("what was below a signal that is not registered any more",
            "the handler passes on to what is not there yet",
            Place("registry-release"), Place("handler-mode")),
    Litmus(
        "one writer of anchors after the other", "the second writes over the first", [
            [update("busy", 0, 1), write("count", 1),
             write("busy", 2, Place("anchoring-ends"))],
            [update("busy", 2, 3, Place("anchoring-begins")), read("count", 0)],
        ],
    ),
    message("the process's recording", "the handler has it, and it is not complete",
            Place("recording-adopt"), Place("recording-look")),
    Litmus(
        "what was tripped for", "who takes the trip back does not see it", [
            [write("work", 1), update("flag", 0, 1, Place("trip-made"))],
            [update("flag", 1, 0), fence(Place("trip-look")), read("work", 0)],
        ],
    ),
    message("an event of the backlog", "it is counted, and its words are not there",
            Place("backlog-count"), "acquire"),
    Litmus(
        "one after the other puts into the backlog", "the second writes over the first", [
            [update("putting", 0, 1), write("used", 1), write("putting", 2, Place("backlog-left"))],
            [update("putting", 2, 3, "acquire"), read("used", 0)],
        ],
    ),
    message("a recorded signal's action", "the bit is there, and the action is not",
            Place("watched-set"), Place("watched-look")),
    torn("who asked it to end, written over while it is read", "half of the next one is taken for this",
         "relaxed", Place("asker-fence"), "release", READER, "acquire"),
    unpublished("who asked it to end", "its sequence is there, and the rest is not",
                Place("asker-publish"), READER),
    Litmus(
        "one writer of who asked after the other", "the second writes over the first", [
            [update("asking", 0, 1), write("count", 1), write("asking", 2, Place("asking-ends"))],
            [update("asking", 2, 3, Place("asking-begins")), read("count", 0)],
        ],
    ),
    message("a mapped object", "an address in it is found, and its name is not",
            Place("object-whole"), Place("object-look")),
    message("a call site, by another thread", "it is whole, and its text is not there",
            Place("site-whole"), Place("site-look")),
    message("a call site, by a reader", "it is whole, and its text is not there",
            Place("site-copied"), READER),
    message("that another handler runs", "a reader has its time with the signal of the one before",
            Place("handling-time"), READER),
    message("since when a handler runs", "a reader has the signal, and the time of another",
            Place("handling-signal"), READER),
    message("how a child is described", "the newest is another, and it is not there",
            Place("description-made"), Place("description-look")),
    message("which signal ends it", "a reader has the signal and another's ordinal",
            Place("fatal-signal"), READER),
    message("how it left", "a reader sees that it left, and no status",
            Place("exit-kind"), READER),
    message("an anchor", "a reader counts it, and it is not there",
            Place("anchor-count"), READER),
    message("a sender's name", "it was read, and is not there",
            Place("sender-name"), Place("sender-name-look")),
    message("a sender's name, moved", "it was read, and is not there",
            Place("sender-name-moved"), READER),
]  # fmt: skip


# --- the axioms -----------------------------------------------------------------------

Pairs = set[tuple[int, int]]


def closure(pairs: Pairs) -> Pairs:
    found = set(pairs)
    while True:
        more = {(a, d) for a, b in found for c, d in found if b == c} - found
        if not more:
            return found
        found |= more


def compose(first: Pairs, second: Pairs) -> Pairs:
    return {(a, d) for a, b in first for c, d in second if b == c}


def is_acyclic(pairs: Pairs) -> bool:
    return all(a != b for a, b in closure(pairs))


def allowed(test: Litmus, weakened: Place | None = None) -> bool:
    """Whether C11 allows it. weakened: as if this order were relaxed."""
    events: list[Event] = []
    thread: list[int] = []
    orders: list[str] = []
    locations = sorted({e.location for t in test.threads for e in t if e.location})
    for location in locations:  # all is zero first; except what a test says was there
        first = next(
            (e.read for t in test.threads for e in t
             if e.location == location and e.read is not None
             and not any(w.written == e.read and w.location == location
                         for u in test.threads for w in u)), 0,
        )  # fmt: skip
        events.append(write(location, first or 0))
        thread.append(-1)
        orders.append("relaxed")
    for n, line in enumerate(test.threads):
        for event in line:
            events.append(event)
            thread.append(n)
            order = event.order.order if isinstance(event.order, Place) else event.order
            orders.append("relaxed" if event.order == weakened else order)
    ids = range(len(events))
    sb = {(a, b) for a in ids for b in ids if a < b and (thread[a] == thread[b] != -1)}
    sb |= {(a, b) for a in ids for b in ids if thread[a] == -1 != thread[b]}
    writes = {loc: [i for i in ids if events[i].kind in "WU" and events[i].location == loc]
              for loc in locations}  # fmt: skip
    reads = [i for i in ids if events[i].kind in "RU"]
    sources = [
        [w for w in writes[events[r].location] if w != r and events[w].written == events[r].read]
        for r in reads
    ]
    return any(
        consistent(events, orders, sb, dict(zip(reads, rf, strict=True)), mo)
        for rf in itertools.product(*sources)
        for mo in modification_orders(writes)
    )


def modification_orders(writes: dict[str, list[int]]) -> Iterator[Pairs]:
    # The first of each is what was there at the beginning.
    each = [[(w[0], *rest) for rest in itertools.permutations(w[1:])] for w in writes.values()]
    for choice in itertools.product(*each):
        yield {(a, b) for line in choice for a, b in itertools.combinations(line, 2)}


def consistent(
    events: list[Event], orders: list[str], sb: Pairs, rf: dict[int, int], mo: Pairs
) -> bool:
    ids = range(len(events))
    releases = {i for i in ids if orders[i] in ("release", "acq_rel", "seq_cst")}
    acquires = {i for i in ids if orders[i] in ("acquire", "acq_rel", "seq_cst")}
    fences = {i for i in ids if events[i].kind == "F"}
    # A release sequence: a write, and the read-modify-writes that read from it.
    sequence = closure({(w, r) for r, w in rf.items() if events[r].kind == "U"})
    sequence |= {(w, w) for w in ids if events[w].kind in "WU"}
    sw: Pairs = set()
    for head, last in sequence:
        givers = ({head} & releases) | {
            f for f in fences & releases if (f, head) in sb
        }  # fmt: skip
        takers = {r for r, w in rf.items() if w == last}
        takers = (takers & acquires) | {
            f for f in fences & acquires for r in takers if (r, f) in sb
        }  # fmt: skip
        sw |= {(a, b) for a in givers for b in takers}
    hb = closure(sb | sw)
    fr = {(r, w) for r, source in rf.items() for s, w in mo if s == source and w != r}
    rf_pairs = {(w, r) for r, w in rf.items()}
    eco = closure(rf_pairs | mo | fr)
    if any(a == b for a, b in hb | compose(hb, eco) | eco):
        return False
    # Nothing comes between what a read-modify-write reads and what it writes.
    if any(events[r].kind == "U" and (s, w) in mo and (w, r) in mo
           for r, s in rf.items() for w in ids):  # fmt: skip
        return False
    strong = {f for f in fences if orders[f] == "seq_cst"}
    between = hb | compose(compose(hb, eco), hb)
    return is_acyclic({(a, b) for a, b in between if a in strong and b in strong})


# The axioms themselves, on what everybody knows of them: name, allowed, threads.
KNOWN = [
    ("message passing, relaxed", True,
     [[write("x", 1), write("y", 1)], [read("y", 1), read("x", 0)]]),
    ("message passing", False,
     [[write("x", 1), write("y", 1, "release")], [read("y", 1, "acquire"), read("x", 0)]]),
    ("message passing by fences", False,
     [[write("x", 1), fence("release"), write("y", 1)],
      [read("y", 1), fence("acquire"), read("x", 0)]]),
    ("load buffering", True, [[read("x", 1), write("y", 1)], [read("y", 1), write("x", 1)]]),
    ("store buffering, acquire and release", True,
     [[write("x", 1, "release"), read("y", 0, "acquire")],
      [write("y", 1, "release"), read("x", 0, "acquire")]]),
    ("store buffering, seq_cst fences", False,
     [[write("x", 1), fence("seq_cst"), read("y", 0)],
      [write("y", 1), fence("seq_cst"), read("x", 0)]]),
    ("store buffering, one fence", True,
     [[write("x", 1), fence("seq_cst"), read("y", 0)], [write("y", 1), read("x", 0)]]),
    ("coherence of two reads", False, [[write("x", 1)], [read("x", 1), read("x", 0)]]),
    ("two increments of one value", False, [[update("x", 0, 1)], [update("x", 0, 1)]]),
    ("independent reads of independent writes", True,
     [[write("x", 1, "release")], [write("y", 1, "release")],
      [read("x", 1, "acquire"), read("y", 0, "acquire")],
      [read("y", 1, "acquire"), read("x", 0, "acquire")]]),
]  # fmt: skip


def places(test: Litmus) -> list[Place]:
    return list(dict.fromkeys(
        e.order for t in test.threads for e in t if isinstance(e.order, Place)
    ))  # fmt: skip


def check(test: Litmus) -> list[str]:
    """What is wrong with it, in words."""
    if allowed(test):
        return [f"{test.name}: {test.wrong}"]
    return [
        f"{test.name}: holds without {place.order} at {place.tag!r} in {place.file}"
        for place in places(test)
        if not allowed(test, place)
    ]


def main() -> int:
    complaints = []
    for name, verdict, threads in KNOWN:
        if allowed(Litmus(name, "", threads)) != verdict:
            complaints.append(f"the axioms are wrong about: {name}")
    for test in LITMUS:
        wrong = check(test)
        complaints += wrong
        needs = ", ".join(f"{p.file} {p.order}" for p in places(test))
        print(f"{'FAILS' if wrong else 'holds'}  {test.name}; each needed: {needs}")
    print("\n".join(complaints) or f"{len(LITMUS)} litmus tests, {len(KNOWN)} of the axioms")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
