"""Results as tables, for people at a terminal and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from rich.table import Table as RichTable

PASS, MISS, NONE = "pass", "miss", "-"


class Line(NamedTuple):
    """A row of a table, and whether it passes (None: there is no target)."""

    cells: tuple[str, ...]
    passes: bool | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Lines under headings, of which the first ``left`` stand on the left, and what to know when reading them."""

    title: str
    headings: Sequence[str]
    lines: Sequence[Line]
    note: str = ""
    left: int = 1

    def rich(self) -> RichTable:
        """For a terminal."""
        table = RichTable(title=self.title, caption=self.note or None)
        for number, heading in enumerate(self._headings):
            table.add_column(heading, justify="left" if number < self.left else "right")
        for line in self.lines:
            table.add_row(*self._cells(line), style="red" if line.passes is False else None)
        return table

    def markdown(self) -> str:
        """For the documentation, under its title."""
        rule = ["---" if number < self.left else "---:" for number in range(len(self._headings))]
        rows = [self._headings, rule, *map(self._cells, self.lines)]
        lines = [f"**{self.title}.** {self.note}".rstrip(), "", *(f"| {' | '.join(row)} |" for row in rows)]
        return "\n".join(lines)

    @property
    def _judged(self) -> bool:
        return any(line.passes is not None for line in self.lines)

    @property
    def _headings(self) -> list[str]:
        return [*self.headings, *([""] if self._judged else [])]

    def _cells(self, line: Line) -> list[str]:
        verdict = NONE if line.passes is None else PASS if line.passes else MISS
        return [*line.cells, *([verdict] if self._judged else [])]


def reaches(ratio: float, target: float | None) -> bool | None:
    """Whether a ratio, as it is shown, is at least the target, if there is one."""
    return None if target is None else round(ratio, 2) >= target


def at_least(target: float | None) -> str:
    """How a table shows a least ratio."""
    return NONE if target is None else f"≥ {target:.2f}"


def spread(ratios: Sequence[float]) -> str:
    """The least and the greatest of some ratios."""
    return f"{min(ratios):.2f} … {max(ratios):.2f}"


def microseconds(seconds: Sequence[float]) -> str:
    """The median of some times, in microseconds."""
    return f"{median(seconds) * 1e6:,.1f}"
