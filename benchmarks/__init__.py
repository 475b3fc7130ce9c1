"""What sigrec costs and what it keeps, beside its peers: ``python -m benchmarks``.

Each module answers one question a user would ask. The peers are measured in the same run,
interleaved with sigrec; figures are medians over the rounds.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _is_built(package: str) -> bool:
    return any(os.path.exists(os.path.join(package, f"_core{end}")) for end in EXTENSION_SUFFIXES)


def _prefer_what_is_built() -> None:
    """Removes the checkout from the path if its sigrec/ is not built. ``python -m`` puts the
    checkout first, which would hide the installed sigrec."""
    if _is_built(os.path.join(_ROOT, "sigrec")):
        return
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _ROOT] + [_ROOT]
    found = find_spec("sigrec")
    where = (found.submodule_search_locations or [""])[0] if found else ""
    if not _is_built(where):
        sys.exit(f"benchmarks: sigrec is not installed: {sys.executable} -m pip install {_ROOT}")


_prefer_what_is_built()
