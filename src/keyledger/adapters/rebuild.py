"""Rebuilding inline read models: replay a stream through the handlers that wrote them, into a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, cast

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import (
    KeyIncremented,
    KeySet,
    PartitionDeleted,
    PartitionEvent,
    PartitionState,
    StoredEntry,
    fold,
    keys_touched,
)
from keyledger.domain.ports import HeadRow, Projector, ReadModelChanges

_STRETCH = 100  # events: what they are made of is gone before the garbage collector looks
_STRETCH_BYTES = 65_536
_ENTRIES_KEPT = 30_000
_BYTES_KEPT = 16_777_216
_MOST_DIFFERENCES = 100


class Draft(Protocol):
    """The read models of one stream, in the making."""

    def load(self, keys: Sequence[EntryKey]) -> Iterable[tuple[EntryKey, StoredEntry]]:
        """Those of the entries under ``keys`` that the draft holds."""
        ...

    def write(self, changes: ReadModelChanges) -> None:
        """Write what changes in current values and key history."""
        ...


class _Entries(dict[EntryKey, StoredEntry]):
    """Entries as a state holds them, but changed in place: nobody else sees them, and that is twice as fast."""

    def insert(self, key: EntryKey, entry: StoredEntry) -> _Entries:
        self[key] = entry
        return self

    def remove(self, key: EntryKey) -> _Entries:
        del self[key]
        return self


def rebuilt(
    stream: str,
    events: Iterable[PartitionEvent],
    project: Projector,
    draft: Draft,
    progress: Callable[[int], None],
) -> tuple[HeadRow, list[str]]:
    """Replay the events of a stream into an empty draft; the head that they lead to, a line if some are missing.

    Memory holds some entries and a stretch of events, never the partition. Entries that changed are kept until
    there are many, so that a key which changes often is written once; what was written by then is loaded when an
    event touches it again.
    """
    entries = _Entries()
    state = PartitionState(stream, entries=cast("Any", entries))
    kept: dict[EntryKey, StoredEntry | None] = {}
    size, written, count = 0, False, 0
    for stretch, values in _stretches(events):
        if written:
            entries.update(draft.load([key for key in keys_touched(stretch) if key not in kept]))
        state = fold(state, stretch)
        changes = project(state, stretch)
        kept.update(changes.entries)
        size += values
        if changes.cleared is not None or len(kept) >= _ENTRIES_KEPT or size >= _BYTES_KEPT:
            draft.write(ReadModelChanges(changes.head, tuple(kept.items()), (), None))
            entries, kept, size, written = _Entries(), {}, 0, True
            state = state._replace(entries=cast("Any", entries))
        draft.write(changes._replace(entries=()))
        count += len(stretch)
        progress(len(stretch))
    head = project(state, ()).head
    draft.write(ReadModelChanges(head, tuple(kept.items()), (), None))
    return head, [] if count == head.revision else [missing(stream, count, head.revision)]


def _stretches(events: Iterable[PartitionEvent]) -> Iterator[tuple[list[PartitionEvent], int]]:
    """Some events at a time, and the bytes of their values; each PartitionDeleted alone.

    The rows of such a one are not made key by key.
    """
    stretch: list[PartitionEvent] = []
    size = 0
    for event in events:
        match event:
            case KeySet() | KeyIncremented():
                size += len(event.value)
            case PartitionDeleted():
                if stretch:
                    yield stretch, size
                yield [event], 0
                stretch, size = [], 0
                continue
        stretch.append(event)
        if size >= _STRETCH_BYTES or len(stretch) == _STRETCH:
            yield stretch, size
            stretch, size = [], 0
    if stretch:
        yield stretch, size


def missing(stream: str, count: int, revision: int) -> str:
    """A line for a stream whose revisions have gaps."""
    return f"{stream} stored_events: {count} events up to revision {revision}, so revisions are missing"


def differing_heads(stream: str, former: HeadRow, current: HeadRow) -> list[str]:
    """A line if the head stood otherwise."""
    return differing(f"{stream} partition_head", [former], [current], key=0)


def differing(
    table: str, former: Iterable[tuple[Any, ...]], current: Iterable[tuple[Any, ...]], *, key: int
) -> list[str]:
    """A line for each row that stood otherwise, from two streams sorted by their first ``key`` columns."""
    found: list[str] = []
    for before, after in _aligned(iter(former), iter(current), key):
        if before != after and len(found) < _MOST_DIFFERENCES:
            found.append(f"{table}: stood {_shown(before)}, rebuilt {_shown(after)}")
    return found


def _aligned(
    former: Iterator[tuple[Any, ...]], current: Iterator[tuple[Any, ...]], key: int
) -> Iterator[tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]]:
    before, after = next(former, None), next(current, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[:key] < after[:key]):
            yield before, None
            before = next(former, None)
        elif before is None or after[:key] < before[:key]:
            yield None, after
            after = next(current, None)
        else:
            yield before, after
            before, after = next(former, None), next(current, None)


def _shown(row: tuple[Any, ...] | None) -> str:
    return "nothing" if row is None else repr(tuple(row))
