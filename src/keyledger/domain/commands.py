"""What may be asked of a partition, by whom, and within which limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias, assert_never

from keyledger.domain.quota import Limits

EntryKey: TypeAlias = tuple[str, str]
"""(scope, key)"""


class Attribution(NamedTuple):
    """Who asks, in which run, through which tool, and under which request id.

    ``recorded_at`` is given only by an import that keeps the times of a history from elsewhere.
    """

    request_id: str
    changed_by: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None
    recorded_at: datetime | None = None


class Set(NamedTuple):
    """Give a key a value; without a ``ttl`` (seconds, or exactly a timedelta) an earlier one is cleared."""

    scope: str
    key: str
    value: bytes
    ttl: float | timedelta | None = None
    if_revision: int | None = None


class Increment(NamedTuple):
    """Add ``delta`` to an integer; a missing key becomes ``initial_value + delta``. No ``ttl`` keeps it."""

    scope: str
    key: str
    delta: int = 1
    initial_value: int = 0
    ttl: float | timedelta | None = None
    if_revision: int | None = None


class Delete(NamedTuple):
    """Remove a key; a missing one is left missing and appends nothing."""

    scope: str
    key: str
    if_revision: int | None = None


class Restore(NamedTuple):
    """Give a key the value that it had, or (None) did not have, at revision ``restored_from``.

    Left alone is a key that still stands at ``version``, the one that it stood at then, or that holds the same
    for good. ``ttl`` is what was left of its life then.
    """

    scope: str
    key: str
    value: bytes | None
    ttl: float | timedelta | None
    restored_from: int
    version: int = 0
    if_revision: int | None = None


class Copy(NamedTuple):
    """Give a key of a fork the value that it had in the fork's source; nothing if that was done before."""

    scope: str
    key: str
    value: bytes
    ttl: float | timedelta | None
    copied_from: int
    if_revision: None = None


class BeginFork(NamedTuple):
    """Make a partition that was never used a fork of what ``source`` held at a moment."""

    source: str
    revision: int
    judged_at: datetime


class CompleteFork(NamedTuple):
    """Open a fork for use, with the quota that its source had; nothing if that was done before."""

    max_bytes: int | None


GRANT_PREFIX = "skill:"
"""How the request ids of quota changes begin that carry over what was granted to a skill."""


class ChangeQuota(NamedTuple):
    """Give the partition a byte quota of its own, or (None) take it back.

    With ``record`` there is an event even where nothing changes.
    """

    max_bytes: int | None
    record: bool = False


class DeletePartition(NamedTuple):
    """Remove every entry."""


class EndExpired(NamedTuple):
    """End up to ``limit`` expired entries: the sweeper's command."""

    limit: int


KeyAction: TypeAlias = Set | Increment | Delete | Restore | Copy


class Batch(NamedTuple):
    """Several key actions as one: all of them or none, judged against the limits on the final state."""

    actions: tuple[KeyAction, ...]


class RestoreAll(NamedTuple):
    """Restore every key under ``prefix`` of a scope, or of all: the ``actions`` that come to that now."""

    restored_from: int
    judged_at: datetime
    scope: str | None
    prefix: str
    actions: tuple[Restore, ...] = ()


Action: TypeAlias = (
    KeyAction | Batch | RestoreAll | BeginFork | CompleteFork | ChangeQuota | DeletePartition | EndExpired
)


class PartitionCommand(NamedTuple):
    """An action, who asks for it, and the limits that hold."""

    action: Action
    by: Attribution
    limits: Limits = Limits()


def keys_of(action: Action) -> tuple[EntryKey, ...]:
    """The entries that an action reads, each once: what a slice must hold before ``decide``."""
    match action:
        case Batch() | RestoreAll():
            return tuple(dict.fromkeys((each.scope, each.key) for each in action.actions))
        case Set() | Increment() | Delete() | Restore() | Copy():
            return ((action.scope, action.key),)
        case BeginFork() | CompleteFork() | ChangeQuota() | DeletePartition() | EndExpired():
            return ()
        case _:
            assert_never(action)
