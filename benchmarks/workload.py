"""What every side writes: partitions of keys of one length, values of chosen sizes, and their events' state."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random
from typing import NamedTuple, TypeAlias

import orjson

from keyledger.domain.values import JSONValue

PARTITION = "bench"
SCOPE = "skill"
ACTOR = "ada"
RUN = "r-17"
TOPIC = "kv.KeySet"

Item: TypeAlias = tuple[str, JSONValue]
"""A key and the value to give it."""

SMALL = 64
"""Bytes of the JSON text of a value where no other size is said."""

_WORDS = ("cloud", "degree", "lake", "morning", "north", "pressure", "rain", "river", "snow", "station", "wind")
_TEXT = " ".join(Random(17).choices(_WORDS, k=5_000))


def stream(partition: str) -> str:
    """The name that a partition's rows bear."""
    return f"partition:{partition}"


def key(number: int) -> str:
    """The name of the key of that number."""
    return f"city/{number:06d}"


def values(size: int = SMALL) -> Iterator[JSONValue]:
    """Values that differ, each of ``size`` bytes as JSON text: 64, or more than 80."""
    padding = size - SMALL - len(',"note":""')
    for number in count(1_000_000):
        value = {"city": "Ljubljana", "t": 21.5, "unit": "C", "n": number, "ok": True}
        if size > SMALL:
            start = number % 1_000
            value["note"] = _TEXT[start : start + padding]
        yield value


def chunks(items: Iterable[Item], size: int = 20_000) -> Iterator[list[Item]]:
    """The items, so many at a time: what is loaded need never be in memory as a whole."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


class Row(NamedTuple):
    """What one set writes beyond what its caller knows: the value's text and the event's state."""

    key: str
    value: bytes
    state: bytes


class Encoder:
    """Encodes what a hand-written program would store: the same JSON that keyledger stores."""

    def __init__(self) -> None:
        self._prefix, self._numbers = secrets.token_urlsafe(9), count(1)

    def request_id(self) -> str:
        """An id for one command."""
        return f"{self._prefix}-{next(self._numbers)}"

    def row(self, item: Item, now: datetime, request_id: str) -> Row:
        """The texts of one set, the value embedded in the event without encoding it twice."""
        name, value = item
        text = orjson.dumps(value)
        state = {
            "recorded_at": now,
            "changed_by": ACTOR,
            "run_id": RUN,
            "request_id": request_id,
            "schema_version": 1,
            "scope": SCOPE,
            "key": name,
            "value": orjson.Fragment(text),
        }
        return Row(name, text, orjson.dumps(state))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A time as SQLite's columns hold it."""
    return (moment - _EPOCH) // _MICROSECOND
