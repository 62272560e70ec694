"""What commands print: JSON for programs, tables and colour for people.

Whatever came from outside is shown with its control characters escaped, so that no key, value or message
can play tricks on a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.records import Entry, Page, PartitionInfo, Usage, Version
from keyledger.domain.values import JSONValue

T = TypeVar("T")


def out() -> Console:
    """Standard output."""
    return Console(highlight=False, markup=False, emoji=False)


def err() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


# ------------------------------------------------------------------------------------------ programs


def to_json(document: Any) -> bytes:
    """Compact JSON text; values come out as they are stored, times as ISO 8601 in UTC."""
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def print_json(document: Any) -> None:
    """Print a document on a line of its own, at once."""
    typer.echo(to_json(document))


def print_all(
    name: str,
    items: Iterable[T],
    show: Callable[[Page[T]], None],
    *,
    as_json: bool,
    head: Mapping[str, Any] | None = None,
) -> bool:
    """Print items bit by bit: one document ``{name: [items], "next": null}``, or as ``show`` does; false for none.

    ``head`` is what the document begins with.
    """
    if as_json:
        _print_items(name, items, head or {})
        return True
    printed = False
    for some in _some(items):
        show(Page(tuple(some)))
        printed = True
    return printed


def _print_items(name: str, items: Iterable[Any], head: Mapping[str, Any]) -> None:
    before = to_json({**head, name: []})[:-2]
    for some in _some(items):
        typer.echo(before + b",".join(map(to_json, some)), nl=False)
        before = b","
    typer.echo(before.removeprefix(b",") + b'],"next":null}')


def _some(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, DEFAULT_PAGE)):
        yield some


def print_error(code: str, message: str, *, as_json: bool, **fields: JSONValue) -> None:
    """Print an error on stderr: a line for people, or ``{"ok": false, "error": code, "message": …}``."""
    if as_json:
        typer.echo(to_json({"ok": False, "error": code, "message": printable(message)} | fields), err=True)
    else:
        label = "".join(f"{name} {value}: " for name, value in fields.items()) or "error: "
        line(err(), (label, "bold red"), (printable(message), ""))


# -------------------------------------------------------------------------------------------- people


def printable(text: str) -> str:
    """``text`` with every character that a terminal would not simply show as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shown(value: JSONValue) -> Text:
    """A value's JSON text for a table's cell: on one line, shortened to the width that is there."""
    return Text(json_text(value), no_wrap=True, overflow="ellipsis")


def json_text(value: JSONValue) -> str:
    """A value's JSON text, whole."""
    return printable(orjson.dumps(value).decode())


def line(console: Console, *parts: tuple[str, str]) -> None:
    """Print pieces of text with their styles on one line, however wide the terminal is."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def print_line(text: Text, *, short: bool) -> None:
    """Print a line whole, or if it may be ``short`` and a terminal is too narrow, its beginning."""
    console = out()
    if short and console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        console.print(text, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """Print a sentence on stdout."""
    line(out(), (text, style))


def remark(text: str) -> None:
    """Print a sentence beside the result: on stderr, and only where a person looks on."""
    if sys.stdout.isatty():
        line(err(), (text, "dim"))


def note(text: str, *, as_json: bool) -> None:
    """Print on stderr what a person should know who meant something else; programs see it in the document."""
    if not as_json:
        line(err(), (printable(text), "dim"))


def table(*columns: str | tuple[str, dict[str, Any]]) -> Table:
    """An empty table; a column is its header, or that with rich's options for it."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        header, options = (column, {}) if isinstance(column, str) else column
        made.add_column(header, **{"overflow": "fold"} | options)
    return made


NUMBER: dict[str, Any] = {"justify": "right", "no_wrap": True}
ONE_LINE: dict[str, Any] = {"no_wrap": True}


def count(number: int, thing: str) -> str:
    """``1 key``, ``1,200 keys``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def moment(time: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def ttl(entry: Entry) -> str:
    """What is left of an entry's life; empty for one that stays."""
    return "" if entry.ttl_seconds is None else f"{entry.ttl_seconds:,} s"


def described(entry: Entry) -> str:
    """An entry less its value, in one line."""
    by = f", by {printable(entry.changed_by)}" if entry.changed_by else ""
    run = f", in run {printable(entry.run_id)}" if entry.run_id else ""
    left = f", {ttl(entry)} left" if entry.expires_at else ""
    return f"revision {entry.revision}, {count(entry.size, 'byte')}{by}{run}{left}"


def operation(version: Version) -> Text:
    """What happened, in its colour."""
    style = "yellow" if version.operation == "expire" else "red" if ended(version) else "green"
    origin = version.restored_from if version.copied_from is None else version.copied_from
    return Text(version.operation if origin is None else f"{version.operation} from {origin}", style)


def ended(version: Version) -> bool:
    """Whether a version is the end of its key: a JSON value has one byte at least."""
    return version.size == 0


def held(version: Version) -> Text:
    """What the key held afterwards; empty where it ended."""
    return Text("") if ended(version) else shown(version.value)


def usage_bar(usage: Usage, width: int = 20) -> RenderableType:
    """How full a partition is, as a bar; empty where there is no quota."""
    if usage.max_bytes is None:
        return ""
    style = "red" if usage.used_bytes >= 0.9 * usage.max_bytes else "green"
    return ProgressBar(
        max(usage.max_bytes, 1),
        min(usage.used_bytes, max(usage.max_bytes, 1)),
        width,
        complete_style=style,
        finished_style=style,
    )


def partitions_table(partitions: Page[PartitionInfo]) -> Table:
    """Partitions with their usage against their quota."""
    made = table(
        "partition",
        ("events", NUMBER),
        ("keys", NUMBER),
        ("bytes", NUMBER),
        ("of quota", NUMBER),
        ("", ONE_LINE),
    )
    for partition in partitions:
        usage = partition.usage
        made.add_row(
            Text(printable(partition.id), "cyan"),
            f"{partition.revision:,}",
            f"{usage.live_keys:,}",
            f"{usage.used_bytes:,}",
            "none" if usage.max_bytes is None else f"{usage.max_bytes:,}",
            usage_bar(usage),
        )
    return made


def progress(what: str, *, hidden: bool = False) -> Progress:
    """A progress bar on stderr, shown where that is a terminal and gone when done; or ``hidden``."""
    console = err()
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console, disable=hidden or not console.is_terminal, transient=True)
