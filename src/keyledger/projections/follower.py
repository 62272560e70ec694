"""What drives a follower: which events to read next, what to write for them, and when to look again.

A batch is one transaction, its rows and its cursors, which fails as a whole if another process has written to the
table since the cursors were read. So every event counts exactly once, wherever a process is killed, and however
many follow into one table.

Which runs have changed is found by the time of their last event, which is a hint: clocks differ, and a commit may
come late. Looking a minute back makes it a good one, and comparing every head with its cursor, at the beginning
and every minute, makes it complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyledger.domain.audit.follower_ports import (
    FollowerSession,
    FollowerStore,
    Progress,
    Rebuilt,
    Span,
    Target,
    TargetMovedError,
)
from keyledger.domain.errors import LedgerBusyError, StorageError, StorageUnavailableError
from keyledger.domain.ports import Clock
from keyledger.domain.run import RunEvent, run_of
from keyledger.projections import run_audit, summaries
from keyledger.projections.batching import MOST_EVENTS, MOST_RUNS, cut, fitting
from keyledger.projections.comparison import compare

OVERLAP = timedelta(minutes=1)
"""How far before the newest event a follower looks for changes, and how often it compares all heads."""

MOST_SWAPS = 20
"""How often a rebuild tries to swap the tables."""

_PAGE = 5_000
_EVER = datetime.min.replace(tzinfo=UTC)


class _EndedError(Exception):
    """Somebody wants an end, and a batch has just been written."""


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
        while True:
            try:
                self._scan(self._store.begin())
            except TargetMovedError:
                continue
            return

    def follow(
        self,
        every: float,
        wait: Callable[[float], bool],
        on_error: Callable[[StorageError], None] = lambda _: None,
    ) -> None:
        """Catch up, and again every so many seconds, until ``wait``, which waits so long, says that it is enough.

        That is asked after each batch too. Where another process is at it as well, this one stands by. A storage
        that is away or busy is told to ``on_error``, and waited for.
        """

        def step(events: int) -> None:
            self._progress(events)
            if wait(0):
                raise _EndedError

        following, watch = Follower(self._store, self._clock, step, self._most), _Watch()
        self._store.begin()
        with suppress(_EndedError):
            while True:
                try:
                    following._pass(watch)
                except (StorageUnavailableError, LedgerBusyError) as error:
                    on_error(error)
                except TargetMovedError:
                    pass
                if wait(every):
                    return

    def rebuild(self) -> Rebuilt:
        """Make the table anew beside the one that stands, compare the two, and put it in its place.

        What stands is caught up first, so that as much as can be is compared.

        Raises:
            LedgerBusyError: another rebuild of the table began meanwhile.
        """
        stood = self._store.begin()
        try:
            return self._rebuild(stood)
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
            self._scan_since(target, min(watch.newest, now) - OVERLAP)
        watch.newest = newest

    def _scan(self, target: Target) -> Target:
        """Compare every head with its cursor, and read what is missing."""
        if len(self._store.behind(target, "", _PAGE)) == _PAGE:
            target = self._scan_since(target, _EVER)
        after = ""
        while spans := self._store.behind(target, after, _PAGE):
            target, after = self._read(target, spans, self._store), spans[-1].stream
        return target

    def _scan_since(self, target: Target, since: datetime) -> Target:
        """Read what changed since, in the order of time, which most indexes of the table are in as well."""
        after = (since, "")
        while found := self._store.behind_since(target, after, _PAGE):
            spans = [span for span, _ in found]
            target, after = self._read(target, spans, self._store), (found[-1][1], spans[-1].stream)
        return target

    def _read(self, target: Target, spans: Sequence[Span], session: FollowerSession) -> Target:
        """Fold the events of ``spans`` into the table; TargetMovedError if somebody else wrote to it."""
        left, most_runs = list(spans), MOST_RUNS
        while left:
            batch, rest = cut(left, self._most, max(1, min(most_runs, round(MOST_RUNS * self._store.share()))))
            events = session.events(batch, summaries.UNREAD)
            fit = fitting(batch, events)
            done, left = batch[:fit], batch[fit:] + rest
            if fit < len(batch):
                streams = {span.stream for span in done}
                events = [event for event in events if event.originator_id in streams]
            most_runs = min(MOST_RUNS, 2 * fit)
            target = _fold(session, target, done, events)
            self._progress(_count(done))
        return target

    # ------------------------------------------------------------------------------------- rebuilding

    def _rebuild(self, stood: Target) -> Rebuilt:
        draft, began = self._store.draft(), self._clock.now()
        while self._store.clear():
            pass
        read = _Tally(self._progress)
        building = Follower(self._store, self._clock, read, self._most)
        draft = building._scan(draft)
        seconds = (self._clock.now() - began).total_seconds()
        if stood.version:  # else nobody has followed into it yet
            Follower(self._store, self._clock, most_events=self._most).catch_up()
            draft = building._scan(draft)
        with self._store.compare(draft) as tables:
            comparison = compare(tables.present, tables.draft)
        building._swap(draft)
        while self._store.clear():
            pass
        differing = tuple(map(run_of, comparison.differing))
        return Rebuilt(read.total, seconds, tables.in_motion, *comparison[:3], differing)

    def _swap(self, draft: Target) -> None:
        """Catch up, and put the draft in its place, which waits for who reads there; not for ever."""
        for attempt in range(MOST_SWAPS):
            now = self._clock.now()
            since = min(self._store.newest() or now, now) - OVERLAP
            draft = self._scan_since(self._scan(draft), since)
            try:
                if self._swapped(draft, since):
                    return
            except LedgerBusyError:
                if attempt == MOST_SWAPS - 1:
                    raise
        raise LedgerBusyError("the table is followed faster than it can be rebuilt")

    def _swapped(self, draft: Target, since: datetime) -> bool:
        """Whether so little was left to read that it could be done while nobody else wrote."""
        with self._store.swapping(draft) as swap:
            left = swap.ahead(draft, since)
            if _count(left) > self._most or len(left) > MOST_RUNS:
                return False
            swap.swap(self._read(draft, left, swap))
            return True


def _fold(session: FollowerSession, target: Target, spans: Sequence[Span], events: Sequence[RunEvent]) -> Target:
    changes = run_audit.project(events)
    needed = summaries.needed(changes)
    known = session.rows(target, needed) if needed else {}
    return session.write(target, summaries.fold(known, changes), spans)


def _count(spans: Sequence[Span]) -> int:
    return sum(until - after for _, after, until in spans)


@dataclass(slots=True)
class _Tally:
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
