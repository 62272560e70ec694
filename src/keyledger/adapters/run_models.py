"""The read models of runs as dicts: all that there is in memory, and what a rebuild compares with what stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from keyledger.adapters.rebuild import differing, missing
from keyledger.domain.audit.ports import Closed, Forgotten, Noted, Opened, ReadRow, RunChange, RunProjector, RunRow
from keyledger.domain.run import RunEvent, RunState, evolve


@dataclass
class RunModels:
    """Rows by the run's stream; reads also by (stream, scope, key, revision). Heads hold no outcome.

    ``amiss`` has a line for each row that cannot be read, and for events that are missing.
    """

    heads: dict[str, RunState] = field(default_factory=dict)
    runs: dict[str, RunRow] = field(default_factory=dict)
    reads: dict[str, dict[tuple[str, str, str, int], ReadRow]] = field(default_factory=dict)
    amiss: dict[str, list[str]] = field(default_factory=dict)

    def put_head(self, state: RunState) -> None:
        """Put a head; how the run ended is its summary's to say."""
        self.heads[state.id] = state._replace(outcome=None)

    def apply(self, changes: Iterable[RunChange]) -> None:
        """Make ``changes`` in summaries and reads, in order."""
        for change in changes:
            match change:
                case Opened(row):
                    self.runs[row.stream] = row
                case Closed(stream, outcome, finished_at):
                    if (ended := self.runs.get(stream)) is not None:
                        self.runs[stream] = ended._replace(outcome=outcome, finished_at=finished_at)
                case Noted(rows):
                    for read in rows:
                        self.put_read(read)
                case Forgotten(stream):
                    self.runs.pop(stream, None)
                    self.reads.pop(stream, None)

    def put_read(self, read: ReadRow) -> None:
        """Put what was read, unless it is there."""
        self.reads.setdefault(read.run_stream, {}).setdefault(read[1:5], read)

    def tell(self, stream: str, line: str) -> None:
        """Note what is amiss with a run's rows or events."""
        self.amiss.setdefault(stream, []).append(line)

    def fold(self, stream: str, events: Iterable[RunEvent], project: RunProjector) -> int:
        """Make a run's rows of its events; how many there are."""
        state, count = RunState(stream), 0
        for event in events:
            state, count = evolve(state, event), count + 1
            self.apply(project((event,)))
        if count:
            self.put_head(state)
        if count != state.revision:
            self.tell(stream, missing(stream, count, state.revision))
        return count

    def adopt(self, stream: str, other: RunModels) -> None:
        """Let one run's rows be those of ``other``."""
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (self.heads, other.heads),
            (self.runs, other.runs),
            (self.reads, other.reads),
        ]
        for mine, others in pairs:
            mine.pop(stream, None)
            if stream in others:
                mine[stream] = others[stream]

    def differing(self, stream: str, rebuilt: RunModels) -> list[str]:
        """A line for each row of one run that stands otherwise than in ``rebuilt``."""
        return [
            *self.amiss.get(stream, ()),
            *rebuilt.amiss.get(stream, ()),
            *differing("run_head", _some(self.heads, stream), _some(rebuilt.heads, stream), key=1),
            *differing("runs", _some(self.runs, stream), _some(rebuilt.runs, stream), key=1),
            *differing("run_reads", self._reads(stream), rebuilt._reads(stream), key=5),
        ]

    def _reads(self, stream: str) -> list[ReadRow]:
        return sorted(self.reads.get(stream, {}).values())


def _some(rows: dict[str, Any], stream: str) -> list[Any]:
    return [rows[stream]] if stream in rows else []
