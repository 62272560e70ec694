"""Importing a history from elsewhere: JSON lines in, events out.

A line is ``{"partition", "scope", "key", "op", "value", "ttl", "actor", "run_id", "recorded_at"}``: ``op`` is
``set`` (the default) or ``delete``, ``scope`` is ``skill`` unless given, ``recorded_at`` keeps the line's own
time and never goes back within a partition. Each line has a request id made of source, line number and text, so an
import that was interrupted is simply run again: what was done is recognised and not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby, islice
from typing import Any

from keyledger.domain import arguments
from keyledger.domain.arguments import utc
from keyledger.domain.commands import Attribution, Delete, PartitionCommand, Set
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError, KeyledgerError
from keyledger.domain.records import ImportReport
from keyledger.domain.scope import SKILL, check_key, check_scope, partition_stream, stream_of
from keyledger.domain.values import check_value, parse_json

BATCH = 500
"""The most lines that one transaction commits."""

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""How far ahead of the clock a line's recorded_at may be."""

_FIELDS = {"partition", "scope", "key", "op", "value", "ttl", "actor", "run_id", "recorded_at"}


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    stream: str
    command: PartitionCommand


class Importer:
    """One import; ``on_error`` is told of each bad line, ``progress`` of how many lines were read so far."""

    def __init__(
        self,
        engine: Engine,
        source: str,
        *,
        stop: bool,
        on_error: Callable[[int, KeyledgerError], None] | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._engine, self._source, self._stop = engine, source, stop
        self._on_error, self._progress = on_error, progress
        self._imported = self._repeated = self._failed = 0

    def run(self, lines: Iterable[str]) -> ImportReport:
        """Import ``lines``, a batch at a time; bad lines are told in their order."""
        numbered = enumerate(lines, 1)
        while batch := list(islice(numbered, BATCH)):
            failures = self._import(batch)
            for number, error in sorted(failures.items())[: 1 if self._stop else None]:
                self._failed += 1
                if self._on_error is not None:
                    self._on_error(number, error)
            if self._progress is not None:
                self._progress(batch[-1][0])
            if self._stop and self._failed:
                break
        return ImportReport(self._imported, self._repeated, self._failed)

    def _import(self, batch: list[tuple[int, str]]) -> dict[int, KeyledgerError]:
        """Import a batch, or with ``stop`` what comes before its first bad line; the bad lines."""
        failures: dict[int, KeyledgerError] = {}
        lines = []
        for number, text in batch:
            try:
                lines += [self._line(number, text)] if text.strip() else []
            except KeyledgerError as error:
                failures[number] = error
                if self._stop:
                    break
        for stretch in self._stretches(lines):
            failures |= self._commit(stretch)
            if self._stop and failures.keys() & {line.number for line in stretch}:
                break
        return failures

    def _commit(self, stretch: list[_Line]) -> dict[int, KeyledgerError]:
        commands = [line.command for line in stretch]
        results = self._engine.writer.execute_all(stretch[0].stream, commands, stop=self._stop)
        failures: dict[int, KeyledgerError] = {}
        for line, result in zip(stretch, results, strict=False):
            if isinstance(result, KeyledgerError):
                failures[line.number] = result
            elif result.state is None:
                self._repeated += 1
            else:
                self._imported += 1
        return failures

    def _stretches(self, lines: list[_Line]) -> list[list[_Line]]:
        """What is committed together: the lines of each stream, or with ``stop`` neighbours of one stream."""
        if self._stop:
            return [list(stretch) for _, stretch in groupby(lines, key=lambda line: line.stream)]
        by_stream: dict[str, list[_Line]] = {}
        for line in lines:
            by_stream.setdefault(line.stream, []).append(line)
        return list(by_stream.values())

    def _line(self, number: int, text: str) -> _Line:
        fields = parse_json(text, "line", envelope=1)
        if not isinstance(fields, dict):
            raise InvalidArgumentError("line", fields, "a JSON object")
        for field in fields.keys() - _FIELDS:
            raise InvalidArgumentError("line", field, f"the fields {', '.join(sorted(_FIELDS))}")
        partition = partition_stream(_required(fields, "partition"))
        scope, run_id, actor = fields.get("scope", SKILL), fields.get("run_id"), fields.get("actor")
        check_scope(scope)
        arguments.check_actor(actor)
        arguments.check_run("run_id", run_id)
        digest = sha256(f"{self._source}\0{number}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
        by = Attribution(
            f"import:{digest[:32]}", actor, run_id, tool="import", recorded_at=self._recorded_at(fields)
        )
        stream = stream_of(partition, scope)
        return _Line(
            number, stream, PartitionCommand(self._action(fields, scope), by, self._engine.limits(stream))
        )

    def _action(self, fields: dict[str, Any], scope: str) -> Set | Delete:
        key, operation = _required(fields, "key"), fields.get("op", "set")
        check_key(key)
        if operation == "delete":
            for field in ("value", "ttl"):
                if fields.get(field) is not None:
                    raise InvalidArgumentError(field, fields[field], "nothing, as a delete takes none")
            return Delete(scope, key)
        if operation != "set":
            raise InvalidArgumentError("op", operation, "'set' or 'delete'")
        value, ttl = _required(fields, "value"), fields.get("ttl")
        check_value(value)
        arguments.check_ttl(ttl)
        return Set(scope, key, self._engine.codec.encode(value), ttl)

    def _recorded_at(self, fields: dict[str, Any]) -> datetime | None:
        text = fields.get("recorded_at")
        if text is None:
            return None
        try:
            moment = utc(datetime.fromisoformat(text))
        except (TypeError, ValueError, OverflowError):
            allowed = "an ISO 8601 time with its offset from UTC, as 2026-01-31T12:00:00Z"
            raise InvalidArgumentError("recorded_at", text, allowed) from None
        if moment > self._engine.clock.now() + MAX_CLOCK_SKEW:
            allowed = f"a time at most {MAX_CLOCK_SKEW.seconds} s ahead of the clock"
            raise InvalidArgumentError("recorded_at", text, allowed)
        return moment


def _required(fields: dict[str, Any], field: str) -> Any:  # noqa: ANN401 - checked by the caller
    if field not in fields:
        raise InvalidArgumentError(field, None, "given in every line (value: in every set)")
    return fields[field]
