"""The steps of a run, done again in the forks that stand in for its partitions, and compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from keyledger.domain.commands import (
    Attribution,
    Batch,
    Delete,
    DeletePartition,
    Increment,
    KeyAction,
    PartitionCommand,
    Set,
)
from keyledger.domain.engine import Engine
from keyledger.domain.errors import IntegerOverflowError, InvalidValueTypeError
from keyledger.domain.partition import (
    KeyDeleted,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionDeleted,
    PartitionEvent,
    StoredEntry,
)
from keyledger.domain.past.changes import version_of, version_of_event
from keyledger.domain.past.difference import patch_of
from keyledger.domain.past.moments import Moment, event_at
from keyledger.domain.past.replay_report import ReplayDifference
from keyledger.domain.past.run_steps import Act, Look
from keyledger.domain.past.standing import is_live
from keyledger.domain.ports import StoredVersion
from keyledger.domain.quota import UNBOUND
from keyledger.domain.records import Version
from keyledger.domain.scope import is_tree, partition_of, tree_scope
from keyledger.domain.writes import entry_at


class Differing(NamedTuple):
    """How many steps of a command agreed before one that did not, and that one."""

    agreed: int
    difference: ReplayDifference


class Rerun:
    """Does the steps of a run in its sandboxes; ``moved`` is how much later than the run that is."""

    def __init__(
        self,
        engine: Engine,
        run_id: str,
        moments: Mapping[str, Moment],
        sandboxes: Mapping[str, str],
        moved: timedelta,
    ) -> None:
        self._engine, self._storage, self._run_id = engine, engine.storage, run_id
        self._moments, self._sandboxes, self._moved = moments, sandboxes, moved

    def look(self, look: Look) -> Differing | None:
        """Read again what the run read."""
        then = self._read_then(look)
        found = self._entry(look.stream, look.scope, look.key, look.time)
        if then is None or found is None:
            same = found is None and (then is None or self._was_tidied_up(look))
        else:
            same = self._is_same(then.value, found.value)
        if same:
            return None
        version = None if then is None else version_of_event(self._engine.codec, then)
        key = (look.stream, look.scope, look.key)
        return Differing(0, self._difference("read", key, look.time, version, look.after))

    def _was_tidied_up(self, look: Look) -> bool:
        """Whether a version that the run read had expired, and was ended for that, by the moment of the fork."""
        revision = self._moments[look.stream].revision
        last = self._storage.history(look.stream, look.scope, look.key, revision + 1, 2)
        return [row.operation for row, _ in last[:1]] == ["expire"] and last[-1].row.revision == look.revision

    def _is_same(self, then: bytes, now: bytes) -> bool:
        """Whether two texts are of the same JSON value."""
        decode = self._engine.codec.decode
        return then == now or not patch_of(decode(then), decode(now))

    def _read_then(self, look: Look) -> KeySet | KeyIncremented | None:
        event = event_at(self._storage, look.stream, look.revision) if look.revision else None
        return event if isinstance(event, KeySet | KeyIncremented) else None

    def do(self, act: Act) -> Differing | None:
        """Write again what the run wrote with one command."""
        event = act.versions[0].event
        deletes_all = isinstance(event, PartitionDeleted)
        actions = () if deletes_all else tuple(self._action(act, version) for version in act.versions)
        request_id = self._engine.writer.new_request_id()
        by = Attribution(request_id, event.changed_by, tool=event.tool, recorded_at=act.time + self._moved)
        action = DeletePartition() if deletes_all else Batch(actions)
        command = PartitionCommand(action, by, UNBOUND)
        try:
            outcome = self._engine.writer.execute(self._sandboxes[act.stream], command)
        except (InvalidValueTypeError, IntegerOverflowError) as refusal:
            return self._refused(act, refusal)
        made = deque[PartitionEvent](each for each in outcome.events if not isinstance(each, KeyExpired))
        for number, (version, wanted) in enumerate(zip(act.versions, actions, strict=False)):
            if not self._came_out(version, wanted, made):
                return self._written_otherwise(act, number)
        return None

    def _action(self, act: Act, version: StoredVersion) -> KeyAction:
        """What to do so that it comes to ``version``, in the sandbox's scope."""
        (row, event), target = version, self._sandboxes[act.stream]
        scope = tree_scope(target) if is_tree(target) else row.scope
        match event:
            case KeySet():
                return Set(scope, row.key, event.value, _left(event))
            case KeyIncremented():
                return self._increment(act.stream, scope, event)
            case _:
                return Delete(scope, row.key)

    def _increment(self, stream: str, scope: str, event: KeyIncremented) -> Increment:
        """An increment that began with the same value, where there was none, and keeps a life that was kept."""
        before = self._storage.version_at(stream, event.scope, event.key, event.originator_version - 1)
        just_before = Moment(stream, event.originator_version - 1, event.recorded_at)
        if before is None or not is_live(before.row, just_before):
            return Increment(scope, event.key, event.delta, int(event.value) - event.delta, _left(event))
        ttl = None if before.row.expires_at == event.expires_at else _left(event)
        return Increment(scope, event.key, event.delta, ttl=ttl)

    def _came_out(self, version: StoredVersion, action: KeyAction, made: deque[PartitionEvent]) -> bool:
        """Whether a write did what it had done; takes its event, if it made one, off the front of ``made``."""
        event = made[0] if made else None
        if isinstance(action, Delete):
            there = isinstance(event, KeyDeleted) and (event.scope, event.key) == (action.scope, action.key)
            return bool(there and made.popleft())
        made.popleft()
        then = version.event
        assert isinstance(event, KeySet | KeyIncremented)  # noqa: S101 - decide made one for each
        assert isinstance(then, KeySet | KeyIncremented)  # noqa: S101 - the action was made of it
        return event.value == then.value

    # ------------------------------------------------------------------------------------ differences

    def _refused(self, act: Act, refusal: InvalidValueTypeError | IntegerOverflowError) -> Differing:
        number = next(
            number
            for number, (row, event) in enumerate(act.versions)
            if row.key == refusal.key and isinstance(event, KeyIncremented)
        )
        return self._written_otherwise(act, number, str(refusal))

    def _written_otherwise(self, act: Act, number: int, refusal: str | None = None) -> Differing:
        then = version_of(self._engine.codec, act.versions[number])
        key = (act.stream, then.scope, then.key)
        found = self._difference(then.operation, key, act.time, then, then.revision - 1)
        return Differing(0 if refusal else number, replace(found, refusal=refusal))

    def _difference(
        self, operation: str, key: tuple[str, str, str], time: datetime, then: Version | None, reached: int
    ) -> ReplayDifference:
        stream, scope, name = key
        stored = self._entry(stream, scope, name, time)
        target = self._sandboxes[stream]
        place = (tree_scope(target) if is_tree(target) else scope, name)
        now = None if stored is None else entry_at(self._engine.codec, place, stored, time + self._moved)
        cause = self._cause(key, then, reached)
        return ReplayDifference(operation, partition_of(stream), scope, name, then, now, None, cause)

    def _cause(self, key: tuple[str, str, str], then: Version | None, reached: int) -> Version | None:
        """The last change of a key up to the revision ``reached``, if only one of the two has met it."""
        found = self._storage.history(*key, reached + 1, 1)
        if not found or found[0].event.run_id == self._run_id:
            return None
        revision = found[0].row.revision
        read_before = then is not None and then.revision < revision <= reached
        met = revision > self._moments[key[0]].revision or read_before
        return version_of(self._engine.codec, found[0]) if met else None

    def _entry(self, stream: str, scope: str, key: str, time: datetime) -> StoredEntry | None:
        """What a key holds in the sandbox, at a time of the run."""
        target = self._sandboxes[stream]
        found = self._storage.read_entry(target, tree_scope(target) if is_tree(target) else scope, key)
        return None if found is None or found.entry.is_expired(time + self._moved) else found.entry


def _left(event: KeySet | KeyIncremented) -> timedelta | None:
    """For how long a value was to live when it was written."""
    return None if event.expires_at is None else event.expires_at - event.recorded_at
