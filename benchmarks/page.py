"""The performance page: each section's results stand between markers of its own, and are replaced alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Result
from benchmarks.charts import Chart


class Page:
    """A Markdown file with the markers of some sections."""

    def __init__(self, path: Path, sections: Sequence[str]) -> None:
        self._path = path
        text = path.read_text()
        for name in sections:
            _split(text, name, path)

    def write(self, section: str, facts: str, results: Sequence[Result]) -> None:
        """Replace what stands between a section's markers, and the charts beside the page."""
        parts = [facts]
        for result in results:
            if isinstance(result, Chart):
                result.save(self._path.parent)
            parts.append(result.markdown())
        before, after = _split(self._path.read_text(), section, self._path)
        self._path.write_text("\n\n".join([before, *parts, after]))


def _split(text: str, name: str, path: Path) -> tuple[str, str]:
    """The text up to a section's begin marker, and from its end marker on."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before, begun, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise SystemExit(f"{path} has no {begin} … {end}")
    return before + begin, end + after
