"""What may be asked of a partition, by whom, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never

from keyledger.domain.quota import Limits

EntryKey: TypeAlias = tuple[str, str]
"""(scope, key)"""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who asks, in which run, through which tool, and under which request id.

    ``recorded_at`` is given only by an import that keeps the times of a history from elsewhere.
    """

    request_id: str
    changed_by: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """Give a key a value; without a ``ttl`` (seconds) an earlier one is cleared."""

    scope: str
    key: str
    value: bytes
    ttl: float | None = None
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Increment:
    """Add ``delta`` to an integer; a missing key becomes ``initial_value + delta``. No ``ttl`` keeps it."""

    scope: str
    key: str
    delta: int = 1
    initial_value: int = 0
    ttl: float | None = None
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key; a missing one is left missing and appends nothing."""

    scope: str
    key: str
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeQuota:
    """Give the partition a byte quota of its own, or (None) take it back."""

    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class DeletePartition:
    """Remove every entry."""


@dataclass(frozen=True, slots=True)
class EndExpired:
    """End up to ``limit`` expired entries: the sweeper's command."""

    limit: int


KeyAction: TypeAlias = Set | Increment | Delete


@dataclass(frozen=True, slots=True)
class Batch:
    """Several key actions as one: all of them or none, judged against the limits on the final state."""

    actions: tuple[KeyAction, ...]


Action: TypeAlias = KeyAction | Batch | ChangeQuota | DeletePartition | EndExpired


@dataclass(frozen=True, slots=True)
class PartitionCommand:
    """An action, who asks for it, and the limits that hold."""

    action: Action
    by: Attribution
    limits: Limits = Limits()  # noqa: RUF009 - frozen, so one default serves all


def keys_of(action: Action) -> tuple[EntryKey, ...]:
    """The entries that an action reads: what a slice must hold before ``decide``."""
    match action:
        case Batch():
            return tuple((each.scope, each.key) for each in action.actions)
        case Set() | Increment() | Delete():
            return ((action.scope, action.key),)
        case ChangeQuota() | DeletePartition() | EndExpired():
            return ()
        case _:
            assert_never(action)
