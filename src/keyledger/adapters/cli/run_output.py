"""How runs look to people: a table of them, one with its log, the tree of a dispatch, what one wrote and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from keyledger.adapters.cli.output import (
    NUMBER,
    ONE_LINE,
    count,
    held,
    json_text,
    moment,
    operation,
    out,
    printable,
    shown,
    table,
)
from keyledger.adapters.cli.run_tree import Branch
from keyledger.adapters.cli.tables import UNBOUNDED
from keyledger.domain.audit.records import Run, RunLog, RunRead, RunWrite
from keyledger.domain.records import Page

_STATUS_STYLES = {
    "running": "cyan",
    "ok": "green",
    "dry_run": "dim",
    "preempted": "yellow",
    "lane_busy": "yellow",
}
_LOG_STYLES = {"step": "dim", "tool_call": "cyan", "tool_result": "green"}
FAILED = "bold red"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def status_style(status: str) -> str:
    """The colour of a run's status."""
    return _STATUS_STYLES.get(status, FAILED)


def log_style(event_type: str, payload: Mapping[str, Any]) -> str:
    """The colour of a log line's type; a tool call that failed has that of a failure."""
    failed = event_type == "tool_result" and payload.get("ok") is False
    return "red" if failed else _LOG_STYLES.get(event_type, FAILED)


def status_of(run: Run) -> Text:
    """A run's status in its colour."""
    return Text(run.status, status_style(run.status))


def lasting(seconds: float) -> str:
    """A duration: ``0.25 s``, ``12.40 s``, ``3 m 20 s``, ``2 h 05 m``, ``3 d 04 h``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{max(seconds, 0.0):.2f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} m"
    return f"{whole // _DAY:,} d {whole % _DAY // _HOUR:02} h"


def took(run: Run, now: datetime) -> str:
    """How long a run took; of one that is still running, how long ago it began."""
    if run.finished_at is None:
        return lasting((now - run.started_at).total_seconds())
    return lasting(run.runtime_seconds or (run.finished_at - run.started_at).total_seconds())


def tokens(run: Run) -> int:
    """All tokens that a run used."""
    return run.total_input_tokens + run.total_output_tokens + run.total_thinking_tokens


def runs_table(runs: Sequence[Run], now: datetime) -> Table:
    """Runs, newest first; times in UTC, of a terminal that is too narrow only the day or the time."""
    brief = partial(_brief, now)
    return _fitting(
        _flat(runs, now, moment), _flat(runs, now, brief), _stacked(runs, now, brief), _listed(runs, now, brief)
    )


_FIGURES = (("started", ONE_LINE), ("time", NUMBER), ("tokens", NUMBER), ("calls", NUMBER))


def _flat(runs: Sequence[Run], now: datetime, time: Callable[[datetime], str]) -> Table:
    made = table("id", "skill", "caller", ("status", ONE_LINE), *_FIGURES)
    for run in runs:
        who = (Text(printable(run.id), "cyan"), Text(printable(run.skill_id)), Text(printable(run.caller_id)))
        made.add_row(*who, status_of(run), *_figures(run, now, time))
    return made


def _stacked(runs: Sequence[Run], now: datetime, time: Callable[[datetime], str]) -> Table:
    made = table("run", ("status", ONE_LINE), *_FIGURES)
    for run in runs:
        whom = f"  {printable(run.skill_id)}{for_whom(run.caller_id)}"
        what = Group(Text(printable(run.id), "cyan"), Text(whom, no_wrap=True, overflow="ellipsis"))
        made.add_row(what, status_of(run), *_figures(run, now, time))
    return made


def _listed(runs: Sequence[Run], now: datetime, time: Callable[[datetime], str]) -> Table:
    """For long ids in a narrow terminal: an id is for copying, and never broken."""
    made = table("run")
    for run in runs:
        used = [count(number, what) for number, what in _used(run) if number]
        said = "  ".join(
            (printable(run.skill_id) + for_whom(run.caller_id), time(run.started_at), took(run, now), *used)
        )
        named = Text.assemble((printable(run.id), "cyan"), "  ", status_of(run), no_wrap=True, overflow="ignore")
        made.add_row(Group(named, Text(f"  {said}", "dim")))
    return made


def _used(run: Run) -> tuple[tuple[int, str], ...]:
    return (tokens(run), "token"), (run.tool_calls_count, "call")


def _figures(run: Run, now: datetime, time: Callable[[datetime], str]) -> tuple[str, str, str, str]:
    return time(run.started_at), took(run, now), f"{tokens(run):,}", f"{run.tool_calls_count:,}"


def _brief(now: datetime, time: datetime) -> str:
    """A time as short as it is still clear: of today the time, else the day."""
    return f"{time:%H:%M:%S}" if time.date() == now.date() else f"{time:%Y-%m-%d}"


def _fitting(*tables: Table) -> Table:
    """The first table that needs no more than the terminal's width, or the last."""
    console = out()
    unbounded = console.options.update(max_width=UNBOUNDED)
    fitting = (each for each in tables if console.measure(each, options=unbounded).maximum <= console.width)
    return next(fitting, tables[-1])


# ------------------------------------------------------------------------------------------- one run


def run_card(run: Run, chain: Sequence[Run], writes: int, now: datetime) -> Table:
    """A run's summary: a line for each thing that there is to say."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("run", Text.assemble((printable(run.id), "bold cyan"), "  ", status_of(run)))
    made.add_row("skill", printable(run.skill_id) + for_whom(run.caller_id, run.channel_id))
    if run.parent_run_id:
        above = [each.id for each in chain[:-1]] or [run.parent_run_id]
        made.add_row("called by", printable(" > ".join(above)))
    if run.root_run_id != run.id:
        made.add_row("tree of", printable(run.root_run_id))
    made.add_row("started", f"{moment(run.started_at)} UTC, {_lasted(run, now)}")
    if tokens(run):
        made.add_row("tokens", _tokens(run))
    made.add_row("did", f"{count(run.tool_calls_count, 'tool call')}, {count(writes, 'write')}")
    made.add_row("inputs", Text(json_text(dict(run.inputs))))
    if run.output:
        made.add_row("output", _lines(run.output))
    if run.error:
        made.add_row("error", _lines(run.error, FAILED))
    return made


def _lasted(run: Run, now: datetime) -> str:
    return f"{took(run, now)} ago, and has not finished" if run.finished_at is None else f"took {took(run, now)}"


def for_whom(caller_id: str, channel_id: str = "") -> str:
    """Whom a run works for, to be put after its skill."""
    caller = f", for {printable(caller_id)}" if caller_id else ""
    return caller + (f", in channel {printable(channel_id)}" if channel_id else "")


def _tokens(run: Run) -> str:
    counted = (
        (run.total_input_tokens, "in"),
        (run.total_output_tokens, "out"),
        (run.total_thinking_tokens, "thinking"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in counted if number)


def _lines(text: str, style: str = "") -> Text:
    """Text of an agent, its line breaks kept."""
    return Text("\n".join(map(printable, text.splitlines())), style)


def trace(logs: Sequence[RunLog], started_at: datetime, *, full: bool) -> Table:
    """A log as a readable trace; payloads are shortened to one line, but for errors and with ``full``."""
    made = table(("seq", NUMBER), ("after", NUMBER), ("what", ONE_LINE), "payload")
    for log in logs:
        at = log.created_at or started_at
        made.add_row(
            str(log.sequence),
            lasting((at - started_at).total_seconds()),
            Text(log.event_type, log_style(log.event_type, log.payload)),
            _payload(log, full=full),
        )
    return made


def _payload(log: RunLog, *, full: bool) -> Text:
    failed = log.event_type == "error"
    if full:
        indented = orjson.dumps(log.payload, option=orjson.OPT_INDENT_2).decode()
        return _lines(indented, FAILED if failed else "")
    return Text(json_text(dict(log.payload)), FAILED) if failed else shown(dict(log.payload))


# ---------------------------------------------------------------------------------------------- trees


def drawn(branches: Sequence[Branch], asked: str, writes: Mapping[str, int], now: datetime) -> Tree:
    """A dispatch tree; the run that was asked for stands out."""
    root_id = branches[0].run.root_run_id
    root = Tree(Text.assemble((printable(root_id), "cyan"), ("  is not in the ledger", "dim")), guide_style="dim")
    nodes = {root_id: root}
    for run, _, under in branches:
        label = _leaf(run, writes.get(run.id, 0), now, bold=run.id == asked)
        if under:
            nodes[run.id] = nodes[under].add(label)
        else:
            root.label = label
    return root


def _leaf(run: Run, writes: int, now: datetime, *, bold: bool) -> Text:
    name = Text(printable(run.id), "bold cyan" if bold else "cyan")
    parts = [name, Text(printable(run.skill_id)), status_of(run), Text(took(run, now))]
    parts += [Text(count(number, what)) for number, what in ((tokens(run), "token"), (writes, "write")) if number]
    label = Text("  ").join(parts)
    if run.error:
        label = Text("\n").join((label, Text(printable(run.error), "red")))
    label.no_wrap, label.overflow = True, "ellipsis" if out().is_terminal else "ignore"
    return label


# -------------------------------------------------------------------------------------------- lineage


def writes_table(now: datetime, writes: Page[RunWrite]) -> Table:
    """Versions that a run wrote; times as in :func:`runs_table`."""
    return _fitting(_writes(writes, moment), _writes(writes, partial(_brief, now)))


def _writes(writes: Page[RunWrite], time: Callable[[datetime], str]) -> Table:
    made = table("partition", ("rev", NUMBER), ("when", ONE_LINE), "scope", "key", ("what", ONE_LINE), "value")
    for partition_id, version in ((each.partition_id, each.version) for each in writes):
        made.add_row(
            Text(printable(partition_id)),
            str(version.revision),
            time(version.recorded_at),
            Text(printable(version.scope)),
            Text(printable(version.key), "cyan"),
            operation(version),
            held(version),
        )
    return made


def reads_table(reads: Page[RunRead]) -> Table:
    """Versions that a run read; times in UTC."""
    made = table("partition", "scope", "key", ("rev", NUMBER), ("when", ONE_LINE))
    for read in reads:
        made.add_row(
            Text(printable(read.partition_id)),
            Text(printable(read.scope)),
            Text(printable(read.key), "cyan"),
            str(read.revision) if read.revision else Text("nothing", "yellow"),
            moment(read.recorded_at),
        )
    return made


def readers_table(reads: Page[RunRead]) -> Table:
    """Runs that saw one version; times in UTC."""
    made = table("run", ("when", ONE_LINE))
    for read in reads:
        made.add_row(Text(printable(read.run_id), "cyan"), moment(read.recorded_at))
    return made
