"""What the audit of runs should say, as dicts: the model that the state machine compares with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from keyledger.domain.audit.records import Run, RunFilter, RunInfo, RunLog, RunPurge, RunStats


class RefusedByModelError(Exception):
    """The model says no; ``kind`` is the code of the error that the ledger must raise."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass
class ModelRun:
    """A run and its log, by sequence number."""

    info: RunInfo
    started_at: datetime
    root: str
    last: datetime
    stats: RunStats | None = None
    finished_at: datetime | None = None
    log: dict[int, RunLog] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return "running" if self.stats is None else self.stats.status

    @property
    def place(self) -> tuple[datetime, bytes]:
        """Where it stands, oldest first."""
        return self.started_at, self.info.id.encode()

    def happened(self, now: datetime) -> datetime:
        """The time of the next event, once the clock says ``now``."""
        self.last = max(self.last, now)
        return self.last

    def summary(self) -> Run:
        """What ``get`` gives."""
        info, stats = self.info, self.stats or RunStats("running")
        return Run(
            info.id,
            info.skill_id,
            info.caller_id,
            info.channel_id,
            info.inputs,
            self.started_at,
            info.parent_run_id,
            self.root,
            stats.status,
            self.finished_at,
            stats.output,
            stats.error,
            stats.tool_calls,
            stats.runtime_seconds,
            stats.input_tokens,
            stats.output_tokens,
            stats.thinking_tokens,
        )


class RunModel:
    """Every run that is there, those that were, and the totals of purges, newest first."""

    def __init__(self) -> None:
        self.runs: dict[str, ModelRun] = {}
        self.purged: set[str] = set()
        self.purges: list[RunPurge] = []

    def start(self, info: RunInfo, now: datetime) -> Run:
        """What ``start`` does."""
        if info.id in self.runs or info.id in self.purged:
            raise RefusedByModelError("duplicate_run")
        parent = self.runs.get(info.parent_run_id)
        root = info.parent_run_id or info.id if parent is None else parent.root
        self.runs[info.id] = ModelRun(info, info.started_at or now, root, now)
        return self.runs[info.id].summary()

    def find(self, run_id: str) -> ModelRun:
        """A run that is there."""
        if run_id not in self.runs:
            raise RefusedByModelError("run_not_found")
        return self.runs[run_id]

    def log(self, run_id: str, number: int | None, now: datetime) -> RunLog:
        """What ``append_log`` does with an empty step."""
        run = self.find(run_id)
        sequence = max(run.log, default=0) + 1 if number is None else number
        if sequence in run.log:
            raise RefusedByModelError("duplicate_sequence")
        run.log[sequence] = RunLog(run_id, "step", {}, sequence, run.happened(now))
        return run.log[sequence]

    def finish(self, run_id: str, stats: RunStats, now: datetime) -> None:
        """What ``finish`` does."""
        run = self.find(run_id)
        if run.stats != stats:
            run.stats, run.finished_at = stats, run.happened(now)

    def purge(self, before: datetime, actor: str, now: datetime) -> int:
        """What ``purge_older_than`` does."""
        gone = {run_id for run_id, run in self.runs.items() if run.started_at < before}
        self.runs = {run_id: run for run_id, run in self.runs.items() if run_id not in gone}
        self.purged |= gone
        if gone:
            at = max(now, self.purges[0].purged_at) if self.purges else now
            self.purges.insert(0, RunPurge(len(gone), before, actor, at))
        return len(gone)

    def listed(self, wanted: RunFilter | None = None) -> list[Run]:
        """Runs oldest first: all of them, or those that match a filter's status, skill and times."""
        rows = sorted(self.runs.values(), key=lambda run: run.place)
        return [run.summary() for run in rows if wanted is None or _matches(run, wanted)]

    def finished_before(self, cutoff: datetime) -> list[Run]:
        """Finished runs, oldest end first."""
        ended = [(run.finished_at, run.place[1], run) for run in self.runs.values() if run.finished_at is not None]
        return [run.summary() for at, _, run in sorted(ended, key=lambda each: each[:2]) if at < cutoff]

    def last_starts(self, statuses: set[str]) -> dict[str, datetime]:
        """When each skill was last started, of runs of those statuses."""
        counted = [run for run in self.runs.values() if run.status in statuses]
        return {
            skill: max(run.started_at for run in counted if run.info.skill_id == skill)
            for skill in {run.info.skill_id for run in counted}
        }


def _matches(run: ModelRun, wanted: RunFilter) -> bool:
    shown = run.status == wanted.status if wanted.status else wanted.include_dry_run or run.status != "dry_run"
    late = wanted.since is None or run.started_at >= wanted.since
    return (
        shown
        and late
        and wanted.skill_id in ("", run.info.skill_id)
        and not (wanted.top_level_only and run.info.parent_run_id)
    )
