"""Commands that look at the past: at, diff, blame."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.listing import Wanted, print_list, say_more
from keyledger.adapters.cli.moments import Place, moment_of, place_of, reads_as_moment, view_of
from keyledger.adapters.cli.output import (
    described,
    line,
    out,
    print_all,
    print_json,
    printable,
    remark,
    say,
    to_json,
)
from keyledger.adapters.cli.output import moment as time_shown
from keyledger.adapters.cli.past_output import print_blame, print_changes
from keyledger.adapters.cli.places import Asked, note_unused, view_at
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.arguments import DEFAULT_PAGE, MAX_PAGE
from keyledger.domain.errors import InvalidArgumentError, KeyNotFoundError
from keyledger.domain.kv import every_item
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.view import View
from keyledger.domain.records import Version

app = typer.Typer()


@command(app, "at")
def show_past(
    session: Session,
    moment: opt.Moment = None,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="The key; all of them unless given.", show_default=False)
    ] = None,
    *,
    run: opt.Run = None,
    end: opt.End = False,
    prefix: opt.Prefix = "",
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Show what stood at MOMENT: the value of KEY, or all keys with the token that names the moment.

    The token is accepted wherever a moment is, and means the same whatever is written meanwhile.
    """
    if run is not None and key is None:
        moment, key = None, moment
        if key is not None and reads_as_moment(key):
            raise InvalidArgumentError("moment", key, "given without --run only")
    with session.open(create=False) as ledger:
        view, place = view_at(session, ledger, moment, Asked(partition, scope, run, end))
        note_unused(session, ledger, view.moment.stream)
        if key is not None:
            _print_entry(session, view, place, key)
            return
        if not session.as_json:
            _print_heading(view)
        wanted = Wanted(place.scope, prefix, limit, after, everything)
        print_list(view, wanted, str(view), as_json=session.as_json, head=_head(view))


def _print_heading(view: View) -> None:
    """The token, and the time where it is not in there already."""
    token = printable(str(view))
    told = view.revision and "~" not in token.rpartition("@")[2]
    line(out(), (token, "bold cyan"), (f"  {time_shown(view.instant)} UTC" if told else "", "dim"))


def _head(view: View) -> dict[str, Any]:
    return {"at": str(view), "revision": view.revision, "instant": view.instant}


def _print_entry(session: Session, view: View, place: Place, key: str) -> None:
    entry = view.get(key, scope=place.scope)
    if entry is None:
        raise KeyNotFoundError(key, place.scope, str(view))
    if session.as_json:
        print_json({**_head(view), "entry": entry})
    else:
        typer.echo(to_json(entry.value))
        remark(f"{printable(str(view))}, {described(entry)}")


@command(app, "diff")
def show_difference(
    session: Session,
    before: Annotated[
        str | None, typer.Argument(metavar="A", help="The moment before.", show_default=False)
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="The moment after; now unless given.", show_default=False)
    ] = None,
    *,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="In place of A and B: this run's start and end.")
    ] = None,
    prefix: opt.Prefix = "",
    partition: opt.PartitionThen = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="Only this scope; all of them unless given.")
    ] = None,
) -> None:
    """Show what was added, removed and changed from moment A to moment B, and inside JSON values what changed.

    A token may name another partition, so two partitions are compared by their tokens.
    """
    with session.open(create=False) as ledger:
        old, new = _two(session, ledger, before, after, Asked(partition, scope, run))
        kv = ledger.partition(place_of(partition, scope, str(old)).partition)
        changes = kv.diff(old, new, scope=scope, prefix=prefix)
    if session.as_json:
        print_json({"before": str(old), "after": str(new), "changes": changes})
    else:
        print_changes(old, new, changes)


def _two(
    session: Session, ledger: Ledger, before: str | None, after: str | None, asked: Asked
) -> tuple[View, View]:
    if asked.run is not None:
        if before is not None:
            raise InvalidArgumentError("moment", before, "given without --run only")
        began, place = view_at(session, ledger, None, asked)
        return began, ledger.partition(place.partition).at(run=asked.run, end=True, scope=place.scope)
    if before is None:
        raise InvalidArgumentError("moment", None, "a moment A, or --run ID")
    moments = moment_of(before), moment_of(after)
    place = place_of(asked.partition, asked.scope, *moments)
    places = [place_of(None, asked.scope, each) if isinstance(each, str) else place for each in moments]
    old, new = map(view_of, (ledger, ledger), moments, places)
    note_unused(session, ledger, old.moment.stream, new.moment.stream)
    return old, new


@command(app, "blame")
def show_blame(
    session: Session,
    moment: opt.Moment = None,
    *,
    at: opt.At = None,
    run: opt.Run = None,
    end: opt.End = False,
    prefix: opt.Prefix = "",
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Show for each live key who last set it, now or as of MOMENT: revision, time, actor, run and tool."""
    if at is not None and moment is not None:
        raise InvalidArgumentError("at", at, "given without MOMENT only")
    with session.open(create=False) as ledger:
        asked = Asked(partition, scope, run, end)
        view, place = view_at(session, ledger, moment if at is None else at, asked)
        note_unused(session, ledger, view.moment.stream)
        wanted = Wanted(place.scope, prefix, limit, after, everything)
        _print_blame(view, wanted, as_json=session.as_json)


def _print_blame(view: View, wanted: Wanted, *, as_json: bool) -> None:
    scope, prefix, limit, after, everything = wanted
    none = f"no keys in scope {printable(scope)} of {printable(str(view))}"
    if everything:
        if not print_all("versions", _blamed(view, wanted), print_blame, as_json=as_json, head={"at": str(view)}):
            say(none, "dim")
        return
    page = view.blame(scope=scope, prefix=prefix, limit=limit, after=after)
    if as_json:
        print_json({"at": str(view), "versions": page.items, "next": page.next})
        return
    if page.items:
        print_blame(page)
    else:
        say(none, "dim")
    say_more(page.next, "--after")


def _blamed(view: View, wanted: Wanted) -> Iterator[Version]:
    """All that blame tells, read page by page."""
    blame = partial(view.blame, scope=wanted.scope, prefix=wanted.prefix, limit=MAX_PAGE, after=wanted.after)
    return every_item(blame, "after")
