"""What a check found."""

from __future__ import annotations

from sigrec._signals.names import name
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FINDINGS_VERSION = 1  # of findings in JSON


class Finding(NamedTuple):
    check: str
    verdict: str  # "ok", "note": works, but you should know, "problem"
    found: str
    advice: str | None = None  # what to do about it

    def to_dict(self) -> dict[str, str | None]:
        return self._asdict()


def names(signums: Iterable[int]) -> str:
    return ", ".join(name(signum) for signum in sorted(signums))
