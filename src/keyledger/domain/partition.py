"""The partition: one namespace of keys, as a decider.

Reads top to bottom: events, state, ``evolve``, ``decide`` (what it may be asked is in ``commands.py``). Everything
here is pure: time, limits and identity come in with the command.

``decide`` needs only a slice of the state: the head (revision, used bytes, live keys, quota, last time),
the entries that the command touches and, when a limit would be passed, the expired ones. What it decides on
that slice is what it would decide on the whole replayed state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias, assert_never

from rpds import HashTrieMap

from keyledger.domain.commands import (
    Batch,
    BeginFork,
    ChangeQuota,
    CompleteFork,
    Copy,
    Delete,
    DeletePartition,
    EndExpired,
    EntryKey,
    Increment,
    KeyAction,
    PartitionCommand,
    Restore,
    RestoreAll,
    Set,
    keys_of,
)
from keyledger.domain.errors import (
    ForkIncompleteError,
    IntegerOverflowError,
    InvalidArgumentError,
    InvalidValueTypeError,
    PartitionExistsError,
    RevisionConflictError,
    TimeReversalError,
    ValueTooLargeError,
)
from keyledger.domain.event import Event, UTCDatetime
from keyledger.domain.quota import Growth
from keyledger.domain.scope import name_of
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, json_type

EXPIRY_ACTOR = "system:expiry"
_LATEST = datetime.max.replace(tzinfo=UTC)
_NOBODY = {"changed_by": EXPIRY_ACTOR, "run_id": None, "root_run_id": None, "tool": None}

# ---------------------------------------------------------------------------------------------- events
# The topics and field names below are the storage format of every ledger ever written: change them only
# with a higher default of schema_version and an upcaster (``upcast_v1_v2(state)``, static, on that class).


class KeyEvent(Event):
    """An event of one key in one scope."""

    scope: str
    key: str


class KeySet(KeyEvent):
    """A key got a value: ``value`` is its compact JSON text, ``expires_at`` absolute or None for never.

    ``restored_from`` is the revision whose state it was given back, ``copied_from`` the one of a fork's source.
    """

    TOPIC = "kv.KeySet"
    expires_at: UTCDatetime | None = None
    restored_from: int | None = None
    copied_from: int | None = None
    value: bytes


class KeyIncremented(KeyEvent):
    """An integer moved by ``delta``; ``value`` is the JSON text of the result, so one event answers a read."""

    TOPIC = "kv.KeyIncremented"
    delta: int
    expires_at: UTCDatetime | None = None
    value: bytes


class KeyDeleted(KeyEvent):
    """A live key was removed; with ``restored_from`` because there was none at that revision."""

    TOPIC = "kv.KeyDeleted"
    restored_from: int | None = None


class KeyExpired(KeyEvent):
    """An entry whose time had come at ``expired_at`` was ended, by a write or by the sweeper."""

    TOPIC = "kv.KeyExpired"
    expired_at: UTCDatetime


class QuotaChanged(Event):
    """The partition's own byte quota became ``max_bytes``; None goes back to the configured one."""

    TOPIC = "kv.QuotaChanged"
    max_bytes: int | None = None


class PartitionForked(Event):
    """The partition begins as a copy of what ``source`` held at ``revision``, expiry judged at ``judged_at``.

    A KeySet with ``copied_from`` follows for each live key, then ForkCompleted.
    """

    TOPIC = "kv.PartitionForked"
    source: str
    revision: int
    judged_at: UTCDatetime


class ForkCompleted(Event):
    """Everything was copied: from here on the fork is a partition as any other."""

    TOPIC = "kv.ForkCompleted"


class PartitionDeleted(Event):
    """Every entry was removed. Revisions go on if the partition is used again, and so does its quota."""

    TOPIC = "kv.PartitionDeleted"


_KeyChange: TypeAlias = KeySet | KeyIncremented | KeyDeleted | KeyExpired
PartitionEvent: TypeAlias = _KeyChange | QuotaChanged | PartitionForked | ForkCompleted | PartitionDeleted


def operation_of(event: PartitionEvent) -> str:  # noqa: PLR0911 - a word for each event
    """The word for what an event did, as histories tell it."""
    match event:
        case KeySet():
            if event.restored_from is not None:
                return "restore"
            return "set" if event.copied_from is None else "copy"
        case KeyIncremented():
            return "increment"
        case KeyDeleted():
            return "delete" if event.restored_from is None else "restore"
        case KeyExpired():
            return "expire"
        case QuotaChanged():
            return "quota"
        case PartitionForked():
            return "fork"
        case ForkCompleted():
            return "fork_completed"
        case PartitionDeleted():
            return "partition_deleted"
        case _:
            assert_never(event)


EVENT_TYPES: tuple[type[PartitionEvent], ...] = (
    KeySet,
    KeyIncremented,
    KeyDeleted,
    KeyExpired,
    QuotaChanged,
    PartitionForked,
    ForkCompleted,
    PartitionDeleted,
)

# ----------------------------------------------------------------------------------------------- state


class StoredEntry(NamedTuple):
    """One key's current value and where it came from; ``value`` is JSON text, times are UTC."""

    value: bytes
    revision: int
    create_revision: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    changed_by: str | None = None
    run_id: str | None = None

    @property
    def size(self) -> int:
        """The bytes that this entry counts for."""
        return len(self.value)

    def is_expired(self, now: datetime) -> bool:
        """Whether the entry's time has come: now ≥ expires_at."""
        return self.expires_at is not None and now >= self.expires_at


class PartitionState(NamedTuple):
    """A partition as its events left it: the head, and all entries or the slice of them that was loaded.

    ``used_bytes`` and ``live_keys`` count the entries that no event has ended yet, expired or not.
    ``max_bytes`` is the partition's own quota, None where the configured one holds. While it is ``forking``
    nothing is done here but copying.
    """

    id: str
    revision: int = 0
    used_bytes: int = 0
    live_keys: int = 0
    max_bytes: int | None = None
    last_recorded_at: datetime | None = None
    deleted: bool = False
    forking: bool = False
    entries: HashTrieMap[EntryKey, StoredEntry] = HashTrieMap()

    @property
    def version(self) -> int:
        """The revision, under the name that the event sourcing library knows."""
        return self.revision

    def with_entries(self, entries: Iterable[tuple[EntryKey, StoredEntry]]) -> PartitionState:
        """This state with ``entries`` as the slice."""
        return self._replace(entries=HashTrieMap(entries))

    def effective_now(self, now: datetime) -> datetime:
        """``now``, or the last event's time if the clock is behind it: time never goes back here."""
        return now if self.last_recorded_at is None or now > self.last_recorded_at else self.last_recorded_at

    def expired(self, now: datetime) -> list[tuple[EntryKey, StoredEntry]]:
        """The expired entries, in the order in which they are ended: (expires_at, scope, key)."""
        due = [(key, entry) for key, entry in self.entries.items() if entry.is_expired(now)]
        return sorted(due, key=lambda item: (item[1].expires_at, item[0]))


# ---------------------------------------------------------------------------------------------- evolve


def evolve(state: PartitionState, event: PartitionEvent) -> PartitionState:
    """The state after ``event``."""
    match event:
        case KeySet() | KeyIncremented():
            return _put(state, event)
        case KeyDeleted() | KeyExpired():
            return _removed(state, event)
        case QuotaChanged():
            return state._replace(
                revision=event.originator_version,
                max_bytes=event.max_bytes,
                last_recorded_at=event.recorded_at,
                deleted=False,
            )
        case PartitionForked() | ForkCompleted():
            return state._replace(
                revision=event.originator_version,
                last_recorded_at=event.recorded_at,
                deleted=False,
                forking=isinstance(event, PartitionForked),
            )
        case PartitionDeleted():
            return PartitionState(
                state.id,
                event.originator_version,
                max_bytes=state.max_bytes,
                last_recorded_at=event.recorded_at,
                deleted=True,
            )
        case _:
            assert_never(event)


def _put(state: PartitionState, event: KeySet | KeyIncremented) -> PartitionState:
    key, value, revision, now = (event.scope, event.key), event.value, event.originator_version, event.recorded_at
    before = state.entries.get(key)
    if before is None:
        created, created_at, grown = revision, now, len(value)
    else:
        created, created_at, grown = before.create_revision, before.created_at, len(value) - len(before.value)
    after = StoredEntry(
        value, revision, created, created_at, now, event.expires_at, event.changed_by, event.run_id
    )
    return PartitionState(
        state.id,
        revision,
        state.used_bytes + grown,
        state.live_keys + (before is None),
        state.max_bytes,
        now,
        deleted=False,
        forking=state.forking,
        entries=state.entries.insert(key, after),
    )


def _removed(state: PartitionState, event: KeyDeleted | KeyExpired) -> PartitionState:
    key = (event.scope, event.key)
    before = state.entries.get(key)
    return PartitionState(
        state.id,
        event.originator_version,
        state.used_bytes - (before.size if before else 0),
        state.live_keys - (before is not None),
        state.max_bytes,
        event.recorded_at,
        deleted=False,
        forking=state.forking,
        entries=state.entries.remove(key) if before else state.entries,
    )


def fold(state: PartitionState, events: Iterable[PartitionEvent]) -> PartitionState:
    """The state after all of ``events``."""
    for event in events:
        state = evolve(state, event)
    return state


def keys_touched(events: Iterable[PartitionEvent]) -> tuple[EntryKey, ...]:
    """The keys that ``events`` changed one by one, each once, in order."""
    return tuple({(event.scope, event.key): None for event in events if isinstance(event, KeyEvent)})


# ---------------------------------------------------------------------------------------------- decide


class Decided(NamedTuple):
    """What was decided: the events, and the state that they lead to."""

    events: Sequence[PartitionEvent]
    state: PartitionState


def decide(command: PartitionCommand, state: PartitionState, now: datetime) -> Sequence[PartitionEvent]:
    """The events that ``command`` makes of ``state`` at ``now``; none where it changes nothing.

    Raises:
        RefusedError: a condition, limit or type says no. Nothing of the command happens then.
    """
    return decided(command, state, now).events


def decided(
    command: PartitionCommand, state: PartitionState, now: datetime, *, making_room: bool = True
) -> Decided:
    """As :func:`decide`, and the state after: deciding has led there already.

    Without ``making_room`` a limit refuses although expired entries could be ended: for a slice that may
    not hold those whose turn it is.
    """
    draft = _Draft(command, state, now)
    match command.action:
        case Batch() | RestoreAll():
            for action in command.action.actions:
                draft.act(action)
        case Set() | Increment() | Delete() | Restore() | Copy():
            draft.act(command.action)
        case BeginFork():
            draft.begin_fork(command.action)
        case CompleteFork():
            draft.complete_fork(command.action)
        case ChangeQuota():
            draft.change_quota(command.action)
        case DeletePartition():
            draft.delete_all()
        case EndExpired():
            draft.end_expired(command.action.limit)
        case _:
            assert_never(command.action)
    return draft.within_limits(making_room=making_room)


class _Draft:
    """The events so far, and the state that they lead to."""

    ended_bytes = ended_keys = 0

    def __init__(self, command: PartitionCommand, state: PartitionState, now: datetime) -> None:
        by = command.by
        if by.recorded_at and state.last_recorded_at and by.recorded_at < state.last_recorded_at:
            raise TimeReversalError(by.recorded_at, state.last_recorded_at)
        self.command, self.before, self.after = command, state, state
        self.now = state.effective_now(now)
        self.events: list[PartitionEvent] = []

    def append(self, kind: type[PartitionEvent], **fields: object) -> None:
        by, after = self.command.by, self.after
        event = kind.of(
            {
                **kind.TEMPLATE,
                "originator_id": after.id,
                "originator_version": after.revision + 1,
                "recorded_at": self.now,
                "changed_by": by.changed_by,
                "run_id": by.run_id,
                "root_run_id": by.root_run_id,
                "tool": by.tool,
                "request_id": by.request_id,
                **fields,
            }
        )
        self.events.append(event)
        self.after = evolve(after, event)

    def end(self, key: EntryKey, entry: StoredEntry) -> None:
        """End an expired entry; expiry is nobody's doing, so the event names no caller and no run."""
        self.ended_bytes += entry.size
        self.ended_keys += 1
        self.append(KeyExpired, scope=key[0], key=key[1], expired_at=entry.expires_at, **_NOBODY)

    def check_open(self) -> None:
        """Raise unless the partition may be used: an unfinished fork may not."""
        if self.before.forking:
            raise ForkIncompleteError(name_of(self.before.id))

    def begin_fork(self, action: BeginFork) -> None:
        if self.before.revision:
            raise PartitionExistsError(name_of(self.before.id))
        self.append(PartitionForked, **action._asdict())

    def complete_fork(self, action: CompleteFork) -> None:
        if self.before.forking:
            self.append(ForkCompleted)
            if action.max_bytes is not None:
                self.append(QuotaChanged, max_bytes=action.max_bytes)

    def change_quota(self, action: ChangeQuota) -> None:
        self.check_open()
        if action.record or action.max_bytes != self.before.max_bytes:
            self.append(QuotaChanged, max_bytes=action.max_bytes)

    def delete_all(self) -> None:
        if self.before.revision and not self.before.deleted:
            self.append(PartitionDeleted)

    def end_expired(self, limit: int) -> None:
        """End what has expired, but not in an unfinished fork: it would be copied once more."""
        for key, entry in () if self.before.forking else self.before.expired(self.now)[:limit]:
            self.end(key, entry)

    def act(self, action: KeyAction) -> None:
        if isinstance(action, Copy):
            return self._copy(action)
        if self.before.forking:
            self.check_open()
        key = (action.scope, action.key)
        entry = self.after.entries.get(key)
        live = None if entry is None or entry.is_expired(self.now) else entry
        if action.if_revision is not None and action.if_revision != (found := live.revision if live else 0):
            raise RevisionConflictError(action.key, expected=action.if_revision, found=found)
        if entry is not None and live is None:
            self.end(key, entry)
        match action:
            case Set():
                self._check_size(action.value)
                expires_at = None if action.ttl is None else self._expires_at(action.ttl)
                self.append(KeySet, scope=key[0], key=key[1], value=action.value, expires_at=expires_at)
            case Increment():
                self._increment(action, live)
            case Delete():
                if live is not None:
                    self.append(KeyDeleted, scope=key[0], key=key[1])
            case Restore():
                self._restore(action, live)
            case _:
                assert_never(action)
        return None

    def _copy(self, action: Copy) -> None:
        if self.before.forking and (action.scope, action.key) not in self.after.entries:
            self._put(action, copied_from=action.copied_from)

    def _restore(self, action: Restore, live: StoredEntry | None) -> None:
        if action.value is None:
            if live is not None:
                self.append(KeyDeleted, scope=action.scope, key=action.key, restored_from=action.restored_from)
        elif live is None or not _is_restored(action, live):
            self._check_size(action.value)
            self._put(action, restored_from=action.restored_from)

    def _put(self, action: Copy | Restore, **origin: int) -> None:
        """Put what was there once; a life that would go on beyond the year 9999 ends with it."""
        try:
            expires_at = None if action.ttl is None else self._expires_at(action.ttl)
        except InvalidArgumentError:
            expires_at = _LATEST
        self.append(
            KeySet, scope=action.scope, key=action.key, value=action.value, expires_at=expires_at, **origin
        )

    def _increment(self, action: Increment, live: StoredEntry | None) -> None:
        current = _integer(action.key, live.value) if live else action.initial_value
        total = current + action.delta
        if not MIN_INTEGER <= total <= MAX_INTEGER:
            raise IntegerOverflowError(action.key, current, action.delta)
        value = b"%d" % total
        self._check_size(value)
        kept = live.expires_at if live else None
        self.append(
            KeyIncremented,
            scope=action.scope,
            key=action.key,
            delta=action.delta,
            value=value,
            expires_at=kept if action.ttl is None else self._expires_at(action.ttl),
        )

    def _check_size(self, value: bytes) -> None:
        if len(value) > self.command.limits.max_value_bytes:
            raise ValueTooLargeError(len(value), self.command.limits.max_value_bytes)

    def _expires_at(self, ttl: float | timedelta) -> datetime:
        try:
            life = ttl if isinstance(ttl, timedelta) else timedelta(seconds=ttl)
            return self.now + max(life, timedelta.resolution)
        except OverflowError:
            raise InvalidArgumentError("ttl", ttl, "seconds that end before the year 10000") from None

    def within_limits(self, *, making_room: bool) -> Decided:
        """What was drafted, if growth fits the limits, after ending as many expired entries as that needs.

        A command that does not grow what is live is never refused, also when a lowered quota is already
        exceeded. Growth is counted on live entries: one that this command found expired was not live.
        """
        before, after = self.before, self.after
        growth = Growth(
            before.id,
            after.used_bytes - before.used_bytes + self.ended_bytes,
            after.live_keys - before.live_keys + self.ended_keys,
        )
        if growth.used_bytes <= 0 and growth.live_keys <= 0:
            return Decided(self.events, after)
        limits = self.command.limits.for_partition(before.max_bytes)
        refusal = growth.refusal(limits, after.used_bytes, after.live_keys)
        if refusal is None:
            return Decided(self.events, after)
        touched = set(keys_of(self.command.action))
        forced = _Draft(self.command, before, self.now)
        for key, entry in before.expired(self.now) if making_room and not before.forking else ():
            if key not in touched:
                forced.end(key, entry)
                used, live = after.used_bytes - forced.ended_bytes, after.live_keys - forced.ended_keys
                refusal = growth.refusal(limits, used, live)
                if refusal is None:
                    rest = decided(self.command, forced.after, self.now)
                    return Decided([*forced.events, *rest.events], rest.state)
        raise refusal


def _is_restored(action: Restore, live: StoredEntry) -> bool:
    """Whether there is nothing to restore: the version is the same, or what both hold for good."""
    same_for_good = live.value == action.value and live.expires_at is None and action.ttl is None
    return live.revision == action.version or same_for_good


def _integer(key: str, value: bytes) -> int:
    """The integer that a JSON text holds; 1.0 is a float here, as 64 bits of integer would not fit one."""
    kind = json_type(value)
    if kind != "number":
        raise InvalidValueTypeError(key, kind)
    try:
        return int(value)
    except ValueError:
        raise InvalidValueTypeError(key, "float") from None
