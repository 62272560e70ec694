"""What the domain asks of the world: a clock, a JSON codec, and a store of events and read models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import PartitionDeleted, PartitionEvent, PartitionState, QuotaChanged, StoredEntry
from keyledger.domain.quota import Lease, Leases
from keyledger.domain.values import JSONValue


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class JSONCodec(Protocol):
    """Compact UTF-8 JSON text from a checked value, and back."""

    def encode(self, value: JSONValue) -> bytes:
        """The value's text, without blanks; equal values of equal types give equal text."""
        ...

    def decode(self, text: bytes) -> JSONValue:
        """The value that ``encode`` was given."""
        ...


class RequestRecord(NamedTuple):
    """What a user's request id did: a fingerprint of its command, and the revisions it made.

    ``first`` and ``last`` are both the revision before the command where it changed nothing.
    """

    request_id: str
    fingerprint: str
    first: int
    last: int
    recorded_at: datetime


class Slice(NamedTuple):
    """What a command is decided on: the head with the entries asked for, leases, and known request ids."""

    state: PartitionState
    leases: Leases = Leases()
    requests: tuple[RequestRecord, ...] = ()


class HistoryRow(NamedTuple):
    """A row of the key history: what one event did to one key; ``size`` in bytes, 0 where it ended."""

    scope: str
    key: str
    revision: int
    operation: str
    size: int
    recorded_at: datetime
    expires_at: datetime | None
    changed_by: str | None
    run_id: str | None


class HeadRow(NamedTuple):
    """A partition's head, the usage-bytes read model; as in :class:`PartitionState`."""

    revision: int
    used_bytes: int
    live_keys: int
    max_bytes: int | None
    last_recorded_at: datetime | None
    deleted: bool
    forking: bool


class ReadModelChanges(NamedTuple):
    """What a stretch of events changes in the inline read models, as rows.

    ``entries`` are the current values to put, or to remove (None). ``cleared`` is the PartitionDeleted
    among the events, if any: every entry that stood before it ends, each with a history row of its own.
    """

    head: HeadRow
    entries: tuple[tuple[EntryKey, StoredEntry | None], ...]
    history: tuple[HistoryRow, ...]
    cleared: PartitionDeleted | None


Projector = Callable[[PartitionState, Sequence[PartitionEvent]], ReadModelChanges]
"""From the state after some events, and those events, the changes of all inline read models."""


class Commit(NamedTuple):
    """Everything that one transaction writes to one stream, or, when its head has moved, does not.

    ``expected`` and ``expected_leases`` are the revision and the lease version that the head must have;
    ``requests`` are users' request ids to remember.
    """

    stream: str
    expected: int
    expected_leases: int
    events: Sequence[PartitionEvent]
    changes: ReadModelChanges
    leases: Leases
    requests: tuple[RequestRecord, ...]


class HeadMovedError(Exception):
    """A commit found another head than it expected; or, if ``unknown``, cannot tell what happened. Internal."""

    def __init__(self, *, unknown: bool = False) -> None:
        super().__init__()
        self.unknown = unknown


class PastVersion(NamedTuple):
    """What a key stood at: the row of its last change, the value, and revision and time of its creation."""

    row: HistoryRow
    value: bytes
    created: tuple[int, datetime]


class PastRow(NamedTuple):
    """A key with the row of its last change by then, and its creation; None for both if it did not stand."""

    key: EntryKey
    row: HistoryRow | None
    created: tuple[int, datetime] | None


class Session(Protocol):
    """Reads and writes of one stream; see :meth:`Storage.exclusive` for one that nobody can overtake."""

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        """The head, the entries under ``keys`` that exist, and what is known of ``request_ids``.

        Head and entries are of one moment; request ids are looked up at that moment or later.
        """
        ...

    def load_expired(self, stream: str, now: datetime, limit: int) -> list[tuple[EntryKey, StoredEntry]]:
        """Up to ``limit`` entries expired at ``now``, by (expires_at, scope, key)."""
        ...

    def events(self, stream: str, after: int, limit: int) -> list[PartitionEvent]:
        """Events with revision > ``after``, oldest first."""
        ...

    def version_at(self, stream: str, scope: str, key: str, revision: int) -> PastVersion | None:
        """The version that a key stood at as of ``revision``, expired or not; None if it had none or had ended."""
        ...

    def rows_at(self, stream: str, revision: int, first: EntryKey, beyond: EntryKey, limit: int) -> list[PastRow]:
        """The keys that ever were from ``first`` to before ``beyond``, with what each stood at as of ``revision``.

        In UTF-8 byte order of (scope, key), up to ``limit`` of them, those without a version then too.
        """
        ...

    def events_at(self, stream: str, revisions: Sequence[int]) -> dict[int, PartitionEvent]:
        """The events with these revisions, by revision, those that exist."""
        ...

    def quota_at(self, stream: str, revision: int) -> QuotaChanged | None:
        """The last change of the partition's own quota up to ``revision``; None if there was none."""
        ...

    def commit(self, commit: Commit) -> None:
        """Write all of it in one transaction, which ends here.

        HeadMovedError, and nothing written, if the head's revision or lease version is not the expected
        one, or if a request id is known already; HeadMovedError too if the outcome cannot be known.
        """
        ...


class ReadEntry(NamedTuple):
    """A current value as it stands, and the time of its stream's last event."""

    key: EntryKey
    entry: StoredEntry
    last_recorded_at: datetime


class StoredVersion(NamedTuple):
    """A row of the key history and the event behind it."""

    row: HistoryRow
    event: PartitionEvent


class HistoryFilter(NamedTuple):
    """Which versions of a key are asked for: from revision ``first`` on, and with all that is not None."""

    first: int = 1
    operation: str | None = None
    actor: str | None = None
    run_id: str | None = None


EVERY_VERSION = HistoryFilter()


class UsageRow(NamedTuple):
    """Live bytes and keys of one stream, expired entries subtracted, and its own quota if it has one."""

    used_bytes: int
    live_keys: int
    max_bytes: int | None


class StreamHead(NamedTuple):
    """A stream and its usage, for listings; ``revision`` is its last event's."""

    stream: str
    revision: int
    usage: UsageRow


class Storage(Session, Protocol):
    """The event log and its inline read models.

    Every method may raise StorageUnavailableError, and LedgerClosedError after ``close``.
    ``now`` is always the clock's: a store judges expiry at max(now, the stream's last event's time).
    """

    def exclusive(self, stream: str) -> AbstractContextManager[Session]:
        """A session in one transaction that from its first read on holds the stream's write lock.

        LedgerBusyError if it can't.
        """
        ...

    def read_entry(self, stream: str, scope: str, key: str) -> ReadEntry | None:
        """One entry as it stands, expired or not."""
        ...

    def read_entries(self, stream: str, scope: str, keys: Sequence[str]) -> list[ReadEntry]:
        """Those of ``keys`` that exist, expired or not, as of one moment."""
        ...

    def list_entries(
        self, stream: str, scope: str, prefix: str, after: str, limit: int, now: datetime
    ) -> list[ReadEntry]:
        """Live entries of a scope under ``prefix`` with key > ``after``, in UTF-8 byte order of the key."""
        ...

    def history(
        self,
        stream: str,
        scope: str,
        key: str,
        before: int,
        limit: int,
        wanted: HistoryFilter = EVERY_VERSION,
    ) -> list[StoredVersion]:
        """The wanted versions of a key with revision < ``before``, newest first."""
        ...

    def created(self, stream: str, scope: str, key: str, revision: int) -> tuple[int, datetime]:
        """The revision and time at which the entry that stood at ``revision`` was created."""
        ...

    def written_span(self, stream: str, run_id: str) -> tuple[int, int] | None:
        """The first and the last revision that changed a key in a run; None if none did."""
        ...

    def usage(self, stream: str, now: datetime) -> UsageRow:
        """Usage of one stream; zeros for one that does not exist."""
        ...

    def streams(self, after: str, limit: int, now: datetime, prefix: str) -> list[StreamHead]:
        """Streams under ``prefix`` that were used and not deleted since, by name, after ``after``."""
        ...

    def expiring_streams(self, after: str, limit: int, now: datetime) -> list[str]:
        """Streams, by name, that hold an entry expired at ``now``."""
        ...

    def forget_requests(self, before: datetime, limit: int) -> int:
        """Forget up to ``limit`` request ids recorded before ``before``; how many."""
        ...

    def take_lease(self, stream: str, lease: Lease, maximum: int) -> int:
        """Lease from the global quota unless ``maximum`` would be passed; the bytes leased in all before.

        The lease was granted exactly if that number plus its size is at most ``maximum``.
        """
        ...

    def adopt_usage(self) -> None:
        """Lease, once per ledger, what partitions used before a global quota was switched on."""
        ...

    def lease_rows(self, after: str, limit: int) -> list[tuple[str, Lease]]:
        """Lease rows by lease id, with the stream each was taken for."""
        ...

    def shrink_lease(self, lease_id: str, size: int) -> None:
        """Let a lease be for ``size`` bytes (0: for none) and credit the rest to the global row.

        Nothing if it is gone already or not larger.
        """
        ...

    def rebuild(self, stream: str, project: Projector, progress: Callable[[int], None]) -> list[str]:
        """Drop and rebuild a stream's inline read models from its events, in one transaction.

        Writers of the stream wait or get LedgerBusyError. ``progress`` is told how many events were read.
        Returns what differs between the rows that stood there and the rebuilt ones, a line each.
        """
        ...

    def all_streams(self) -> list[tuple[str, int]]:
        """Every stream that has events, with its last revision."""
        ...

    def subscribe(self, stream: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called, from some thread, soon after any process wrote to the stream.

        What is returned ends that. ``wake`` may be called for nothing, and is when the storage is closed. To
        subscribe again with the same ``wake`` changes nothing, but in a forked child, where nobody is subscribed.
        """
        ...

    def hold(self) -> None:
        """Before a fork: wait until this process is writing nothing, and let nothing begin."""
        ...

    def release(self) -> None:
        """After a fork, in the parent: let writes begin again."""
        ...

    def reset(self) -> None:
        """In a forked child, start without the parent's connections and locks."""
        ...

    def close(self) -> None:
        """Release every connection. Idempotent."""
        ...
