"""Commands on runs: list, show, tree, writes, reads, readers, tail."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.following import pause, until_stopped
from keyledger.adapters.cli.moments import DEFAULT_PARTITION
from keyledger.adapters.cli.output import out, print_all, print_json, printable, remark, say
from keyledger.adapters.cli.run_news import news_document, print_news
from keyledger.adapters.cli.run_output import (
    drawn,
    readers_table,
    reads_table,
    run_card,
    runs_table,
    trace,
    writes_table,
)
from keyledger.adapters.cli.run_tree import branches
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.tables import UNBOUNDED
from keyledger.adapters.cli.times import time_or_age
from keyledger.adapters.clock import SystemClock
from keyledger.domain import arguments
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.audit.arguments import DEFAULT_RUNS, MOST_RUNS
from keyledger.domain.audit.records import RunFilter
from keyledger.domain.audit.tail import RunTail
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Page
from keyledger.domain.scope import SKILL

LOOK_EVERY = 0.25
T = TypeVar("T")

app = typer.Typer()

Id = Annotated[str, typer.Argument(metavar="ID", help="The run's id.", show_default=False)]


@app.callback(invoke_without_command=True)
def about(context: typer.Context) -> None:
    """The audit of runs: what ran, what it said, read and wrote."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


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
    since: Annotated[str | None, typer.Option("--since", help=f"Started at or after this. {opt.TIME}")] = None,
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
        console = out()
        if not console.is_terminal:
            console.width = UNBOUNDED
        console.print(drawn(found, run_id, writes, SystemClock().now()))


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
        _known(ledger, run_id, ledger.runs.writes(run_id, limit=1))
        pages = partial(ledger.runs.writes, run_id)
        table = partial(writes_table, SystemClock().now())
        _print_pages(session, "writes", pages, table, limit, after, everything=everything)


@command(app, "reads")
def show_reads(
    session: Session,
    run_id: Id,
    *,
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
) -> None:
    """List what a run read, if its invocation records reads, by partition, scope and key."""
    with session.open(create=False) as ledger:
        _known(ledger, run_id, ledger.runs.reads(run_id, limit=1))
        pages = partial(ledger.runs.reads, run_id)
        _print_pages(session, "reads", pages, reads_table, limit, after, everything=everything)


@command(app, "readers")
def show_readers(
    session: Session,
    key: opt.Key,
    revision: Annotated[
        int,
        typer.Argument(metavar="REVISION", help="Of the version; 0 finds who found none.", show_default=False),
    ],
    *,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: opt.Scope = SKILL,
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
) -> None:
    """List the runs that saw a version of a key, of those that record what they read."""
    with session.open(create=False) as ledger:
        pages = partial(ledger.partition(partition).readers, key, revision, scope=scope)
        _print_pages(session, "readers", pages, readers_table, limit, after, everything=everything)


def _known(ledger: Ledger, run_id: str, found: Page[T]) -> None:
    """Raise RunNotFoundError where nothing speaks of a run."""
    if not found.items:
        ledger.runs.get(run_id)


def _print_pages(
    session: Session,
    name: str,
    read: Callable[..., Page[T]],
    table: Callable[[Page[T]], Table],
    limit: int,
    after: str,
    *,
    everything: bool,
) -> None:
    if everything:
        items = _items(read, after)
        if not print_all(name, items, lambda page: out().print(table(page)), as_json=session.as_json):
            say(f"no {name}", "dim")
        return
    page = read(limit=limit, after=after)
    if session.as_json:
        print_json({name: page.items, "next": page.next})
        return
    if page.items:
        out().print(table(page))
    else:
        say(f"no {name}", "dim")
    if page.next is not None:
        say(f"there are more: --after {shlex.quote(printable(str(page.next)))}", "dim")


def _items(read: Callable[..., Page[T]], after: str) -> Iterator[T]:
    cursor: int | str | None = after
    while cursor is not None:
        page = read(after=cursor)
        yield from page.items
        cursor = page.next


@command(app, "tail")
def tail_runs(
    session: Session,
    *,
    since: Annotated[str | None, typer.Option("--since", help=f"Begin there, not now. {opt.TIME}")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
) -> None:
    """Show new runs, log lines and ends of runs as any process writes them, until Ctrl-C.

    With --json each is a document on a line of its own.
    """
    clock = SystemClock()
    begin = time_or_age("since", since, clock.now())
    with until_stopped(), session.open(create=False) as ledger:
        if run_id is not None:
            ledger.runs.get(run_id)
        tail = RunTail(ledger.storage.runs, clock, since=begin, run_id=run_id)
        remark("following runs; Ctrl-C ends it")
        for event in tail.follow(partial(pause, LOOK_EVERY)):
            if session.as_json:
                print_json(news_document(event))
            else:
                print_news(event)
