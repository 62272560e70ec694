"""Commands on keys: set, get, list, delete, incr."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.lines import STANDARD_INPUT, standard_input
from keyledger.adapters.cli.listing import Wanted, print_list
from keyledger.adapters.cli.moments import DEFAULT_PARTITION, readable
from keyledger.adapters.cli.output import (
    described,
    print_json,
    printable,
    remark,
    say,
    to_json,
)
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.errors import InvalidArgumentError, KeyNotFoundError, ValueSerializationError
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry
from keyledger.domain.scope import SKILL
from keyledger.domain.values import JSONValue, parse_json

_LONGEST_SAMPLE = 40

app = typer.Typer()
negative_numbers = {"ignore_unknown_options": True}  # so that -5 is a value, not an option


@command(app, "set", context_settings=negative_numbers)
def set_key(
    session: Session,
    key: opt.Key,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="JSON text; - reads it from standard input.", show_default=False)
    ],
    *,
    string: Annotated[bool, typer.Option("--string", "-s", help="VALUE is plain text, not JSON.")] = False,
    ttl: opt.Ttl = None,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: opt.Scope = SKILL,
    if_revision: opt.IfRevision = None,
    request_id: opt.RequestId = None,
    actor: opt.Actor = None,
    run_id: opt.RunId = None,
) -> None:
    """Give KEY a value."""
    content = _value(value, string=string)
    with session.open() as ledger:
        kv = ledger.partition(partition, actor=actor, run_id=run_id)
        entry = kv.set(key, content, scope=scope, ttl=ttl, if_revision=if_revision, request_id=request_id)
    if session.as_json:
        print_json(entry)
    else:
        say(f"{printable(key)}: {described(entry)}")


@command(app, "get")
def get_key(
    session: Session,
    key: opt.Key,
    *,
    at: opt.At = None,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Print the value of KEY, as JSON text. Exit status 1 if there is none."""
    with session.open(create=False) as ledger:
        source, place = readable(ledger, at, partition, scope)
        entry = source.get(key, scope=place.scope)
    if entry is None:
        raise KeyNotFoundError(key, place.scope, str(source) if isinstance(source, View) else None)
    print_value(session, entry)


@command(app, "list")
def list_keys(
    session: Session,
    *,
    at: opt.At = None,
    prefix: opt.Prefix = "",
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
    everything: opt.All = False,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """List keys and their values, in the order of the keys."""
    with session.open(create=False) as ledger:
        source, place = readable(ledger, at, partition, scope)
        where = str(source) if isinstance(source, View) else f"partition {place.partition}"
        wanted = Wanted(place.scope, prefix, limit, after, everything)
        print_list(source, wanted, where, as_json=session.as_json)


@command(app, "delete")
def delete_key(
    session: Session,
    key: opt.Key,
    *,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: opt.Scope = SKILL,
    if_revision: opt.IfRevision = None,
    request_id: opt.RequestId = None,
    actor: opt.Actor = None,
    run_id: opt.RunId = None,
) -> None:
    """Remove KEY; its history stays."""
    with session.open(create=False) as ledger:
        kv = ledger.partition(partition, actor=actor, run_id=run_id)
        deleted = kv.delete(key, scope=scope, if_revision=if_revision, request_id=request_id)
    if session.as_json:
        print_json({"scope": scope, "key": key, "deleted": deleted})
    else:
        say(f"{printable(key)}: deleted" if deleted else f"{printable(key)}: was not there")


@command(app, "incr", context_settings=negative_numbers)
def increment_key(
    session: Session,
    key: opt.Key,
    delta: Annotated[int, typer.Argument(metavar="DELTA", help="How much to add; may be negative.")] = 1,
    *,
    initial: Annotated[int, typer.Option("--initial", help="What a missing key is taken to hold.")] = 0,
    ttl: opt.Ttl = None,
    partition: opt.Partition = DEFAULT_PARTITION,
    scope: opt.Scope = SKILL,
    if_revision: opt.IfRevision = None,
    request_id: opt.RequestId = None,
    actor: opt.Actor = None,
    run_id: opt.RunId = None,
) -> None:
    """Add to the integer under KEY, atomically, and print what it holds then."""
    with session.open() as ledger:
        entry = ledger.partition(partition, actor=actor, run_id=run_id).increment(
            key,
            delta,
            initial_value=initial,
            scope=scope,
            ttl=ttl,
            if_revision=if_revision,
            request_id=request_id,
        )
    print_value(session, entry)


def print_value(session: Session, entry: Entry) -> None:
    """Print what a key holds; for programs the whole entry."""
    if session.as_json:
        print_json(entry)
    else:
        typer.echo(to_json(entry.value))
        remark(described(entry))


def _value(text: str, *, string: bool) -> JSONValue:
    if text == STANDARD_INPUT:
        text = _standard_input()
        text = text.removesuffix("\n") if string else text
    if string:
        return text
    try:
        return parse_json(text)
    except ValueSerializationError as error:
        if not error.allowed.startswith("valid JSON"):
            raise
        raise ValueSerializationError(error.field, error.got, f"{error.allowed}; {_hint(text)}") from None


def _standard_input() -> str:
    data = standard_input().read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError("value", data, "UTF-8 text") from None


def _hint(text: str) -> str:
    if text.startswith(("{", "[", '"')):
        return "in a shell, put the whole JSON text in single quotes"
    if len(text) > _LONGEST_SAMPLE or not text.isprintable():
        return "for plain text add --string"
    return f"for plain text add --string or quote it as JSON: {shlex.quote(json.dumps(text, ensure_ascii=False))}"
