"""The command schema: the tables' DDL, for an administrator to run."""

from __future__ import annotations

from typing import Annotated

import typer

from keyledger.adapters.cli.output import print_json
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.postgres.schema import VERSION, Engine, ddl

app = typer.Typer()


@command(app, "schema", on_ledger=False)
def print_schema(
    session: Session,
    *,
    engine: Annotated[Engine, typer.Option("--for", help="The engine that will run it.")] = "postgres",
) -> None:
    """Print the SQL that makes a ledger's tables on PostgreSQL or Citus, for an administrator to run."""
    script = ddl(engine)
    if session.as_json:
        print_json({"for": engine, "version": VERSION, "ddl": script})
    else:
        typer.echo(script, nl=False)
