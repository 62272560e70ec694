"""Whether two tables of summaries hold the same: by a hash of their rows, in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from keyledger.domain.audit.ports import RunRow

MOST_NAMED = 10

Rows = Iterable[tuple[str, RunRow | None]]
"""Rows by their streams, in order; None for one that cannot be read."""


class Comparison(NamedTuple):
    """The hashes of two tables, how many rows the second has, and the first few streams that differ."""

    former: str
    current: str
    rows: int
    differing: tuple[str, ...]


def content_hash(rows: Rows) -> str:
    """The hash of a table's rows: equal for equal contents, on whatever engine."""
    digest = sha256()
    for _, row in rows:
        digest.update(_text(row))
    return digest.hexdigest()


def compare(former: Rows, current: Rows) -> Comparison:
    """Read both at once; they are equal exactly if their hashes are."""
    digests, counts, differing = (sha256(), sha256()), [0, 0], list[str]()
    for stream, sides in groupby(merge(_texts(0, former), _texts(1, current)), itemgetter(0)):
        found = [(side, text) for _, side, text in sides]
        for side, text in found:
            digests[side].update(text)
            counts[side] += 1
        if (len(found) != len(digests) or found[0][1] != found[1][1]) and len(differing) < MOST_NAMED:
            differing.append(stream)
    return Comparison(digests[0].hexdigest(), digests[1].hexdigest(), counts[1], tuple(differing))


def _texts(side: int, rows: Rows) -> Iterator[tuple[str, int, bytes]]:
    return ((stream, side, _text(row)) for stream, row in rows)


def _text(row: RunRow | None) -> bytes:
    """A row as text: no two rows have the same, and no engine's idea of a time is in it."""
    if row is None:
        return b"?"
    started, finished = row.started_at.timestamp(), row.finished_at and row.finished_at.timestamp()
    return repr((*row[:7], started, *row[8:10], finished, row.outcome)).encode()
