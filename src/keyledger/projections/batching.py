"""How much a follower reads and writes at once: its writing holds up the ledger's own on SQLite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from keyledger.domain.audit.follower_ports import Span
from keyledger.domain.run import RunEvent, RunFinished, RunStarted

MOST_EVENTS = 4_000
"""The most events of a batch."""

MOST_RUNS = 500
"""The most runs of a batch: each is a row with a place in ten indexes."""

MOST_BYTES = 4_194_304
"""The most bytes of inputs, outputs and errors in a batch of more than one run."""


def cut(spans: Sequence[Span], most_events: int, most_runs: int) -> tuple[list[Span], list[Span]]:
    """The first batch of ``spans``, and the rest; a span that does not fit is cut in two."""
    room = most_events
    for number, (stream, after, until) in enumerate(spans[:most_runs]):
        if until - after > room:
            batch = [*spans[:number], Span(stream, after, after + room)] if room else spans[:number]
            return list(batch), [Span(stream, after + room, until), *spans[number + 1 :]]
        room -= until - after
    return list(spans[:most_runs]), list(spans[most_runs:])


def fitting(spans: Sequence[Span], events: Iterable[RunEvent], most_bytes: int = MOST_BYTES) -> int:
    """How many of a batch's spans, from the first and at least one, have events that are not too long in all."""
    sizes: Counter[str] = Counter()
    for event in events:
        sizes[event.originator_id] += _size(event)
    if sizes.total() <= most_bytes:
        return len(spans)
    total = 0
    for number, span in enumerate(spans):
        total += sizes[span.stream]
        if total > most_bytes and number:
            return number
    return len(spans)


def _size(event: RunEvent) -> int:
    match event:
        case RunStarted():
            return len(event.inputs)
        case RunFinished():
            return len(event.output) + len(event.error)
        case _:
            return 0
