"""How keys and their versions look to people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from rich.text import Text

from keyledger.adapters.cli.output import held, moment, operation, printable, shown, ttl
from keyledger.adapters.cli.tables import Column, print_rows
from keyledger.domain.records import Entry, Version

BY, RUN = Column("by"), Column("run")
KEY, VALUE = Column("key", ""), Column("value", value=True)
REVISION, WHEN, WHAT = Column("rev", number=True), Column("when (UTC)", ""), Column("what", "")


def print_entries(entries: Iterable[Entry]) -> None:
    """Keys with their values, shortened to the terminal's width."""
    print_rows(
        (KEY, VALUE, REVISION, Column("ttl", number=True), BY, RUN),
        [
            (
                Text(printable(entry.key), "cyan"),
                shown(entry.value),
                str(entry.revision),
                ttl(entry),
                *who(entry),
            )
            for entry in entries
        ],
    )


def print_versions(versions: Iterable[Version], time: Callable[[datetime], str] = moment) -> None:
    """A key's versions; times in UTC."""
    print_rows(
        (REVISION, WHEN, WHAT, VALUE, BY, RUN),
        [
            (
                str(version.revision),
                time(version.recorded_at),
                operation(version),
                held(version),
                *who(version),
            )
            for version in versions
        ],
    )


def who(change: Entry | Version) -> tuple[str, str]:
    """The actor and the run of a change, for two cells."""
    return printable(change.changed_by or ""), printable(change.run_id or "")
