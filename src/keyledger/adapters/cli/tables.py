"""Tables whose ids, keys and tokens are never broken, however narrow the terminal is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keyledger.adapters.cli.output import out, table

UNBOUNDED = 10_000
"""Wide enough for everything that is not a value."""

_SHORTEST = 16


class Column(NamedTuple):
    """A column: a ``value`` is shortened where room is wanting, everything else stays whole."""

    header: str
    label: str | None = None
    """What stands before the cell where there is no room for a header; the header unless given."""
    number: bool = False
    value: bool = False
    optional: bool = False
    """Left out where no row has anything to say."""


def print_rows(columns: Sequence[Column], rows: Iterable[Sequence[Text | str]]) -> None:
    """Print a table; where not even its ids fit into the terminal, a paragraph for each row.

    Where no person looks on, lines are as long as their ids make them.
    """
    texts = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    kept = [index for index, each in enumerate(columns) if not each.optional or any(row[index] for row in texts)]
    columns, texts = [columns[index] for index in kept], [[row[index] for index in kept] for row in texts]
    console = out()
    needed = _width(columns, texts, console)
    if console.is_terminal and needed > console.width:
        for row in texts:
            _print_paragraph(columns, row, console)
        return
    console.width = max(console.width, needed)
    console.print(_table(columns, texts))


def _table(columns: Sequence[Column], rows: Iterable[Sequence[Text]]) -> Table:
    made = table(*((each.header, _options(each)) for each in columns))
    for row in rows:
        made.add_row(*row)
    return made


def _options(column: Column) -> dict[str, Any]:
    return {"justify": "right" if column.number else "left", "no_wrap": not column.value}


def _width(columns: Sequence[Column], rows: Sequence[Sequence[Text]], console: Console) -> int:
    """What a table needs whose values are as short as they may be."""
    short = [
        [cell[:_SHORTEST] if column.value else cell for column, cell in zip(columns, row, strict=True)]
        for row in rows
    ]
    unbounded = console.options.update(max_width=UNBOUNDED)
    return console.measure(_table(columns, short), options=unbounded).maximum


def _print_paragraph(columns: Sequence[Column], row: Sequence[Text], console: Console) -> None:
    head = Text("  ").join(
        _labelled(each, cell) for each, cell in zip(columns, row, strict=True) if cell and not each.value
    )
    console.print(head, soft_wrap=True)
    for each, cell in zip(columns, row, strict=True):
        if cell and each.value:
            console.print(Text.assemble("  ", cell), no_wrap=True, overflow="ellipsis")


def _labelled(column: Column, cell: Text) -> Text:
    label = column.header if column.label is None else column.label
    return Text.assemble((f"{label} ", "dim"), cell) if label else cell
