"""The command config: what is configured, and where."""

from __future__ import annotations

from dataclasses import asdict

import typer

from keyledger.adapters.cli.output import line, note, out, print_json, printable
from keyledger.adapters.cli.session import Session, command

app = typer.Typer()


@command(app, "config")
def config(session: Session) -> None:
    """Print the settings that are in force, each with its source, and no password. Nothing is opened."""
    found = session.config()
    if session.as_json:
        settings = [asdict(setting) for setting in found.settings()]
        print_json({"file": found.file, "settings": settings, "notices": found.notices})
        return
    for notice in found.notices:
        note(notice, as_json=False)
    widest = max(len(setting.name) for setting in found.settings())
    for setting in found.settings():
        name, value = setting.name.ljust(widest), printable(setting.value)
        line(out(), (f"{name}  ", "bold"), (value, ""), (f"  ({printable(setting.source)})", "dim"))
