"""Checks of what callers pass, each naming the field, what came and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from sys import float_info

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import MAX_ID_BYTES, MAX_KEY_BYTES, check_id, check_text
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER

MAX_PAGE = 1_000
DEFAULT_PAGE = 100

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""How far ahead of the clock a time that a caller supplies may be."""


def check_integer(field: str, value: object, minimum: int = MIN_INTEGER, maximum: int = MAX_INTEGER) -> None:
    """Raise unless ``value`` is an int (no bool) from ``minimum`` to ``maximum``."""
    if type(value) is not int or not minimum <= value <= maximum:
        raise InvalidArgumentError(field, value, f"an integer from {minimum} to {maximum}")


def check_ttl(ttl: object) -> None:
    """Raise unless ``ttl`` is None or a finite number of seconds > 0 (no bool)."""
    if ttl is not None:
        check_seconds("ttl", ttl)


def check_seconds(field: str, seconds: object) -> None:
    """Raise unless ``seconds`` is a finite number > 0 (no bool)."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= float_info.max:
        raise InvalidArgumentError(field, seconds, "a finite number of seconds greater than 0")


def check_actor(actor: object) -> None:
    """Raise unless ``actor`` is None or a name that does not begin with ``system:``, which is the ledger's own."""
    check_name("actor", actor)
    check_not_system("actor", actor)


def check_not_system(field: str, name: object) -> None:
    """Raise if ``name`` is one that only the ledger itself acts under."""
    if isinstance(name, str) and name.startswith("system:"):
        raise InvalidArgumentError(field, name, "a name that does not begin with system:")


def check_revision(field: str, revision: object) -> None:
    """Raise unless ``revision`` is None or a revision: an int ≥ 0."""
    if revision is not None:
        check_integer(field, revision, 0)


def check_name(field: str, name: object) -> None:
    """Raise unless ``name`` is None or may name an actor, run, tool or request: 1 to 256 UTF-8 bytes."""
    if name is not None:
        check_text(field, name, MAX_ID_BYTES)


def check_run(field: str, run_id: object) -> None:
    """Raise unless ``run_id`` is None or may name a run."""
    if run_id is not None:
        check_id(field, run_id)


def check_page(limit: object) -> None:
    """Raise unless ``limit`` is from 1 to 1,000."""
    check_integer("limit", limit, 1, MAX_PAGE)


def utc(moment: datetime) -> datetime:
    """An aware time in UTC; ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC)


def check_start(field: str, text: object, max_bytes: int = MAX_KEY_BYTES) -> None:
    """Raise unless ``text``, a prefix or a cursor, is empty or what it is the start or end of may be."""
    if text != "":
        check_text(field, text, max_bytes)


def moment(field: str, value: object) -> datetime:
    """A time in UTC; InvalidArgumentError unless it is an aware datetime."""
    try:
        if isinstance(value, datetime) and value.utcoffset() is not None:
            return value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgumentError(field, value, "a time within the years 1 to 9999 in UTC") from None
    raise InvalidArgumentError(field, value, "an aware datetime")


def ids(field: str, values: Iterable[object]) -> tuple[str, ...]:
    """Distinct ids in the order given; InvalidArgumentError unless each may be one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidArgumentError(field, values, "some ids")
    found = tuple(values)
    for value in found:
        check_id(field, value)
    return tuple(dict.fromkeys(found))  # type: ignore[arg-type]
