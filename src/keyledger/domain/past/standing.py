"""What stood at a moment: the keys that were live, in order, read bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from keyledger.domain.commands import EntryKey
from keyledger.domain.errors import UnreadableError
from keyledger.domain.partition import KeyIncremented, KeySet, PartitionEvent, StoredEntry
from keyledger.domain.past.moments import Moment, known
from keyledger.domain.ports import HistoryRow, PastRow, Session, StoredVersion
from keyledger.domain.scope import beyond_scopes, key_range

AT_ONCE = 500
"""How many keys one read looks at, and how many values are in memory at a time."""


def standing(
    session: Session,
    moment: Moment,
    scope: str | None = None,
    prefix: str = "",
    after: str = "",
    at_once: int = AT_ONCE,
) -> Iterator[PastRow]:
    """The rows of the keys that were live at ``moment``, by (scope, key): of one scope, or with None of all.

    The cost is that of the keys that ever were there, not of their changes.
    """
    if scope is None:
        first, beyond = ("", ""), beyond_scopes()
    else:
        first, beyond = ((scope, key) for key in key_range(prefix, after))
    while True:
        rows = session.rows_at(moment.stream, moment.revision, first, beyond, at_once)
        for row in rows:
            if is_live(row.row, moment) and row.key[1].startswith(prefix):
                yield row
        if len(rows) < at_once:
            return
        at_once = min(2 * at_once, max(at_once, AT_ONCE))  # where most have ended, a page takes many
        first = (rows[-1].key[0], f"{rows[-1].key[1]}\x01")


def is_live(row: HistoryRow | None, moment: Moment) -> bool:
    """Whether a key that stood so was live: neither ended nor expired."""
    return row is not None and row.size > 0 and (row.expires_at is None or moment.instant < row.expires_at)


def entry_standing(session: Session, moment: Moment, scope: str, key: str) -> StoredEntry | None:
    """What a key held at ``moment``; None if it was not live."""
    found = session.version_at(moment.stream, scope, key, moment.revision)
    return stored_entry(*found) if found is not None and is_live(found.row, moment) else None


class Stood(NamedTuple):
    """A version that stood, its event, and revision and time of the key's creation."""

    row: HistoryRow
    event: PartitionEvent
    created: tuple[int, datetime]

    @property
    def entry(self) -> StoredEntry:
        """The entry that it left; UnreadableError if its event gave none."""
        if not isinstance(self.event, KeySet | KeyIncremented):
            what = f"revision {self.row.revision} of {self.row.key!r}"
            raise UnreadableError(what, "history and events do not match")
        return stored_entry(self.row, self.event.value, self.created)

    @property
    def version(self) -> StoredVersion:
        """It, without the creation."""
        return StoredVersion(self.row, self.event)


def versions_of(session: Session, stream: str, rows: Sequence[PastRow]) -> dict[EntryKey, Stood]:
    """The versions of rows that stood, by key; UnreadableError if the event of one is missing."""
    events = session.events_at(stream, [row.row.revision for row in rows if row.row is not None])
    return {
        key: Stood(row, known(stream, events, row.revision), created)
        for key, row, created in rows
        if row is not None and created is not None
    }


def stored_entry(row: HistoryRow, value: bytes, created: tuple[int, datetime]) -> StoredEntry:
    """The entry that a version left."""
    return StoredEntry(value, row.revision, *created, row.recorded_at, row.expires_at, row.changed_by, row.run_id)


def quota_then(session: Session, moment: Moment) -> int | None:
    """The partition's own byte quota at a moment; None where the configured one held."""
    change = session.quota_at(moment.stream, moment.revision)
    return None if change is None else change.max_bytes
