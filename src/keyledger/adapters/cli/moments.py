"""Moments as people type them: a revision, a time, an age, a token."""

from __future__ import annotations

from typing import NamedTuple

from keyledger.adapters.cli.times import DURATIONS, time_or_age
from keyledger.adapters.clock import SystemClock
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.moments import MomentLike, parse_token
from keyledger.domain.past.view import View
from keyledger.domain.scope import SKILL, is_tree, partition_of, tree_scope

DEFAULT_PARTITION = "default"
NOW = "now"
_MOMENTS = (
    "a revision, a time with an offset as 2026-11-21T14:00:00Z, an age "
    f"({DURATIONS}), a token as weather@41, or {NOW}"
)


class Place(NamedTuple):
    """The partition and the scope that a command is about."""

    partition: str
    scope: str


def moment_of(text: str | None) -> MomentLike | None:
    """The moment that a text names; None, for now, where there is none."""
    if text is None or text == NOW:
        return None
    if text.isascii() and text.isdecimal():
        return int(text)
    if "@" in text:
        return text
    try:
        return time_or_age("moment", text, SystemClock().now())
    except InvalidArgumentError:
        raise InvalidArgumentError("moment", text, _MOMENTS) from None


def reads_as_moment(text: str) -> bool:
    """Whether a text names a moment, and so is hardly meant as a key."""
    try:
        moment = moment_of(text)
        if isinstance(moment, str):
            parse_token(moment)
    except InvalidArgumentError:
        return False
    return True


def place_of(partition: str | None, scope: str | None, *moments: MomentLike | None) -> Place:
    """Where to look: as was said; where nothing was, the partition or tree that the first token names."""
    stream = next((parse_token(each)[0] for each in moments if isinstance(each, str)), None)
    if stream is not None and is_tree(stream):
        scope = tree_scope(stream) if scope is None else scope
    elif stream is not None and partition is None:
        partition = partition_of(stream)
    return Place(DEFAULT_PARTITION if partition is None else partition, SKILL if scope is None else scope)


def view_of(ledger: Ledger, moment: MomentLike | None, place: Place) -> View:
    """What stood at a moment."""
    return ledger.partition(place.partition).at(moment, scope=place.scope)


def readable(
    ledger: Ledger, at: str | None, partition: str | None, scope: str | None
) -> tuple[Partition | View, Place]:
    """What a command reads: the partition or, with ``at``, its past; and where that is."""
    moment = moment_of(at)
    place = place_of(partition, scope, moment)
    return ledger.partition(place.partition) if at is None else view_of(ledger, moment, place), place
