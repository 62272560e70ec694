"""What a follower asks of a store: events of runs by cursor, and a table of its own beside the ledger's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from keyledger.domain.audit.ports import RunRow
from keyledger.domain.errors import StorageError
from keyledger.domain.run import RunEvent


class Span(NamedTuple):
    """Some events of one run: ``after`` < revision ≤ ``until``."""

    stream: str
    after: int
    until: int


class Target(NamedTuple):
    """A generation of the follower's table, as it was at ``version``, which every write raises.

    The one that is ``present`` stands under the follower's name; a draft is being rebuilt beside it.
    """

    generation: int
    version: int
    present: bool


class TargetMovedError(Exception):
    """Another process has written to the generation since, or there is none of that number now. Internal."""


Progress: TypeAlias = Callable[[int], None]
"""Told after each batch how many events it was of."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made, and how it compares with what stood: hashes of the rows, in the order of their keys.

    ``seconds`` went by while the events were read. ``rows`` were compared, ``in_motion`` runs were not: one table
    had followed them further than the other. ``differing`` are the first few runs whose rows differ.
    """

    events: int
    seconds: float
    in_motion: int
    former_hash: str
    hash: str
    rows: int
    differing: tuple[str, ...]

    @property
    def equal(self) -> bool | None:
        """Whether what stood was what the events say; None where there was no row to compare."""
        if self.former_hash != self.hash:
            return False
        return True if self.rows else None


class Following(Protocol):
    """Keeps one follower's table up with the runs of a ledger."""

    def catch_up(self) -> None:
        """Read every event that was there when this began; others may follow into the table meanwhile."""
        ...

    def follow(
        self, every: float, wait: Callable[[float], bool], on_error: Callable[[StorageError], None] = ...
    ) -> None:
        """Catch up, and again every so many seconds, until ``wait``, which waits so long, says that it is enough.

        That is asked after each batch too. Where another process is at it as well, this one stands by. A storage
        that is away or busy is told to ``on_error``, and waited for.
        """
        ...

    def rebuild(self) -> Rebuilt:
        """Make the table anew beside the one that stands, compare the two, and put it in its place.

        What stands is caught up first, so that as much as can be is compared.
        LedgerBusyError if another rebuild of the table began meanwhile.
        """
        ...


class FollowerSession(Protocol):
    """Reads events, and reads and writes rows of one generation."""

    def events(self, spans: Sequence[Span], unread: Sequence[str]) -> list[RunEvent]:
        """The events of ``spans``, each stream's oldest first, less those whose topic is in ``unread``.

        NewerLedgerError for a topic that is unknown here.
        """
        ...

    def rows(self, target: Target, streams: Sequence[str]) -> dict[str, RunRow]:
        """Those of the rows that the table has."""
        ...

    def write(self, target: Target, rows: Mapping[str, RunRow | None], spans: Sequence[Span]) -> Target:
        """Put rows, or remove them (None), and move the cursors to the ends of ``spans``: all in one transaction.

        The target as it is then. TargetMovedError, and nothing written, if it is not what it was.
        """
        ...


class Snapshot(NamedTuple):
    """Two generations at one moment, but for the runs that the one has followed further than the other.

    The rows come in the order of their streams; None stands for one that cannot be read.
    """

    in_motion: int
    present: Iterable[tuple[str, RunRow | None]]
    draft: Iterable[tuple[str, RunRow | None]]


class Swap(FollowerSession, Protocol):
    """What can be done while nobody else can write to either generation; see :meth:`FollowerStore.swapping`."""

    def ahead(self, draft: Target, since: datetime) -> list[Span]:
        """What the present generation has read and the draft has not, of runs changed ``since``."""
        ...

    def swap(self, draft: Target) -> None:
        """Let the draft be the present generation; the transaction ends with the block."""
        ...


class FollowerStore(FollowerSession, Protocol):
    """A follower's tables and cursors, by its name. Errors as in :class:`~keyledger.domain.ports.Storage`."""

    def begin(self) -> Target:
        """The present generation; the first one, empty, where there is no table yet.

        InvalidArgumentError if the name is something else's in the database.
        """
        ...

    def present(self) -> Target:
        """The present generation; TargetMovedError if there is none."""
        ...

    def share(self) -> float:
        """How much of a full batch to write at once just now, above 0 and up to 1: other writers wait for it."""
        ...

    def newest(self) -> datetime | None:
        """The time of the newest event of any run."""
        ...

    def behind(self, target: Target, after: str, limit: int) -> list[Span]:
        """Runs > ``after`` with events that the generation has not read, by stream."""
        ...

    def behind_since(self, target: Target, after: tuple[datetime, str], limit: int) -> list[tuple[Span, datetime]]:
        """As :meth:`behind`, by (time of the last event, stream) > ``after``, each with that time."""
        ...

    def draft(self) -> Target:
        """Begin a new generation beside the present one; a former draft is no more."""
        ...

    def clear(self) -> bool:
        """Remove a little of what former generations left behind; whether there may be more."""
        ...

    def compare(self, draft: Target) -> AbstractContextManager[Snapshot]:
        """The present generation and the draft, in one read snapshot."""
        ...

    def swapping(self, draft: Target) -> AbstractContextManager[Swap]:
        """One transaction in which nobody else can write to either generation.

        TargetMovedError if the draft is not what it was.
        """
        ...
