"""What users say of runs and get back. All of it immutable; times are UTC, durations seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from keyledger.domain.records import Version
from keyledger.domain.run import RUNNING
from keyledger.domain.values import JSONValue


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run that is about to start.

    ``parent_run_id`` is empty at the top level. An empty ``root_run_id`` is the parent's root or, without a
    parent, the run itself. ``inputs`` is a JSON object. Without ``started_at`` it starts now.
    """

    id: str
    skill_id: str
    caller_id: str = ""
    channel_id: str = ""
    inputs: Mapping[str, JSONValue] = field(default_factory=dict)
    parent_run_id: str = ""
    root_run_id: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunStats:
    """How a run ended: ``status`` is any but running; the token counts are sums over the run."""

    status: str
    output: str = ""
    error: str = ""
    tool_calls: int = 0
    runtime_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """The summary of a run. One that is ``running`` and has not been for long is the sign of a crash.

    ``root_run_id`` is the run that its dispatch tree began with, itself at the top level.
    """

    id: str
    skill_id: str
    caller_id: str
    channel_id: str
    inputs: Mapping[str, JSONValue]
    started_at: datetime
    parent_run_id: str
    root_run_id: str
    status: str = RUNNING
    finished_at: datetime | None = None
    output: str = ""
    error: str = ""
    tool_calls_count: int = 0
    runtime_seconds: float = 0.0
    total_input_tokens: int = 0
    total_output_tokens: int = 0
    total_thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RunLog:
    """A line of a run's log: ``event_type`` is step, tool_call, tool_result or error; ``payload`` a JSON object.

    To append one, leave out ``sequence`` for the next, and ``created_at``, which is the ledger's to say.
    """

    run_id: str
    event_type: str
    payload: Mapping[str, JSONValue] = field(default_factory=dict)
    sequence: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: all fields given must hold; without any, all but dry runs.

    A named ``status`` decides alone whether dry runs are among them. ``since`` ≤ started_at < ``until``.
    """

    status: str = ""
    skill_id: str = ""
    caller_id: str = ""
    channel_id: str = ""
    top_level_only: bool = False
    include_dry_run: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunWrite:
    """A version that a run wrote, and the partition it wrote it in."""

    partition_id: str
    version: Version


@dataclass(frozen=True, slots=True)
class RunRead:
    """A version that a run read; ``revision`` 0 where it found nothing. ``recorded_at`` is soon after it read."""

    run_id: str
    partition_id: str
    scope: str
    key: str
    revision: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RunPurge:
    """A batch of purged runs: how many that had started ``before``, by whom, when."""

    runs: int
    before: datetime
    purged_by: str | None
    purged_at: datetime
