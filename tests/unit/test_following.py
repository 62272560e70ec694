"""The pure parts of a follower: how events become batches, batches rows, and rows a hash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from keyledger.domain.audit.follower_ports import Span
from keyledger.domain.audit.ports import Closed, Forgotten, Noted, Opened, RunChange, RunRow
from keyledger.domain.run import Outcome, RunEvent, RunFinished, RunLogged, RunPurged, RunStarted
from keyledger.projections import run_audit, summaries
from keyledger.projections.batching import cut, fitting
from keyledger.projections.comparison import compare, content_hash

AT = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
OK, ERROR = Outcome("ok", "done"), Outcome("error", error="late", runtime_seconds=1.5)


def row(run_id: str = "a") -> RunRow:
    return RunRow(f"run:{run_id}", "s", "ada", "", "", run_id, 0, AT, None, b"{}")


def started(run_id: str, size: int = 2) -> RunStarted:
    fields = {"originator_id": f"run:{run_id}", "originator_version": 1, "recorded_at": AT, "request_id": "q"}
    return RunStarted(**fields, skill_id="s", started_at=AT, inputs=b"x" * size)


def finished(run_id: str, size: int) -> RunFinished:
    fields = {"originator_id": f"run:{run_id}", "originator_version": 2, "recorded_at": AT, "request_id": "q"}
    return RunFinished(**fields, status="ok", output="x" * (size - 1), error="x")


# -------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("spans", "batch", "rest"),
    [
        ([], [], []),
        ([("a", 0, 10)], [("a", 0, 10)], []),
        ([("a", 0, 11)], [("a", 0, 10)], [("a", 10, 11)]),
        ([("a", 5, 95)], [("a", 5, 15)], [("a", 15, 95)]),
        ([("a", 0, 10), ("b", 0, 1)], [("a", 0, 10)], [("b", 0, 1)]),
        ([("a", 0, 4), ("b", 2, 9), ("c", 0, 1)], [("a", 0, 4), ("b", 2, 8)], [("b", 8, 9), ("c", 0, 1)]),
        (
            [("a", 0, 1), ("b", 0, 1), ("c", 0, 1), ("d", 0, 1)],
            [("a", 0, 1), ("b", 0, 1), ("c", 0, 1)],
            [("d", 0, 1)],
        ),
    ],
)
def test_a_batch_has_so_many_events_and_runs(
    spans: list[tuple[str, int, int]], batch: list[tuple[str, int, int]], rest: list[tuple[str, int, int]]
) -> None:
    assert cut([Span(*span) for span in spans], 10, 3) == (batch, rest)


@pytest.mark.parametrize(
    ("sizes", "fit"),
    [((), 0), ((0, 0), 2), ((50, 50), 2), ((50, 51), 1), ((500,), 1), ((500, 1), 1), ((40, 40, 40), 2)],
)
def test_a_batch_is_not_too_long_unless_one_run_is(sizes: tuple[int, ...], fit: int) -> None:
    spans = [Span(f"run:{number}", 0, 2) for number in range(len(sizes))]
    assert fitting(spans, [started(str(number), size) for number, size in enumerate(sizes)], 100) == fit


def test_the_length_of_a_run_is_that_of_all_it_said() -> None:
    spans = [Span("run:a", 0, 2), Span("run:b", 0, 2)]
    events: list[RunEvent] = [started("a", 30), finished("a", 30), started("b", 20)]
    assert fitting(spans, [*events, finished("b", 20)], 100) == 2
    assert fitting(spans, [*events, finished("b", 21)], 100) == 1


# --------------------------------------------------------------------------------------------- rows


def test_of_what_a_run_did_the_last_is_left() -> None:
    again = Closed("run:a", ERROR, AT + timedelta(seconds=1))
    changes: list[RunChange] = [Opened(row()), Closed("run:a", OK, AT), Noted(()), again]
    assert summaries.needed(changes) == []
    assert summaries.fold({}, changes) == {
        "run:a": row()._replace(outcome=ERROR, finished_at=AT + timedelta(seconds=1))
    }


def test_the_end_of_a_run_that_had_begun_earlier_needs_its_row() -> None:
    changes: list[RunChange] = [Closed("run:a", OK, AT), Closed("run:a", ERROR, AT)]
    changes += [Opened(row("b")), Closed("run:b", OK, AT)]
    assert summaries.needed(changes) == ["run:a"]
    assert summaries.fold({"run:a": row()}, changes) == {
        "run:a": row()._replace(outcome=ERROR, finished_at=AT),
        "run:b": row("b")._replace(outcome=OK, finished_at=AT),
    }


def test_a_purged_run_is_removed_whatever_came_before() -> None:
    changes: list[RunChange] = [Opened(row()), Closed("run:a", OK, AT), Forgotten("run:a"), Forgotten("run:b")]
    assert summaries.fold({}, changes) == {"run:a": None, "run:b": None}


def test_the_end_of_a_run_whose_row_is_missing_makes_none() -> None:
    assert summaries.fold({}, [Closed("run:a", OK, AT)]) == {}


def test_what_is_not_read_changes_no_summary_and_all_else_may() -> None:
    """A new event of runs has to be put on one side."""
    of_purges = {"run.RunsPurged"}  # in a stream of its own, which nobody follows
    read = {RunStarted.TOPIC, RunFinished.TOPIC, RunPurged.TOPIC}
    assert {kind.TOPIC for kind in get_args(RunEvent)} == {*summaries.UNREAD, *read, *of_purges}
    fields = {"originator_id": "run:a", "originator_version": 2, "recorded_at": AT, "request_id": "q"}
    logged = RunLogged(**fields, sequence=1, event_type="step", payload=b"{}")
    assert summaries.fold({"run:a": row()}, run_audit.project([logged])) == {}


# ------------------------------------------------------------------------------------------ comparing


def test_equal_rows_have_equal_hashes_however_an_engine_says_the_time() -> None:
    paris = timezone(timedelta(hours=1), "Paris")
    one = row()._replace(finished_at=AT, outcome=OK)
    other = one._replace(started_at=AT.astimezone(paris), finished_at=AT.astimezone(paris))
    found = compare([("run:a", one)], [("run:a", other)])
    assert found.former == found.current == content_hash([("run:a", one)])
    assert (found.rows, found.differing) == (1, ())


FIELDS = {
    "stream": "run:b",
    "skill_id": "t",
    "caller_id": "",
    "channel_id": "c",
    "parent_run_id": "p",
    "root_run_id": "q",
    "depth": 1,
    "started_at": AT + timedelta(microseconds=1),
    "traceparent": "00",
    "inputs": b"{ }",
    "finished_at": AT,
    "outcome": OK,
}


@pytest.mark.parametrize("field", RunRow._fields)
def test_every_column_counts(field: str) -> None:
    other = row()._replace(**{field: FIELDS[field]})  # type: ignore[arg-type]
    found = compare([("run:a", row())], [("run:a", other)])
    assert found.former != found.current
    assert found.differing == ("run:a",)


def test_rows_that_one_side_lacks_differ_and_the_first_ten_are_named() -> None:
    names = [f"{number:02}" for number in range(30)]
    every = [(f"run:{name}", row(name)) for name in names]
    found = compare([each for each in every if int(each[0][-2:]) % 2], [*every[:10], *every[11:]])
    assert found.rows == 29
    assert found.former != found.current
    expected = [name for name in names if not int(name) % 2 and name != "10"]
    assert found.differing == tuple(f"run:{name}" for name in expected[:10])


def test_a_row_that_cannot_be_read_differs_from_one_that_can() -> None:
    assert compare([("run:a", None)], [("run:a", row())]).differing == ("run:a",)
