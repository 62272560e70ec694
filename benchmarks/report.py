"""The results, as a table for people at a terminal and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from rich.table import Table

from benchmarks.cases import LARGEST_FALL, OPERATIONS, TARGETS
from benchmarks.rounds import Measurement

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
PASS, MISS, NONE = "pass", "miss", "-"

_HEADINGS = ("Engine", "Operation", "Size", "ours, µs", "by hand, µs", "ratio", "min … max", "target", "")
_TREND_HEADINGS = ("Engine", "Operation", "From", "To", "ratio from", "ratio to", "change", "")
_EXPLANATION = (
    "ratio = time by hand / our time, the median of {rounds} alternating rounds: 1.00 is as fast as hand-written "
    "SQL that does the same rows in one transaction with the same durability. A batch sets {batch} different keys."
)


class Line(NamedTuple):
    """A row of a table, and whether it passes (None: there is no target)."""

    cells: tuple[str, ...]
    passes: bool | None


class Report:
    """What was measured, where and how."""

    def __init__(self, results: Sequence[Measurement], facts: Mapping[str, str]) -> None:
        order = list(OPERATIONS)
        self._results = sorted(
            results, key=lambda each: (each.engine, each.size.unit, order.index(each.operation), each.size.number)
        )
        self._facts = facts
        self._explanation = _EXPLANATION.format(rounds=len(results[0].ours), batch=100)

    def tables(self) -> list[Table]:
        """The two tables for a terminal."""
        return [
            _table("Beside hand-written SQL", self._explanation, _HEADINGS, self._lines()),
            _table("From the smallest size to the largest", None, _TREND_HEADINGS, self._trends()),
        ]

    def markdown(self) -> str:
        """The same as Markdown, with the machine."""
        lines = [f"- {name}: {fact}" for name, fact in self._facts.items()]
        lines += ["", self._explanation, "", *_markdown(_HEADINGS, self._lines())]
        lines += ["", *_markdown(_TREND_HEADINGS, self._trends())]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Put the Markdown between the two markers of a file, or into a new file."""
        block = f"{BEGIN}\n{self.markdown()}\n{END}"
        text = path.read_text() if path.exists() else f"{block}\n"
        before, begun, rest = text.partition(BEGIN)
        _, ended, after = rest.partition(END)
        if not begun or not ended:
            raise ValueError(f"{path} has no {BEGIN} … {END}")
        path.write_text(f"{before}{block}{after}")

    def _lines(self) -> list[Line]:
        return [_line(each) for each in self._results]

    def _trends(self) -> list[Line]:
        groups = groupby(self._results, key=lambda each: (each.engine, each.size.unit, each.operation))
        found = [list(group) for _, group in groups]
        return [_trend(group[0], group[-1]) for group in found if len(group) > 1]


def _line(result: Measurement) -> Line:
    target = TARGETS.get((result.engine, result.operation))
    passes = None if target is None else round(result.ratio, 2) >= target
    cells = (
        result.engine,
        OPERATIONS[result.operation],
        str(result.size),
        _median_of(result.ours),
        _median_of(result.hand_written),
        f"{result.ratio:.2f}",
        f"{min(result.ratios):.2f} … {max(result.ratios):.2f}",
        NONE if target is None else f"≥ {target:.2f}",
        _verdict(passes),
    )
    return Line(cells, passes)


def _trend(first: Measurement, last: Measurement) -> Line:
    change = last.ratio / first.ratio - 1
    passes = change >= -LARGEST_FALL
    cells = (
        first.engine,
        OPERATIONS[first.operation],
        str(first.size),
        str(last.size),
        f"{first.ratio:.2f}",
        f"{last.ratio:.2f}",
        f"{change:+.0%}",
        _verdict(passes),
    )
    return Line(cells, passes)


def _median_of(seconds: Sequence[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] * 1e6:,.1f}"


def _verdict(passes: bool | None) -> str:  # noqa: FBT001 - three states of one thing
    return NONE if passes is None else PASS if passes else MISS


def _alignment(heading: str) -> Literal["left", "right"]:
    return "left" if heading in ("Engine", "Operation", "Size", "From", "To") else "right"


def _table(title: str, caption: str | None, headings: Sequence[str], lines: Sequence[Line]) -> Table:
    table = Table(title=title, caption=caption)
    for heading in headings:
        table.add_column(heading, justify=_alignment(heading), no_wrap=True)
    for line in lines:
        style = "red" if line.passes is False else None
        table.add_row(*line.cells, style=style)
    return table


def _markdown(headings: Sequence[str], lines: Sequence[Line]) -> list[str]:
    rule = ["---:" if _alignment(heading) == "right" else "---" for heading in headings]
    rows = [headings, rule, *(line.cells for line in lines)]
    return [f"| {' | '.join(row)} |" for row in rows]
