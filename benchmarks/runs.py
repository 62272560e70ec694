"""The audit of runs beside hand-written SQL: a log line at every length of the log, a page of a million runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count, islice
from time import perf_counter

import keyledger
from benchmarks.bench import Bench, Result
from benchmarks.engines import NAMES, SQLITE, Engine, Place
from benchmarks.handwritten_runs import PAGE, SKILLS, STREAM, HandWrittenRuns, OnPostgres, OnSQLite
from benchmarks.rounds import Comparison, Effort, compare
from benchmarks.tables import Line, Table, microseconds, spread
from keyledger.domain.values import JSONValue

LENGTHS, QUICK_LENGTHS = (1, 1_000, 1_000_000), (1, 200)
RUNS, QUICK_RUNS = 1_000_000, 300
LARGEST_FALL = 0.1
_FIRST_CALLS = 10
RUN_ID = STREAM.removeprefix("run:")
PAYLOAD: dict[str, JSONValue] = {"text": "looked the weather up", "n": 17}

_LOG_NOTE = (
    "`runs.append_log` to a run whose log is so long already, and by hand the update of its head and the insert "
    "of the event. The last column is the change of the ratio from the shortest log."
)
_PAGE_NOTE = f"The newest {PAGE} runs of one of {SKILLS} skills, without dry runs: `runs.by_skill`."


def run(bench: Bench) -> Sequence[Result]:
    """Two tables."""
    headings = ("Engine", "Log", "ours, µs", "by hand, µs", "ratio", "min … max", "change")
    logs = [line for engine in bench.engines for line in _logs(bench, engine)]
    pages = [_page(bench, engine) for engine in bench.engines]
    return (
        Table("A log line", headings, logs, _LOG_NOTE, left=2),
        Table("A page of runs", ("Engine", "Runs", *headings[2:-1]), pages, _PAGE_NOTE, left=2),
    )


def _by_hand(engine: Engine, place: Place) -> HandWrittenRuns:
    return OnSQLite(place.url) if engine.name == SQLITE else OnPostgres(place.url)


def _logs(bench: Bench, engine: Engine) -> list[Line]:
    lines: list[Line] = []
    first = None
    for length in QUICK_LENGTHS if bench.effort.quick else LENGTHS:
        bench.tell(f"{engine.name}: a log of {length:,} lines")
        compared = _log(bench.effort, engine, length)
        first = first or compared.ratio
        change = compared.ratio / first - 1
        cells = (NAMES[engine.name], f"{length:,} line{'s' * (length > 1)}", *_cells(compared), f"{change:+.0%}")
        lines.append(Line(cells, change >= -LARGEST_FALL))
    return lines


def _log(effort: Effort, engine: Engine, length: int) -> Comparison:
    with engine.place() as place, engine.place() as other:
        for each in (place, other):
            with keyledger.open(each.url) as ledger:
                ledger.runs.start(keyledger.RunInfo(RUN_ID, "bench"))
        with closing(_by_hand(engine, place)) as loader, closing(_by_hand(engine, other)) as by_hand:
            for each in (loader, by_hand):
                each.load(length)
            with keyledger.open(place.url) as ledger:
                log = keyledger.RunLog(RUN_ID, "step", PAYLOAD)
                compared = _compared(
                    effort, lambda _: ledger.runs.append_log(log), lambda _: by_hand.append(PAYLOAD)
                )
        for each in (place, other):
            _check(each, length)
        return compared


def _check(place: Place, length: int) -> None:
    """Raise AssertionError unless the log is whole, and head and events agree."""
    with keyledger.open(place.url) as ledger:
        sequences = [line.sequence for line in ledger.runs.logs(RUN_ID)]
        assert len(sequences) > length
        assert sequences == list(range(1, len(sequences) + 1))
        differences = ledger.rebuild().differences
    assert not differences, "\n".join(differences)


def _page(bench: Bench, engine: Engine) -> Line:
    runs = QUICK_RUNS if bench.effort.quick else RUNS
    bench.tell(f"{engine.name}: a page of {runs:,} runs")
    with engine.place() as place:
        keyledger.open(place.url).close()
        with closing(_by_hand(engine, place)) as by_hand, keyledger.open(place.url) as ledger:
            by_hand.load_runs(runs)
            place.settle()
            compared = _compared(
                bench.effort,
                lambda number: ledger.runs.by_skill(f"skill-{number % SKILLS}", PAGE),
                lambda number: by_hand.page(f"skill-{number % SKILLS}"),
            )
    return Line((NAMES[engine.name], f"{runs:,}", *_cells(compared)))


def _compared(effort: Effort, ours: Callable[[int], object], theirs: Callable[[int], object]) -> Comparison:
    numbers = count()

    def seconds(call: Callable[[int], object], calls: int) -> float:
        start = perf_counter()
        for number in islice(numbers, calls):
            call(number)
        return (perf_counter() - start) / calls

    took, _ = [seconds(call, _FIRST_CALLS) for call in (ours, theirs)]
    calls = max(_FIRST_CALLS, round(effort.seconds / took))
    return compare(effort.rounds, lambda: seconds(ours, calls), lambda: seconds(theirs, calls))


def _cells(compared: Comparison) -> tuple[str, ...]:
    numbers = microseconds(compared.ours), microseconds(compared.theirs)
    return *numbers, f"{compared.ratio:.2f}", spread(compared.ratios)
