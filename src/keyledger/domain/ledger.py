"""The ledger: what users open, and hold while they work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from keyledger.domain import arguments
from keyledger.domain.audit.ports import LedgerStorage, RunProjector
from keyledger.domain.audit.reading import ReadRecorder
from keyledger.domain.audit.runs import Runs
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.commands import Attribution, DeletePartition, PartitionCommand
from keyledger.domain.engine import Engine, Settings
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.exporter import Exporter
from keyledger.domain.importer import Importer
from keyledger.domain.invocation import Invocation
from keyledger.domain.kv import Partition, open_partition
from keyledger.domain.past.dry_runs import DryRuns
from keyledger.domain.past.forks import Forks
from keyledger.domain.past.replay import Replay
from keyledger.domain.past.replay_report import ReplayReport
from keyledger.domain.ports import Clock, JSONCodec, Projector, StreamHead
from keyledger.domain.records import ImportReport, Page, PartitionInfo, RebuildReport, SweepReport, Usage
from keyledger.domain.scope import (
    ROOT_RUN_PARTITION,
    STREAM_PREFIX,
    TREE_STREAM_PREFIX,
    check_text,
    is_tree,
    key_range,
    partition_stream,
)
from keyledger.domain.skills.grants import Grants
from keyledger.domain.skills.ports import SkillProjector
from keyledger.domain.skills.skills import Skills
from keyledger.domain.sweeper import RUN_KEYS_RETENTION, Sweeper
from keyledger.domain.toolset import Toolset
from keyledger.domain.writer import Writer
from keyledger.domain.writes import Caller

DEFAULT_SWEEP = 1_000
MAX_SOURCE_BYTES = 4_096
_PAGE = 1_000
_RUNS_AT_ONCE = 200


class Ledger:
    """An open ledger. Safe to share between threads, and usable in a forked child.

    Every method may raise StorageUnavailableError, and LedgerClosedError after :meth:`close`.
    """

    def __init__(
        self,
        storage: LedgerStorage,
        project: Projector,
        project_runs: RunProjector,
        project_skill: SkillProjector,
        clock: Clock,
        codec: JSONCodec,
        settings: Settings,
        open_dry: Callable[[Engine], Ledger],
        make_tools: Callable[[Ledger, Invocation], Toolset],
    ) -> None:
        self.storage = storage
        """What stands underneath, for adapters and their tests; its shape is no promise."""
        self._project, self._project_runs, self._clock = project, project_runs, clock
        self._project_skill = project_skill
        self._writer = Writer(storage, project, clock, settings.global_max_bytes)
        self._run_writer = RunWriter(storage.runs, project_runs, clock)
        reads = ReadRecorder(self._run_writer)
        forks = Forks(storage)
        self._engine = Engine(storage, self._writer, self._run_writer, reads, forks, clock, codec, settings)
        self._open_dry, self._make_tools = open_dry, make_tools
        self.enforces_flags = settings.enforce_flags
        """Whether tool calls need the flags that their tools require, for adapters."""
        self.dry_runs = DryRuns(self.dry_run)
        """What the tool calls of dry runs act on, for adapters; its shape is no promise."""
        self.runs = Runs(self._engine, self.dry_runs.end)
        """The audit of runs."""
        grants = Grants(self._engine)
        self.skills = Skills(self._engine, project_skill, grants)
        """What agents run: skills, their versions, and what was granted to them."""
        self._sweeper = Sweeper(self._engine, project, grants)
        if settings.global_max_bytes is not None:
            storage.adopt_usage()

    def partition(
        self,
        partition_id: str,
        *,
        actor: str | None = None,
        run_id: str | None = None,
        root_run_id: str | None = None,
        tool: str | None = None,
        record_reads: bool = False,
    ) -> Partition:
        """A handle on a partition, which need not exist yet.

        What is written through it is recorded as done by ``actor``, in ``run_id`` of the dispatch tree
        ``root_run_id``, through ``tool``. With ``record_reads`` what ``get``, ``get_many``, ``list`` and ``scan``
        give, or do not find, is soon recorded as read by that run, which must have been started.
        """
        caller = Caller(actor, run_id, root_run_id, tool)
        return open_partition(self._engine, partition_id, caller, record_reads=record_reads)

    def partitions(
        self, *, prefix: str = "", limit: int = arguments.DEFAULT_PAGE, after: str = ""
    ) -> Page[PartitionInfo]:
        """The partitions in use, by id, each with its usage; deleted ones come back when used again.

        The streams of all dispatch trees show as one partition, ``__root_run__``, with their sums.
        """
        arguments.check_start("prefix", prefix)
        arguments.check_start("after", after)
        arguments.check_page(limit)
        heads = self._heads(prefix, after, limit + 1)
        page = heads[:limit]
        return Page(tuple(page), page[-1].id if len(heads) > limit else None)

    def _heads(self, prefix: str, after: str, wanted: int) -> list[PartitionInfo]:
        """Up to ``wanted`` partitions; the trees' streams, neighbours in the order of names, count as one."""
        now, found, cursor = self._clock.now(), list[PartitionInfo](), STREAM_PREFIX + after
        if after == ROOT_RUN_PARTITION:
            cursor = key_range(TREE_STREAM_PREFIX, "")[1]
        while heads := self.storage.streams(cursor, _PAGE, now, STREAM_PREFIX + prefix):
            for head in heads:
                info = self._info(head)
                if found and found[-1].id == info.id:
                    found[-1] = _sum(found[-1], info)
                elif len(found) == wanted:
                    return found
                else:
                    found.append(info)
            cursor = heads[-1].stream
        return found

    def _info(self, head: StreamHead) -> PartitionInfo:
        if is_tree(head.stream):
            usage = Usage(head.usage.used_bytes, head.usage.live_keys, None)
            return PartitionInfo(ROOT_RUN_PARTITION, head.revision, usage)
        partition_id = head.stream.removeprefix(STREAM_PREFIX)
        return PartitionInfo(partition_id, head.revision, self._engine.usage(head.stream, head.usage))

    def delete_partition(self, partition_id: str, *, actor: str | None = None, run_id: str | None = None) -> bool:
        """End every entry of a partition; whether it was in use.

        Its past stays readable, its revisions and its own quota go on if it is used again.
        """
        arguments.check_actor(actor)
        arguments.check_run("run_id", run_id)
        by = Attribution(self._writer.new_request_id(), actor, run_id)
        command = PartitionCommand(DeletePartition(), by)
        return bool(self._writer.execute(partition_stream(partition_id), command).events)

    def import_lines(
        self,
        lines: Iterable[str],
        *,
        source: str,
        stop: bool = False,
        on_error: Callable[[int, KeyledgerError], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Import JSON lines (see :mod:`keyledger.domain.lines`) in their order within each partition.

        Lines that an earlier import from the same ``source`` did are recognised, for as long as request ids
        are kept (7 days). A bad line is told to ``on_error`` with its number, and the rest still imported,
        or with ``stop`` nothing after it. ``progress`` is told how many lines were read.
        """
        check_text("source", source, MAX_SOURCE_BYTES)
        importer = Importer(self._engine, source, stop=stop, on_error=on_error, progress=progress)
        return importer.run(lines)

    def export_lines(
        self,
        partition_id: str | None = None,
        *,
        current: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[str]:
        """Export one partition, or all with their dispatch trees, as JSON lines that :meth:`import_lines` reads.

        Every change is a line, oldest first; with ``current`` only those that made what is live. Lines are read
        as they are iterated over. A partition is exported as of the moment at which its first line is read.
        ``progress`` is called with the events read so far and in all.
        """
        named = None if partition_id is None else partition_stream(partition_id)
        return Exporter(self._engine, current=current, progress=progress).lines(named)

    def replay(
        self,
        run_id: str,
        into: str,
        *,
        actor: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReplayReport:
        """Do again what a run wrote, in forks of what it started from, and compare what it read.

        It ends with the first read that gives another value than it gave the run, or the first increment or delete
        that comes to something else; the forks stay as they are then. They bear the run's times, moved so that its
        last step is now. What was recorded of the run, and what it acted on, does not change.

        The partition ``into`` stands in for the run's own, ``into/<id>`` for each other that it wrote or read, the
        dispatch tree ``into`` for its tree. The forks are made by ``actor``, and no write there is the run's.
        ``progress`` is told the steps done so far and in all.

        Raises:
            RunNotFoundError: neither the audit of runs nor any history knows the run.
            PartitionExistsError: what is to stand in for a partition was used before.
            GlobalQuotaExceededError: the forks, or what is written there, do not fit.
        """
        return Replay(self._engine, run_id, into, actor).run(progress)

    def tools(self, invocation: Invocation) -> Toolset:
        """The tools that a run may use, for the host that runs it: callables, and their JSON Schemas for models.

        They are ``kv_get kv_set kv_delete kv_increment kv_list kv_history kv_restore``, of which those whose flags
        the invocation has. Who calls comes from the invocation alone, never from what a model sends.
        """
        return self._make_tools(self, invocation)

    def dry_run(self) -> Ledger:
        """A ledger in memory on top of this one: what is done there is seen there, and nowhere else.

        Each partition and dispatch tree begins, when it is first used there, as a fork of what it holds here then,
        with revisions of its own. The audit of runs begins empty. Quotas are those of this ledger, but for the
        global one, which does not hold there. Use it as a context manager; close it before this one.
        """
        return self._open_dry(self._engine)

    def sweep(
        self,
        *,
        limit: int = DEFAULT_SWEEP,
        run_keys_after: float | None = RUN_KEYS_RETENTION,
        runs_after: float | None = None,
    ) -> SweepReport:
        """Tidy up, across partitions: up to ``limit`` of each thing that is due.

        Expired entries end as KeyExpired events. Keys in ``run:`` scopes end as KeyDeleted events, by
        ``system:retention``, once their run finished more than ``run_keys_after`` seconds ago, ``root_run:`` keys
        once every run of their tree did; those of a run that goes on, or was never started here, stay, and a
        purged one counts as finished when it was purged. Runs that have finished and started more than
        ``runs_after`` seconds ago are purged, once their keys need not stay. None for an age is never. Request ids
        older than 7 days are forgotten, spare leases of a global quota taken back.

        Safe to run from several processes at once, and to kill; sweep again while the report is not ``complete``.
        """
        return self._sweeper.sweep(limit, run_keys_after, runs_after)

    def rebuild(self, *, progress: Callable[[int, int], None] | None = None) -> RebuildReport:
        """Drop and rebuild the read models of every partition, run and skill from its events, and compare.

        One partition, or some runs or skills, at a time and in one transaction: meanwhile their writers wait, or
        get LedgerBusyError.
        ``progress`` is called with the events read so far and in all.
        """
        streams = list(self.storage.all_streams())
        total = sum(revision for _, revision in streams)
        total += self.storage.runs.count_events() + self.storage.skills.count_events()
        read = 0

        def step(events: int) -> None:
            nonlocal read
            read += events
            if progress is not None:
                progress(read, total)

        differences: list[str] = []
        for stream, _ in streams:
            differences += self.storage.rebuild(stream, self._project, step)
            self._writer.forget(stream)
        last, runs = "", 0
        while rebuilt := self.storage.runs.rebuild(last, _RUNS_AT_ONCE, self._project_runs, step):
            last, runs = rebuilt.last, runs + rebuilt.runs
            differences += rebuilt.differences
        last, skills = "", 0
        while redone := self.storage.skills.rebuild(last, _RUNS_AT_ONCE, self._project_skill, step):
            last, skills = redone.last, skills + redone.skills
            differences += redone.differences
        return RebuildReport(len(streams), runs, skills, read, tuple(differences))

    def reset_after_fork(self) -> None:
        """In a forked child, let go of what belongs to the parent: connections, queues, caches."""
        self.storage.reset()
        self._writer.reset()
        self._run_writer.reset()
        self.runs.reset_after_fork()
        self.dry_runs.reset()
        self._engine.reads.reset()

    def close(self) -> None:
        """Release every connection. Writes that were begun are finished, reads recorded. Idempotent."""
        self._engine.reads.close()
        self._writer.close()
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _sum(one: PartitionInfo, other: PartitionInfo) -> PartitionInfo:
    used = one.usage.used_bytes + other.usage.used_bytes
    live = one.usage.live_keys + other.usage.live_keys
    return PartitionInfo(one.id, one.revision + other.revision, Usage(used, live, None))
