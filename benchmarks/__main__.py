"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine
from benchmarks.cases import OPERATIONS, QUICK_SIZES, SIZES, Size
from benchmarks.engines import Engine, SQLite, postgres
from benchmarks.report import BEGIN, END, Report
from benchmarks.rounds import Effort, Measurement, measure

FULL = Effort(rounds=25, seconds=0.12)
QUICK = Effort(rounds=3, seconds=0.02)


def main(arguments: list[str]) -> int:
    """Measure, print, and write where asked."""
    options = _options(arguments)
    facts = {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Command": f"`{_command(options)}`",
        **machine.facts(),
    }
    with _engines(options.engine) as engines:
        facts["Engines"] = ", ".join(engine.version for engine in engines)
        results = list(_measured(engines, options))
    report = Report(results, facts)
    console = Console(width=max(Console().width, 110))
    for name, fact in facts.items():
        console.print(f"{name}: {fact}", highlight=False)
    for table in report.tables():
        console.print(table)
    if options.write:
        report.write(options.write)
    return 0


def _options(arguments: list[str]) -> Namespace:
    parser = ArgumentParser("python -m benchmarks", description="keyledger beside hand-written SQL, as ratios")
    parser.add_argument("--engine", choices=("sqlite", "postgres", "both"), default="both")
    names = ",".join(OPERATIONS)
    parser.add_argument("--only", metavar="OP,…", type=_operations, default=names, help=f"default: {names}")
    parser.add_argument("--quick", action="store_true", help="small sizes and short rounds: a smoke test")
    help_ = f"put the tables, as Markdown, between {BEGIN} and {END} of FILE"
    parser.add_argument("--write", metavar="FILE", type=Path, help=help_)
    return parser.parse_args(arguments)


def _command(options: Namespace) -> str:
    """What was asked for, less where to write it."""
    words = ["python -m benchmarks"]
    if options.engine != "both":
        words.append(f"--engine {options.engine}")
    if options.only != tuple(OPERATIONS):
        words.append(f"--only {','.join(options.only)}")
    return " ".join([*words, "--quick"] if options.quick else words)


def _operations(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := set(names) - set(OPERATIONS):
        raise ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return tuple(name for name in OPERATIONS if name in names)


@contextmanager
def _engines(which: str) -> Iterator[list[Engine]]:
    if which == "sqlite":
        yield [SQLite()]
    else:
        with postgres() as server:
            yield [server] if which == "postgres" else [SQLite(), server]


def _measured(engines: list[Engine], options: Namespace) -> Iterator[Measurement]:
    sizes, effort = (QUICK_SIZES, QUICK) if options.quick else (SIZES, FULL)
    cases = [
        (engine, size, operations)
        for engine in engines
        for size in sizes
        if (operations := [name for name in size.operations if name in options.only])
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(1 + len(operations) for _, _, operations in cases))
        for engine, size, operations in cases:
            upcoming = iter(operations)
            progress.update(task, description=_description(engine, size, "loading"))
            for result in measure(engine, size, operations, effort):
                if result is not None:
                    yield result
                progress.update(
                    task, advance=1, description=_description(engine, size, next(upcoming, "checking"))
                )


def _description(engine: Engine, size: Size, doing: str) -> str:
    return f"{engine.name}, {size}: {OPERATIONS.get(doing, doing)}"


sys.exit(main(sys.argv[1:]))
