"""What drives a follower: which events to read next, what to write for them, and when to look again.

A batch is one transaction, its rows and its cursors, which fails as a whole if another process has written to the
table since the cursors were read. So every event counts exactly once, wherever a process is killed, and however
many follow into one table.

Which runs have changed is found by the time of their last event, which is a hint: clocks differ, and a commit may
come late. Looking a minute back makes it a good one, and comparing every head with its cursor, at the beginning
and every minute, makes it complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyledger.domain.errors import LedgerBusyError
from keyledger.domain.follower_ports import FollowerSession, FollowerStore, Span, Target, TargetMovedError
from keyledger.domain.ports import Clock
from keyledger.projections import run_audit, summaries
from keyledger.projections.comparison import Comparison, compare

MOST_EVENTS = 4_000
"""The most events of a batch: on SQLite its writing holds up the ledger's own for some tens of milliseconds."""

MOST_RUNS = 500
"""The most runs of a batch."""

OVERLAP = timedelta(minutes=1)
"""How far before the newest event a follower looks for changes, and how often it compares all heads."""

_PAGE = 5_000

Progress = Callable[[int], None]
"""Told after each batch how many events it was of."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made, and how it compares with what stood.

    ``in_motion`` runs were left out of both hashes: one table had followed them further than the other.
    """

    events: int
    seconds: float
    in_motion: int
    comparison: Comparison

    @property
    def equal(self) -> bool:
        """Whether what stood was what the events say."""
        return self.comparison.former == self.comparison.current


def batches(spans: Sequence[Span], most_events: int = MOST_EVENTS) -> Iterator[list[Span]]:
    """``spans`` in order and in batches, cut where one is longer than a batch may be."""
    batch: list[Span] = []
    room = most_events
    for stream, after, until in spans:
        while after < until:
            end = min(until, after + room)
            batch.append(Span(stream, after, end))
            room -= end - after
            after = end
            if not room or len(batch) == MOST_RUNS:
                yield batch
                batch, room = [], most_events
    if batch:
        yield batch


def apply(session: FollowerSession, target: Target, spans: Sequence[Span]) -> Target:
    """Fold the events of ``spans`` into the table; TargetMovedError if that was done by somebody else."""
    changes = run_audit.project(session.events(spans, summaries.UNREAD))
    needed = summaries.needed(changes)
    known = session.rows(target, needed) if needed else {}
    return session.write(target, summaries.fold(known, changes), spans)


class Follower:
    """Keeps one follower's table up with the runs of a ledger."""

    def __init__(
        self,
        store: FollowerStore,
        clock: Clock,
        progress: Progress = lambda _: None,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._store, self._clock, self._progress, self._most = store, clock, progress, most_events

    def catch_up(self) -> None:
        """Read every event that was there when this began; others may follow into the table meanwhile."""
        target, after = self._store.begin(), ""
        while True:
            try:
                self._scan(target, after)
            except TargetMovedError:
                target = self._store.present()
            else:
                return

    def follow(self, every: float, wait: Callable[[float], bool]) -> None:
        """Catch up, and again every so many seconds, until ``wait``, which waits so long, says that it is enough.

        Where another process is at it too, this one stands by.
        """
        self._store.begin()
        watch = _Watch()
        while True:
            try:
                self._pass(watch)
            except (TargetMovedError, LedgerBusyError):
                pass
            if wait(every):
                return

    def rebuild(self) -> Rebuilt:
        """Make the table anew beside the one that stands, compare the two, and put it in its place.

        Raises:
            LedgerBusyError: another rebuild of the table began meanwhile.
        """
        self._store.begin()
        try:
            return self._rebuild()
        except TargetMovedError:
            raise LedgerBusyError("another rebuild of this table began meanwhile") from None

    # ------------------------------------------------------------------------------------ catching up

    def _pass(self, watch: _Watch) -> None:
        now, target = self._clock.now(), self._store.present()
        newest = self._store.newest()
        if newest is None:
            return
        if watch.needs_scan(now, target):
            self._scan(target)
            watch.scanned(now, target)
        elif watch.newest is not None:
            self._scan_since(target, watch.newest - OVERLAP)
        watch.newest = newest

    def _scan(self, target: Target, after: str = "") -> Target:
        """Compare every head with its cursor, and read what is missing."""
        while spans := self._store.behind(target, after, _PAGE):
            target = self._read(target, spans)
            after = spans[-1].stream
        return target

    def _scan_since(self, target: Target, since: datetime) -> Target:
        while spans := self._store.behind_since(target, since, _PAGE):
            target = self._read(target, spans)
        return target

    def _read(self, target: Target, spans: Sequence[Span]) -> Target:
        for batch in batches(spans, self._most):
            target = apply(self._store, target, batch)
            self._progress(sum(until - after for _, after, until in batch))
        return target

    # ------------------------------------------------------------------------------------- rebuilding

    def _rebuild(self) -> Rebuilt:
        draft, began = self._store.draft(), self._clock.now()
        while self._store.clear():
            pass
        read = _Count(self._progress)
        building = Follower(self._store, self._clock, read, self._most)
        draft = building._scan(draft)
        seconds = (self._clock.now() - began).total_seconds()
        with self._store.compare(draft) as tables:
            comparison = compare(tables.present, tables.draft)
        building._swap(draft)
        while self._store.clear():
            pass
        return Rebuilt(read.total, seconds, tables.in_motion, comparison)

    def _swap(self, draft: Target) -> None:
        """Catch up, with nobody else writing for as long as the last of it takes, and put the draft in its place."""
        while True:
            since = (self._store.newest() or self._clock.now()) - OVERLAP
            draft = self._scan_since(self._scan(draft), since)
            with self._store.swapping(draft) as swap:
                spans = swap.ahead(draft, since)
                if not spans:
                    swap.swap(draft)
                    return
                first, *more = batches(spans, self._most)
                if not more:
                    swap.swap(apply(swap, draft, first))
                    self._progress(sum(until - after for _, after, until in first))
                    return


@dataclass(slots=True)
class _Count:
    """Adds up the events of batches, and tells them on."""

    tell: Progress
    total: int = 0

    def __call__(self, events: int) -> None:
        self.total += events
        self.tell(events)


@dataclass(slots=True)
class _Watch:
    """What a follower that goes on remembers from pass to pass."""

    newest: datetime | None = None
    _generation: int = 0
    _scanned_at: datetime | None = None

    def needs_scan(self, now: datetime, target: Target) -> bool:
        """Whether it is time to compare all heads; a generation that is new here may lack anything."""
        if self._scanned_at is None or target.generation != self._generation:
            return True
        return abs(now - self._scanned_at) >= OVERLAP

    def scanned(self, now: datetime, target: Target) -> None:
        """All heads were compared, beginning at ``now``."""
        self._scanned_at, self._generation = now, target.generation
