"""The FollowerStore port for SQL engines; an engine says how statements run, and how rows are written in bulk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any

from keyledger.adapters.sql.follower_statements import FollowerStatements
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.domain.audit.follower_ports import Snapshot, Span, Target, TargetMovedError
from keyledger.domain.audit.ports import RunRow
from keyledger.domain.errors import InvalidArgumentError, UnreadableError

_NAME = re.compile(r"(?!sqlite_|pg_)[a-z][a-z0-9_]{0,40}")
_TRIMMED = 5_000
_BEYOND = 2**62
_NOT_OURS = (UnreadableError, TypeError, ValueError, OverflowError)
"""What a row raises that somebody wrote past the ledger: not sealed, or, on SQLite, of other types."""

_by_key = itemgetter(0, 1)


def check_follower(name: object) -> str:
    """``name``, if a follower and its table may have it; InvalidArgumentError if not."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        allowed = "a letter a-z, then up to 40 of a-z, 0-9 and _, not beginning with sqlite_ or pg_"
        raise InvalidArgumentError("into", name, allowed)
    return name


class FollowerReads:
    """What is read; ``_all`` says where its statements run."""

    def __init__(self, sql: FollowerStatements, rows: RunRows, name: str) -> None:
        self._sql, self._rows, self._name = sql, rows, check_follower(name)

    def _all(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        """All rows of a statement."""
        raise NotImplementedError

    def _on(self, statement: str, table: str, other: str = "") -> str:
        """A statement with the names of its tables."""
        raise NotImplementedError

    def _array(self, items: Sequence[Any]) -> Any:
        """A sequence as the engine takes it for a parameter."""
        raise NotImplementedError

    def _spans(self, spans: Sequence[Span]) -> dict[str, Any]:
        """The parameters that carry ``spans``."""
        raise NotImplementedError

    def _table(self, target: Target) -> str:
        return self._name if target.present else f"{self._name}#{target.generation}"

    def _named(self, **parameters: Any) -> dict[str, Any]:
        return {"name": self._name, **parameters}

    def events(self, spans: Sequence[Span], unread: Sequence[str]) -> list[Any]:
        found = self._all(self._sql.read_spans, {"unread": self._array(unread), **self._spans(spans)})
        return [self._rows.mapper.to_event(*row) for row in sorted(found, key=_by_key)]

    def rows(self, target: Target, streams: Sequence[str]) -> dict[str, RunRow]:
        statement = self._on(self._sql.read_followed, self._table(target))
        return {row[0]: self._rows.run(row) for row in self._all(statement, {"streams": self._array(streams)})}

    def present(self) -> Target:
        for target in self.generations():
            if target.present:
                return target
        raise TargetMovedError

    def generations(self) -> list[Target]:
        """The present one, and a draft if there is one."""
        found = self._all(self._sql.list_generations, self._named())
        return [Target(generation, version, bool(present)) for generation, version, present in found]

    def relations(self) -> set[str]:
        """What there is in the database under the follower's name, and under those of its generations."""
        return {name for (name,) in self._all(self._sql.list_relations, self._named())}

    def _columns(self, rows: Mapping[str, RunRow | None]) -> tuple[list[tuple[Any, ...]], list[str]]:
        """The columns of the rows to put, and the runs to remove: encrypting is not for the time of a lock."""
        put = [tuple(self._rows.run_parameters(row).values()) for row in rows.values() if row is not None]
        return put, [stream for stream, row in rows.items() if row is None]


class FollowerSession(FollowerReads):
    """Reads and writes inside one transaction."""

    def _run(self, statement: str, parameters: Mapping[str, Any]) -> int:
        """How many rows a statement changed."""
        raise NotImplementedError

    def _stream(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """The rows of a statement as they come, so that many never stand in memory."""
        raise NotImplementedError

    def _put(self, table: str, rows: Sequence[tuple[Any, ...]], removed: Sequence[str]) -> None:
        """Put rows, whether they stand already or not, and remove others."""
        raise NotImplementedError

    def _create(self, table: str, generation: int) -> None:
        """Make an empty table that is otherwise as the ledger's of runs."""
        raise NotImplementedError

    def _replace(self, table: str, former: str) -> None:
        """Let ``table`` have the follower's name, and the one that has it be gone, or be called ``former``."""
        raise NotImplementedError

    def drop(self, table: str) -> None:
        """Remove a table, or a little of it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- writing

    def write(self, target: Target, rows: Mapping[str, RunRow | None], spans: Sequence[Span]) -> Target:
        return self.write_columns(target, *self._columns(rows), spans)

    def write_columns(
        self, target: Target, put: Sequence[tuple[Any, ...]], removed: Sequence[str], spans: Sequence[Span]
    ) -> Target:
        """As :meth:`write`, of rows whose columns are made."""
        self._move(target)
        self._put(self._table(target), put, removed)
        self._run(self._sql.put_cursors, self._named(generation=target.generation, **self._spans(spans)))
        return target._replace(version=target.version + 1)

    def _move(self, target: Target) -> None:
        as_it_was = self._named(generation=target.generation, version=target.version)
        if not self._run(self._sql.move_generation, as_it_was):
            raise TargetMovedError

    # ---------------------------------------------------------------------------------- generations

    def begin(self) -> None:
        """Make a present generation, where there is none, or somebody dropped its table."""
        known = self.generations()
        if self._name in self.relations():
            if known:
                return
            raise InvalidArgumentError("into", self._name, "a name that nothing else in the database has")
        self._create(self._name, self._next_generation(known, present=True))

    def draft(self) -> Target:
        """Begin a generation beside the present one; a former draft's row goes, and so nobody can write to it."""
        known = self.generations()
        draft = Target(self._next_generation(known, present=False), 0, present=False)
        self._run(self._on(self._sql.drop_followed, self._table(draft)), {})
        self._create(self._table(draft), draft.generation)
        return draft

    def _next_generation(self, known: Sequence[Target], *, present: bool) -> int:
        generation = max((each.generation for each in known), default=0) + 1
        for former in known:
            if present or not former.present:
                self._run(self._sql.remove_generation, self._named(generation=former.generation))
        self._run(self._sql.insert_generation, self._named(generation=generation, present=present))
        return generation

    def leftovers(self) -> list[str]:
        """Tables of generations that are no more."""
        live = {self._name, *map(self._table, self.generations())}
        return sorted(self.relations() - live)

    def trim(self) -> bool:
        """Remove some cursors of generations that are no more; whether there were any."""
        bounds = [0, *(target.generation for target in self.generations()), _BEYOND]
        return any(self._trim(above, below) for above, below in pairwise(bounds))

    def _trim(self, above: int, below: int) -> int:
        return self._run(self._sql.trim_cursors, self._named(above=above, below=below, limit=_TRIMMED))

    # ----------------------------------------------------------------------------------------- swap

    def ahead(self, draft: Target, since: datetime) -> list[Span]:
        parameters = self._both(draft) | {"since": self._rows.to_column(since)}
        return [Span(*row) for row in self._all(self._sql.list_ahead_since, parameters)]

    def swap(self, draft: Target) -> None:
        former = self.present()
        self._run(self._sql.remove_generation, self._named(generation=former.generation))
        self._run(self._sql.promote_generation, self._named(generation=draft.generation))
        self._replace(self._table(draft), f"{self._name}#{former.generation}")

    # -------------------------------------------------------------------------------------- compare

    def snapshot(self, draft: Target) -> Snapshot:
        """Both tables, in a transaction that is one read snapshot."""
        both = self._both(draft)
        ((in_motion,),) = self._all(self._sql.count_in_motion, both)
        tables = (self._name, self._table(draft))
        present, made = (self._settled(self._on(self._sql.read_settled, table), both) for table in tables)
        return Snapshot(int(in_motion), present, made)

    def _settled(self, statement: str, both: Mapping[str, Any]) -> Iterator[tuple[str, RunRow | None]]:
        for columns in self._stream(statement, both):
            try:
                row = self._rows.run(columns)
            except _NOT_OURS:
                row = None
            yield columns[0], row

    def _both(self, draft: Target) -> dict[str, Any]:
        return self._named(present=self.present().generation, draft=draft.generation)


class SQLFollower(FollowerReads):
    """Everything of the port that all engines do alike."""

    def _writing(self) -> AbstractContextManager[FollowerSession]:
        """A session in a transaction that commits."""
        raise NotImplementedError

    def _alone(self) -> AbstractContextManager[FollowerSession]:
        """As :meth:`_writing`; nobody else can write to any generation meanwhile."""
        raise NotImplementedError

    def _reading(self) -> AbstractContextManager[FollowerSession]:
        """A session in one read snapshot."""
        raise NotImplementedError

    def begin(self) -> Target:
        if not self.generations() or self._name not in self.relations():
            with self._alone() as session:
                session.begin()
        return self.present()

    def share(self) -> float:
        return 1.0

    def newest(self) -> datetime | None:
        ((newest,),) = self._all(self._sql.read_newest_change, {})
        return None if newest is None else self._rows.to_time(newest)

    def behind(self, target: Target, after: str, limit: int) -> list[Span]:
        wanted = self._named(generation=target.generation, after=after, limit=limit)
        return [Span(*row) for row in self._all(self._sql.list_behind, wanted)]

    def behind_since(self, target: Target, after: tuple[datetime, str], limit: int) -> list[tuple[Span, datetime]]:
        since, stream = self._rows.to_column(after[0]), after[1]
        wanted = self._named(generation=target.generation, since=since, after=stream, limit=limit)
        found = self._all(self._sql.list_behind_since, wanted)
        return [(Span(*row), self._rows.to_time(changed_at)) for *row, changed_at in found]

    def write(self, target: Target, rows: Mapping[str, RunRow | None], spans: Sequence[Span]) -> Target:
        put, removed = self._columns(rows)
        with self._writing() as session:
            return session.write_columns(target, put, removed, spans)

    def draft(self) -> Target:
        with self._alone() as session:
            return session.draft()

    def clear(self) -> bool:
        with self._writing() as session:
            tables = session.leftovers()
            if tables:
                session.drop(tables[0])
            return bool(tables) or session.trim()

    @contextmanager
    def compare(self, draft: Target) -> Iterator[Snapshot]:
        with self._reading() as session:
            yield session.snapshot(draft)

    @contextmanager
    def swapping(self, draft: Target) -> Iterator[FollowerSession]:
        with self._alone() as session:
            if draft not in session.generations():
                raise TargetMovedError
            yield session
