"""Commands on runs: list, show, tree, writes, reads, tail."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.following import pause, until_stopped
from keyledger.adapters.cli.output import count, out, print_all, print_json, printable, say
from keyledger.adapters.cli.run_news import news_document, news_line
from keyledger.adapters.cli.run_output import drawn, reads_table, run_card, runs_table, trace, writes_table
from keyledger.adapters.cli.run_tree import branches
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.times import time_or_age
from keyledger.adapters.clock import SystemClock
from keyledger.domain import arguments
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Page
from keyledger.domain.run_arguments import MOST_RUNS
from keyledger.domain.run_records import RunFilter
from keyledger.domain.run_tail import RunTail
from keyledger.domain.runs import DEFAULT_RUNS

LOOK_EVERY = 0.25
T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The audit of runs: what ran, what it said, read and wrote.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The run's id.", show_default=False)]
_TIME = "A time with an offset, as 2026-11-21T14:00:00Z, or an age: 90s, 15m, 2h, 7d, 4w."


@command(app, "list")
def list_runs(
    session: Session,
    *,
    status: Annotated[str, typer.Option("--status", help="Only with this status, dry runs too.")] = "",
    skill: Annotated[str, typer.Option("--skill", help="Only of this skill.")] = "",
    caller: Annotated[str, typer.Option("--caller", help="Only for this caller.")] = "",
    channel: Annotated[str, typer.Option("--channel", help="Only from this channel.")] = "",
    top_level: Annotated[bool, typer.Option("--top-level", help="Only those that no run called.")] = False,
    dry_runs: Annotated[bool, typer.Option("--include-dry-run", help="Dry runs too.")] = False,
    since: Annotated[str | None, typer.Option("--since", help=f"Started at or after this. {_TIME}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Started before this.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="The most runs to show, 1 to 500.")] = DEFAULT_RUNS,
    offset: Annotated[int, typer.Option("--offset", help="How many to leave out at the top.")] = 0,
) -> None:
    """List runs, newest first."""
    arguments.check_integer("limit", limit, 1, MOST_RUNS)
    now = SystemClock().now()
    times = time_or_age("since", since, now), time_or_age("until", until, now)
    wanted = RunFilter(status, skill, caller, channel, top_level, dry_runs, *times)
    with session.open(create=False) as ledger:
        found, total = ledger.runs.filtered(wanted, offset, limit), ledger.runs.count_filtered(wanted)
    after = offset + len(found)
    if session.as_json:
        print_json({"runs": found, "total": total, "next": after if found and after < total else None})
        return
    if found:
        out().print(runs_table(found, now))
    else:
        say("no such runs", "dim")
    if found and after < total:
        say(f"{offset + 1:,} to {after:,} of {total:,}; go on with --offset {after}", "dim")


@command(app, "show")
def show_run(
    session: Session,
    run_id: Id,
    *,
    full: Annotated[bool, typer.Option("--full", help="Payloads whole, not shortened to a line.")] = False,
) -> None:
    """Show a run and its log. Exit status 1 if there is none."""
    with session.open(create=False) as ledger:
        run, logs = ledger.runs.get(run_id), ledger.runs.logs(run_id)
        chain, writes = ledger.runs.parent_chain(run_id), ledger.runs.count_writes([run_id])
    if session.as_json:
        print_json({"run": run, "logs": logs})
        return
    out().print(run_card(run, chain, writes.get(run_id, 0), SystemClock().now()))
    if logs:
        say("")
        out().print(trace(logs, run.started_at, full=full))


@command(app, "tree")
def show_tree(session: Session, run_id: Id) -> None:
    """Draw the dispatch tree that a run is in. Exit status 1 if there is none."""
    with session.open(create=False) as ledger:
        found = branches(ledger.runs.tree(run_id))
        writes = ledger.runs.count_writes([run.id for run, _, _ in found])
    if session.as_json:
        runs = [asdict(run) | {"depth": depth, "writes": writes.get(run.id, 0)} for run, depth, _ in found]
        print_json({"root_run_id": found[0].run.root_run_id, "runs": runs})
    else:
        out().print(drawn(found, run_id, writes, SystemClock().now()))


@command(app, "writes")
def show_writes(
    session: Session,
    run_id: Id,
    *,
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
) -> None:
    """List what a run wrote, by partition and revision; also of a run that was never started."""
    with session.open(create=False) as ledger:

        def read(limit: int, after: str) -> Page[T]:
            return ledger.runs.writes(run_id, limit=limit, after=after)
