"""The run: one invocation of a skill, as a decider.

Reads top to bottom: stream names, events, state, ``evolve``, commands, ``decide``. Everything here is pure, and
keys know nothing of it: a key's event names its run, and that is all the two share.

``decide`` needs the run's head (revision, last time, sequences used, whether it was purged) and, to finish a run
again, how it had ended: never its log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple, TypeAlias, assert_never

from keyledger.domain.errors import DuplicateRunError, DuplicateSequenceError, RunNotFoundError
from keyledger.domain.event import Event, UTCDatetime

STREAM_PREFIX = "run:"
PURGES = "__purges__"
PURGES_STREAM = f"{STREAM_PREFIX}{PURGES}"

MAX_PARENT_CHAIN_DEPTH = 32
"""The most runs that a walk from a run to its root reads, so that corrupt data cannot loop."""

MAX_INVOKE_DEPTH = 16
"""How deep runs may call runs; the root is at depth 0."""

MAX_SEQUENCE_GAPS = 100
"""How many gaps between used sequence numbers a run remembers; an older one counts as used."""

MAX_SEQUENCE = 2**53
"""The highest sequence number that may be given: up to it every JSON reader counts exactly."""

RUNNING = "running"
TERMINAL = ("ok", "error", "timeout", "budget_exceeded", "dry_run", "preempted", "lane_busy")
STATUSES = (RUNNING, *TERMINAL)
LOG_TYPES = ("step", "tool_call", "tool_result", "error")


def run_stream(run_id: str) -> str:
    """The stream of a run: ``run:<id>``, the text that its events have as originator_id."""
    return STREAM_PREFIX + run_id


def run_of(stream: str) -> str:
    """The id of the run whose stream this is."""
    return stream.removeprefix(STREAM_PREFIX)


# ---------------------------------------------------------------------------------------------- events
# As for partitions: topics and field names are the storage format.


class RunStarted(Event):
    """A run began. ``inputs`` is the JSON text of an object, ``depth`` how many runs are above it.

    ``started_at`` may lie before ``recorded_at``; ``traceparent`` is the W3C trace context of its span, if any.
    """

    TOPIC = "run.RunStarted"
    BODY: ClassVar[str] = "inputs"
    skill_id: str
    caller_id: str = ""
    channel_id: str = ""
    parent_run_id: str = ""
    depth: int = 0
    started_at: UTCDatetime
    traceparent: str | None = None
    inputs: bytes


class RunLogged(Event):
    """A line of the run's log: ``payload`` is the JSON text of an object."""

    TOPIC = "run.RunLogged"
    BODY: ClassVar[str] = "payload"
    sequence: int
    event_type: str
    payload: bytes


class KeysRead(Event):
    """What the run read, in order: (stream, scope, key, revision), revision 0 where there was nothing."""

    TOPIC = "run.KeysRead"
    reads: tuple[tuple[str, str, str, int], ...]


class RunFinished(Event):
    """The run ended at ``recorded_at``; of several, the last one says how."""

    TOPIC = "run.RunFinished"
    status: str
    output: str = ""
    error: str = ""
    tool_calls: int = 0
    runtime_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0


class RunPurged(Event):
    """Everything the run had said was taken out of the log, by ``changed_by`` at ``recorded_at``."""

    TOPIC = "run.RunPurged"


class Purged(Event):
    """Stands in the place of each event that a purge took out; ``recorded_at`` is the purge's."""

    TOPIC = "run.Purged"


class RunsPurged(Event):
    """In the stream of purges: ``runs`` runs that had started before ``before`` were purged."""

    TOPIC = "run.RunsPurged"
    runs: int
    before: UTCDatetime


RunEvent: TypeAlias = RunStarted | RunLogged | KeysRead | RunFinished | RunPurged | Purged | RunsPurged

EVENT_TYPES: tuple[type[RunEvent], ...] = (
    RunStarted,
    RunLogged,
    KeysRead,
    RunFinished,
    RunPurged,
    Purged,
    RunsPurged,
)

# ----------------------------------------------------------------------------------------------- state

Spans: TypeAlias = tuple[tuple[int, int], ...]
"""Sequence numbers in use, as (first, last) of each stretch without a gap, in order."""


class Outcome(NamedTuple):
    """How a run ended: the fields of :class:`RunFinished`."""

    status: str
    output: str = ""
    error: str = ""
    tool_calls: int = 0
    runtime_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0


class RunState(NamedTuple):
    """A run as its events left it; ``outcome`` may be missing from a slice that was loaded for a log line."""

    id: str
    revision: int = 0
    last_recorded_at: datetime | None = None
    sequences: Spans = ()
    purged: bool = False
    outcome: Outcome | None = None

    def effective_now(self, now: datetime) -> datetime:
        """``now``, or the last event's time if the clock is behind it: time never goes back here."""
        return now if self.last_recorded_at is None or now > self.last_recorded_at else self.last_recorded_at


def is_used(sequences: Spans, number: int) -> bool:
    """Whether a sequence number is taken, or too far back to know."""
    index = bisect_right(sequences, number, key=_first)
    return index > 0 and number <= sequences[index - 1][1]


def next_sequence(sequences: Spans) -> int:
    """The number after the highest in use; the first is 1."""
    return sequences[-1][1] + 1 if sequences else 1


def using(sequences: Spans, number: int) -> Spans:
    """``sequences`` with ``number``, which was free: ``using(((1, 3), (5, 6)), 4) == ((1, 6),)``."""
    index = bisect_right(sequences, number, key=_first)
    before, after = sequences[:index], sequences[index:]
    first = last = number
    if before and before[-1][1] == number - 1:
        first, before = before[-1][0], before[:-1]
    if after and after[0][0] == number + 1:
        last, after = after[0][1], after[1:]
    spans = (*before, (first, last), *after)
    if len(spans) > MAX_SEQUENCE_GAPS + 1:
        (lowest, _), (_, highest), *rest = spans
        return ((lowest, highest), *rest)
    return spans


def _first(span: tuple[int, int]) -> int:
    return span[0]


# ---------------------------------------------------------------------------------------------- evolve


def evolve(state: RunState, event: RunEvent) -> RunState:
    """The state after ``event``."""
    after = state._replace(revision=event.originator_version, last_recorded_at=event.recorded_at)
    match event:
        case RunStarted() | KeysRead() | RunsPurged() | Purged():
            return after
        case RunLogged():
            return after._replace(sequences=using(state.sequences, event.sequence))
        case RunFinished():
            return after._replace(outcome=outcome_of(event))
        case RunPurged():
            return after._replace(sequences=(), purged=True, outcome=None)
        case _:
            assert_never(event)


def fold(state: RunState, events: Iterable[RunEvent]) -> RunState:
    """The state after all of ``events``."""
    for event in events:
        state = evolve(state, event)
    return state


def outcome_of(event: RunFinished) -> Outcome:
    """How the run ended, by its event."""
    return Outcome(*(getattr(event, field) for field in Outcome._fields))


# -------------------------------------------------------------------------------------------- commands


class Start(NamedTuple):
    """Begin a run; the fields of :class:`RunStarted`. Without ``started_at`` it begins now."""

    skill_id: str
    caller_id: str
    channel_id: str
    parent_run_id: str
    root_run_id: str
    depth: int
    started_at: datetime | None
    traceparent: str | None
    inputs: bytes


class Log(NamedTuple):
    """Append a line to the log, under ``sequence`` or, without one, the next."""

    event_type: str
    payload: bytes
    sequence: int | None = None


class RecordReads(NamedTuple):
    """Record what the run read."""

    reads: tuple[tuple[str, str, str, int], ...]


class Finish(NamedTuple):
    """End the run, or say again how it ended."""

    outcome: Outcome


class Purge(NamedTuple):
    """Take everything out that the run has said."""


class CountPurge(NamedTuple):
    """Record in the stream of purges how many runs a batch purged."""

    runs: int
    before: datetime


RunAction: TypeAlias = Start | Log | RecordReads | Finish | Purge | CountPurge


class RunCommand(NamedTuple):
    """An action, who asks for it, and an id that tells its events from everybody else's."""

    action: RunAction
    request_id: str
    changed_by: str | None = None


# ---------------------------------------------------------------------------------------------- decide


def decide(command: RunCommand, state: RunState, now: datetime) -> Sequence[RunEvent]:
    """The event that ``command`` makes of ``state`` at ``now``; none where it changes nothing.

    Raises:
        DuplicateRunError: a start of an id that is in use, or was before a purge.
        RunNotFoundError: no such run was started, or it was purged.
        DuplicateSequenceError: the sequence of a log line is taken.
    """
    now = state.effective_now(now)
    made = _made(command.action, state, now)
    if made is None:
        return []
    kind, fields = made
    by = {"changed_by": command.changed_by, "request_id": command.request_id}
    return [kind.after(state.id, state.revision, recorded_at=now, **by, **fields)]


def _made(action: RunAction, state: RunState, now: datetime) -> tuple[type[RunEvent], dict[str, object]] | None:
    """The type and the own fields of the event that ``action`` makes, if it makes one."""
    if state.purged or not state.revision:
        _check_absent(action, state)
    match action:
        case Start():
            if state.revision:
                raise DuplicateRunError(run_of(state.id))
            return RunStarted, action._asdict() | {"started_at": action.started_at or now}
        case Log():
            number = next_sequence(state.sequences) if action.sequence is None else action.sequence
            if is_used(state.sequences, number):
                raise DuplicateSequenceError(run_of(state.id), number)
            return RunLogged, action._asdict() | {"sequence": number}
        case RecordReads():
            return (KeysRead, action._asdict()) if action.reads else None
        case Finish():
            return None if action.outcome == state.outcome else (RunFinished, action.outcome._asdict())
        case Purge():
            return None if state.purged else (RunPurged, {})
        case CountPurge():
            return RunsPurged, action._asdict()
        case _:
            assert_never(action)


def _check_absent(action: RunAction, state: RunState) -> None:
    """Raise unless ``action`` makes sense of a run that is not there, or not any more."""
    if not isinstance(action, Start | CountPurge) and not (state.purged and isinstance(action, Purge)):
        raise RunNotFoundError(run_of(state.id), purged=state.purged)
