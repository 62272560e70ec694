"""The library's application recorder, appending in one statement that also writes the inline read models.

Overridden is the whole of ``insert_events``: the library's takes an exclusive table lock and sends NOTIFY in
every append, which makes writers of unrelated partitions queue behind each other.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any

import orjson
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg import Cursor

from keyledger.adapters.event_mapper import EventRow
from keyledger.adapters.postgres.datastore import Datastore
from keyledger.adapters.postgres.statements import SQL
from keyledger.adapters.sql.rows import ENTRY_COLUMNS, Rows
from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import StoredEntry
from keyledger.domain.ports import Commit, HeadMovedError, HistoryRow, RequestRecord


class Recorder(PostgresApplicationRecorder):
    """The library's recorder, and what writes a commit."""

    datastore: Datastore

    def __init__(self, datastore: Datastore, rows: Rows) -> None:
        super().__init__(datastore)
        self._rows = rows

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Events alone, in one statement, for the library's callers; their notification ids."""
        rows = [
            {"stream": event.originator_id, **_event_row(event.originator_version, event.topic, event.state)}
            for event in stored_events
        ]
        with self.datastore.cursor() as cursor:
            found = cursor.execute(SQL.insert_events, {"events": _json(rows)}).fetchall()
            return [notification_id for (notification_id,) in found]

    def write(self, cursor: Cursor[Any], commit: Commit, events: Sequence[EventRow]) -> None:
        """Write a commit in one statement; HeadMovedError if the head is not the expected one."""
        changes = commit.changes
        parameters = self._rows.head_parameters(commit.stream, changes.head, commit.leases)
        parameters["expected"], parameters["expected_leases"] = commit.expected, commit.expected_leases
        if changes.cleared is not None:
            statement = SQL.append_partition_deleted
            parameters["events"] = _json([_event_row(*event[1:]) for event in events])
            parameters["requests"] = self._requests(commit)
            parameters["changed_by"], parameters["run_id"] = (
                changes.cleared.changed_by,
                changes.cleared.run_id,
            )
        elif (put := _single_put(commit)) is not None:
            statement = SQL.append_put
            parameters.update(zip(ENTRY_COLUMNS, self._rows.entry_columns(*put), strict=True))
            _, _, parameters["topic"], parameters["state"] = events[0]
            parameters["operation"] = changes.history[0].operation
        else:
            statement = SQL.append_group
            parameters |= self._group_parameters(commit, events)
        ((moved,),) = cursor.execute(statement, parameters, prepare=True).fetchall()
        if not moved:
            raise HeadMovedError

    def _group_parameters(self, commit: Commit, events: Sequence[EventRow]) -> dict[str, str]:
        versions = {row.revision: row for row in commit.changes.history}
        entries = dict(commit.changes.entries)
        written = []
        for _, revision, topic, state in events:
            row = {"revision": revision, "topic": topic, "state": _base64(state)}
            version = versions.get(revision)
            if version is not None:
                row.update(zip(HistoryRow._fields, version, strict=True))
                row.update(self._made(entries[version[:2]], revision))
            written.append(row)
        return {"written": _json(written), "requests": self._requests(commit)}

    def _requests(self, commit: Commit) -> str:
        return _json([_named(RequestRecord._fields, self._rows.request_columns(r)) for r in commit.requests])

    def _made(self, entry: StoredEntry | None, revision: int) -> dict[str, Any]:
        """What ``revision``, if it was the last, made of a key, beyond the columns of its history row."""
        if entry is None:
            return {"gone": True}
        if entry.revision != revision:
            return {}
        return {
            "value": _base64(self._rows.mapper.seal(entry.value)),
            "create_revision": entry.create_revision,
            "created_at": entry.created_at,
        }


def _single_put(commit: Commit) -> tuple[EntryKey, StoredEntry] | None:
    """What a commit puts, if one event that puts one key is all there is to it, and not the stream's first."""
    if len(commit.events) != 1 or len(commit.changes.entries) != 1 or commit.requests or not commit.expected:
        return None
    key, entry = commit.changes.entries[0]
    return None if entry is None else (key, entry)


def _event_row(revision: int, topic: str, state: bytes) -> dict[str, Any]:
    return {"revision": revision, "topic": topic, "state": _base64(state)}


def _named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(rows).decode()
