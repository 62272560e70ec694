"""Rebuilding inline read models: replay a stream through the handlers that wrote them, then compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from keyledger.domain.partition import PartitionDeleted, PartitionEvent, PartitionState, fold, keys_touched
from keyledger.domain.ports import HeadRow, Projector, ReadModelChanges, Session

_STRETCH = 1_000
_MOST_DIFFERENCES = 100


def rebuilt(
    stream: str,
    session: Session,
    project: Projector,
    write: Callable[[ReadModelChanges], None],
    progress: Callable[[int], None],
) -> ReadModelChanges:
    """Replay a stream whose rows were removed, a stretch of events at a time; the last changes.

    Each stretch is decided like a write: it loads the entries that it touches from the rows rebuilt so far,
    so that memory holds a stretch and never the partition.
    """
    state = PartitionState(stream)
    changes = project(state, ())
    while events := session.events(stream, state.revision, _STRETCH):
        for stretch in _stretches(events):
            entries = session.load(stream, keys_touched(stretch)).state.entries
            state = fold(state._replace(entries=entries), stretch)
            changes = project(state, stretch)
            write(changes)
        progress(len(events))
    return changes


def _stretches(events: Sequence[PartitionEvent]) -> Iterator[Sequence[PartitionEvent]]:
    """Cut so that each PartitionDeleted stands alone: its rows are not made key by key."""
    start = 0
    for index, event in enumerate(events):
        if isinstance(event, PartitionDeleted):
            if start < index:
                yield events[start:index]
            yield [event]
            start = index + 1
    if start < len(events):
        yield events[start:]


def compared(
    stream: str,
    heads: tuple[HeadRow, HeadRow],
    entries: tuple[Iterable[tuple[Any, ...]], Iterable[tuple[Any, ...]]],
    versions: tuple[Iterable[tuple[Any, ...]], Iterable[tuple[Any, ...]]],
) -> list[str]:
    """What differs between former and current rows, a line each; rows are streamed in key order."""
    return [
        *_differing(f"{stream} partition_head", [heads[0]], [heads[1]], key=0),
        *_differing(f"{stream} current_value", *entries, key=2),
        *_differing(f"{stream} key_history", *versions, key=3),
    ]


def _differing(
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
