"""The command history: every version of a key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.key_output import print_versions
from keyledger.adapters.cli.listing import say_more
from keyledger.adapters.cli.moments import DEFAULT_PARTITION
from keyledger.adapters.cli.output import print_all, print_json, say
from keyledger.adapters.cli.places import check_was
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.times import time_or_age
from keyledger.adapters.clock import SystemClock
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.scope import SKILL

app = typer.Typer()


@command(app, "history")
def show_history(
    session: Session,
    key: opt.Key,
    *,
    operation: Annotated[str | None, typer.Option("--operation", help="Only set, delete, restore, …")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this actor did.")] = None,
    run_id: Annotated[str | None, typer.Option("--run-id", help="Only what was done in this run.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help=f"Only what was done at this time or later. {opt.TIME}")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only before this time.")] = None,
    limit: opt.Limit = DEFAULT_PAGE,
    before: Annotated[int | None, typer.Option("--before", help="Only revisions below this.")] = None,
    everything: opt.All = False,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: opt.Scope = SKILL,
) -> None:
    """Show every version of KEY, newest first: what, when, by whom, in which run."""
    now = SystemClock().now()
    wanted: dict[str, Any] = {
        "operation": operation,
        "actor": actor,
        "run_id": run_id,
        "since": time_or_age("since", since, now),
        "until": time_or_age("until", until, now),
    }
    with session.open(create=False) as ledger:
        kv = ledger.partition(partition)
        if before is None:
            check_was(kv, key, scope)
        if everything:
            versions = kv.scan_history(key, scope=scope, before=before, **wanted)
            found = print_all("versions", versions, print_versions, as_json=session.as_json)
        else:
            page = kv.history(key, scope=scope, limit=limit, before=before, **wanted)
            found = bool(page.items)
            if session.as_json:
                print_json({"versions": page.items, "next": page.next})
            elif found:
                print_versions(page)
                say_more(page.next, "--before")
    if not found and not session.as_json:
        say("no such versions", "dim")
