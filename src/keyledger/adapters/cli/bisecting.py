"""The command bisect: the change with which something turned true."""

from __future__ import annotations

from typing import Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.finding import Finding, print_finding
from keyledger.adapters.cli.moments import Place, moment_of, place_of, view_of
from keyledger.adapters.cli.output import print_json, printable, say
from keyledger.adapters.cli.places import check_was, note_unused, stream_at
from keyledger.adapters.cli.questions import QUOTES, Question
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Version
from keyledger.domain.scope import name_of

NOT_FOUND = 1
NOTHING = {"at": None, "change": None, "before": None, "after": None}

app = typer.Typer()


@command(app, "bisect")
def find_change(
    session: Session,
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="The key; all of the scope unless given.", show_default=False),
    ] = None,
    expression: Annotated[
        str | None,
        typer.Argument(metavar="EXPRESSION", help="JMESPath, asked of the value.", show_default=False),
    ] = None,
    *,
    after: Annotated[
        str | None, typer.Option("--after", metavar="MOMENT", help="Where it is still false.", show_default=False)
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="MOMENT", help="Where it is true; now unless given.")
    ] = None,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Find the change with which EXPRESSION turned true of the value of KEY, null where there is none.

    Without KEY it is asked of an object of all keys of the scope and their values. What is null, false or empty
    counts as false, 0 as true. Unless --after says where to begin it is at revision 0 or, where EXPRESSION is true
    of null or fails on it, at the first revision of KEY. Exit status 1 if it did not turn true.
    """
    if expression is None:
        key, expression = None, key
    question = Question(expression)
    moments = moment_of("0" if after is None else after), moment_of(before)
    place = place_of(partition, scope, *moments)
    with session.open(create=False) as ledger:
        note_unused(session, ledger, stream_at(place))
        low, high = (view_of(ledger, each, place).revision for each in moments)
        first = 0 if key is None else _first_revision(ledger.partition(place.partition), key, place.scope)
        if after is None and not question.is_false_of_nothing():
            low = first
        change = _bisected(ledger, place, key, question, low, high, first)
        finding = None if change is None else _finding(ledger, place, key, change)
    if session.as_json:
        print_json(NOTHING if finding is None else finding.document)
    elif finding is not None:
        print_finding(finding, f"asked at {question.asked} of {high - low + 1:,} revisions")
    else:
        _tell_nothing(place, question, low, high, at_head=before is None)
    if finding is None:
        raise typer.Exit(NOT_FOUND)


def _tell_nothing(place: Place, question: Question, low: int, high: int, *, at_head: bool) -> None:
    name = printable(name_of(stream_at(place)))
    say(f"it did not turn true: it is false at {name}@{low} and at {name}@{high}", "yellow")
    if at_head:
        say("if it was true in between and was mended since: --before MOMENT, at which it was true", "dim")
    if question.names_a_field_in_quotes:
        say(QUOTES, "dim")


def _first_revision(kv: Partition, key: str, scope: str) -> int:
    """The revision that made a key first, found by halving; KeyNotFoundError if it never was."""
    check_was(kv, key, scope)
    low, high = 0, kv.history(key, scope=scope, limit=1).items[0].revision
    while high - low > 1:
        middle = (low + high) // 2
        found = kv.history(key, scope=scope, limit=1, before=middle + 1).items
        low, high = (low, found[0].revision) if found else (middle, high)
    return high


def _bisected(
    ledger: Ledger, place: Place, key: str | None, question: Question, low: int, high: int, first: int
) -> Version | None:
    kv, scope = ledger.partition(place.partition), place.scope
    try:
        if key is None:
            return kv.bisect(None, lambda view: question.of_view(view, scope), scope=scope, after=low, before=high)
        return kv.bisect(key, question.of_entry, scope=scope, after=low, before=high)
    except InvalidArgumentError as error:
        if error.field != "predicate":
            raise
        at = f"{name_of(stream_at(place))}@{low}"
        raise _true_already(at, key, question, low, first) from None


def _true_already(at: str, key: str | None, question: Question, low: int, first: int) -> InvalidArgumentError:
    """Why there is no change with which it turned true, and where to begin instead."""
    if key is not None and low < first:
        why = (
            f"; it is true of null, and {key!r} was not there: --after {first} begins with the change that made it"
        )
    elif low == first:
        why = "; it was true from the beginning"
    else:
        why = "; begin earlier, with --after"
    return InvalidArgumentError("expression", question.expression, f"one that is false at {at}{why} ({QUOTES})")


def _finding(ledger: Ledger, place: Place, key: str | None, change: Version) -> Finding:
    """What was found, with the values before and after: of the key, or of the one that the change was of."""
    now, then = (view_of(ledger, revision, place) for revision in (change.revision, change.revision - 1))
    scope, of = (place.scope, key) if key is not None else (change.scope, change.key)
    before, after = (view.get(of, scope=scope) if of else None for view in (then, now))
    audited = change.run_id is not None and ledger.runs.exists(change.run_id)
    return Finding(str(then), str(now), place.partition, scope, of, change, before, after, audited)
