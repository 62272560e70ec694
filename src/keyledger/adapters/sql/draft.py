"""A stream's read models made anew in temporary tables, compared with what stands, and put in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import starmap
from typing import Any, Protocol

from keyledger.adapters.rebuild import differing
from keyledger.adapters.sql.rows import Rows
from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import PartitionEvent, StoredEntry
from keyledger.domain.ports import ReadModelChanges

_ALL = 2**63 - 1


class DraftStatements(Protocol):
    """The statements that a draft needs, under the same names on every engine."""

    @property
    def read_events(self) -> str: ...
    @property
    def create_draft_entries(self) -> str: ...
    @property
    def create_draft_versions(self) -> str: ...
    @property
    def index_draft_entries(self) -> str: ...
    @property
    def load_draft_entries(self) -> str: ...
    @property
    def remove_draft_entries(self) -> str: ...
    @property
    def end_draft_entries(self) -> str: ...
    @property
    def clear_draft_entries(self) -> str: ...
    @property
    def compare_entries(self) -> str: ...
    @property
    def compare_versions(self) -> str: ...
    @property
    def read_all_entries(self) -> str: ...
    @property
    def read_all_versions(self) -> str: ...
    @property
    def read_draft_entries(self) -> str: ...
    @property
    def read_draft_versions(self) -> str: ...
    @property
    def remove_all_entries(self) -> str: ...
    @property
    def remove_all_versions(self) -> str: ...
    @property
    def adopt_entries(self) -> str: ...
    @property
    def adopt_versions(self) -> str: ...


class SQLDraft:
    """The read models of one stream, in temporary tables of the transaction that rebuilds them.

    What stands is not touched unless it differs: a rebuild that finds nothing writes nothing but the head.
    """

    def __init__(self, statements: DraftStatements, rows: Rows, stream: str) -> None:
        self._sql, self._rows, self._stream = statements, rows, stream
        self._of_stream = {"stream": stream}
        self._written = False
        for statement in (
            statements.create_draft_entries,
            statements.index_draft_entries,
            statements.create_draft_versions,
        ):
            self._run(statement, {})

    def _run(self, statement: str, parameters: dict[str, Any]) -> None:
        """Execute a statement."""
        raise NotImplementedError

    def _insert_entries(self, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows of current_value into the draft."""
        raise NotImplementedError

    def _insert_versions(self, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows of key_history into the draft."""
        raise NotImplementedError

    def _read(self, statement: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement as they come, so that a large table never stands in memory."""
        raise NotImplementedError

    def _all(self, statement: str, parameters: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement that has few."""
        raise NotImplementedError

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        """The parameters that carry ``keys``."""
        raise NotImplementedError

    def events(self) -> Iterator[PartitionEvent]:
        """Every event of the stream, oldest first."""
        rows = self._read(self._sql.read_events, {"stream": self._stream, "after": 0, "limit": _ALL})
        return starmap(partial(self._rows.mapper.to_event, self._stream), rows)

    def load(self, keys: Sequence[EntryKey]) -> Iterable[tuple[EntryKey, StoredEntry]]:
        return map(self._rows.entry, self._all(self._sql.load_draft_entries, self._keys(keys)))

    def write(self, changes: ReadModelChanges) -> None:
        if changes.cleared is not None:
            event = changes.cleared
            ended = {
                "revision": event.originator_version,
                "recorded_at": self._rows.to_column(event.recorded_at),
                "changed_by": event.changed_by,
                "run_id": event.run_id,
            }
            self._run(self._sql.end_draft_entries, ended)
            self._run(self._sql.clear_draft_entries, {})
        if changes.entries:
            self._replace(changes.entries)
        versions = [(self._stream, *self._rows.version_columns(row)) for row in changes.history]
        if versions:
            self._insert_versions(versions)

    def _replace(self, entries: Sequence[tuple[EntryKey, StoredEntry | None]]) -> None:
        if self._written:
            self._run(self._sql.remove_draft_entries, self._keys([key for key, _ in entries]))
        rows = [
            (self._stream, *self._rows.entry_columns(key, entry)) for key, entry in entries if entry is not None
        ]
        if rows:
            self._insert_entries(rows)
            self._written = True

    def settle(self) -> list[str]:
        """Put the draft in the place of what stands otherwise; a line for each row that did."""
        return self._settle_entries() + self._settle_versions()

    def _settle_entries(self) -> list[str]:
        """The database compares, but for encrypted values: two encryptions of one value differ."""
        if self._rows.mapper.cipher is None and self._same(self._sql.compare_entries):
            return []
        former = self._rows.unsealed(self._read(self._sql.read_all_entries, self._of_stream))
        current = self._rows.unsealed(self._read(self._sql.read_draft_entries, {}))
        lines = differing(f"{self._stream} current_value", former, current, key=2)
        if lines:
            self._run(self._sql.remove_all_entries, self._of_stream)
            self._run(self._sql.adopt_entries, {})
        return lines

    def _settle_versions(self) -> list[str]:
        if self._same(self._sql.compare_versions):
            return []
        former = self._read(self._sql.read_all_versions, self._of_stream)
        current = self._read(self._sql.read_draft_versions, {})
        lines = differing(f"{self._stream} key_history", former, current, key=3)
        self._run(self._sql.remove_all_versions, self._of_stream)
        self._run(self._sql.adopt_versions, {})
        return lines

    def _same(self, comparison: str) -> bool:
        ((same,),) = self._all(comparison, self._of_stream)
        return bool(same)
