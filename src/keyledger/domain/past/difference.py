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
from keyledger.domain.past.changes import version_of
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import AT_ONCE, standing, versions_of
from keyledger.domain.ports import PastRow, Session
from keyledger.domain.records import Entry, KeyChange, Version
from keyledger.domain.scope import is_tree, tree_scope
from keyledger.domain.values import JSONValue
from keyledger.domain.writes import entry_at

Pair: TypeAlias = tuple[PastRow | None, PastRow | None]
Side: TypeAlias = tuple[Engine, Moment]


def differing(
    before: tuple[Session, Moment], after: tuple[Session, Moment], scope: str | None = None, prefix: str = ""
) -> Iterator[Pair]:
    """The keys that stood at different versions, with the row of either side, in order; values are not read.

    A dispatch tree's keys are compared with another's by their names: their scopes name the trees.
    """
    sides = [_numbered(side, *read, scope, prefix) for side, read in enumerate((before, after))]
    one_history = before[0] is after[0] and before[1].stream == after[1].stream
    for _, found in groupby(merge(*sides, key=itemgetter(0, 1)), key=itemgetter(0)):
        rows = {side: row for _, side, row in found}
        if not one_history or _revision(rows.get(0)) != _revision(rows.get(1)):
            yield rows.get(0), rows.get(1)


def _numbered(
    side: int, session: Session, moment: Moment, scope: str | None, prefix: str
) -> Iterator[tuple[EntryKey, int, PastRow]]:
    tree = is_tree(moment.stream)
    for row in standing(session, moment, scope, prefix):
        yield ("", row.key[1]) if tree else row.key, side, row


def _revision(row: PastRow | None) -> int | None:
    return None if row is None or row.row is None else row.row.revision


def changes(before: Side, after: Side, scope: str | None, prefix: str) -> Iterator[KeyChange]:
    """What was added, removed or changed from one moment to the other, by (scope, key)."""
    pairs = differing((before[0].storage, before[1]), (after[0].storage, after[1]), scope, prefix)
    while some := tuple(islice(pairs, AT_ONCE)):
        olds = _stood(before, [old for old, _ in some])
        news = _stood(after, [new for _, new in some])
        for old, new in zip(olds, news, strict=True):
            if change := _change(old, new, after):
                yield change


def _stood(side: Side, rows: Sequence[PastRow | None]) -> list[tuple[Entry, Version] | None]:
    """What a key held, and the version that it stood at; None where it did not stand."""
    engine, moment = side
    found = versions_of(engine.storage, moment.stream, [row for row in rows if row is not None])

    def of(key: EntryKey) -> tuple[Entry, Version]:
        entry = entry_at(engine.codec, key, found[key].entry, moment.instant)
        return entry, version_of(engine.codec, found[key].version)

    return [None if row is None else of(row.key) for row in rows]


def _change(old: tuple[Entry, Version] | None, new: tuple[Entry, Version] | None, after: Side) -> KeyChange | None:
    if new is None:
        assert old is not None  # noqa: S101 - a pair has one side at least
        entry, _ = old
        return KeyChange(entry.scope, entry.key, "removed", entry, None, by=_ending(after, entry))
    entry, by = new
    if old is None:
        return KeyChange(entry.scope, entry.key, "added", None, entry, by=by)
    patch = patch_of(old[0].value, entry.value)
    if not patch and old[0].expires_at == entry.expires_at:
        return None
    return KeyChange(entry.scope, entry.key, "changed", old[0], entry, patch, by)


def _ending(after: Side, entry: Entry) -> Version | None:
    """What had ended a key by then."""
    engine, moment = after
    scope = tree_scope(moment.stream) if is_tree(moment.stream) else entry.scope
    found = engine.storage.history(moment.stream, scope, entry.key, moment.revision + 1, 1)
    return version_of(engine.codec, found[0]) if found and not found[0].row.size else None


def patch_of(old: JSONValue, new: JSONValue) -> tuple[dict[str, JSONValue], ...]:
    """The operations (RFC 6902) that make ``old`` into ``new``; none if the two are the same JSON value.

    1, 1.0 and true are different values, and the order of an object's members is no difference.
    """
    if _text(old) == _text(new):
        return ()
    from jsonpatch import make_patch  # noqa: PLC0415 - 15 ms, for those who ask for differences

    operations = make_patch(old, new)
    try:
        right = _text(operations.apply(old)) == _text(new)
    except Exception:  # noqa: BLE001 - one of its patches moves {"": {}} of {"": {}, "/": {}} into itself
        right = False
    return tuple(operations.patch) if right else ({"op": "replace", "path": "", "value": new},)


def _text(value: JSONValue) -> str:
    """A text that is equal for the same JSON value, and different for others."""
    return json.dumps(value, sort_keys=True)
