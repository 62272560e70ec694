"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.bench import Bench, Result
from benchmarks.charts import Chart
from benchmarks.engines import Engine, SQLite, postgres
from benchmarks.page import Page
from benchmarks.rounds import FULL, QUICK
from benchmarks.sections import SECTIONS


def main(arguments: list[str]) -> int:
    """Measure section by section, print each as it is done, and write it where asked; 1 if one failed."""
    options = _options(arguments)
    page = Page(options.write, options.only) if options.write else None
    console, errors = Console(width=max(Console().width, 120)), Console(stderr=True)
    effort, failed = QUICK if options.quick else FULL, False
    with (
        _engines(options.engine) as engines,
        errors.status("") as status,
        closing(Bench(engines, effort, status.update)) as bench,
    ):
        facts = "; ".join([machine.facts(), *(engine.facts for engine in engines)])
        for name in options.only:
            began = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            try:
                results = SECTIONS[name](bench)
            except Exception:  # noqa: BLE001 - the other sections are measured all the same
                errors.print_exception()
                failed = True
                continue
            _show(console, results)
            if page is not None:
                page.write(name, f"_{began}, `{_command(options, name)}`; {facts}._", results)
    return int(failed)


def _options(arguments: list[str]) -> Namespace:
    parser = ArgumentParser("python -m benchmarks", description="keyledger beside hand-written SQL and its rivals")
    parser.add_argument("--engine", choices=("sqlite", "postgres", "both"), default="both")
    names = ",".join(SECTIONS)
    parser.add_argument("--only", metavar="NAME,…", type=_sections, default=names, help=f"default: {names}")
    parser.add_argument("--quick", action="store_true", help="small sizes and short rounds: a smoke test")
    help_ = "put each section, as soon as it is measured, between its markers in FILE, and its charts beside FILE"
    parser.add_argument("--write", metavar="FILE", type=Path, help=help_)
    return parser.parse_args(arguments)


def _sections(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := set(names) - set(SECTIONS):
        raise ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return tuple(name for name in SECTIONS if name in names)


def _command(options: Namespace, section: str) -> str:
    """What measures a section alone as it was measured."""
    engine = "" if options.engine == "both" else f" --engine {options.engine}"
    return f"python -m benchmarks --only {section}{engine}{' --quick' if options.quick else ''}"


@contextmanager
def _engines(which: str) -> Iterator[list[Engine]]:
    if which == "sqlite":
        yield [SQLite()]
    else:
        with postgres() as server:
            yield [server] if which == "postgres" else [SQLite(), server]


def _show(console: Console, results: Sequence[Result]) -> None:
    for result in results:
        if not isinstance(result, Chart):
            console.print(result.rich())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
