"""The command bisect: the change with which something turned true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.finding import Finding, print_finding
from keyledger.adapters.cli.moments import Place, moment_of, place_of, view_of
from keyledger.adapters.cli.output import print_json, printable, say
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.moments import MomentLike
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, Version
from keyledger.domain.values import JSONValue

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

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
    after: Annotated[str, typer.Option("--after", metavar="MOMENT", help="Where it is still false.")] = "0",
    before: Annotated[
        str | None, typer.Option("--before", metavar="MOMENT", help="Where it is true; now unless given.")
    ] = None,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Find the change with which EXPRESSION turned true of the value of KEY, null where there is none.

    Without KEY it is asked of an object of all keys of the scope and their values. What is null, false or empty
    counts as false, 0 as true. Exit status 1 if it did not turn true.
    """
    if expression is None:
        key, expression = None, key
    question = Question(expression)
    moments = moment_of(after), moment_of(before)
    place = place_of(partition, scope, *moments)
    with session.open(create=False) as ledger:
        low, high = (_revision(ledger, place, each) for each in moments)
        change = _bisected(ledger, place, key, question, low, high)
        finding = None if change is None else _finding(ledger, place, key, change)
    if session.as_json:
        print_json(NOTHING if finding is None else finding.document)
    elif finding is not None:
        print_finding(finding, f"asked at {question.asked} of {high - low + 1:,} revisions")
    else:
        say(f"it did not turn true: at {printable(place.partition)}@{high} it is still false", "yellow")
    if finding is None:
        raise typer.Exit(NOT_FOUND)


class Question:
    """A JMESPath expression, asked of values; ``asked`` counts how often."""

    def __init__(self, expression: str | None) -> None:
        self._compiled = _compiled(expression)
        self.asked = 0

    def of_entry(self, entry: Entry | None) -> bool:
        """Whether it is true of the value of an entry, of null where there is none."""
        return self._is_true_of(None if entry is None else entry.value)

    def of_view(self, view: View, scope: str) -> bool:
        """Whether it is true of an object of all that a scope held."""
        return self._is_true_of({entry.key: entry.value for entry in view.scan(scope=scope)})

    def _is_true_of(self, value: JSONValue) -> bool:
        self.asked += 1
        found = self._compiled.search(value)
        return found is not None and found is not False and found not in ("", [], {})


def _compiled(expression: str | None) -> ParsedResult:
    from jmespath import compile as compiled  # noqa: PLC0415 - 10 ms, for this command alone
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return compiled(expression or "")
    except JMESPathError as error:
        said = str(error).partition(", for expression")[0].partition("\n")[0]
        raise InvalidArgumentError("expression", expression, f"JMESPath ({said})") from None


def _revision(ledger: Ledger, place: Place, moment: MomentLike | None) -> int:
    return view_of(ledger, moment, place).revision


def _bisected(
    ledger: Ledger, place: Place, key: str | None, question: Question, low: int, high: int
) -> Version | None:
    kv, scope = ledger.partition(place.partition), place.scope
    if key is None:
        return kv.bisect(None, lambda view: question.of_view(view, scope), scope=scope, after=low, before=high)
    return kv.bisect(key, question.of_entry, scope=scope, after=low, before=high)


def _finding(ledger: Ledger, place: Place, key: str | None, change: Version) -> Finding:
    """What was found, with the values before and after: of the key, or of the one that the change was of."""
    now, then = (view_of(ledger, revision, place) for revision in (change.revision, change.revision - 1))
    scope, of = (place.scope, key) if key is not None else (change.scope, change.key)
    before, after = (view.get(of, scope=scope) if of else None for view in (then, now))
    audited = change.run_id is not None and ledger.runs.exists(change.run_id)
    return Finding(str(then), str(now), place.partition, scope, of, change, before, after, audited)
