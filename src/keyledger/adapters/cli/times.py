"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from keyledger.domain import arguments
from keyledger.domain.errors import InvalidArgumentError

LONGEST_INTERVAL = timedelta(days=365)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])", re.ASCII)
DURATIONS = "a number and a unit: 90s, 15m, 2h, 7d or 4w"


def duration(field: str, text: str) -> timedelta:
    """``15m`` as a time span; InvalidArgumentError unless it is of that form."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidArgumentError(field, text, DURATIONS)
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        raise InvalidArgumentError(field, text, f"{DURATIONS}, less than {timedelta.max.days} days") from None


def interval_of(field: str, text: str) -> float:
    """``5m`` as the seconds between two turns; InvalidArgumentError unless they are above 0 and at most a year."""
    interval = duration(field, text)
    if not timedelta() < interval <= LONGEST_INTERVAL:
        raise InvalidArgumentError(field, text, f"more than 0 s and at most {LONGEST_INTERVAL.days}d")
    return interval.total_seconds()


def time_or_age(field: str, text: str | None, now: datetime) -> datetime | None:
    """A time in UTC, from ISO 8601 with an offset or from how long before ``now`` it was; None for None."""
    if text is None:
        return None
    try:
        if _DURATION.fullmatch(text):
            return now - duration(field, text)
        return arguments.utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError, InvalidArgumentError):
        allowed = f"a time with an offset, as 2026-11-21T14:00:00Z, or an age: {DURATIONS}"
        raise InvalidArgumentError(field, text, allowed) from None
