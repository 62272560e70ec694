"""The summaries of runs as rows: what a stretch of changes leaves of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keyledger.domain.audit.ports import Closed, Forgotten, Noted, Opened, RunChange, RunRow
from keyledger.domain.run import KeysRead, Purged, RunLogged

UNREAD = (RunLogged.TOPIC, KeysRead.TOPIC, Purged.TOPIC)
"""Topics of events that change no summary: a cursor passes over them, and nobody reads what they hold."""


def needed(changes: Iterable[RunChange]) -> list[str]:
    """The runs whose rows :func:`fold` has to know: they end, and began before these changes."""
    opened: set[str] = set()
    found: dict[str, None] = {}
    for change in changes:
        match change:
            case Opened(row):
                opened.add(row.stream)
            case Closed(stream) if stream not in opened:
                found[stream] = None
    return list(found)


def fold(known: Mapping[str, RunRow], changes: Iterable[RunChange]) -> dict[str, RunRow | None]:
    """For each run that ``changes`` touch the row to put, or None to remove it."""
    rows: dict[str, RunRow | None] = {}
    for change in changes:
        match change:
            case Opened(row):
                rows[row.stream] = row
            case Closed(stream, outcome, finished_at):
                row_before = rows.get(stream) or known.get(stream)
                if row_before is not None:  # else somebody took it out of the table: a rebuild will tell
                    rows[stream] = row_before._replace(outcome=outcome, finished_at=finished_at)
            case Forgotten(stream):
                rows[stream] = None
            case Noted():
                pass
    return rows
