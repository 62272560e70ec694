"""Schedules, and how soon after one another a schedule can fire.

A schedule is ``daily`` (``0 0 * * *``), ``weekly`` (``0 0 * * 0``) or a cron expression, in UTC, of five fields:
minute, hour, day of month, month, day of week. Fields are as in Debian's cron, and read by cronsim: lists, ranges,
steps, names (``MON``, ``jan``), and ``L`` and ``LW`` for the last day and weekday of a month, ``5L`` for its last
Friday, ``1#2`` for its second Monday. A day must match both of its fields where one of them begins with ``*``,
else either. Case does not matter. Seconds, years, and macros as ``@hourly`` are refused.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NoReturn

from cronsim import CronSim, CronSimError

from keyledger.domain.errors import InvalidArgumentError

SHORTHANDS = {"daily": "0 0 * * *", "weekly": "0 0 * * 0"}

MAX_SCHEDULE_LENGTH = 512
"""In characters: a cron expression that lists every minute, hour, day, month and weekday has 356."""

_FIELDS = 5
_NEVER = "this one never fires"
_MINUTES_OF_DAY = 24 * 60
_CALENDAR = range(2000, 2800)
"""Years after which dates and weekdays repeat, twice: a gap may reach from one cycle into the next."""


def smallest_gap(schedule: str) -> int:
    """The fewest minutes from one fire of ``schedule`` to the next, whenever that is.

    Raises:
        InvalidArgumentError: for ``schedule``, which is none, or never fires.
    """
    cron = _parsed(schedule)
    days = _fewest_days_between(cron)
    if days is None:
        _refuse(schedule, _NEVER)
    times = sorted(60 * hour + minute for hour in cron.hours for minute in cron.minutes)
    return min([days * _MINUTES_OF_DAY - (times[-1] - times[0]), *_gaps(times)])


def _parsed(schedule: str) -> CronSim:
    expression = SHORTHANDS.get(schedule.lower(), schedule)
    if len(schedule) > MAX_SCHEDULE_LENGTH:
        raise InvalidArgumentError("schedule", schedule, f"at most {MAX_SCHEDULE_LENGTH} characters")
    if (fields := len(expression.split())) != _FIELDS:
        _refuse(schedule, f"this one has {fields} of them")
    try:
        return _cron(expression)
    except CronSimError as error:
        _refuse(schedule, _NEVER if _has_no_such_day(expression) else str(error).lower())


def _cron(expression: str) -> CronSim:
    return CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))


def _has_no_such_day(expression: str) -> bool:
    """Whether all that is wrong is a day that none of the months has, as 31 in ``0 0 31 2 *``."""
    minute, hour, day, month, weekday = expression.split()
    try:
        _cron(f"* * * {month} *")
        _cron(f"{minute} {hour} {day} * {weekday}")
    except CronSimError:
        return False
    return True


def _refuse(schedule: str, why: str) -> NoReturn:
    allowed = f"daily, weekly, or a cron expression, in UTC, of {_FIELDS} fields: {why}"
    raise InvalidArgumentError("schedule", schedule, allowed) from None


def _fewest_days_between(cron: CronSim) -> int | None:
    """The fewest days from one that matches to the next; None if none does."""
    fewest = None
    for gap in _gaps(_matching_days(cron)):
        if gap == 1:
            return 1
        fewest = gap if fewest is None else min(fewest, gap)
    return fewest


def _matching_days(cron: CronSim) -> Iterator[int]:
    """The days that match, by their ordinals, as far as the gaps between them can be small.

    Which days of a year match depends on its length and its first weekday alone. So 14 years are looked at whole;
    of the others, which repeat them, only the first and last day that match, for the gaps around new year.
    """
    ends: dict[tuple[bool, int], list[int]] = {}
    for year in _CALENDAR:
        new_year = date(year, 1, 1)
        kind = isleap(year), new_year.weekday()
        days = ends.get(kind)
        if days is None:
            days = [since for since in range(365 + isleap(year)) if _matches(cron, new_year, since)]
            ends[kind] = sorted({*days[:1], *days[-1:]})
        yield from (new_year.toordinal() + since for since in days)


def _matches(cron: CronSim, new_year: date, since: int) -> bool:
    day = new_year + timedelta(days=since)
    return day.month in cron.months and cron.match_day(day)


def _gaps(ascending: Iterable[int]) -> Iterator[int]:
    return (later - earlier for earlier, later in pairwise(ascending))
