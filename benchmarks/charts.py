"""Charts of the results, as SVG files that are the same for the same numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.color": "#dddddd",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "keyledger",
}
_BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
_COLOURS = ("#1b6ca8", "#c0504d", "#5b8c3a", "#8064a2", "#d98c1f", "#4bacc6")
_TARGET = "#222222"


@dataclass(frozen=True, slots=True)
class Chart(ABC):
    """A picture beside the page, of panels side by side, each with a title."""

    name: str
    alt: str
    panels: Mapping[str, Any]

    def markdown(self) -> str:
        """The picture, as the page beside it shows it."""
        return f"![{self.alt}](performance-{self.name}.svg)"

    def save(self, folder: Path) -> None:
        """Write the file into a folder."""
        import matplotlib as mpl  # noqa: PLC0415 - only where a page is written
        from matplotlib.figure import Figure  # noqa: PLC0415

        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=(4.2 * len(self.panels), 3.8), layout="constrained")
            all_axes = figure.subplots(1, len(self.panels), squeeze=False)[0]
            for axes, (title, panel) in zip(all_axes, self.panels.items(), strict=True):
                axes.set_title(title)
                self._draw(axes, panel)
            figure.savefig(folder / f"performance-{self.name}.svg", metadata={"Date": None, "Creator": None})

    @abstractmethod
    def _draw(self, axes: Any, panel: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Lines(Chart):
    """Panels of lines by name, each of points by x, which grows by powers."""

    panels: Mapping[str, Mapping[str, Mapping[float, float]]]
    x: str
    y: str

    def _draw(self, axes: Any, panel: Mapping[str, Mapping[float, float]]) -> None:
        for colour, (name, points) in zip(_COLOURS, panel.items(), strict=False):
            axes.plot(list(points), list(points.values()), marker="o", markersize=4, color=colour, label=name)
        axes.set(xlabel=self.x, ylabel=self.y, xscale="log")
        axes.set_xticks(sorted({x for points in panel.values() for x in points}))
        axes.xaxis.set_major_formatter(lambda value, _: _short(value))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.legend(**_BELOW)


@dataclass(frozen=True, slots=True)
class Ratios(Chart):
    """Panels of bars by name, each a ratio and the target to reach, if there is one."""

    panels: Mapping[str, Mapping[str, tuple[float, float | None]]]

    def _draw(self, axes: Any, panel: Mapping[str, tuple[float, float | None]]) -> None:
        names = list(panel)[::-1]
        axes.barh(names, [panel[name][0] for name in names], color=_COLOURS[0], height=0.6, label="measured")
        targets = [(panel[name][1], name) for name in names if panel[name][1] is not None]
        axes.plot(
            [target for target, _ in targets],
            [name for _, name in targets],
            linestyle="",
            marker="|",
            markersize=18,
            markeredgewidth=2,
            color=_TARGET,
            label="target",
        )
        axes.axvline(1, color=_TARGET, linewidth=0.8, linestyle=":")
        axes.set(xlabel="ratio to hand-written SQL", xlim=(0, None))
        axes.grid(visible=False, axis="y")
        axes.legend(**_BELOW, markerscale=0.5)


def _short(number: float) -> str:
    """A round number in few letters: 100k, 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"
