"""The commands fork and replay: branching off, and doing a run again there."""

from __future__ import annotations

from typing import Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.moments import Place, moment_of, place_of
from keyledger.adapters.cli.output import count, line, out, print_json, printable, progress
from keyledger.adapters.cli.places import Asked, view_at
from keyledger.adapters.cli.replay_output import print_replay
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.travel import At

app = typer.Typer()


@command(app, "fork")
def fork_partition(
    session: Session,
    into: Annotated[
        str, typer.Argument(metavar="INTO", help="A partition that was never used.", show_default=False)
    ],
    *,
    at: opt.At = None,
    run: opt.Run = None,
    end: opt.End = False,
    actor: opt.Actor = None,
    run_id: opt.RunId = None,
    partition: opt.PartitionThen = None,
    scope: opt.ScopeThen = None,
) -> None:
    """Let the partition INTO begin as a copy of another, now or at a moment, and share nothing afterwards.

    With --scope root_run:ID that dispatch tree is copied into the tree INTO. The same command finishes a fork that
    was interrupted.
    """
    with session.open(create=False) as ledger:
        moment, place = _source(session, ledger, at, Asked(partition, scope, run, end))
        tree = place.scope.startswith("root_run:")
        source = ledger.partition(place.partition, actor=actor, run_id=run_id)
        fork = source.fork(into, moment, scope=place.scope)
        within = f"root_run:{into}" if tree else place.scope
        began, usage = str(fork.forked_from(scope=within)), fork.usage(scope=within)
    if session.as_json:
        found = {"into": into, "scope": f"root_run:{into}" if tree else None, "source": began}
        print_json(found | {"keys": usage.live_keys, "bytes": usage.used_bytes})
        return
    holds = f": {count(usage.live_keys, 'key')}, {count(usage.used_bytes, 'byte')}"
    name = f"scope root_run:{printable(into)}" if tree else printable(into)
    line(out(), (name, "bold cyan"), (" began as ", ""), (printable(began), "cyan"), (holds, ""))


def _source(session: Session, ledger: Ledger, at: str | None, asked: Asked) -> tuple[At | None, Place]:
    """Of what to make a fork; no moment for now, so that one that was interrupted is finished."""
    if asked.run is None and not asked.end:
        moment = moment_of(at)
        return moment, place_of(asked.partition, asked.scope, moment)
    return view_at(session, ledger, at, asked)


@command(app, "replay")
def replay_run(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.", show_default=False)],
    *,
    into: Annotated[
        str,
        typer.Option("--into", metavar="SANDBOX", help="A partition that was never used.", show_default=False),
    ],
    actor: opt.Actor = None,
) -> None:
    """Do again in SANDBOX what RUN wrote, from what it started from, and compare what it read.

    It ends with the first step that comes out otherwise, and says what the run met and what stands there now. That
    is an answer, no failure: the exit status is 0 with or without a difference.
    """
    with session.open(create=False) as ledger, progress("replaying", hidden=session.as_json) as bar:
        task = bar.add_task("", total=None)
        report = ledger.replay(
            run,
            into,
            actor=actor,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if session.as_json:
        print_json(report)
    else:
        print_replay(report)
