"""What a run did, step by step: its writes in their order, and among them what it recorded to have read.

A write's place is its event. Of a read only the version is known, and that it was recorded after the reads before
it. So it stands as early as it can: not before that version was there, nor before the read that was recorded
before it; and before the run's own next write of that key.

    the run's events   4 set a        7 set b        9 set a
    the reads          a@4 b@2 a@9    b@2 was still there before 7, a@4 from 4 on, a@9 from 9 on
    the steps          set a, read a@4, read b@2, set b, set a, read a@9

What was not found was read while the key was not there. Where that was so more than once, the read stands where a
replay finds nothing either, if there is such a place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple, TypeAlias

from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.audit.reading import Read
from keyledger.domain.engine import Engine
from keyledger.domain.partition import KeyIncremented, KeySet, PartitionEvent
from keyledger.domain.past.moments import Moment, Moments, event_at
from keyledger.domain.ports import HistoryRow, StoredVersion
from keyledger.domain.run import KeysRead, run_stream
from keyledger.domain.values import MAX_INTEGER

Place: TypeAlias = tuple[datetime, str, int, int]
"""(time, stream, revision, 0 for that event and 1 for after it): the order of steps, within a stream exact."""

KeyOf: TypeAlias = tuple[str, str, str]
"""(stream, scope, key)"""

_PAGE = 500
_END: Place = (datetime.max.replace(tzinfo=UTC), "", 0, 0)


class Act(NamedTuple):
    """One command of the run: the versions that it wrote, in order, all of them at once."""

    place: Place
    stream: str
    versions: tuple[StoredVersion, ...]

    @property
    def time(self) -> datetime:
        """When it was done."""
        return self.place[0]


class Look(NamedTuple):
    """One read of the run; ``revision`` 0 is nothing, ``after`` the revision that the stream had at least."""

    place: Place
    stream: str
    scope: str
    key: str
    revision: int
    after: int

    @property
    def time(self) -> datetime:
        """When it may have been."""
        return self.place[0]


class _Recorded(NamedTuple):
    """A read, and the time at which it was recorded."""

    read: Read
    recorded_at: datetime


class _Own(NamedTuple):
    """What a command of the run left of a key: it ``ended``, or stands from ``place`` until ``expires_at``."""

    command: Place
    place: Place
    revision: int
    ended: bool
    expires_at: datetime | None


class _Gap(NamedTuple):
    """A stretch in which a key was not there, since the version of ``revision``."""

    start: Place
    beyond: Place
    revision: int

    def first(self, before: Place) -> Place:
        """The first place in it that is not before another, if there is one."""
        return before if self.start <= before < self.beyond else self.start


def written_streams(storage: LedgerStorage, run_id: str) -> Iterator[str]:
    """The streams that a run wrote in, by name."""
    after = ("", 0, "", "")
    while found := storage.runs.written(run_id, after, 1):
        yield found[0][0]
        after = (found[0][0], MAX_INTEGER, "", "")


def acts(storage: LedgerStorage, run_id: str, stream: str) -> Iterator[Act]:
    """The commands of a run in one stream, in their order, read bit by bit."""
    for _, some in groupby(_written(storage, run_id, stream), key=lambda version: version.event.request_id):
        versions = tuple(some)
        event = versions[0].event
        yield Act((event.recorded_at, stream, event.originator_version, 0), stream, versions)


def _written(storage: LedgerStorage, run_id: str, stream: str) -> Iterator[StoredVersion]:
    after = (stream, 0, "", "")
    while found := storage.runs.written(run_id, after, _PAGE):
        for where, version in found:
            if where != stream:
                return
            yield version
        row = found[-1][1].row
        after = (stream, row.revision, row.scope, row.key)


def recorded_reads(engine: Engine, run_id: str) -> list[_Recorded]:
    """What a run recorded to have read, each version once, in the order of recording."""
    stream = run_stream(run_id)
    engine.reads.flush(stream)
    found: dict[Read, _Recorded] = {}
    reached = 0
    while events := engine.storage.runs.events(stream, reached, _PAGE):
        reached = events[-1].originator_version
        for event in events:
            for read in event.reads if isinstance(event, KeysRead) else ():
                found.setdefault(read, _Recorded(read, event.recorded_at))
    return list(found.values())


class Looks:
    """Finds the places of a run's reads among its writes."""

    def __init__(self, engine: Engine, moments: Mapping[str, Moment], writes: Iterable[Act]) -> None:
        self._engine, self._storage, self._moments = engine, engine.storage, moments
        self._writes = writes
        self._own: dict[KeyOf, list[_Own]] = {}
        self._reached: dict[tuple[str, datetime], int] = {}

    def placed(self, reads: Iterable[_Recorded]) -> list[Look]:
        """The reads at their places, in the order of those."""
        reads = tuple(reads)
        self._index({each.read[:3] for each in reads})
        looks: list[Look] = []
        before = min((_start(moment) for moment in self._moments.values()), default=_END)
        for each in reads:
            if each.read[3]:
                look = self._found(each.read, before)
                before = look.place
            else:
                look, before = self._missed(each, before)
            looks.append(look)
        return sorted(looks, key=lambda look: look.place)

    def _index(self, keys: set[KeyOf]) -> None:
        for act in self._writes if keys else ():
            for row, event in act.versions:
                key = (act.stream, row.scope, row.key)
                if key in keys:
                    place = (event.recorded_at, act.stream, row.revision, 1)
                    own = _Own(act.place, place, row.revision, row.size == 0, row.expires_at)
                    self._own.setdefault(key, []).append(own)

    def _found(self, read: Read, before: Place) -> Look:
        stream, scope, key, revision = read
        event = event_at(self._storage, stream, revision)
        moment = self._moments[stream]
        start = _start(moment)
        if revision > moment.revision:
            start = (event.recorded_at, stream, revision, 1)
        following = (own.command for own in self._own.get(read[:3], ()) if own.revision > revision)
        beyond = min(next(following, _END), _expiry(event))
        place = before if start <= before < beyond else start
        return Look(place, stream, scope, key, revision, max(revision, moment.revision))

    def _missed(self, recorded: _Recorded, before: Place) -> tuple[Look, Place]:
        """A read that found nothing at its place, and the first place where it may have been."""
        stream, scope, key, _ = recorded.read
        gaps = [gap for gap in self._gaps(recorded) if gap.start[0] <= recorded.recorded_at]
        gaps = [gap for gap in gaps if gap.beyond > before] or gaps
        gaps = gaps or [_Gap(before, _END, self._moments[stream].revision)]
        alike = ((self._absent(recorded, gap, before), gap) for gap in gaps)
        first = gaps[0].first(before)
        place, gap = next(((place, gap) for place, gap in alike if place), (first, gaps[0]))
        return Look(place, stream, scope, key, 0, gap.revision), first

    def _absent(self, recorded: _Recorded, gap: _Gap, before: Place) -> Place | None:
        """The first place in a gap at which a replay does not have the key either."""
        key, place = recorded.read[:3], gap.first(before)
        last = next((own for own in reversed(self._own.get(key, ())) if own.place <= place), None)
        if last is not None:
            end = place if last.ended else _expiry_of(last.expires_at)
        else:
            base = self._storage.version_at(*key, self._moments[key[0]].revision)
            end = place if base is None else _expiry_of(base.row.expires_at)
        end = max(end, place)
        return end if end < gap.beyond and end[0] <= recorded.recorded_at else None

    def _gaps(self, recorded: _Recorded) -> Iterator[_Gap]:
        """The stretches, from the start of the run to the recording of a read, in which its key was not there."""
        stream, scope, key, _ = recorded.read
        moment = self._moments[stream]
        base = self._storage.version_at(stream, scope, key, moment.revision)
        standing, since = None if base is None else base.row, _start(moment)
        commands = {own.revision: own.command for own in self._own.get(recorded.read[:3], ())}
        for row in [*self._changes(recorded), None]:
            following = _END
            if row is not None:
                following = commands.get(row.revision, (row.recorded_at, stream, row.revision, 0))
            start = since if standing is None or not standing.size else max(since, _expiry_of(standing.expires_at))
            if start < following:
                yield _Gap(start, following, moment.revision if standing is None else standing.revision)
            if row is not None:
                standing, since = row, (row.recorded_at, stream, row.revision, 1)

    def _changes(self, recorded: _Recorded) -> list[HistoryRow]:
        """The changes of a read's key since the run's start, as far as they came before the read was recorded.

        Without its expiries: it was not there from its time on, whenever that was noticed.
        """
        stream, scope, key, _ = recorded.read
        least, rows = self._moments[stream].revision, list[HistoryRow]()
        last = self._storage.history(stream, scope, key, MAX_INTEGER, 1)
        if not last or last[0].row.revision <= least:
            return rows
        before = self._revision_at(stream, recorded.recorded_at) + 1
        while found := self._storage.history(stream, scope, key, before, _PAGE):
            rows += [row for row, _ in found if row.revision > least and row.operation != "expire"]
            before = found[-1].row.revision
            if before <= least:
                break
        return rows[::-1]

    def _revision_at(self, stream: str, time: datetime) -> int:
        """The last revision not later than a time."""
        if (stream, time) not in self._reached:
            moments = Moments(self._engine, stream)
            self._reached[stream, time] = moments.of(min(time, moments.now().instant)).revision
        return self._reached[stream, time]


def _start(moment: Moment) -> Place:
    return moment.instant, "", 0, 1


def _expiry_of(expires_at: datetime | None) -> Place:
    return _END if expires_at is None else (expires_at, "", 0, 0)


def _expiry(event: PartitionEvent) -> Place:
    return _expiry_of(event.expires_at) if isinstance(event, KeySet | KeyIncremented) else _END
