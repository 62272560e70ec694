"""What users get back. All of it immutable; times are UTC, sizes are bytes, ttl_seconds are whole seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from keyledger.domain.values import JSONValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's current value.

    ``revision`` is the partition's revision that last changed the key, ``create_revision`` the one that
    created it. ``ttl_seconds`` is what was left of its life when it was read, rounded up; None is for ever.
    ``size`` is the length of the value's compact JSON text in bytes.
    """

    scope: str
    key: str
    value: JSONValue
    size: int
    revision: int
    create_revision: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    ttl_seconds: int | None
    changed_by: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """One change of a key: what was done, by whom, in which run.

    ``operation`` is set, increment, delete, expire, restore, copy or partition_deleted. ``value`` is what the key
    held afterwards (None, with ``size`` 0, where it ended). ``restored_from`` is the revision whose state was
    given back, ``copied_from`` the one of its source that a fork copied.
    """

    scope: str
    key: str
    revision: int
    operation: str
    value: JSONValue
    size: int
    recorded_at: datetime
    expires_at: datetime | None
    changed_by: str | None
    run_id: str | None
    root_run_id: str | None
    tool: str | None
    request_id: str
    restored_from: int | None = None
    copied_from: int | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """How one key differs between two moments: ``kind`` is added, removed or changed.

    ``before`` and ``after`` are its entries at the two, None where there was none. ``patch`` holds the operations
    (RFC 6902) that make the value of the one into that of the other; none where only the expiry changed. ``by`` is
    the last of the changes that led to ``after``, for a removed key the one that ended it; None where the key had
    only expired, or had never been there.
    """

    scope: str
    key: str
    kind: Literal["added", "removed", "changed"]
    before: Entry | None
    after: Entry | None
    patch: tuple[dict[str, JSONValue], ...] = ()
    by: Version | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a partition's live entries use; ``max_bytes`` is the quota in force, None where there is none."""

    used_bytes: int
    live_keys: int
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """A partition in a listing. ``revision`` is its last; for ``__root_run__`` the events of all its trees."""

    id: str
    revision: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a longer answer; iterate over it. Pass ``next`` as the cursor of the next call, if not None."""

    items: tuple[T, ...]
    next: str | int | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep did; what another process did at the same time is not counted here.

    ``expired`` entries ended, ``run_keys`` of finished runs and trees deleted, ``runs_purged``, request ids
    forgotten, bytes of global quota taken back, quotas granted to skills carried over to their partitions.
    ``complete`` is False where the limit was reached first: sweep again.
    """

    expired: int
    run_keys: int
    runs_purged: int
    requests_forgotten: int
    bytes_returned: int
    grants_carried: int
    complete: bool


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild did; ``differences`` names each row that had stood otherwise than its events say."""

    partitions: int
    runs: int
    skills: int
    events: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, in lines: done now, recognised as done before, and bad."""

    imported: int
    repeated: int
    failed: int
