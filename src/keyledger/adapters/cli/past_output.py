"""How the past looks to people: differences, who set what, what bisect found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from keyledger.adapters.cli.key_output import BY, KEY, REVISION, RUN, VALUE, WHAT, WHEN, who
from keyledger.adapters.cli.output import (
    count,
    held,
    json_text,
    line,
    moment,
    operation,
    out,
    print_line,
    printable,
)
from keyledger.adapters.cli.tables import Column, print_rows
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, KeyChange, Version
from keyledger.domain.scope import SKILL
from keyledger.domain.values import JSONValue

_OLD, _NEW = "red", "green"
_KINDS = {"added": _NEW, "removed": _OLD, "changed": "yellow"}


# ----------------------------------------------------------------------------------------------- diff


def print_changes(old: View, new: View, changes: Sequence[KeyChange]) -> None:
    """What differs between two moments, key by key: the old value in red, the new one in green."""
    said = f"{count(len(changes), 'key')} differ" if len(changes) != 1 else "1 key differs"
    line(
        out(),
        (printable(str(old)), "bold cyan"),
        (" → ", "dim"),
        (printable(str(new)), "bold cyan"),
        (f"  {said}" if changes else "  nothing differs", "dim"),
    )
    for change in changes:
        _print_change(change)


def _print_change(change: KeyChange) -> None:
    named = change.key if change.scope == SKILL else f"{change.scope} {change.key}"
    line(
        out(),
        (f"{change.kind:<7} ", _KINDS[change.kind]),
        (printable(named), "cyan"),
        (_by(change.by), "dim"),
    )
    inside = _inside(change)
    for entry, sign, style in ((change.before, "-", _OLD), (change.after, "+", _NEW)):
        if entry is not None:
            until = "" if change.patch or change.kind != "changed" else _until(entry)
            print_line(Text(f"  {sign} {json_text(entry.value)}{until}", style), short=bool(inside))
    for operation_told in inside:
        line(out(), (f"    {operation_told}", "dim"))


def _by(last: Version | None) -> str:
    """The last of the changes that led there: there may have been others before it."""
    if last is None:
        return ""
    by, run = who(last)
    return f"  last: rev {last.revision}" + (f", by {by}" if by else "") + (f", in run {run}" if run else "")


def _inside(change: KeyChange) -> list[str]:
    """What changed inside a value, a line for each operation of the patch."""
    return [told(each) for each in change.patch if each["path"] != "" or each["op"] != "replace"]


def told(step: dict[str, JSONValue]) -> str:
    """An operation of JSON Patch: ``replace /high 17``, ``move /a to /b``."""
    path = printable(str(step["path"]))
    if "from" in step:
        return f"{step['op']} {printable(str(step['from']))} to {path}"
    return f"{step['op']} {path} {json_text(step['value'])}" if "value" in step else f"{step['op']} {path}"


def _until(entry: Entry) -> str:
    return "  for good" if entry.expires_at is None else f"  until {moment(entry.expires_at)} UTC"


# ---------------------------------------------------------------------------------------------- blame


def print_blame(versions: Iterable[Version]) -> None:
    """For each key the version that it stands at; times in UTC."""
    print_rows(
        (KEY, VALUE, REVISION, WHEN, WHAT, BY, RUN, Column("tool", optional=True)),
        [
            (
                Text(printable(version.key), "cyan"),
                held(version),
                str(version.revision),
                moment(version.recorded_at),
                operation(version),
                *who(version),
                printable(version.tool or ""),
            )
            for version in versions
        ],
    )
