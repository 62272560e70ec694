"""Deciding a group of commands on one slice, each on the state that its predecessor left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from keyledger.domain.commands import (
    DeletePartition,
    EndExpired,
    EntryKey,
    PartitionCommand,
    RestoreAll,
    keys_of,
)
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    InvalidArgumentError,
    QuotaExceededError,
    RefusedError,
    RequestIdReusedError,
)
from keyledger.domain.partition import Decided, KeyExpired, PartitionEvent, PartitionState, decided, keys_touched
from keyledger.domain.ports import HeadMovedError, RequestRecord, Session, Slice
from keyledger.domain.quota import Lease

_FIRST_PAGE = 1_000


class Outcome(NamedTuple):
    """What a command did: its events, and the state after them (None when a retry found it done before)."""

    events: Sequence[PartitionEvent]
    state: PartitionState | None


class Request(NamedTuple):
    """A command on its way; with ``remember`` its request id is to answer a retry with the first outcome.

    With ``stop`` it is not taken any more once a command before it in its group was refused. With ``plan`` the
    command is only a draft, and what is done is the plan made of it under the write lock.
    """

    command: PartitionCommand
    remember: bool
    stop: bool = False
    plan: Plan | None = None


Plan: TypeAlias = Callable[[Session, PartitionState], PartitionCommand]
"""The command for a head that nobody can move meanwhile; reads through the session that holds the lock."""


class NotTakenError(Exception):
    """The command was not tried: one before it was refused. Internal."""


Refusal: TypeAlias = RefusedError | InvalidArgumentError
"""What decide says no with: a rule, or an argument that only the state shows to be impossible (a ttl)."""


class LeaseNeededError(Exception):
    """The command at ``index`` needs ``missing`` more bytes leased from the global quota. Internal.

    ``version`` is the lease version at which that was found: a lease taken for it may be adopted only while
    that version stands, for the sweeper may have reclaimed it otherwise.
    """

    def __init__(self, index: int, missing: int, version: int) -> None:
        super().__init__()
        self.index, self.missing, self.version = index, missing, version


class Decision:
    """A group of commands, decided one after the other on ``loaded``.

    ``locked`` says that nobody can overtake the session: only then are limits a reason to refuse, because
    the expired entries that would make room are of the same moment as the head only then.
    """

    def __init__(self, session: Session, loaded: Slice, *, locked: bool, leased: bool) -> None:
        self._session, self._locked, self._leased = session, locked, leased
        self._known = {record.request_id: record for record in loaded.requests} if loaded.requests else {}
        self.loaded, self.state, self.leases = loaded, loaded.state, loaded.leases
        self.events: list[PartitionEvent] = []
        self.requests: list[RequestRecord] = []
        self.results: list[Outcome | Refusal | NotTakenError] = []
        self.certain = True
        """False once a command was refused or did nothing: so on this slice, perhaps not on a newer one."""
        self.whole = True
        """False once expired entries were loaded beside the slice."""

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.events or self.requests)

    def adopt(self, leases: Iterable[Lease]) -> None:
        """Let the head list these leases too."""
        for lease in leases:
            self.leases = self.leases.with_lease(lease)

    def take(self, request: Request, clock: datetime) -> None:
        """Decide one more command; ``clock`` is the time, unless the command brings its own.

        Raises:
            QuotaExceededError: a limit is in the way and the session is not locked.
            HeadMovedError: the slice is older than a request id that it knows.
            LeaseNeededError: the session is locked, and the partition needs more of the global quota.
        """
        if request.stop and self.results and isinstance(self.results[-1], Exception):
            self.results.append(NotTakenError())
            return
        try:
            outcome = (request.remember and self._known_outcome(request)) or self._decided(request, clock)
        except (RefusedError, InvalidArgumentError) as refusal:
            if isinstance(refusal, QuotaExceededError) and not self._locked:
                raise
            self.certain = False
            self.results.append(refusal)
        else:
            self.certain = self.certain and bool(outcome.events)
            self.results.append(outcome)

    def _known_outcome(self, request: Request) -> Outcome | None:
        record = self._known.get(request.command.by.request_id)
        if record is None:
            return None
        if record.fingerprint != fingerprint(request.command):
            raise RequestIdReusedError(record.request_id)
        if record in self.requests:  # an earlier command of this very group
            start = record.first - self.loaded.state.revision
            return Outcome(self.events[start : start + record.last - record.first], None)
        if record.last > self.loaded.state.revision:  # made after the head was read: read again
            raise HeadMovedError
        return Outcome(self._session.events(self.state.id, record.first, record.last - record.first), None)

    def _decided(self, request: Request, clock: datetime) -> Outcome:
        command, before = request.command, self.state
        now = command.by.recorded_at or clock
        if self._leased:
            command = command._replace(limits=command.limits._replace(leased_bytes=self.leases.size))
        if isinstance(command.action, DeletePartition):
            self.whole = False
        if isinstance(command.action, EndExpired):
            self._load_expired(now, command.action.limit)
        try:
            events, self.state = decided(command, self.state, now, making_room=False)
        except QuotaExceededError:
            if not self._locked:
                raise
            events, self.state = self._decide_making_room(command, now)
        self.events += events
        if request.remember:
            last = self.state.revision
            record = RequestRecord(command.by.request_id, fingerprint(command), before.revision, last, clock)
            self.requests.append(record)
            self._known[record.request_id] = record
        return Outcome(events, self.state)

    def _decide_making_room(self, command: PartitionCommand, now: datetime) -> Decided:
        """Decide with the expired entries at hand, which decide may end to make room: as few as it needs."""
        limit = _FIRST_PAGE
        own = set(keys_of(command.action))
        while True:
            page, complete = self._load_expired(now, limit)
            try:
                made = decided(command, self.state, now)
            except QuotaExceededError as refusal:
                if complete and isinstance(refusal, GlobalQuotaExceededError):
                    missing = refusal.used + refusal.asked - refusal.max
                    raise LeaseNeededError(len(self.results), missing, self.leases.version) from None
                if complete:
                    raise
            else:
                ended = {(event.scope, event.key) for event in made.events if isinstance(event, KeyExpired)}
                if complete or ended <= page | own:  # none before its turn, because the page did not reach it
                    return made
            limit *= 10

    def _load_expired(self, now: datetime, limit: int) -> tuple[set[EntryKey], bool]:
        """Put up to ``limit`` expired entries into the slice; their keys, and whether those were all."""
        self.whole = False
        found = self._session.load_expired(self.state.id, self.state.effective_now(now), limit)
        entries, touched = self.state.entries, set(keys_touched(self.events))
        for key, entry in found:
            if key not in touched:
                entries = entries.insert(key, entry)
        self.state = self.state._replace(entries=entries)
        return {key for key, _ in found}, len(found) < limit


def fingerprint(command: PartitionCommand) -> str:
    """A digest of what a command asks for, whoever asks: equal for a retry, different for another command."""
    action = command.action._replace(actions=()) if isinstance(command.action, RestoreAll) else command.action
    return sha256(repr(action).encode("utf-8", "surrogatepass")).hexdigest()


def keys_of_group(requests: Sequence[Request]) -> tuple[EntryKey, ...]:
    """The entries that a group of commands reads, each once."""
    if len(requests) == 1:
        return keys_of(requests[0].command.action)
    return tuple(dict.fromkeys(key for request in requests for key in keys_of(request.command.action)))
