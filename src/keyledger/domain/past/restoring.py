"""Going back: what has to be done so that keys hold again what they held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from keyledger.domain.commands import PartitionCommand, Restore, RestoreAll
from keyledger.domain.partition import PartitionState, StoredEntry
from keyledger.domain.past.difference import differing
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import AT_ONCE, entries_of, is_live, stored_entry
from keyledger.domain.ports import Clock, Session


def restore_of(storage: Session, moment: Moment, scope: str, key: str, if_revision: int | None) -> Restore:
    """What restores one key."""
    found = storage.version_at(moment.stream, scope, key, moment.revision)
    live = found is not None and is_live(found.row, moment)
    entry = stored_entry(*found) if found is not None and live else None
    return _restore(moment, scope, key, entry)._replace(if_revision=if_revision)


class RestorePlan:
    """What restores every key under a prefix, made for a head that nobody can move meanwhile."""

    def __init__(self, moment: Moment, command: PartitionCommand, clock: Clock) -> None:
        self._moment, self._command, self._clock = moment, command, clock

    def __call__(self, session: Session, head: PartitionState) -> PartitionCommand:
        """The command with the actions that it comes to."""
        action = self._command.action
        assert isinstance(action, RestoreAll)  # noqa: S101 - made for no other
        now = head.effective_now(self._clock.now())
        actions = tuple(self._actions(session, Moment(head.id, head.revision, now), action))
        return self._command._replace(action=action._replace(actions=actions))

    def _actions(self, session: Session, now: Moment, action: RestoreAll) -> Iterator[Restore]:
        pairs = differing((session, now), (session, self._moment), action.scope, action.prefix)
        while some := tuple(islice(pairs, AT_ONCE)):
            entries = entries_of(session, now.stream, [then for _, then in some if then is not None])
            for pair in some:
                (scope, key) = next(row.key for row in pair if row is not None)
                yield _restore(self._moment, scope, key, entries.get((scope, key)))


def _restore(moment: Moment, scope: str, key: str, entry: StoredEntry | None) -> Restore:
    if entry is None:
        return Restore(scope, key, None, None, moment.revision)
    left = _left(entry.expires_at, moment)
    return Restore(scope, key, entry.value, left, moment.revision, entry.revision)


def _left(expires_at: datetime | None, moment: Moment) -> timedelta | None:
    return None if expires_at is None else expires_at - moment.instant
