"""Nanoseconds since 1970 as people write them."""

from __future__ import annotations

import time

from sigrec import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_LAST = 253402300799 * 10**9  # the end of 9999-12-31, the last day that datetime knows


def aware(time_ns: int) -> datetime:
    """An aware datetime in UTC, to the microsecond, rounded down."""
    from datetime import UTC, datetime, timedelta

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + timedelta(microseconds=_clamped(time_ns) // 1000)


def _clamped(time_ns: int) -> int:
    return min(max(time_ns, 0), _LAST)


def _format(time_ns: int, form: str, of: Callable[[float], time.struct_time]) -> str:
    """strftime() that also knows %f, the microseconds. It does
    without datetime, which takes long to import."""
    seconds, rest = divmod(_clamped(time_ns), 10**9)
    return time.strftime(form.replace("%f", f"{rest // 1000:06}"), of(seconds))


def rfc3339(time_ns: int) -> str:
    """``"2026-01-02T03:04:05.000006Z"``"""
    return _format(time_ns, "%Y-%m-%dT%H:%M:%S.%fZ", time.gmtime)


def local_time(time_ns: int, today: str, other: str = "") -> str:
    """The time in the local time zone: by the format ``today``, or for another day by ``other``
    (default: the date and ``today``)."""
    day = time.localtime(_clamped(time_ns) // 10**9)[:3]
    form = today if day == time.localtime()[:3] else other or f"%Y-%m-%d {today}"
    return _format(time_ns, form, time.localtime)


def local_clock(time_ns: int) -> str:
    """The time in the local time zone, to the second."""
    return local_time(time_ns, "%H:%M:%S")


def local_date(time_ns: int) -> str:
    """Date and time in the local time zone, to the second."""
    return _format(time_ns, "%Y-%m-%d %H:%M:%S", time.localtime)


def rounded_duration(ns: int) -> str:
    """A duration, for a sentence: ``3 ms``, ``0.4 s``, ``5 min``, ``2 h``."""
    seconds = ns / 1e9
    if seconds < 0.001:
        return f"{seconds * 1000:.1g} ms" if seconds < 0.00095 else "1 ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds >= 0.095 else f"{seconds * 1000:.0f} ms"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def exact_duration(ns: int) -> str:
    """A duration without rounding, in a unit that fits: ``500 ms``, ``1.25 s``, ``1:02:03``."""
    if ns == 0:
        return "0 s"
    if ns < 10**6:
        return f"{ns / 1000:g} µs"
    if ns < 10**9:
        return f"{ns / 10**6:g} ms"
    if ns < 120 * 10**9:
        return f"{ns / 10**9:.6f}".rstrip("0").rstrip(".") + " s"
    seconds, rest = divmod(ns, 10**9)
    part = f".{rest // 10**6:03}".rstrip("0") if rest >= 10**6 else ""
    days, seconds = divmod(seconds, 86400)
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{part}"
    return f"{days} d {text}" if days else text


def utc(time_ns: int) -> str:
    """The time in UTC, for people: ``2026-01-02 03:04:05.000006``"""
    return rfc3339(time_ns).removesuffix("Z").replace("T", " ")


def utc_clock(time_ns: int) -> str:
    """The time in UTC, to the second, marked as such: ``2026-01-02 03:04:05 UTC``"""
    return f"{utc(time_ns).partition('.')[0]} UTC"


def nanoseconds(what: str, when: datetime | int | None) -> int | None:
    """The value of the argument ``what`` in ns since 1970. Raises ValueError for anything else than
    an aware datetime, a number or None."""
    if when is None:
        return None
    if isinstance(when, int) and _check.is_int(when):
        return int(when)
    from datetime import UTC, datetime, timedelta

    if not isinstance(when, datetime) or when.utcoffset() is None:
        _check.bad(f"{what} must be an aware datetime or ns since 1970", when)
    since_1970 = when - datetime(1970, 1, 1, tzinfo=UTC)
    return since_1970 // timedelta(microseconds=1) * 1000


_UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


def since(text: str) -> int:
    """A time, or a span before now, in ns since 1970. Raises ValueError for anything else."""
    import re

    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text, re.ASCII)
    try:
        if match:
            return time.time_ns() - int(float(match[1]) * _UNITS_NS[match[2]])
        from datetime import datetime

        return int(datetime.fromisoformat(text).timestamp() * 10**9)
    except (ValueError, OverflowError):
        raise ValueError(
            f"not a time: {text!r}; say 30s, 5m, 2h, 1d, or 2026-01-02T03:04:05"
        ) from None
