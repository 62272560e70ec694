"""Going back: what has to be done so that keys hold again what they held."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from keyledger.domain.commands import PartitionCommand, Restore, RestoreAll
from keyledger.domain.partition import PartitionState, StoredEntry
from keyledger.domain.past.difference import differing
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import AT_ONCE, entry_standing, versions_of
from keyledger.domain.ports import Clock, Session


def restore_of(storage: Session, moment: Moment, scope: str, key: str, if_revision: int | None) -> Restore:
    """What restores one key."""
    entry = entry_standing(storage, moment, scope, key)
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
            stood = versions_of(session, now.stream, [then for _, then in some if then is not None])
            for pair in some:
                key = next(row.key for row in pair if row is not None)
                yield _restore(self._moment, *key, stood[key].entry if key in stood else None)


def _restore(moment: Moment, scope: str, key: str, entry: StoredEntry | None) -> Restore:
    if entry is None:
        return Restore(scope, key, None, None, moment.revision)
    return Restore(scope, key, entry.value, moment.left_of(entry), moment.revision, entry.revision)
