"""What the audit of runs asks of a store: events of runs, and the read models inline with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from keyledger.domain.audit.records import RunFilter
from keyledger.domain.ports import Storage, StoredVersion
from keyledger.domain.run import Outcome, RunEvent, RunLogged, RunsPurged, RunState
from keyledger.domain.skills.ports import SkillStorage


class RunRow(NamedTuple):
    """A run's summary, the run-audit read model. ``stream`` is ``run:<id>``; ``inputs`` JSON text."""

    stream: str
    skill_id: str
    caller_id: str
    channel_id: str
    parent_run_id: str
    root_run_id: str
    depth: int
    started_at: datetime
    traceparent: str | None
    inputs: bytes
    finished_at: datetime | None = None
    outcome: Outcome | None = None


class Opened(NamedTuple):
    """A run began: put its row."""

    row: RunRow


class Closed(NamedTuple):
    """A run ended: its row gets ``outcome`` and ``finished_at``."""

    stream: str
    outcome: Outcome
    finished_at: datetime


class ReadRow(NamedTuple):
    """A version that a run read, by the streams of both."""

    run_stream: str
    stream: str
    scope: str
    key: str
    revision: int
    recorded_at: datetime


class Noted(NamedTuple):
    """A run read versions: put a row for each that has none yet."""

    rows: tuple[ReadRow, ...]


class Forgotten(NamedTuple):
    """A run was purged: remove its summary and what it read."""

    stream: str


RunChange: TypeAlias = Opened | Closed | Noted | Forgotten

RunProjector: TypeAlias = Callable[[Sequence[RunEvent]], list[RunChange]]
"""From events of runs, what changes in the run-audit read models, in order."""


class RunCommit(NamedTuple):
    """Everything that one transaction writes to a run's stream, or, when its head has moved, does not.

    ``state`` is the one after ``event``. Where ``purge`` holds one, every event before this one is replaced by
    that marker, revisions kept.
    """

    expected: int
    event: RunEvent
    state: RunState
    changes: Sequence[RunChange]
    marker: RunEvent | None = None


class RunSession(Protocol):
    """Reads and writes of one run's stream; see :meth:`RunStorage.exclusive`."""

    def load(self, stream: str) -> RunState:
        """The run's head, with its outcome if it has one."""
        ...

    def events(self, stream: str, after: int, limit: int) -> list[RunEvent]:
        """Events with revision > ``after``, oldest first."""
        ...

    def commit(self, commit: RunCommit) -> None:
        """Write all of it in one transaction, which ends here.

        HeadMovedError, and nothing written, if the head's revision is not the expected one; HeadMovedError too
        if the outcome cannot be known.
        """
        ...


class RebuiltRuns(NamedTuple):
    """Some runs were rebuilt, up to the stream ``last``; ``differences`` has a line for each row that differed."""

    last: str
    runs: int
    differences: list[str]


class RunStatus(NamedTuple):
    """What the sweeper asks of a run: ``over_at`` is when it finished or was purged, None while it runs."""

    stream: str
    over_at: datetime | None
    purged: bool


class RunStorage(RunSession, Protocol):
    """The audit's part of a storage; errors as in :class:`~keyledger.domain.ports.Storage`.

    Newest first is by (started_at, id) falling, oldest first by (started_at, id) rising, ids by UTF-8 bytes.
    """

    def exclusive(self, stream: str) -> AbstractContextManager[RunSession]:
        """A session in one transaction that from its first read on holds the stream's write lock."""
        ...

    def read_run(self, stream: str) -> RunRow | None:
        """A run's summary; None if it never was, or was purged."""
        ...

    def logs(self, stream: str) -> list[RunLogged]:
        """The lines of a run's log, in sequence order."""
        ...

    def list_runs(self, wanted: RunFilter, offset: int, limit: int) -> list[RunRow]:
        """Runs that match, newest first."""
        ...

    def count_runs(self, wanted: RunFilter) -> int:
        """How many runs match."""
        ...

    def children(self, parent_run_id: str) -> list[RunRow]:
        """The runs that a run called, oldest first."""
        ...

    def tree(self, stream: str) -> list[RunRow]:
        """Every run of the dispatch tree that a run is in, oldest first."""
        ...

    def last_started(self, skill_ids: Sequence[str], statuses: Sequence[str]) -> dict[str, datetime]:
        """The newest start per skill, of runs with one of ``statuses``."""
        ...

    def finished_before(self, cutoff: datetime, limit: int) -> list[RunRow]:
        """Runs finished strictly before ``cutoff``, by (finished_at, id) rising."""
        ...

    def started_before(self, cutoff: datetime, limit: int) -> list[str]:
        """Streams of runs started strictly before ``cutoff``, oldest first."""
        ...

    def ended_before(self, started: datetime, finished: datetime, limit: int) -> list[str]:
        """Streams of runs started strictly before ``started`` that finished strictly before ``finished``."""
        ...

    def purges(self, before: int, limit: int) -> list[RunsPurged]:
        """The totals of purges with revision < ``before``, newest first."""
        ...

    def written(
        self, run_id: str, after: tuple[str, int, str, str], limit: int
    ) -> list[tuple[str, StoredVersion]]:
        """Key versions that a run wrote, with their streams, by (stream, revision, scope, key) > ``after``."""
        ...

    def count_written(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many key versions each of the runs wrote; those that wrote none are left out."""
        ...

    def reads(self, run_stream: str, after: tuple[str, str, str, int], limit: int) -> list[ReadRow]:
        """What a run read, by (stream, scope, key, revision) > ``after``."""
        ...

    def readers(self, stream: str, scope: str, key: str, revision: int, after: str, limit: int) -> list[ReadRow]:
        """Who read a version, by the run's stream > ``after``."""
        ...

    def changed(self, since: datetime, after: str, limit: int) -> list[tuple[str, int, datetime]]:
        """Runs whose last event is not before ``since``, with revision and time, by (time, stream).

        ``after`` continues within the runs of the very time ``since``.
        """
        ...

    def run_scopes(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        """The ``run:`` scopes that hold entries, as (scope, stream) > ``after``, in order."""
        ...

    def statuses(self, streams: Sequence[str]) -> list[RunStatus]:
        """What became of those of the runs that were started."""
        ...

    def unfinished_trees(self, root_run_ids: Sequence[str], cutoff: datetime) -> set[str]:
        """Those of the trees in which a run has not finished before ``cutoff``."""
        ...

    def rebuild(
        self, after: str, limit: int, project: RunProjector, progress: Callable[[int], None]
    ) -> RebuiltRuns | None:
        """Rebuild the read models of up to ``limit`` runs > ``after`` from their events, in one transaction.

        None where there are no more.
        """
        ...

    def count_events(self) -> int:
        """How many events the streams of runs have, about: for progress."""
        ...


class LedgerStorage(Storage, Protocol):
    """What a ledger stands on: a store of keys, of runs and of skills."""

    @property
    def runs(self) -> RunStorage:
        """The audit's part."""
        ...

    @property
    def skills(self) -> SkillStorage:
        """The skills' part."""
        ...
