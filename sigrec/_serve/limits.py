"""How many descriptors this process may have: each recording is one, and each process another."""

from __future__ import annotations

import resource


def raise_descriptors() -> None:
    """As far as it is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, OSError):
        pass
