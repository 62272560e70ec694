"""The command restore: the way back."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.output import count, described, print_json, printable, say
from keyledger.adapters.cli.places import Asked, check_used, check_was, view_at
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry
from keyledger.domain.scope import is_tree

app = typer.Typer()


@command(app, "restore")
def restore_keys(
    session: Session,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="The key; or --all.", show_default=False)
    ] = None,
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="MOMENT", help="A revision, time, age or token; or --run.")
    ] = None,
    run: opt.Run = None,
    end: opt.End = False,
    everything: Annotated[bool, typer.Option("--all", help="Every key, in one transaction.")] = False,
    prefix: Annotated[str, typer.Option("--prefix", help="With --all: only keys that begin with this.")] = "",
    if_revision: opt.IfRevision = None,
    request_id: opt.RequestId = None,
    actor: opt.Actor = None,
    run_id: opt.RunId = None,
    partition: opt.PartitionThen = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="Of KEY, skill unless given; with --all all scopes unless given.")
    ] = None,
) -> None:
    """Let KEY, or with --all every key, be again what it was at a moment, by a new change.

    The moment is --to MOMENT, or --run ID for what a run started from. What came since is deleted, what went comes
    back. A restore can be restored from.
    """
    if (key is None) != everything:
        raise InvalidArgumentError("key", key, "KEY or --all, one of the two")
    if everything and if_revision is not None:
        raise InvalidArgumentError("if_revision", if_revision, "given with KEY only")
    if prefix and not everything:
        raise InvalidArgumentError("prefix", prefix, "given with --all only")
    if to is None and run is None:
        raise InvalidArgumentError("to", None, "a moment, or --run ID")
    with session.open(create=False) as ledger:
        then, place = view_at(session, ledger, to, Asked(partition, scope, run, end))
        check_used(ledger, then.moment.stream)
        kv = ledger.partition(place.partition, actor=actor, run_id=run_id)
        stood = kv.at(scope=place.scope)
        if key is None:
            scope = place.scope if is_tree(then.moment.stream) else scope
            changed = kv.restore_all(then, scope=scope, prefix=prefix, request_id=request_id)
            document, told = dict[str, Any](), _told_of_all(changed, then)
        else:
            check_was(kv, key, place.scope)
            before = kv.get(key, scope=place.scope)
            entry = kv.restore(key, then, scope=place.scope, if_revision=if_revision, request_id=request_id)
            changed = (before and before.revision) != (entry and entry.revision)
            document, told = {"entry": entry}, _told(key, then, entry, changed=changed)
    undo = str(stood) if changed else None
    if session.as_json:
        print_json({"to": str(then), "changed": changed, "undo": undo, **document})
        return
    say(told)
    if undo is not None:
        say(f"undo it with: {printable(_command(key, undo, prefix, scope))}", "dim")


def _told_of_all(changed: int, then: View) -> str:
    token = printable(str(then))
    return (
        f"{count(changed, 'key')} restored to {token}"
        if changed
        else f"all is as it was at {token}, nothing to do"
    )


def _told(key: str, then: View, entry: Entry | None, *, changed: bool) -> str:
    name, token = printable(key), printable(str(then))
    if not changed:
        return f"{name}: is as it was at {token}, nothing to do"
    if entry is None:
        return f"{name}: deleted, as it was not there at {token}"
    return f"{name}: as it was at {token}: {described(entry)}"


def _command(key: str | None, undo: str, prefix: str, scope: str | None) -> str:
    """What undoes it; a key that looks like an option stands at the end."""
    command = ["keyledger", "restore", *(["--all"] if key is None else [] if key.startswith("-") else [key])]
    command += ["--to", undo]
    command += ["--prefix", prefix] if prefix else []
    command += ["--scope", scope] if scope is not None else []
    command += ["--", key] if key is not None and key.startswith("-") else []
    return shlex.join(command)
