"""The SkillStorage port for SQL engines: reads, rows, and the rebuild; an engine says how a statement runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import UnionType
from typing import Any

from keyledger.adapters.skill_rows import rebuilt_skill
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.run_store import Runner
from keyledger.adapters.sql.statements import narrowed
from keyledger.domain.errors import UnreadableError
from keyledger.domain.skill import SkillEvent, SkillState
from keyledger.domain.skills.options import tier_of
from keyledger.domain.skills.ports import RebuiltSkills, SkillFilter, SkillProjector, SkillRow
from keyledger.domain.values import MAX_INTEGER


@dataclass(frozen=True, slots=True)
class SkillStatements:
    """The texts of the statements on skills, by name: the same names on every engine."""

    count_skill_events: str
    list_granted_skills: str
    list_skill_streams: str
    list_skills: str
    put_skill: str
    read_skill: str
    read_skill_tier: str
    remove_skill: str


_TIMES = ("last_recorded_at", "created_at", "saved_at")
_FLAGS = ("trusted", "extended_bounds", "archived")
_KINDS: dict[str, type | UnionType] = {
    **dict.fromkeys(("revision", "saved_revision", "quota_revision", *_FLAGS), int),
    **dict.fromkeys(("name", "owner", "visibility"), str),
    "saved_by": str | None,
    "max_bytes": int | None,
}
"""What a column holds, on an engine that would let it hold anything."""


class SkillRows:
    """Translates rows of skills; definitions are sealed where a cipher is on."""

    def __init__(
        self,
        rows: Rows,
        to_tags: Callable[[tuple[str, ...]], Any],
        of_tags: Callable[[Any], Sequence[str]],
    ) -> None:
        self._rows, self._to_tags, self._of_tags = rows, to_tags, of_tags
        self.mapper = rows.mapper

    def parameters(self, row: SkillRow) -> dict[str, Any]:
        """The columns, by name; ``stream`` is skill_id."""
        columns = row._asdict()
        times = {name: self._rows.to_column(columns[name]) for name in _TIMES}
        body = {"tags": self._to_tags(row.tags), "definition": self.mapper.seal(row.definition)}
        return columns | times | body

    def row(self, columns: Sequence[Any]) -> SkillRow:
        """From the columns; UnreadableError for a row that the ledger has not written like that."""
        named = dict(zip(SkillRow._fields, columns, strict=True))
        try:
            _check_kinds(named)
            times = {name: self._rows.to_time(named[name]) for name in _TIMES}
            tags = tuple(self._of_tags(named["tags"]))
            sealed = bytes(named["definition"])
        except (TypeError, ValueError, OverflowError) as error:
            raise UnreadableError(f"the row of {columns[0]!r}", f"{type(error).__name__}: {error}") from None
        flags = {name: bool(named[name]) for name in _FLAGS}
        definition = self.mapper.unseal(sealed, f"the row of {columns[0]!r}")
        return SkillRow(**(named | times | flags | {"tags": tags, "definition": definition}))


def _check_kinds(columns: dict[str, Any]) -> None:
    for name, kind in _KINDS.items():
        if not isinstance(columns[name], kind):
            raise TypeError(f"{name} is of type {type(columns[name]).__name__}")


class SkillReads:
    """What is read of skills, in a session or beside it; ``_all`` says where its statements run."""

    def __init__(self, sql: SkillStatements, rows: SkillRows, read_events: str) -> None:
        self._sql, self._rows, self._read_events = sql, rows, read_events

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of a statement."""
        raise NotImplementedError

    def load(self, stream: str) -> SkillState:
        found = self._all(self._sql.read_skill, {"stream": stream})
        return self._rows.row(found[0]).state if found else SkillState(stream)

    def events(self, stream: str, after: int, limit: int) -> list[SkillEvent]:
        found = self._all(self._read_events, {"stream": stream, "after": after, "limit": limit})
        return [self._rows.mapper.to_event(stream, *row) for row in found]


class SQLSkills(SkillReads):
    """Everything of the port that all engines do alike."""

    def _rebuilding(self, stream: str) -> AbstractContextManager[Runner]:
        """A transaction in which nobody else writes ``stream``."""
        raise NotImplementedError

    def tier(self, stream: str) -> str | None:
        found = self._all(self._sql.read_skill_tier, {"stream": stream})
        return tier_of(trusted=bool(found[0][0]), extended_bounds=bool(found[0][1])) if found else None

    def list_skills(self, wanted: SkillFilter, after: str, limit: int) -> list[SkillState]:
        every = {
            "owner": wanted.owner,
            "visibility": wanted.visibility,
            "tag": wanted.tag,
            "in_use": not wanted.archived,
        }
        given = {name: value for name, value in every.items() if value}
        statement = narrowed(self._sql.list_skills, frozenset(given))
        found = self._all(statement, given | {"after": after, "limit": limit})
        return [self._rows.row(columns).state for columns in found]

    def granted(self, after: str, limit: int) -> list[str]:
        return [stream for (stream,) in self._all(self._sql.list_granted_skills, {"after": after, "limit": limit})]

    def count_events(self) -> int:
        ((count,),) = self._all(self._sql.count_skill_events, {})
        return int(count)

    def rebuild(
        self, after: str, limit: int, project: SkillProjector, progress: Callable[[int], None]
    ) -> RebuiltSkills | None:
        found = self._all(self._sql.list_skill_streams, {"after": after, "limit": limit})
        lines: list[str] = []
        for (stream,) in found:
            with self._rebuilding(stream) as runner:
                lines += self._rebuild_one(runner, stream, project, progress)
        return RebuiltSkills(found[-1][0], len(found), lines) if found else None

    def _rebuild_one(
        self, runner: Runner, stream: str, project: SkillProjector, progress: Callable[[int], None]
    ) -> list[str]:
        everything = {"stream": stream, "after": 0, "limit": MAX_INTEGER}
        events = [self._rows.mapper.to_event(stream, *row) for row in runner.all(self._read_events, everything)]
        progress(len(events))
        try:
            standing = [self._rows.row(row) for row in runner.all(self._sql.read_skill, {"stream": stream})]
            unreadable = []
        except UnreadableError as error:
            standing, unreadable = [], [f"skills: stood unreadable: {error.reason}"]
        row, differences = rebuilt_skill(stream, events, standing[0] if standing else None, project)
        if differences or unreadable:
            runner.run(self._sql.remove_skill, {"stream": stream})
            if row is not None:
                runner.run(self._sql.put_skill, self._rows.parameters(row) | {"expected": 0})
        return unreadable + differences
