"""How a replay looks to people: whether it came out alike, or where not, then in red and now in green."""

from __future__ import annotations

from rich.text import Text

from keyledger.adapters.cli.key_output import who
from keyledger.adapters.cli.output import (
    count,
    json_text,
    line,
    moment,
    operation,
    out,
    print_line,
    printable,
    say,
)
from keyledger.domain.past.replay_report import ReplayDifference, ReplayReport, Sandbox
from keyledger.domain.records import Entry, Version
from keyledger.domain.scope import SKILL


def print_replay(report: ReplayReport) -> None:
    """A replay's report."""
    run = printable(report.run_id)
    if not report.sandboxes:
        say(f"{run}: wrote nothing and recorded no reads: there is nothing to replay", "dim")
        return
    kinds = f"{count(report.writes, 'write')}, {count(report.reads, 'read')}"
    if report.difference is None:
        line(out(), (f"{run}: ", "bold"), (f"every step came out as it had ({kinds})", "green"))
    else:
        steps = f"{report.agreed:,} of {count(report.writes + report.reads, 'step')} ({kinds})"
        line(out(), (f"{run}: ", "bold"), (f"{steps} came out as they had, then this one did not:", "yellow"))
        _print_difference(report.difference)
    for sandbox in report.sandboxes:
        _print_sandbox(sandbox)
    if not report.reads:
        why = "they went with its purge" if report.purged else "record_reads has a run record them"
        say(f"no reads of it are recorded ({why}): only what increments and deletes came to was compared", "dim")


def _print_difference(found: ReplayDifference) -> None:
    named = found.key if found.scope == SKILL else f"{found.scope} {found.key}"
    line(
        out(),
        (f"{found.operation} ", "yellow"),
        (printable(named), "cyan"),
        (f"  in {printable(found.partition_id)}", "dim"),
    )
    by = "" if found.then is None else _by(found.then)
    print_line(Text(f"  - then {_held(found.then)}{by}", "red"), short=False)
    print_line(Text(f"  + now  {_held(found.now)}", "green"), short=False)
    if found.refusal is not None:
        say(f"  refused now: {printable(found.refusal)}", "red")
    if found.cause is not None:
        _print_cause(found.cause)


def _held(held: Version | Entry | None) -> str:
    if held is None:
        return "nothing"
    return json_text(held.value) if held.size else "deleted"


def _by(version: Version) -> str:
    by, run = who(version)
    return f"  rev {version.revision}" + (f", by {by}" if by else "") + (f", in run {run}" if run else "")


def _print_cause(cause: Version) -> None:
    line(out(), (f"  because of: {operation(cause)} at {moment(cause.recorded_at)} UTC{_by(cause)}", ""))


def _print_sandbox(sandbox: Sandbox) -> None:
    name = sandbox.partition_id if sandbox.scope is None else f"scope {sandbox.scope}"
    line(out(), ("in ", "dim"), (printable(name), "cyan"), (f", from {printable(sandbox.source)}", "dim"))
