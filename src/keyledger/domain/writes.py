"""A write in two halves: the command that an action becomes, and what its caller is told of the outcome.

Between the two the writer does it, while a thread waits or a task is suspended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from keyledger.domain import arguments
from keyledger.domain.batch import BatchResults
from keyledger.domain.commands import Action, Attribution, Batch, Delete, EntryKey, KeyAction, PartitionCommand
from keyledger.domain.decision import Outcome
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.partition import (
    KeyDeleted,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionEvent,
    PartitionState,
    StoredEntry,
)
from keyledger.domain.ports import JSONCodec
from keyledger.domain.records import Entry
from keyledger.domain.scope import SKILL, stream_of

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts through a partition handle; every event records it."""

    actor: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None


class Write(NamedTuple):
    """A command, the stream that it goes to, and whether its request id is to answer a retry."""

    stream: str
    command: PartitionCommand
    remember: bool


class Writes:
    """The writes of one caller to one partition. What is told of a retry is read from the storage."""

    def __init__(self, engine: Engine, stream: str, caller: Caller) -> None:
        self.engine, self.caller = engine, caller
        self._stream = stream
        self._limits = None if engine.settings.tier_quotas else engine.limits(stream)
        """The limits of the stream, unless each command has to look what its skill's tier is."""

    def of(self, action: Action, request_id: str | None = None) -> Write:
        """The command that does ``action``.

        Raises:
            InvalidArgumentError: ``request_id`` is none, or a batch is of several streams.
        """
        arguments.check_name("request_id", request_id)
        if isinstance(action, Batch):
            stream = self._stream_of_all(action)
        else:
            stream = stream_of(self._stream, getattr(action, "scope", None) or SKILL)
        caller = self.caller
        by = Attribution(
            request_id or self.engine.writer.new_request_id(),
            caller.actor,
            caller.run_id,
            caller.root_run_id,
            caller.tool,
        )
        limits = (
            self._limits if self._limits is not None and stream == self._stream else self.engine.limits(stream)
        )
        return Write(stream, PartitionCommand(action, by, limits), request_id is not None)

    def entry(self, outcome: Outcome) -> Entry:
        """What a set or an increment left."""
        event = outcome.events[-1]
        assert isinstance(event, KeySet | KeyIncremented)  # noqa: S101 - each ends with its own event
        return self._entry_of(event, outcome.state)

    def deleted(self, outcome: Outcome) -> bool:
        """Whether there was anything to delete."""
        return any(isinstance(event, KeyDeleted) for event in outcome.events)

    def results(self, actions: tuple[KeyAction, ...], outcome: Outcome) -> Callable[[], BatchResults]:
        """What becomes the results of a batch; what of it needs the storage is read now."""

        def results() -> BatchResults:
            own = (event for event in outcome.events if not isinstance(event, KeyExpired))
            events: deque[PartitionEvent] = deque(own)
            return tuple(self._result(action, events, outcome.state) for action in actions)

        if outcome.state is None or len({(each.scope, each.key) for each in actions}) < len(actions):
            told = results()
            return lambda: told
        return results

    def _stream_of_all(self, batch: Batch) -> str:
        streams = {stream_of(self._stream, action.scope) for action in batch.actions}
        if len(streams) > 1:
            scopes = ", ".join(sorted({action.scope for action in batch.actions}))
            raise InvalidArgumentError("batch", scopes, "scopes of one stream: root_run: apart from the others")
        return streams.pop()

    def _result(
        self, action: KeyAction, events: deque[PartitionEvent], state: PartitionState | None
    ) -> Entry | bool:
        """What one action of a batch did; takes its event, if it made one, off the front of ``events``."""
        event = events[0] if events else None
        if isinstance(action, Delete):
            found = isinstance(event, KeyDeleted) and (event.scope, event.key) == (action.scope, action.key)
            return bool(found and events.popleft())
        assert isinstance(event, KeySet | KeyIncremented)  # noqa: S101 - decide made one for each
        events.popleft()
        return self._entry_of(event, state)

    def _entry_of(self, event: KeySet | KeyIncremented, state: PartitionState | None) -> Entry:
        """The entry that ``event`` left; what the state no longer tells, the history does."""
        key = (event.scope, event.key)
        entry = state.entries.get(key) if state is not None else None
        if entry is None or entry.revision != event.originator_version:
            if entry is not None and entry.create_revision <= event.originator_version:
                created = entry.create_revision, entry.created_at  # overwritten since, in the same life
            else:
                created = self.engine.storage.created(event.originator_id, *key, event.originator_version)
            entry = StoredEntry(
                event.value,
                event.originator_version,
                *created,
                event.recorded_at,
                event.expires_at,
                event.changed_by,
                event.run_id,
            )
        return entry_at(self.engine.codec, key, entry, event.recorded_at)


def entry_at(codec: JSONCodec, key: EntryKey, entry: StoredEntry, now: datetime) -> Entry:
    """A stored entry as users see it at a moment."""
    return Entry(
        key[0],
        key[1],
        codec.decode(entry.value),
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
