"""How two moments differ, key by key, and inside JSON values as JSON Patch (RFC 6902)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeAlias

from keyledger.domain.commands import EntryKey
from keyledger.domain.engine import Engine
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import AT_ONCE, entries_of, standing
from keyledger.domain.ports import PastRow, Session
from keyledger.domain.records import Entry, KeyChange
from keyledger.domain.scope import is_tree
from keyledger.domain.values import JSONValue
from keyledger.domain.writes import entry_at

Pair: TypeAlias = tuple[PastRow | None, PastRow | None]


def differing(
    session: Session, before: Moment, after: Moment, scope: str | None = None, prefix: str = ""
) -> Iterator[Pair]:
    """The keys that stood at different versions, with the row of either side, in order; values are not read.

    A dispatch tree's keys are compared with another's by their names: their scopes name the trees.
    """
    sides = [_side(0, session, before, scope, prefix), _side(1, session, after, scope, prefix)]
    for _, found in groupby(merge(*sides, key=itemgetter(0, 1)), key=itemgetter(0)):
        rows = {side: row for _, side, row in found}
        if before.stream != after.stream or _revision(rows.get(0)) != _revision(rows.get(1)):
            yield rows.get(0), rows.get(1)


def _side(
    side: int, session: Session, moment: Moment, scope: str | None, prefix: str
) -> Iterator[tuple[EntryKey, int, PastRow]]:
    tree = is_tree(moment.stream)
    for row in standing(session, moment, scope, prefix):
        yield ("", row.key[1]) if tree else row.key, side, row


def _revision(row: PastRow | None) -> int | None:
    return None if row is None or row.row is None else row.row.revision


def changes(engine: Engine, before: Moment, after: Moment, scope: str | None, prefix: str) -> Iterator[KeyChange]:
    """What was added, removed or changed from one moment to the other, by (scope, key)."""
    pairs = differing(engine.storage, before, after, scope, prefix)
    while some := tuple(islice(pairs, AT_ONCE)):
        olds = _entries(engine, before, [old for old, _ in some])
        news = _entries(engine, after, [new for _, new in some])
        for old, new in zip(olds, news, strict=True):
            if change := _change(old, new):
                yield change


def _entries(engine: Engine, moment: Moment, rows: Sequence[PastRow | None]) -> list[Entry | None]:
    found = entries_of(engine.storage, moment.stream, [row for row in rows if row is not None])
    return [
        None if row is None else entry_at(engine.codec, row.key, found[row.key], moment.instant) for row in rows
    ]


def _change(old: Entry | None, new: Entry | None) -> KeyChange | None:
    if old is None or new is None:
        there = old or new
        assert there is not None  # noqa: S101 - a pair has one side at least
        return KeyChange(there.scope, there.key, "added" if old is None else "removed", old, new)
    patch = patch_of(old.value, new.value)
    if not patch and old.expires_at == new.expires_at:
        return None
    return KeyChange(new.scope, new.key, "changed", old, new, patch)


def patch_of(old: JSONValue, new: JSONValue) -> tuple[dict[str, JSONValue], ...]:
    """The operations (RFC 6902) that make ``old`` into ``new``; none if the two are the same JSON value.

    1, 1.0 and true are different values, and the order of an object's members is no difference.
    """
    if _text(old) == _text(new):
        return ()
    from jsonpatch import make_patch  # noqa: PLC0415 - 15 ms, for those who ask for differences

    operations = make_patch(old, new)
    if _text(operations.apply(old)) != _text(new):
        return ({"op": "replace", "path": "", "value": new},)
    return tuple(operations.patch)


def _text(value: JSONValue) -> str:
    """A text that is equal for the same JSON value, and different for others."""
    return json.dumps(value, sort_keys=True)
