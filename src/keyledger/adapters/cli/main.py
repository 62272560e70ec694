"""The command line's entry point: global options, and the commands of the other modules put together."""

from __future__ import annotations

import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from keyledger.adapters.cli import (
    bisecting,
    configuring,
    demo,
    exec,  # noqa: A004 - a module
    exporting,
    forks,
    history,
    housekeeping,
    importing,
    keys,
    mcp,
    past,
    project,
    restoring,
    runs,
    schema,
    skills,
    sweeping,
    watching,
)
from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.errors import Commands
from keyledger.adapters.cli.session import Session

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUPS = {runs: "runs", skills: "skills"}
_PANELS = {
    "Keys": (keys, history, watching),
    "The past": (past, bisecting, restoring, forks),
    "Runs": (runs, project),
    "Agents": (skills, exec, mcp),
    "The ledger": (housekeeping, sweeping, exporting, importing, schema, configuring, demo),
}
for panel, parts in _PANELS.items():
    for part in parts:
        app.add_typer(part.app, name=_GROUPS.get(part), rich_help_panel=panel)
        for each in [] if part in _GROUPS else part.app.registered_commands:
            each.rich_help_panel = panel


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer passes it so
    if asked:
        typer.echo(f"keyledger {version('keyledger')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    url: opt.Url = None,
    config_file: opt.ConfigFile = None,
    as_json: opt.Json = False,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An event-sourced key-value store for AI agents: every change is an event, nothing is forgotten.

    Begin with: keyledger demo
    """
    context.obj = Session(url, as_json, config_file)


def main() -> None:
    """Run the command line, and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
