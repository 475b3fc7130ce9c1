"""Nanoseconds since 1970 as people write them."""

from __future__ import annotations

from datetime import UTC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_LAST = 253402300799 * 10**9  # 9999-12-31: where datetime ends


def aware(time_ns: int) -> datetime:
    """An aware datetime in UTC, to the microsecond, rounded down."""
    from datetime import datetime, timedelta

    clamped = min(max(time_ns, 0), _LAST)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + timedelta(microseconds=clamped // 1000)


def rfc3339(time_ns: int) -> str:
    """``"2026-01-02T03:04:05.000006Z"``"""
    return aware(time_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
