"""Commands on partitions and on the whole ledger: usage, partitions, rebuild."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.moments import readable
from keyledger.adapters.cli.output import (
    count,
    line,
    out,
    partitions_table,
    print_json,
    printable,
    progress,
    say,
    usage_bar,
)
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.past.view import View
from keyledger.domain.records import RebuildReport

app = typer.Typer()


@command(app, "usage")
def show_usage(
    session: Session,
    *,
    at: opt.At = None,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Show the bytes and keys of a partition against its quota; with --scope root_run:ID, of that tree."""
    with session.open(create=False) as ledger:
        source, place = readable(ledger, at, partition, scope)
        usage = source.usage() if isinstance(source, View) else source.usage(scope=place.scope)
        origin = ledger.partition(place.partition).forked_from(scope=place.scope)
    if session.as_json:
        print_json({"partition": place.partition, "scope": place.scope, **asdict(usage), "forked_from": origin})
        return
    tree = place.scope.startswith("root_run:")
    where = printable(str(source) if isinstance(source, View) else place.scope if tree else place.partition)
    quota = "without a quota" if usage.max_bytes is None else f"of {usage.max_bytes:,}"
    say(f"{where}: {usage.used_bytes:,} bytes {quota}, {count(usage.live_keys, 'key')}")
    if usage.max_bytes is not None:
        bar = Table.grid()
        bar.add_row(usage_bar(usage, 40))
        out().print(bar)
    if origin is not None:
        line(out(), ("began as a copy of ", "dim"), (printable(origin), "cyan"))


@command(app, "partitions")
def list_partitions(
    session: Session, *, prefix: opt.Prefix = "", limit: opt.Limit = DEFAULT_PAGE, after: opt.After = ""
) -> None:
    """List the partitions in use, each with its usage."""
    with session.open(create=False) as ledger:
        page = ledger.partitions(prefix=prefix, limit=limit, after=after)
    if session.as_json:
        print_json({"partitions": page.items, "next": page.next})
        return
    if page.items:
        out().print(partitions_table(page))
    else:
        say("no partitions", "dim")
    if page.next is not None:
        say(f"there are more: --after {printable(str(page.next))}", "dim")


@command(app, "rebuild")
def rebuild_read_models(session: Session) -> None:
    """Rebuild the current values, usage and histories from the events, and report what had differed."""
    with session.open(create=False) as ledger, progress("rebuilding") as bar:
        task = bar.add_task("", total=0)
        report = ledger.rebuild(progress=lambda done, total: bar.update(task, completed=done, total=total))
    if session.as_json:
        print_json(report)
    else:
        _tell_rebuild(report)


def _tell_rebuild(report: RebuildReport) -> None:
    streams = report.partitions + report.runs + report.skills
    say(f"rebuilt {count(streams, 'stream')} from {count(report.events, 'event')}")
    if not report.differences:
        say("nothing differed: the read models were what the events say", "green")
        return
    say(f"ATTENTION: {count(len(report.differences), 'row')} DIFFERED from the events, now put right:", "bold red")
    for difference in report.differences:
        say(f"  {printable(difference)}", "red")
