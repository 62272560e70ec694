"""Following the runs of a ledger: what any process writes, as it is written.

There is no global order to follow, so the heads of the runs that changed last are read again and again. A change
may be committed after another one that is later by its time: its writer waited for a lock, or its clock is slow.
So each look goes back by ``OVERLAP``, and now and then one by ``LATENESS``; of each run that it meets there it is
remembered how far it was read. A run that was last written before that is forgotten; when it is written again, its
times tell what is new.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import TypeAlias

from keyledger.domain.audit.ports import RunStorage
from keyledger.domain.ports import Clock
from keyledger.domain.run import RunEvent, RunFinished, RunLogged, RunPurged, RunStarted, run_stream

OVERLAP = timedelta(seconds=15)
"""How far each look goes back, and how often one goes back by ``LATENESS``."""

LATENESS = timedelta(minutes=5)
"""How much later than its time a change may be committed, or how far a clock be set back, and all is told once."""

RunNews: TypeAlias = RunStarted | RunLogged | RunFinished | RunPurged
_PAGE = 500
_NEVER = datetime.max.replace(tzinfo=UTC)


class RunTail:
    """What happens to runs, each change once.

    Changes of one run come in their order, those that are found together by time. A change that is committed more
    than ``LATENESS`` after its time may be missed; where the clock is set back further than that, changes of the
    time that comes again are told again.
    """

    def __init__(
        self, storage: RunStorage, clock: Clock, *, since: datetime | None = None, run_id: str | None = None
    ) -> None:
        """Begin at ``since``, or now; with ``run_id`` follow only that run."""
        self._storage, self._clock = storage, clock
        self._only = None if run_id is None else run_stream(run_id)
        self._read: dict[str, int] = {}
        self._looked_at = clock.now()
        self._looked_far_at: datetime | None = None
        self._floor = self._looked_at - LATENESS if since is None else since
        self._newest = self._floor
        if since is None:
            for _ in self._changed():
                pass

    def follow(self, wait: Callable[[], bool]) -> Iterator[RunNews]:
        """What has happened, and then what happens; ends when ``wait``, called between two looks, says so."""
        while True:
            yield from self.look()
            if wait():
                return

    def look(self) -> Iterator[RunNews]:
        """What has happened since the last look."""
        for heads in self._changed():
            streams = [self._events(stream, after, revision) for stream, after, revision in heads]
            for event in merge(*streams, key=_moment):
                if isinstance(event, RunNews):
                    yield event

    def _changed(self) -> Iterator[list[tuple[str, int | None, int]]]:
        """Runs that changed: the revision up to which each was read, and its last; a page at a time."""
        now, read, met = self._clock.now(), self._read, dict[str, datetime]()
        self._fall(now)
        far = self._looked_far_at is None or abs(now - self._looked_far_at) >= OVERLAP
        since = self._floor if far else max(self._floor, min(now, self._newest) - OVERLAP)
        for page in self._heads(since):
            yield [(stream, read.get(stream), last) for stream, last, _ in page if read.get(stream) != last]
            read.update((stream, last) for stream, last, _ in page)
            met.update((stream, at) for stream, _, at in page)
        self._newest = max(met.values(), default=self._newest)
        if far:
            self._forget(now, met)

    def _fall(self, now: datetime) -> None:
        """Where the clock was set back, the floor must not be ahead of it."""
        if now < min(self._looked_at, self._floor):
            self._floor, self._looked_far_at = now - OVERLAP, None
        self._looked_at = now

    def _forget(self, now: datetime, met: dict[str, datetime]) -> None:
        """Raise the floor, and forget the runs below it: ``met`` has all that are not."""
        self._looked_far_at = now
        self._floor = max(self._floor, min(now, self._newest) - LATENESS)
        self._read = {stream: self._read[stream] for stream, at in met.items() if at >= self._floor}

    def _heads(self, since: datetime) -> Iterator[list[tuple[str, int, datetime]]]:
        """Runs whose last event is not before ``since``, with its revision and time, a page at a time."""
        if self._only is not None:
            state = self._storage.load(self._only)
            if state.last_recorded_at is not None and state.last_recorded_at >= self._floor:
                yield [(state.id, state.revision, state.last_recorded_at)]
            return
        after = ""
        while page := self._storage.changed(since, after, _PAGE):
            yield page
            if len(page) < _PAGE:
                return
            after, _, since = page[-1]

    def _events(self, stream: str, after: int | None, last: int) -> Iterator[RunEvent]:
        """The events after a revision or, if it is not known, from the floor on; none beyond ``last``."""
        if after is None:
            after = bisect_left(range(1, last + 1), self._floor, key=lambda revision: self._time(stream, revision))
        while after < last and (page := self._storage.events(stream, after, min(_PAGE, last - after))):
            yield from (event for event in page if event.originator_version <= last)
            after = page[-1].originator_version

    def _time(self, stream: str, revision: int) -> datetime:
        """When an event was recorded; one that a damaged head alone tells of is later than any."""
        return next(map(_moment, self._storage.events(stream, revision - 1, 1)), _NEVER)


def _moment(event: RunEvent) -> datetime:
    return event.recorded_at
