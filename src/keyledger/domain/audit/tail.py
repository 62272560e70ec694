"""Following the runs of a ledger: what any process writes, as it is written.

There is no global order to follow, so the heads of the runs that changed last are read again and again. A change
may be committed after another one that is later by its time: its writer waited for a lock, or its clock is slow.
So each look goes back by ``OVERLAP``, and remembers of each run that it meets there how far it was read. A run
that was last written before that is forgotten; when it is written again, its times tell what is new.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from typing import TypeAlias

from keyledger.domain.audit.ports import RunStorage
from keyledger.domain.ports import Clock
from keyledger.domain.run import RunEvent, RunFinished, RunLogged, RunPurged, RunStarted, run_stream

OVERLAP = timedelta(seconds=15)
"""How much later than its time a change may be committed and still be found."""

RunNews: TypeAlias = RunStarted | RunLogged | RunFinished | RunPurged
_PAGE = 500


class RunTail:
    """What happens to runs, each change once.

    Changes of one run come in their order, those that are found together by time.
    """

    def __init__(
        self, storage: RunStorage, clock: Clock, *, since: datetime | None = None, run_id: str | None = None
    ) -> None:
        """Begin at ``since``, or now; with ``run_id`` follow only that run."""
        self._storage, self._clock = storage, clock
        self._only = None if run_id is None else run_stream(run_id)
        self._read: dict[str, int] = {}
        self._floor = clock.now() - OVERLAP if since is None else since
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
        now, met = self._clock.now(), dict[str, datetime]()
        for page in self._heads():
            read = self._read
            yield [(stream, read.get(stream), last) for stream, last, _ in page if read.get(stream) != last]
            read.update((stream, last) for stream, last, _ in page)
            met.update((stream, at) for stream, _, at in page)
        if met:
            self._floor = max(self._floor, min(now, max(met.values())) - OVERLAP)
            self._read = {stream: self._read[stream] for stream, at in met.items() if at >= self._floor}

    def _heads(self) -> Iterator[list[tuple[str, int, datetime]]]:
        """Runs whose last event is not before the floor, with its revision and time, a page at a time."""
        if self._only is not None:
            state = self._storage.load(self._only)
            if state.last_recorded_at is not None and state.last_recorded_at >= self._floor:
                yield [(state.id, state.revision, state.last_recorded_at)]
            return
        since, after = self._floor, ""
        while page := self._storage.changed(since, after, _PAGE):
            yield page
            if len(page) < _PAGE:
                return
            after, _, since = page[-1]

    def _events(self, stream: str, after: int | None, last: int) -> Iterator[RunEvent]:
        """The events after a revision or, if it is not known, from the floor on; up to ``last``."""
        read = self._storage.events
        if after is None:
            times = range(1, last + 1)
            after = bisect_left(times, self._floor, key=lambda revision: _moment(*read(stream, revision - 1, 1)))
        while after < last:
            page = read(stream, after, min(_PAGE, last - after))
            yield from page
            after += len(page)


def _moment(event: RunEvent) -> datetime:
    return event.recorded_at
