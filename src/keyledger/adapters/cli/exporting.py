"""The command export: what import reads back, as JSON lines."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Annotated

import typer

from keyledger.adapters.cli.lines import STANDARD_OUTPUT, created
from keyledger.adapters.cli.output import count, print_json, printable, progress, say
from keyledger.adapters.cli.session import Session, command

_AT_ONCE = 100

app = typer.Typer()


@command(app, "export")
def export_lines(
    session: Session,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file to write, or replace; - is standard output.")
    ] = STANDARD_OUTPUT,
    *,
    partition: Annotated[
        str | None, typer.Option("--partition", "-p", help="Only this partition; everything unless given.")
    ] = None,
    current: Annotated[
        bool, typer.Option("--current", help="Only the entries that are live, not the past.")
    ] = False,
) -> None:
    """Export every change as JSON lines, which import reads back.

    A partition is exported as of one moment, whoever writes to it meanwhile.
    """
    on_terminal = file == STANDARD_OUTPUT and sys.stdout.isatty()
    written = 0
    with session.open(create=False) as ledger, progress("exporting", hidden=on_terminal) as bar:
        task = bar.add_task("", total=None)
        lines = ledger.export_lines(
            partition,
            current=current,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        with created(file) as stream:
            while some := list(islice(lines, _AT_ONCE)):
                typer.echo("\n".join(some).encode(), stream)
                written += len(some)
    if session.as_json and file != STANDARD_OUTPUT:
        print_json({"exported": written})
    elif file != STANDARD_OUTPUT:
        say(f"exported {count(written, 'line')} to {printable(file)}")
