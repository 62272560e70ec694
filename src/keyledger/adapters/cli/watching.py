"""The watch command: what changes in a partition, as it changes."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.following import ends_when_nobody_reads, until_stopped
from keyledger.adapters.cli.moments import DEFAULT_PARTITION, Place
from keyledger.adapters.cli.output import ended, moment, operation, out, print_json, printable, remark, to_json
from keyledger.adapters.cli.places import note_unused, stream_at
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.clock import SystemClock
from keyledger.domain import arguments
from keyledger.domain.past.watch import Watch
from keyledger.domain.records import Version
from keyledger.domain.scope import SKILL

app = typer.Typer()


@command(app, "watch")
def watch_keys(
    session: Session,
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="Only keys that begin with this.", show_default=False)
    ] = "",
    *,
    after: Annotated[
        int | None,
        typer.Option(
            "--after", help="Begin after this revision, with what came since, in place of now; 0: all of it."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="End after so many changes.")] = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="End when all that is there was shown.")] = False,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: Annotated[
        str | None,
        typer.Option(
            "--scope",
            help="Only skill, user:ID, run:ID or root_run:ID; without it all but root_run:ID.",
        ),
    ] = None,
) -> None:
    """Show changes of keys as any process makes them, until Ctrl-C.

    With --json each is a document on a line of its own. Each is shown once: to go on where a watch ended, give the
    revision that was shown last to --after.
    """
    if limit is not None:
        arguments.check_integer("--limit", limit, 1)
    with until_stopped(), session.open(create=False) as ledger:
        watch = ledger.partition(partition).watch(prefix, scope=scope, after=after, follow=not no_follow)
        note_unused(session, ledger, stream_at(Place(partition, SKILL if scope is None else scope)))
        try:
            with nullcontext() if no_follow else ends_when_nobody_reads(watch.close):
                _show(watch, limit, as_json=session.as_json, follow=not no_follow)
        finally:
            remark(f"to go on from here: --after {watch.revision}")


def _show(watch: Watch, limit: int | None, *, as_json: bool, follow: bool) -> None:
    if follow:
        remark("watching; Ctrl-C ends it")
    for version in islice(watch, limit):
        if as_json:
            print_json(version)
        else:
            _print(version)


def _print(version: Version) -> None:
    """A change on a line; a terminal's width cuts off the value. Times in UTC, with the day if it is not today."""
    console = out()
    today = SystemClock().now().date() == version.recorded_at.date()
    line = Text("  ").join(
        part
        for part in (
            Text(f"{version.revision}", "bold"),
            Text(moment(version.recorded_at)[-8 if today else 0 :], "dim"),
            operation(version),
            Text("" if version.scope == SKILL else printable(version.scope), "magenta"),
            Text(printable(version.key), "cyan"),
            Text(_who(version), "dim"),
            Text("" if ended(version) else printable(to_json(version.value).decode())),
        )
        if part
    )
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis")
    else:
        console.print(line, soft_wrap=True)


def _who(version: Version) -> str:
    """Who did it, in which run."""
    by = f"by {printable(version.changed_by)}" if version.changed_by else ""
    run = f"in run {printable(version.run_id)}" if version.run_id else ""
    return ", ".join(filter(None, (by, run)))
