"""The command import: a history from elsewhere, as JSON lines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.lines import STANDARD_INPUT, lines_of, opened
from keyledger.adapters.cli.output import count, print_error, print_json, progress, say
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError, KeyledgerError
from keyledger.domain.records import ImportReport

app = typer.Typer()


class OnError(StrEnum):
    """What a bad line does."""

    STOP = "stop"
    SKIP = "skip"


@command(app, "import")
def import_lines(
    session: Session,
    file: opt.File,
    *,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Skip a bad line, or stop at the first.")
    ] = OnError.SKIP,
    name: Annotated[
        str | None, typer.Option("--name", help="What the lines are known as; the file's path unless given.")
    ] = None,
) -> None:
    """Import an export, or a history from elsewhere, from JSON lines.

    A line is {"partition": …, "key": …, "value": …} and optionally scope, op (set, delete and others), ttl,
    actor, run_id and recorded_at. An import that was interrupted is simply run again: what it did is not repeated.
    Exit status 2 if any line was bad.
    """
    source = _source(file) if name is None else name
    with opened(file) as stream, session.open() as ledger, progress("importing") as bar:
        task = bar.add_task("", total=_line_count(stream))

        def show(number: int, error: KeyledgerError) -> None:
            print_error(error.code, str(error), as_json=session.as_json, line=number)

        report = ledger.import_lines(
            (line.decode("utf-8", "surrogateescape") for line in lines_of(stream)),
            source=source,
            stop=on_error is OnError.STOP,
            on_error=show,
            progress=lambda done: bar.update(task, completed=done),
        )
    _tell(session, report)
    if report.failed:
        raise typer.Exit(2)


def _source(file: str) -> str:
    if file == STANDARD_INPUT:
        raise InvalidArgumentError("--name", None, "a name for what standard input brings, to know it again")
    return str(Path(file).resolve())


def _line_count(stream: BinaryIO) -> int | None:
    if not stream.seekable():
        return None
    lines = sum(1 for _ in stream)
    stream.seek(0)
    return lines


def _tell(session: Session, report: ImportReport) -> None:
    if session.as_json:
        print_json(report)
        return
    say(f"imported {count(report.imported, 'line')}")
    if report.repeated:
        say(f"{count(report.repeated, 'line')} had been imported before")
    if report.failed:
        say(f"{count(report.failed, 'line')} could not be imported", "bold red")
