"""Moments of a partition: a revision and the instant at which expiry is judged, and their tokens.

``weather@41`` is what stood at revision 41, judged at that revision's own time; with ``~2026-11-21T12:00:00Z`` at
its end it is judged at that time. What was given as a time, or as a run's start, is pinned as the latter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from keyledger.domain import arguments
from keyledger.domain.engine import Engine
from keyledger.domain.errors import (
    ForkIncompleteError,
    InvalidArgumentError,
    RevisionNotFoundError,
    RunNotFoundError,
    UnreadableError,
)
from keyledger.domain.partition import KeyExpired, PartitionEvent, StoredEntry
from keyledger.domain.ports import Session
from keyledger.domain.run import run_stream
from keyledger.domain.scope import check_id, name_of, stream_named
from keyledger.domain.values import MAX_INTEGER

MomentLike: TypeAlias = int | datetime | str
"""A revision, an aware time, or a token."""

_TOKEN = re.compile(r"(?P<name>.+)@(?P<revision>[0-9]{1,19})(?:~(?P<instant>[^@~]+))?", re.DOTALL)
_TOKENS = "a token as weather@41 or weather@41~2026-01-31T12:00:00Z"
_PROBES = 16
"""How many events one step of the search for a time looks at: five steps for a million."""


class Moment(NamedTuple):
    """What ``stream`` held at ``revision``; ``pinned`` says that ``instant`` is not just that revision's time."""

    stream: str
    revision: int
    instant: datetime
    pinned: bool = False

    def left_of(self, entry: StoredEntry) -> timedelta | None:
        """What was left then of an entry's life; None if it was there for good."""
        return None if entry.expires_at is None else entry.expires_at - self.instant

    def __str__(self) -> str:
        """The token."""
        at = self.instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"{name_of(self.stream)}@{self.revision}{f'~{at}' if self.pinned else ''}"


NOTHING_YET = datetime.min.replace(tzinfo=UTC)
"""The instant of revision 0, where nothing is there to expire."""


class Moments:
    """Finds moments of one stream; ``field`` is the argument that names them, for errors."""

    def __init__(self, engine: Engine, stream: str, field: str = "moment") -> None:
        self._engine, self._storage, self._stream, self._field = engine, engine.storage, stream, field

    def of(self, moment: MomentLike) -> Moment:
        """The moment that is meant.

        Raises:
            InvalidArgumentError: a naive time, one that has not come, or a token of another partition or of none.
            RevisionNotFoundError: a revision that is not reached yet.
        """
        match moment:
            case str():
                return self._of_token(moment)
            case datetime():
                return self._of_time(arguments.moment(self._field, moment))
            case int() if not isinstance(moment, bool):
                arguments.check_integer(self._field, moment, 0)
                return self.of_revision(moment)
        raise InvalidArgumentError(self._field, moment, "a revision, an aware datetime or a token")

    def of_revision(self, revision: int) -> Moment:
        """The moment of a revision; RevisionNotFoundError if it is not reached yet."""
        if revision == 0:
            return Moment(self._stream, 0, NOTHING_YET)
        found = self._storage.events_at(self._stream, [revision])
        if revision not in found:
            head = self._storage.load(self._stream, ()).state.revision
            if revision > head:
                raise RevisionNotFoundError(name_of(self._stream), revision, head)
            found = self._storage.events_at(self._stream, [revision])  # it may have come in between
        event = known(self._stream, found, revision)
        return Moment(self._stream, revision, event.recorded_at.astimezone(UTC))

    def of_run(self, run_id: str, *, end: bool) -> Moment:
        """The moment that a run started from, or with ``end`` the one that its last event here left.

        It started from the head before its first event here, judged when it started, so that what expired in
        between was there; if it wrote nothing here, from what stood when it started.

        Raises:
            RunNotFoundError: neither the audit of runs nor the history here knows the run.
        """
        check_id("run", run_id)
        span = self._storage.written_span(self._stream, run_id)
        if span is not None and end:
            return self.of_revision(span[1])
        row = self._storage.runs.read_run(run_stream(run_id))
        if span is not None:
            first = self.of_revision(span[0])
            began = first.instant if row is None else min(row.started_at, first.instant)
            before = self.of_revision(self._before_expiries(span[0], began))
            return Moment(self._stream, before.revision, max(began, before.instant), pinned=True)
        if row is None:
            purged = self._storage.runs.load(run_stream(run_id)).purged
            raise RunNotFoundError(run_id, purged=purged)
        return self._of_time(min(row.started_at, self.now().instant))

    def _before_expiries(self, revision: int, began: datetime) -> int:
        """The last revision before ``revision`` that did not just end, since ``began``, what had expired."""
        while revision > 1:
            page = self._storage.events(self._stream, max(0, revision - 1 - _PROBES), min(_PROBES, revision - 1))
            for event in reversed(page):
                if not isinstance(event, KeyExpired) or event.recorded_at < began:
                    return event.originator_version
                revision = event.originator_version
        return 0

    def span(self, since: datetime | None, until: datetime | None) -> range:
        """The revisions so far that were recorded at ``since`` or later, and before ``until``."""
        head = self._storage.load(self._stream, ()).state.revision

        def before(instant: datetime) -> int:
            return _last(lambda time: time < instant, head, self._times)

        return range(1 if since is None else before(since) + 1, (head if until is None else before(until)) + 1)

    def now(self) -> Moment:
        """What stands, pinned; ForkIncompleteError in a fork that has begun meanwhile."""
        head = self._storage.load(self._stream, ()).state
        if head.forking:
            raise ForkIncompleteError(name_of(self._stream))
        return Moment(self._stream, head.revision, head.effective_now(self._engine.clock.now()), pinned=True)

    def _of_time(self, instant: datetime) -> Moment:
        now = self.now()
        if instant > now.instant:
            raise InvalidArgumentError(
                self._field, instant.isoformat(), f"a time that has come: it is {now.instant.isoformat()}"
            )
        revision = _last(lambda time: time <= instant, now.revision, self._times)
        return Moment(self._stream, revision, instant, pinned=True)

    def _times(self, revisions: Sequence[int]) -> dict[int, datetime]:
        found = self._storage.events_at(self._stream, tuple(revisions))
        return {revision: known(self._stream, found, revision).recorded_at for revision in revisions}

    def _of_token(self, token: str) -> Moment:
        stream, revision, instant = parse_token(token, self._field)
        if stream != self._stream:
            raise InvalidArgumentError(self._field, token, f"a token of {name_of(self._stream)!r}")
        moment = self.of_revision(revision)
        if instant is None:
            return moment
        if (revision and instant < moment.instant) or instant > self.now().instant + arguments.MAX_CLOCK_SKEW:
            allowed = f"a token with a time from {moment.instant.isoformat()}, its revision's, to now"
            raise InvalidArgumentError(self._field, token, allowed)
        return moment._replace(instant=instant, pinned=True)


def parse_token(token: str, field: str = "moment") -> tuple[str, int, datetime | None]:
    """The stream, revision and instant that a token names; InvalidArgumentError if it is none."""
    found = _TOKEN.fullmatch(token)
    if found is None or int(found["revision"]) > MAX_INTEGER:
        raise InvalidArgumentError(field, token, _TOKENS)
    try:
        instant = found["instant"] and arguments.utc(datetime.fromisoformat(found["instant"]))
        return stream_named(found["name"]), int(found["revision"]), instant or None
    except (ValueError, OverflowError, InvalidArgumentError):
        raise InvalidArgumentError(field, token, _TOKENS) from None


def _last(
    is_early: Callable[[datetime], bool], head: int, times: Callable[[Sequence[int]], Mapping[int, datetime]]
) -> int:
    """The last revision recorded early enough, 0 if there is none: times never go back in a stream."""
    low, high = 0, head + 1
    while high - low > 1:
        probes = range(low + 1, high, max(1, (high - low) // _PROBES))
        for revision, time in sorted(times(probes).items()):
            if not is_early(time):
                high = revision
                break
            low = revision
    return low


def event_at(session: Session, stream: str, revision: int) -> PartitionEvent:
    """The event that made a revision; UnreadableError if it is missing."""
    return known(stream, session.events_at(stream, [revision]), revision)


def known(stream: str, found: Mapping[int, PartitionEvent], revision: int) -> PartitionEvent:
    """The event of a revision among those that were found; UnreadableError if it is missing."""
    if revision not in found:
        raise UnreadableError(f"event {revision} of {stream!r}", "it is missing")
    return found[revision]
