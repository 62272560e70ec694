"""The sweep command: once, or again and again until a signal ends it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeAlias

import typer

from keyledger.adapters.cli.following import Wait, signals_end_the_wait
from keyledger.adapters.cli.output import count, print_error, print_json, say
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.times import duration, interval_of
from keyledger.domain.errors import (
    LedgerBusyError,
    OutcomeUnknownError,
    StorageUnavailableError,
)
from keyledger.domain.ledger import DEFAULT_SWEEP
from keyledger.domain.records import SweepReport

app = typer.Typer()

Sweep: TypeAlias = Callable[[], SweepReport]

NEVER = "never"


@command(app, "sweep")
def sweep_ledger(
    session: Session,
    *,
    limit: Annotated[
        int, typer.Option("--limit", help="The most entries, keys, runs and request ids in one go, of each.")
    ] = DEFAULT_SWEEP,
    run_keys_after: Annotated[
        str, typer.Option("--run-keys-after", help="Delete the keys of runs that finished longer ago; or never.")
    ] = "7d",
    runs_after: Annotated[
        str, typer.Option("--runs-after", help="Purge finished runs that started longer ago, as 90d; or never.")
    ] = NEVER,
    every: Annotated[
        str | None,
        typer.Option(
            "--every", help="Go on for ever, at this interval: 45s, 30m, 12h. Ctrl-C or SIGTERM ends it."
        ),
    ] = None,
) -> None:
    """End expired entries, delete the keys of finished runs, and forget request ids too old to be repeated.

    With --runs-after, old runs that have finished are purged as well: what they said leaves the log.
    """
    ages = {
        "run_keys_after": _age("--run-keys-after", run_keys_after),
        "runs_after": _age("--runs-after", runs_after),
    }
    interval = None if every is None else interval_of("--every", every)
    with session.open(create=False) as ledger:
        sweep = partial(ledger.sweep, limit=limit, **ages)
        if interval is None:
            _tell(sweep(), as_json=session.as_json)
        else:
            with signals_end_the_wait() as wait:
                sweep_for_ever(sweep, interval, wait, as_json=session.as_json)


def sweep_for_ever(sweep: Sweep, seconds: float, wait: Wait, *, as_json: bool) -> None:
    """Sweep all that is due, wait, and again, until told to end; a storage that is away is waited for."""
    while True:
        try:
            ended = _sweep_all(sweep, wait, as_json=as_json)
        except (StorageUnavailableError, LedgerBusyError, OutcomeUnknownError) as error:
            print_error(error.code, str(error), as_json=as_json)
            ended = False
        if ended or wait(seconds):
            return


def _sweep_all(sweep: Sweep, wait: Wait, *, as_json: bool) -> bool:
    """Sweep until nothing is due, telling of each sweep that found something; true if told to end before."""
    while True:
        report = sweep()
        if done := _done(report):
            print_json(report) if as_json else say(done)
        if report.complete:
            return False
        if wait(0):
            return True


def _age(option: str, text: str) -> float | None:
    return None if text == NEVER else duration(option, text).total_seconds()


def _tell(report: SweepReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    say(_done(report) or "nothing was due")
    if not report.complete:
        say("there are more: sweep again", "yellow")


def _done(report: SweepReport) -> str:
    """What a sweep did, in one line; empty for nothing."""
    ended = "1 expired entry" if report.expired == 1 else f"{report.expired:,} expired entries"
    parts = (
        (report.expired, f"ended {ended}"),
        (report.run_keys, f"deleted {count(report.run_keys, 'key')} of finished runs"),
        (report.runs_purged, f"purged {count(report.runs_purged, 'run')}"),
        (report.requests_forgotten, f"forgot {count(report.requests_forgotten, 'request id')}"),
        (report.bytes_returned, f"took back {count(report.bytes_returned, 'byte')} of the global quota"),
        (report.grants_carried, f"carried over {count(report.grants_carried, 'quota')} of skills"),
    )
    return ", ".join(text for number, text in parts if number)
