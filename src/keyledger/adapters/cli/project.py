"""The project command: a read model of runs in a table of its own, followed and rebuilt."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Annotated

import typer

from keyledger.adapters.cli.following import signals_end_the_wait
from keyledger.adapters.cli.output import count, print_error, print_json, printable, remark, say
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.times import interval_of
from keyledger.domain.audit.follower_ports import Following, Rebuilt
from keyledger.domain.errors import InvalidArgumentError, StorageError

app = typer.Typer()

PROJECTIONS = ("run_audit",)
DIFFERED = 1


@dataclass(slots=True)
class _Tally:
    """How many events were read, since when."""

    into: str
    as_json: bool
    events: int = 0
    began: float = 0.0

    def __call__(self, events: int) -> None:
        self.events += events

    def tell(self, *, waiting: bool = False) -> None:
        """Say how many events were read; ``waiting`` for them was most of the time, so no rate then."""
        seconds = perf_counter() - self.began
        rate = _rate(self.events, seconds)
        if self.as_json:
            print_json({"into": self.into, "events": self.events, "seconds": seconds, "events_per_second": rate})
        else:
            told = "" if waiting else f" ({rate:,} events/s)"
            say(f"{self.into}: read {count(self.events, 'event')} in {seconds:.2f} s{told}")

    def restart(self) -> None:
        self.events, self.began = 0, perf_counter()


@command(app, "project")
def project(
    session: Session,
    projection: Annotated[str, typer.Argument(metavar="PROJECTION", help="run_audit: the summaries of runs.")],
    *,
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="The table, made where there is none.")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C or SIGTERM.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the table anew beside the one that stands, compare, and swap.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", help="With --follow, how often to look for what is new: 0.5s, 1m.")
    ] = "1s",
) -> None:
    """Keep a table of the summaries of runs beside the ledger's own, from the events and exactly once.

    It can be killed and started again at any moment. Exit status 1 if a rebuild found that what stood differed.
    """
    if projection not in PROJECTIONS:
        raise InvalidArgumentError("PROJECTION", projection, ", ".join(PROJECTIONS))
    interval = interval_of("--every", every)
    with session.open(create=False, synchronous="NORMAL") as ledger:  # what power takes away is read again
        tally = _Tally(into, session.as_json)
        following = session.follower(ledger, into, tally)
        tally.restart()
        differed = _rebuild(following, into, as_json=session.as_json) if rebuild else _catch_up(following, tally)
        if follow:
            _follow(following, interval, tally)
    if differed:
        raise typer.Exit(DIFFERED)


def _catch_up(following: Following, tally: _Tally) -> bool:
    following.catch_up()
    tally.tell()
    return False


def _follow(following: Following, interval: float, tally: _Tally) -> None:
    def on_error(error: StorageError) -> None:
        print_error(error.code, str(error), as_json=tally.as_json)

    remark("following; Ctrl-C ends it")
    tally.restart()
    with signals_end_the_wait() as wait:
        following.follow(interval, wait, on_error)
    tally.tell(waiting=True)


def _rebuild(following: Following, into: str, *, as_json: bool) -> bool:
    made = following.rebuild()
    rate = _rate(made.events, made.seconds)
    if as_json:
        print_json({"into": into, "equal": made.equal, **asdict(made), "events_per_second": rate})
    else:
        _tell_rebuild(made, into, rate)
    return made.equal is False


def _tell_rebuild(made: Rebuilt, into: str, rate: int) -> None:
    events = f"{count(made.events, 'event')} in {made.seconds:.2f} s ({rate:,} events/s)"
    say(f"{into}: rebuilt from {events}, compared {count(made.rows, 'row')}, swapped")
    say(f"  stood    {made.former_hash}\n  rebuilt  {made.hash}")
    if made.in_motion:
        say(f"  {count(made.in_motion, 'run')} in motion left out: one table had followed them further")
    if made.equal is None:
        say("nothing was compared, so nothing is known of what stood", "yellow")
        return
    if made.equal:
        say("equal: the table was what the events say", "green")
        return
    say("ATTENTION: THE TABLE DIFFERED from the events; what was rebuilt has its place now:", "bold red")
    for stream in made.differing:
        say(f"  {printable(stream)}", "red")


def _rate(events: int, seconds: float) -> int:
    return round(events / seconds) if seconds else 0
