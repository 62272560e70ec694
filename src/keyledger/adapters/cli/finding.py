"""What bisect found, as it is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.text import Text

from keyledger.adapters.cli.moments import DEFAULT_PARTITION
from keyledger.adapters.cli.output import json_text, line, moment, operation, out, print_line, printable, say
from keyledger.domain.records import Entry, Version
from keyledger.domain.scope import SKILL


class Finding(NamedTuple):
    """A change, with the entry under ``key`` just before and just after it."""

    then: str
    at: str
    partition: str
    scope: str
    key: str
    change: Version
    before: Entry | None
    after: Entry | None
    audited: bool
    """Whether the audit of runs knows the change's run."""

    @property
    def document(self) -> dict[str, Any]:
        """For programs."""
        return {"at": self.at, "change": self.change, "before": self.before, "after": self.after}


def print_finding(finding: Finding, asked: str) -> None:
    """Tell what was changed, when, by whom, in which run, and what the value was before and after."""
    line(out(), ("turned true at ", ""), (printable(finding.at), "bold cyan"), (f"  {asked}", "dim"))
    for label, said in _told(finding):
        if said:
            print_line(Text.assemble((f"{label:<8}", "dim"), said), short=label in {"before", "after"})
    say("look further:", "dim")
    for command in _commands(finding):
        say(f"  {command}")


def _told(finding: Finding) -> Iterable[tuple[str, Text]]:
    change = finding.change
    yield "key", _named(finding.scope, finding.key)
    yield "before", _value(finding.before, "red")
    yield "after", _value(finding.after, "green")
    yield "what", _what(finding)
    yield "when", Text(f"{moment(change.recorded_at)} UTC")
    yield "by", Text(printable(change.changed_by or ""))
    yield "run", Text(printable(change.run_id or ""), "cyan")
    yield "tool", Text(printable(change.tool or ""))


def _named(scope: str, key: str) -> Text:
    return Text(printable(key if scope == SKILL or not key else f"{scope} {key}"), "cyan")


def _value(entry: Entry | None, style: str) -> Text:
    if entry is None:
        return Text("nothing", "dim")
    return Text(json_text(entry.value), style)


def _what(finding: Finding) -> Text:
    """The operation; where it was of another key than was asked for, that one too: this key had expired."""
    change, said = finding.change, operation(finding.change)
    if not change.key or (change.scope, change.key) == (finding.scope, finding.key):
        return said
    other = _named(change.scope, change.key)
    return Text.assemble(said, " of ", other, ", the first change after this key expired")


def _commands(finding: Finding) -> list[str]:
    change, commands = finding.change, []
    where = [] if finding.partition == DEFAULT_PARTITION else ["-p", finding.partition]
    where += [] if finding.scope in {SKILL, ""} else ["--scope", finding.scope]
    if finding.key:
        commands.append(["history", finding.key, *where, "--before", str(change.revision + 1)])
    commands.append(["diff", finding.then, finding.at])
    if change.run_id is not None:
        commands.append(["runs", "show" if finding.audited else "writes", change.run_id])
    return [printable(shlex.join(["keyledger", *command])) for command in commands]
