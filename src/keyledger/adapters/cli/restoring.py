"""The command restore: the way back."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.moments import Place, moment_of, place_of, view_of
from keyledger.adapters.cli.output import count, described, print_json, printable, say
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.past.view import View
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
        str, typer.Option("--to", metavar="MOMENT", help="A revision, time, age or token.", show_default=False)
    ],
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

    What came since is deleted, what went comes back. A restore can be restored from.
    """
    if (key is None) != everything:
        raise InvalidArgumentError("key", key, "KEY or --all, one of the two")
    if everything and if_revision is not None:
        raise InvalidArgumentError("if_revision", if_revision, "given with KEY only")
    if prefix and not everything:
        raise InvalidArgumentError("prefix", prefix, "given with --all only")
    moment = moment_of(to)
    place = place_of(partition, scope, moment)
    with session.open(create=False) as ledger:
        kv = ledger.partition(place.partition, actor=actor, run_id=run_id)
        then = view_of(ledger, moment, place)
        if key is not None:
            _restore(session, kv, key, then, place, if_revision, request_id)
            return
        stood = kv.at(scope=place.scope)
        scope = place.scope if is_tree(then.moment.stream) else scope
        changed = kv.restore_all(then, scope=scope, prefix=prefix, request_id=request_id)
    if session.as_json:
        print_json({"to": str(then), "changed": changed})
    else:
        _tell(changed, stood, then, scope, prefix)


def _restore(
    session: Session,
    kv: Partition,
    key: str,
    then: View,
    place: Place,
    if_revision: int | None,
    request_id: str | None,
) -> None:
    stood = kv.get(key, scope=place.scope)
    entry = kv.restore(key, then, scope=place.scope, if_revision=if_revision, request_id=request_id)
    changed = (stood and stood.revision) != (entry and entry.revision)
    if session.as_json:
        print_json({"to": str(then), "changed": changed, "entry": entry})
        return
    name, token = printable(key), printable(str(then))
    if not changed:
        say(f"{name}: is as it was at {token}, nothing to do")
    elif entry is None:
        say(f"{name}: deleted, as it was not there at {token}")
    else:
        say(f"{name}: as it was at {token}: {described(entry)}")


def _tell(changed: int, stood: View, then: View, scope: str | None, prefix: str) -> None:
    token = printable(str(then))
    if not changed:
        say(f"all is as it was at {token}, nothing to do")
        return
    say(f"{count(changed, 'key')} restored to {token}")
    undo = ["keyledger", "restore", "--all", "--to", str(stood)]
    undo += ["--prefix", prefix] if prefix else []
    undo += ["--scope", scope] if scope is not None else []
    say(f"undo it with: {printable(shlex.join(undo))}", "dim")
