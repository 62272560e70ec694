"""Replay: doing again what a run did, in forks of what it started from, until something comes out otherwise.

A replay keeps the run's own times, all moved by the same stretch, so that its last step is now: an entry that had
expired when the run looked has expired again, and one that had not has not, however fast the steps are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import TypeAlias

from keyledger.domain import arguments
from keyledger.domain.audit.arguments import check_run_id
from keyledger.domain.engine import Engine
from keyledger.domain.errors import PartitionExistsError, RunNotFoundError
from keyledger.domain.past.forking import Fork
from keyledger.domain.past.moments import Moment, Moments, event_at
from keyledger.domain.past.replay_report import ReplayDifference, ReplayReport, Sandbox
from keyledger.domain.past.rerun import Rerun
from keyledger.domain.past.run_steps import Act, Look, Looks, acts, recorded_reads, written_streams
from keyledger.domain.run import run_stream
from keyledger.domain.scope import (
    STREAM_PREFIX,
    TREE_STREAM_PREFIX,
    check_id,
    is_tree,
    name_of,
    partition_of,
    tree_scope,
)
from keyledger.domain.writes import Caller

Progress: TypeAlias = Callable[[int, int], None]


class Replay:
    """One replay of a run."""

    def __init__(self, engine: Engine, run_id: str, into: str, actor: str | None) -> None:
        check_run_id("run_id", run_id)
        check_id("into", into)
        arguments.check_actor(actor)
        self._engine, self._storage, self._run_id, self._into = engine, engine.storage, run_id, into
        self._caller = Caller(actor)

    def run(self, progress: Progress | None) -> ReplayReport:
        """Do it, until the first difference; ``progress`` is told the steps done so far and in all."""
        purged = self._storage.runs.load(run_stream(self._run_id)).purged
        reads = recorded_reads(self._engine, self._run_id)
        streams = sorted({*written_streams(self._storage, self._run_id), *(each.read[0] for each in reads)})
        if not streams and self._storage.runs.read_run(run_stream(self._run_id)) is None:
            raise RunNotFoundError(self._run_id, purged=purged)
        for stream in streams:
            self._engine.forks.check(stream)
        moments = {stream: Moments(self._engine, stream).of_run(self._run_id, end=False) for stream in streams}
        looks = Looks(self._engine, moments, self._acts(streams)).placed(reads)
        sandboxes = self._sandboxes(streams)
        writes = self._storage.runs.count_written([self._run_id]).get(self._run_id, 0)
        agreed, difference = 0, None
        if streams:
            rerun = self._forked(moments, sandboxes, looks)
            agreed, difference = self._compared(rerun, streams, looks, writes + len(looks), progress)
        shown = tuple(_sandbox(moments[stream], target) for stream, target in sandboxes.items())
        return ReplayReport(self._run_id, shown, writes, len(looks), agreed, purged, difference)

    def _acts(self, streams: list[str]) -> Iterator[Act]:
        return chain.from_iterable(acts(self._storage, self._run_id, stream) for stream in streams)

    def _compared(
        self, rerun: Rerun, streams: list[str], looks: list[Look], total: int, progress: Progress | None
    ) -> tuple[int, ReplayDifference | None]:
        """How many steps agreed, and the first that did not."""
        done = 0
        by_stream = (acts(self._storage, self._run_id, stream) for stream in streams)
        steps: Iterator[Act | Look] = merge(*by_stream, looks, key=attrgetter("place"))
        for step in steps:
            differing = rerun.do(step) if isinstance(step, Act) else rerun.look(step)
            if differing is not None:
                return done + differing.agreed, differing.difference
            done += len(step.versions) if isinstance(step, Act) else 1
            if progress is not None:
                progress(done, total)
        return done, None

    # ------------------------------------------------------------------------------------ the sandbox

    def _sandboxes(self, streams: list[str]) -> dict[str, str]:
        """The stream that stands in for each that the run touched, unused so far.

        That is ``into`` for the run's own partition, else for the first by name, and ``into/<partition>`` for the
        others; likewise the dispatch tree ``into`` for the run's own tree.
        """
        row = self._storage.runs.read_run(run_stream(self._run_id))
        own = [] if row is None else [STREAM_PREFIX + row.skill_id, TREE_STREAM_PREFIX + row.root_run_id]
        found: dict[str, str] = {}
        for prefix, tree in ((STREAM_PREFIX, False), (TREE_STREAM_PREFIX, True)):
            some = [stream for stream in streams if is_tree(stream) is tree]
            first = next((stream for stream in own if stream in some), some[0] if some else None)
            for stream in some:
                name = self._into if stream == first else f"{self._into}/{stream.removeprefix(prefix)}"
                check_id("into", name)
                found[stream] = prefix + name
        for target in found.values():
            if self._storage.load(target, ()).state.revision:
                raise PartitionExistsError(name_of(target))
        return found

    def _forked(self, moments: Mapping[str, Moment], sandboxes: Mapping[str, str], looks: list[Look]) -> Rerun:
        moved = self._engine.clock.now() - self._last(moments, looks)
        forks = [
            Fork(self._storage, moment, self._engine, sandboxes[stream], self._caller, moment.instant + moved)
            for stream, moment in moments.items()
        ]
        for fork in forks:
            fork.begin()
        for fork in forks:
            fork.finish()
        return Rerun(self._engine, self._run_id, moments, sandboxes, moved)

    def _last(self, moments: Mapping[str, Moment], looks: list[Look]) -> datetime:
        """When the last step of the run was."""
        spans = ((stream, self._storage.written_span(stream, self._run_id)) for stream in moments)
        written = (event_at(self._storage, stream, span[1]).recorded_at for stream, span in spans if span)
        instants = (moment.instant for moment in moments.values())
        return max(*instants, *written, *(look.time for look in looks[-1:]))


def _sandbox(moment: Moment, target: str) -> Sandbox:
    return Sandbox(str(moment), partition_of(target), tree_scope(target) if is_tree(target) else None)
