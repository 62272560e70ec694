"""Importing a history, from elsewhere or from an export: JSON lines (:mod:`keyledger.domain.lines`) become events.

A line's ``recorded_at`` is kept, and never goes back within a partition. Each line has a request id made of
source, line number and text, so an import that was interrupted is simply run again: what was done is recognised
and not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby

from keyledger.domain.commands import DeletePartition, PartitionCommand
from keyledger.domain.engine import Engine
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.lines import command_of
from keyledger.domain.records import ImportReport

BATCH = 500
"""The most lines that one transaction commits."""

_BATCH_CHARACTERS = 1_048_576


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
        for batch in _batches(lines):
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
        """What is committed together: the lines of each stream, or with ``stop`` neighbours of one stream.

        The deletion of a partition stands alone.
        """
        if not self._stop:
            lines = sorted(lines, key=lambda line: line.stream)
        kinds = groupby(lines, key=lambda line: (line.stream, _alone(line) and line.number))
        return [list(stretch) for _, stretch in kinds]

    def _line(self, number: int, text: str) -> _Line:
        digest = sha256(f"{self._source}\0{number}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
        return _Line(number, *command_of(text, f"import:{digest[:32]}", self._engine))


def _alone(line: _Line) -> bool:
    return isinstance(line.command.action, DeletePartition)


def _batches(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines, as many as are worth a transaction and fit in little memory."""
    batch: list[tuple[int, str]] = []
    size = 0
    for number, line in enumerate(lines, 1):
        batch.append((number, line))
        size += len(line)
        if len(batch) == BATCH or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
