"""A partition as users hold it: the operations on keys, with who asks and in which run already filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from keyledger.domain import arguments
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.partition import (
    Action,
    Attribution,
    Batch,
    ChangeQuota,
    Delete,
    EntryKey,
    Increment,
    KeyAction,
    KeyDeleted,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionCommand,
    PartitionState,
    Set,
    StoredEntry,
)
from keyledger.domain.ports import ReadEntry, StoredVersion
from keyledger.domain.records import Entry, Page, Usage, Version
from keyledger.domain.scope import SKILL, check_key, check_scope, is_tree, stream_of
from keyledger.domain.values import JSONValue, check_value

if TYPE_CHECKING:
    from keyledger.domain.decision import Outcome
    from keyledger.domain.ledger import Engine

MAX_BATCH = 10_000
_BEYOND = 2**63 - 1
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts through a partition handle; every event records it."""

    actor: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None


class Partition:
    """One namespace of keys. Cheap to make, safe to share between threads.

    Each method takes a ``scope``: ``skill`` (the default), ``user:<id>``, ``run:<id>`` or ``root_run:<id>``.
    Every argument is checked: InvalidArgumentError names the field, what came and what is allowed.
    """

    def __init__(self, engine: Engine, partition_id: str, stream: str, caller: Caller) -> None:
        self.id = partition_id
        self._engine, self._storage, self._stream, self._caller = engine, engine.storage, stream, caller

    @property
    def max_value_bytes(self) -> int:
        """The cap on one value's JSON text."""
        return self._engine.settings.limits.max_value_bytes

    # ------------------------------------------------------------------------------------- reading

    def get(self, key: str, *, scope: str = SKILL) -> Entry | None:
        """The entry under ``key``, or None if there is none or it has expired."""
        check_key(key)
        check_scope(scope)
        found = self._storage.read_entry(stream_of(self._stream, scope), scope, key)
        return self._live(found) if found is not None else None

    def get_many(self, keys: Sequence[str], *, scope: str = SKILL) -> dict[str, Entry]:
        """The entries under ``keys`` that exist, as of one moment, by key, in the order asked for."""
        if isinstance(keys, str) or len(keys) > MAX_BATCH:
            raise InvalidArgumentError("keys", keys, f"a sequence of at most {MAX_BATCH} keys")
        for key in keys:
            check_key(key)
        check_scope(scope)
        found = self._storage.read_entries(stream_of(self._stream, scope), scope, tuple(dict.fromkeys(keys)))
        live = {each.key[1]: entry for each in found if (entry := self._live(each)) is not None}
        return {key: live[key] for key in dict.fromkeys(keys) if key in live}

    def list(
        self,
        *,
        scope: str = SKILL,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Entry]:
        """Live entries of one scope under ``prefix``, in UTF-8 byte order of the key.

        ``limit`` is 1 to 1,000; a page's ``next`` is the ``after`` that continues it.
        """
        check_scope(scope)
        arguments.check_start("prefix", prefix)
        arguments.check_start("after", after)
        arguments.check_page(limit)
        stream = stream_of(self._stream, scope)
        now = self._engine.clock.now()
        rows = self._storage.list_entries(stream, scope, prefix, after, limit + 1, now)
        shown = rows[:limit]
        entries = tuple(self._entry(row.key, row.entry, max(now, row.last_recorded_at)) for row in shown)
        return Page(entries, shown[-1].key[1] if len(rows) > limit else None)

    def history(
        self, key: str, *, scope: str = SKILL, limit: int = arguments.DEFAULT_PAGE, before: int | None = None
    ) -> Page[Version]:
        """The versions of ``key``, newest first, through deletion and re-creation; empty if it never was.

        A page's ``next`` is the ``before`` (a revision) that continues it.
        """
        check_key(key)
        check_scope(scope)
        arguments.check_page(limit)
        arguments.check_revision("before", before)
        stream = stream_of(self._stream, scope)
        rows = self._storage.history(stream, scope, key, _BEYOND if before is None else before, limit + 1)
        versions = tuple(self._version(row) for row in rows[:limit])
        return Page(versions, versions[-1].revision if len(rows) > limit else None)

    def usage(self, *, scope: str = SKILL) -> Usage:
        """What the partition uses; with a ``root_run:`` scope, what that dispatch tree shares."""
        check_scope(scope)
        stream = stream_of(self._stream, scope)
        return self._engine.usage(stream, self._storage.usage(stream, self._engine.clock.now()))

    # ------------------------------------------------------------------------------------- writing

    def set(
        self,
        key: str,
        value: JSONValue,
        *,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """Give ``key`` a JSON value, for ``ttl`` seconds or (None) for good, and return its entry.

        Raises:
            ValueSerializationError: the value is not JSON, or JSON would alter it.
            ValueTooLargeError: its JSON text is longer than the cap per value.
            RevisionConflictError: ``if_revision`` (0 = must not exist) is not the key's revision.
            QuotaExceededError: it grows usage past the partition's, tree's or ledger's quota.
            RequestIdReusedError: ``request_id`` stands for another command.
        """
        action = self._set_action(key, value, scope, ttl, if_revision)
        outcome = self._execute(action, request_id)
        event = next(event for event in outcome.events if isinstance(event, KeySet))
        return self._entry_of(event, outcome.state)

    def increment(
        self,
        key: str,
        delta: int = 1,
        *,
        initial_value: int = 0,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """Add ``delta`` to an integer, atomically; a missing key becomes ``initial_value + delta``.

        Without a ``ttl`` the remaining one is kept.

        Raises:
            InvalidValueTypeError: the key holds a bool, a float or anything else that is not an integer.
            IntegerOverflowError: the result would not fit 64 bits.
            RefusedError: as for :meth:`set`.
        """
        action = self._increment_action(key, delta, initial_value, scope, ttl, if_revision)
        outcome = self._execute(action, request_id)
        event = next(event for event in outcome.events if isinstance(event, KeyIncremented))
        return self._entry_of(event, outcome.state)

    def delete(
        self,
        key: str,
        *,
        scope: str = SKILL,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Remove ``key``; whether there was anything to remove.

        Raises:
            RevisionConflictError: ``if_revision`` is not the key's revision.
            RequestIdReusedError: ``request_id`` stands for another command.
        """
        outcome = self._execute(self._delete_action(key, scope, if_revision), request_id)
        return any(isinstance(event, KeyDeleted) for event in outcome.events)

    def batch(self, *, request_id: str | None = None) -> PendingBatch:
        """Several writes as one: ``with kv.batch() as batch: batch.set(…)``. All of them happen, or none.

        The whole is judged against the quota on its final state, and must stay in one stream: the
        ``root_run:`` scope of a tree cannot be mixed with other scopes.
        """
        arguments.check_name("request_id", request_id)
        return PendingBatch(self, request_id)

    def set_quota(self, max_bytes: int | None, *, request_id: str | None = None) -> Usage:
        """Give the partition a byte quota of its own (None: back to the configured one); its usage now."""
        if max_bytes is not None:
            arguments.check_integer("max_bytes", max_bytes, 0)
        self._execute(ChangeQuota(max_bytes), request_id)
        return self.usage()

    # ----------------------------------------------------------------------------------- internals

    def _set_action(
        self, key: str, value: JSONValue, scope: str, ttl: float | None, if_revision: int | None
    ) -> Set:
        check_key(key)
        check_scope(scope)
        check_value(value)
        arguments.check_ttl(ttl)
        arguments.check_revision("if_revision", if_revision)
        return Set(scope, key, self._engine.codec.encode(value), ttl, if_revision)

    def _increment_action(
        self,
        key: str,
        delta: int,
        initial_value: int,
        scope: str,
        ttl: float | None,
        if_revision: int | None,
    ) -> Increment:
        check_key(key)
        check_scope(scope)
        arguments.check_integer("delta", delta)
        arguments.check_integer("initial_value", initial_value)
        arguments.check_ttl(ttl)
        arguments.check_revision("if_revision", if_revision)
        return Increment(scope, key, delta, initial_value, ttl, if_revision)

    def _delete_action(self, key: str, scope: str, if_revision: int | None) -> Delete:
        check_key(key)
        check_scope(scope)
        arguments.check_revision("if_revision", if_revision)
        return Delete(scope, key, if_revision)

    def _execute(
        self, action: Action, request_id: str | None = None, recorded_at: datetime | None = None
    ) -> Outcome:
        arguments.check_name("request_id", request_id)
        if isinstance(action, Batch):
            stream = self._stream_of_all(action)
        else:
            stream = stream_of(self._stream, getattr(action, "scope", SKILL))
        writer = self._engine.writer
        by = Attribution(
            request_id or writer.new_request_id(),
            self._caller.actor,
            self._caller.run_id,
            self._caller.root_run_id,
            self._caller.tool,
            recorded_at,
        )
        command = PartitionCommand(action, by, self._engine.limits(stream))
        return writer.execute(stream, command, remember=request_id is not None)

    def _stream_of_all(self, batch: Batch) -> str:
        streams = {stream_of(self._stream, action.scope) for action in batch.actions}
        if len(streams) > 1:
            scopes = ", ".join(sorted({action.scope for action in batch.actions}))
            raise InvalidArgumentError("batch", scopes, "scopes of one stream: root_run: apart from the others")
        return streams.pop()

    def _live(self, found: ReadEntry) -> Entry | None:
        entry = found.entry
        if entry.expires_at is None:
            return self._entry(found.key, entry, found.last_recorded_at)
        now = max(self._engine.clock.now(), found.last_recorded_at)
        return None if entry.is_expired(now) else self._entry(found.key, entry, now)

    def _entry(self, key: EntryKey, entry: StoredEntry, now: datetime) -> Entry:
        return Entry(
            key[0],
            key[1],
            self._engine.codec.decode(entry.value),
            len(entry.value),
            entry.revision,
            entry.create_revision,
            entry.created_at,
            entry.updated_at,
            entry.expires_at,
            None if entry.expires_at is None else -((now - entry.expires_at) // _SECOND),
            entry.changed_by,
            entry.run_id,
        )

    def _entry_of(self, event: KeySet | KeyIncremented, state: PartitionState | None) -> Entry:
        """The entry that ``event`` left; what the state no longer tells, the history does."""
        key = (event.scope, event.key)
        entry = state.entries.get(key) if state is not None else None
        if entry is None or entry.revision != event.originator_version:
            created = self._storage.created(event.originator_id, *key, event.originator_version)
            entry = StoredEntry(
                event.value,
                event.originator_version,
                *created,
                event.recorded_at,
                event.expires_at,
                event.changed_by,
                event.run_id,
            )
        return self._entry(key, entry, event.recorded_at)

    def _version(self, stored: StoredVersion) -> Version:
        row, event = stored
        value = event.value if isinstance(event, KeySet | KeyIncremented) else None
        return Version(
            row.scope,
            row.key,
            row.revision,
            row.operation,
            None if value is None else self._engine.codec.decode(value),
            row.size,
            row.recorded_at,
            row.expires_at,
            event.changed_by,
            event.run_id,
            event.root_run_id,
            event.tool,
            event.request_id,
        )


class PendingBatch:
    """Writes that happen together when the ``with`` block ends, and not at all if it raises.

    Afterwards ``results`` holds, in order, an Entry for each set and increment and a bool for each delete.
    """

    def __init__(self, partition: Partition, request_id: str | None) -> None:
        self._partition, self._request_id = partition, request_id
        self._actions: list[KeyAction] = []
        self.results: tuple[Entry | bool, ...] = ()

    def set(
        self,
        key: str,
        value: JSONValue,
        *,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
    ) -> None:
        """As :meth:`Partition.set`."""
        self._add(self._partition._set_action(key, value, scope, ttl, if_revision))  # noqa: SLF001

    def increment(
        self,
        key: str,
        delta: int = 1,
        *,
        initial_value: int = 0,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
    ) -> None:
        """As :meth:`Partition.increment`."""
        action = self._partition._increment_action(key, delta, initial_value, scope, ttl, if_revision)  # noqa: SLF001
        self._add(action)

    def delete(self, key: str, *, scope: str = SKILL, if_revision: int | None = None) -> None:
        """As :meth:`Partition.delete`."""
        self._add(self._partition._delete_action(key, scope, if_revision))  # noqa: SLF001

    def _add(self, action: KeyAction) -> None:
        if len(self._actions) >= MAX_BATCH:
            raise InvalidArgumentError("batch", f"{MAX_BATCH + 1} actions", f"at most {MAX_BATCH}")
        self._actions.append(action)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._actions:
            self.results = self._commit()

    def _commit(self, recorded_at: datetime | None = None) -> tuple[Entry | bool, ...]:
        partition = self._partition
        outcome = partition._execute(Batch(tuple(self._actions)), self._request_id, recorded_at)  # noqa: SLF001
        events = [event for event in outcome.events if not isinstance(event, KeyExpired)]
        results: list[Entry | bool] = []
        for action in self._actions:
            event = events[0] if events else None
            if not isinstance(action, Delete):
                assert isinstance(event, KeySet | KeyIncremented)  # noqa: S101 - decide made one for each
                results.append(partition._entry_of(event, outcome.state))  # noqa: SLF001
                events.pop(0)
            elif isinstance(event, KeyDeleted) and (event.scope, event.key) == (action.scope, action.key):
                results.append(True)
                events.pop(0)
            else:
                results.append(False)
        return tuple(results)


__all__ = ["Caller", "Partition", "PendingBatch", "is_tree"]
