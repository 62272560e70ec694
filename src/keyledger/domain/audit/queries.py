"""What the audit of runs knows: the runs by every way to look for them, and what each read and wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from keyledger.domain import arguments
from keyledger.domain.audit.arguments import DEFAULT_RUNS, check_filter, check_run_id, clamped
from keyledger.domain.audit.ports import RunRow
from keyledger.domain.audit.reading import read_of
from keyledger.domain.audit.records import Run, RunFilter, RunLog, RunPurge, RunRead, RunWrite
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError, KeyledgerError, RunNotFoundError
from keyledger.domain.past.changes import version_of
from keyledger.domain.records import Page
from keyledger.domain.run import (
    MAX_PARENT_CHAIN_DEPTH,
    RUNNING,
    TERMINAL,
    RunLogged,
    RunsPurged,
    run_of,
    run_stream,
)
from keyledger.domain.scope import MAX_ID_BYTES, check_id, check_text, partition_of
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER

_BEYOND = 2**63 - 1
T = TypeVar("T", bound=tuple[str | int, ...])


class RunQueries:
    """The part of :class:`~keyledger.domain.audit.runs.Runs` that reads."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._storage = engine, engine.storage.runs

    def get(self, run_id: str) -> Run:
        """A run's summary; RunNotFoundError if it was never started, or was purged."""
        check_run_id("run_id", run_id)
        row = self._storage.read_run(run_stream(run_id))
        if row is None:
            raise self._not_found(run_id)
        return self._run(row)

    def logs(self, run_id: str) -> tuple[RunLog, ...]:
        """A run's log in the order of its sequence numbers; RunNotFoundError as for :meth:`get`."""
        check_run_id("run_id", run_id)
        found = self._storage.logs(run_stream(run_id))
        if not found:
            self.get(run_id)
        return tuple(map(self._log, found))

    def by_skill(
        self, skill_id: str, limit: int = DEFAULT_RUNS, *, offset: int = 0, include_dry_run: bool = False
    ) -> tuple[Run, ...]:
        """A skill's runs, newest first, without dry runs unless asked for."""
        check_id("skill_id", skill_id)
        return self.filtered(RunFilter(skill_id=skill_id, include_dry_run=include_dry_run), offset, limit)

    def count_by_skill(self, skill_id: str, *, include_dry_run: bool = False) -> int:
        """How many runs :meth:`by_skill` has in all."""
        check_id("skill_id", skill_id)
        return self.count_filtered(RunFilter(skill_id=skill_id, include_dry_run=include_dry_run))

    def by_caller(self, caller_id: str, limit: int = DEFAULT_RUNS) -> tuple[Run, ...]:
        """A caller's runs, newest first, dry runs too."""
        check_text("caller_id", caller_id, MAX_ID_BYTES)
        return self.filtered(RunFilter(caller_id=caller_id, include_dry_run=True), 0, limit)

    def filtered(
        self, wanted: RunFilter | None = None, offset: int = 0, limit: int = DEFAULT_RUNS
    ) -> tuple[Run, ...]:
        """The runs that match, newest first; of one time, by id falling. Without a filter, all but dry runs."""
        arguments.check_integer("offset", offset, 0)
        return self._runs(self._storage.list_runs(check_filter(wanted), offset, clamped(limit)))

    def count_filtered(self, wanted: RunFilter | None = None) -> int:
        """How many runs :meth:`filtered` has in all."""
        return self._storage.count_runs(check_filter(wanted))

    def children(self, parent_run_id: str) -> tuple[Run, ...]:
        """The runs that a run called, oldest first; none for an empty id."""
        if parent_run_id == "":
            return ()
        check_run_id("parent_run_id", parent_run_id)
        return self._runs(self._storage.children(parent_run_id))

    def parent_chain(self, run_id: str) -> tuple[Run, ...]:
        """The run and those above it, root first: at most 32, as far as they are known.

        Raises:
            RunNotFoundError: as for :meth:`get`, of the run itself.
        """
        chain = [self.get(run_id)]
        seen = {run_id}
        while (parent := chain[-1].parent_run_id) and parent not in seen and len(chain) < MAX_PARENT_CHAIN_DEPTH:
            row = self._storage.read_run(run_stream(parent))
            if row is None:
                break
            chain.append(self._run(row))
            seen.add(parent)
        return tuple(reversed(chain))

    def tree(self, run_id: str) -> tuple[Run, ...]:
        """Every run of the dispatch tree that a run is in, oldest first; RunNotFoundError as for :meth:`get`."""
        check_run_id("run_id", run_id)
        found = self._storage.tree(run_stream(run_id))
        if not found:
            raise self._not_found(run_id)
        return self._runs(found)

    def last_by_skills(self, skill_ids: Iterable[str], *, include_failed: bool = False) -> dict[str, datetime]:
        """When each skill was last started, by skill; one that never was is left out.

        Only runs that ended ``ok`` count; with ``include_failed`` those that ended otherwise too. Dry runs and
        runs that have not ended never do.
        """
        ids = arguments.ids("skill_ids", skill_ids)
        statuses = tuple(status for status in TERMINAL if status != "dry_run") if include_failed else ("ok",)
        return self._storage.last_started(ids, statuses) if ids else {}

    def finished_before(self, cutoff: datetime, limit: int) -> tuple[Run, ...]:
        """Up to ``limit`` runs that finished strictly before ``cutoff``, oldest end first; none if it is ≤ 0."""
        before = arguments.moment("cutoff", cutoff)
        arguments.check_integer("limit", limit)
        return self._runs(self._storage.finished_before(before, limit)) if limit > 0 else ()

    def purges(self, *, limit: int = arguments.DEFAULT_PAGE, before: int | None = None) -> Page[RunPurge]:
        """What was purged, a total for each batch, newest first; ``next`` is the ``before`` that continues."""
        arguments.check_page(limit)
        arguments.check_revision("before", before)
        found = self._storage.purges(_BEYOND if before is None else before, limit + 1)
        shown = tuple(map(_purge, found[:limit]))
        return Page(shown, found[limit - 1].originator_version if len(found) > limit else None)

    # ------------------------------------------------------------------------------------- lineage

    def writes(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunWrite]:
        """The versions that a run wrote, by partition and revision; of runs that were never started, too."""
        check_run_id("run_id", run_id)
        arguments.check_page(limit)
        found = self._storage.written(run_id, self._cursor(after, ("", 0, "", "")), limit + 1)
        shown = tuple(
            RunWrite(partition_of(stream), version_of(self._engine.codec, version))
            for stream, version in found[:limit]
        )
        if len(found) <= limit:
            return Page(shown)
        stream, (row, _) = found[limit - 1]
        return Page(shown, self._next(stream, row.revision, row.scope, row.key))

    def count_writes(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many versions each run wrote; one that wrote none is left out."""
        ids = arguments.ids("run_ids", run_ids)
        return self._storage.count_written(ids) if ids else {}

    def reads(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunRead]:
        """The versions that a run read, if its invocation records reads, by partition, scope, key and revision."""
        check_run_id("run_id", run_id)
        arguments.check_page(limit)
        self._engine.reads.flush(run_stream(run_id))
        found = self._storage.reads(run_stream(run_id), self._cursor(after, ("", "", "", 0)), limit + 1)
        shown = tuple(map(read_of, found[:limit]))
        return Page(shown, self._next(*found[limit - 1][1:5]) if len(found) > limit else None)

    # ----------------------------------------------------------------------------------- internals

    def _cursor(self, after: str, start: T) -> T:
        """What :meth:`_next` was given."""
        if after == "":
            return start
        try:
            found = self._engine.codec.decode(after.encode())
        except (KeyledgerError, AttributeError, UnicodeEncodeError):
            found = None
        kinds = list(map(type, start))
        if not isinstance(found, list) or list(map(type, found)) != kinds or not all(map(_is_storable, found)):
            raise InvalidArgumentError("after", after, "what a page of this run gave as its next")
        return tuple(found)  # type: ignore[return-value]

    def _next(self, *last: str | int) -> str:
        return self._engine.codec.encode(list(last)).decode()

    def _not_found(self, run_id: str) -> RunNotFoundError:
        known = self._storage.statuses((run_stream(run_id),))
        return RunNotFoundError(run_id, purged=any(each.purged for each in known))

    def _runs(self, rows: Iterable[RunRow]) -> tuple[Run, ...]:
        return tuple(map(self._run, rows))

    def _run(self, row: RunRow) -> Run:
        inputs = self._decoded(row.inputs)
        begun = (row.skill_id, row.caller_id, row.channel_id, inputs, row.started_at)
        place = (row.parent_run_id, row.root_run_id)
        ended = (RUNNING, None) if row.outcome is None else (row.outcome.status, row.finished_at, *row.outcome[1:])
        return Run(run_of(row.stream), *begun, *place, *ended)

    def _decoded(self, text: bytes) -> dict[str, Any]:
        decoded: Any = self._engine.codec.decode(text)
        return dict(decoded)

    def _log(self, event: RunLogged) -> RunLog:
        payload = self._decoded(event.payload)
        run_id = run_of(event.originator_id)
        return RunLog(run_id, event.event_type, payload, event.sequence, event.recorded_at.astimezone(UTC))


def _is_storable(part: str | int) -> bool:
    return "\0" not in part if isinstance(part, str) else MIN_INTEGER <= part <= MAX_INTEGER


def _purge(event: RunsPurged) -> RunPurge:
    return RunPurge(event.runs, event.before.astimezone(UTC), event.changed_by, event.recorded_at.astimezone(UTC))
