"""What the audit of runs refuses: each argument, outside what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings

from keyledger.adapters.conformance import strategies
from keyledger.adapters.conformance.clock import START
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, moment
from keyledger.domain.audit.arguments import MAX_PAYLOAD_BYTES
from keyledger.domain.audit.records import RunFilter, RunInfo, RunLog, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, ValueSerializationError
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import MAX_SEQUENCE

Call: TypeAlias = Callable[[Runs, Any], object]
Case: TypeAlias = tuple[str, Call, Any]
"""A field, a call, and what it must not be called with."""


class _NoOffset(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


NO_ID = ["", "x" * 257, "é" * 129, "a\0b", "\ud800", None, 7, b"r-1", ["r-1"], "__root_run__", "__root_run__:r-1"]
NO_RUN = [*NO_ID, "__purges__"]
NO_TEXT = ["x" * 257, "é" * 129, "a\0b", "\ud800", None, 7, b"ada", True]
NO_OFFSET = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
NO_TIME = [None, "2026-01-01T00:00:00Z", 0, 1.5, True, START.date(), NO_OFFSET, START.replace(tzinfo=_NoOffset())]
BEYOND_TIME = [
    datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
]
NO_COUNT = [-1, 2**63, 1.0, True, "1", None]
NO_NUMBER = [2**63, -(2**63) - 1, 1.0, True, "1", None]
TOO_LONG = "é" * (MAX_PAYLOAD_BYTES // 2) + "x"
NO_OBJECT = [None, [], "x", 1, (), [("a", 1)], RunStats("ok")]
NO_JSON = [{"a": float("nan")}, {1: 1}, {"a": (1,)}, {"\ud800": 1}, {"a": {"b": 2**63}}, {"a": {1, 2}}]
NO_CURSOR = ["x", "[]", "{}", '["a"]', '["a",1,"b"]', '["a","1","b","c"]', '[1,1,"a","b"]', "null", b"[]", 5, None]
NO_TEXT_IN_CURSOR = [
    "\ud800",
    '["\\u0000",1,"",""]',
    '["p",1,"\\u0000",""]',
    '["p",1,"",true]',
    f'["p",{2**63},"",""]',
]


def _info(**fields: Any) -> RunInfo:
    return RunInfo(**{"id": "new", "skill_id": "weather"} | fields)


def _stats(**fields: Any) -> RunStats:
    return RunStats(**{"status": "ok"} | fields)


def _field(name: str, values: list[Any], call: Call) -> list[Case]:
    return [(name, call, value) for value in values]


def _fields(
    names: tuple[str, ...], values: list[Any], call: Callable[[Runs, dict[str, Any]], object]
) -> list[Case]:
    def named(name: str) -> Call:
        return lambda runs, value: call(runs, {name: value})

    return [case for name in names for case in _field(name, values, named(name))]


STARTS = [
    *_field("run", [None, "r-1", {"id": "r-1"}, RunStats("ok")], lambda runs, bad: runs.start(bad)),
    *_field("id", NO_RUN, lambda runs, bad: runs.start(_info(id=bad))),
    *_field("skill_id", NO_ID, lambda runs, bad: runs.start(_info(skill_id=bad))),
    *_fields(("caller_id", "channel_id"), NO_TEXT, lambda runs, bad: runs.start(_info(**bad))),
    *_fields(("parent_run_id", "root_run_id"), NO_RUN[1:], lambda runs, bad: runs.start(_info(**bad))),
    *_field("parent_run_id", ["new"], lambda runs, bad: runs.start(_info(parent_run_id=bad))),
    *_field("started_at", NO_TIME[1:] + BEYOND_TIME, lambda runs, bad: runs.start(_info(started_at=bad))),
    *_field(
        "started_at",
        [START + timedelta(seconds=5, microseconds=1), datetime.max.replace(tzinfo=START.tzinfo)],
        lambda runs, bad: runs.start(_info(started_at=bad)),
    ),
    *_field("inputs", [*NO_OBJECT, {"a": TOO_LONG}], lambda runs, bad: runs.start(_info(inputs=bad))),
]
LOGS = [
    *_field("log", [None, "r-1", RunStats("ok")], lambda runs, bad: runs.append_log(bad)),
    *_field("run_id", NO_RUN, lambda runs, bad: runs.append_log(RunLog(bad, "step"))),
    *_field("event_type", ["", "Step", None, 1, ["step"]], lambda runs, bad: runs.append_log(RunLog("r-1", bad))),
    *_field(
        "sequence",
        [MAX_SEQUENCE + 1, *NO_COUNT[:-1]],
        lambda runs, bad: runs.append_log(RunLog("r-1", "step", {}, bad)),
    ),
    *_field(
        "payload", [*NO_OBJECT, {"a": TOO_LONG}], lambda runs, bad: runs.append_log(RunLog("r-1", "step", bad))
    ),
]
FINISHES = [
    *_field("run_id", NO_RUN, lambda runs, bad: runs.finish(bad, RunStats("ok"))),
    *_field("stats", [None, "ok", {"status": "ok"}, _info()], lambda runs, bad: runs.finish("r-1", bad)),
    *_field("status", ["running", "", "OK", None, 1, ["ok"]], lambda runs, bad: runs.finish("r-1", RunStats(bad))),
    *_fields(
        ("output", "error"),
        [None, 1, b"x", "\ud800", {"a": 1}, TOO_LONG],
        lambda runs, bad: runs.finish("r-1", _stats(**bad)),
    ),
    *_fields(
        ("tool_calls", "input_tokens", "output_tokens", "thinking_tokens"),
        NO_COUNT,
        lambda runs, bad: runs.finish("r-1", _stats(**bad)),
    ),
    *_field(
        "runtime_seconds",
        [-1, -0.1, float("nan"), float("inf"), 10**400, True, "1", None],
        lambda runs, bad: runs.finish("r-1", _stats(runtime_seconds=bad)),
    ),
]
READS = [
    *_field("run_id", NO_RUN, lambda runs, bad: runs.get(bad)),
    *_field("run_id", NO_RUN, lambda runs, bad: runs.logs(bad)),
    *_field("run_id", NO_RUN, lambda runs, bad: runs.parent_chain(bad)),
    *_field("run_id", NO_RUN, lambda runs, bad: runs.tree(bad)),
    *_field("parent_run_id", NO_RUN[1:], lambda runs, bad: runs.children(bad)),
    *_field("skill_id", NO_ID, lambda runs, bad: runs.by_skill(bad)),
    *_field("skill_id", NO_ID, lambda runs, bad: runs.count_by_skill(bad)),
    *_field("caller_id", ["", *NO_TEXT], lambda runs, bad: runs.by_caller(bad)),
    *_field("limit", NO_NUMBER, lambda runs, bad: runs.by_skill("weather", bad)),
    *_field("limit", NO_NUMBER, lambda runs, bad: runs.by_caller("ada", bad)),
    *_field("limit", NO_NUMBER, lambda runs, bad: runs.filtered(None, 0, bad)),
    *_field("limit", NO_NUMBER, lambda runs, bad: runs.finished_before(START, bad)),
    *_field("offset", NO_COUNT, lambda runs, bad: runs.by_skill("weather", offset=bad)),
    *_field("offset", NO_COUNT, lambda runs, bad: runs.filtered(None, bad)),
    *_field("cutoff", NO_TIME + BEYOND_TIME, lambda runs, bad: runs.finished_before(bad, 1)),
    *_field("skill_ids", [None, 5, "weather"], lambda runs, bad: runs.last_by_skills(bad)),
    *_field("skill_ids", [[each] for each in NO_ID], lambda runs, bad: runs.last_by_skills(bad)),
]
FILTERS = [
    *_field("wanted", ["ok", {"status": "ok"}, 0], lambda runs, bad: runs.filtered(bad)),
    *_field("wanted", ["ok", {"status": "ok"}, 0], lambda runs, bad: runs.count_filtered(bad)),
    *_fields(("status",), ["OK", "done", None, 0, False, []], lambda runs, bad: runs.filtered(RunFilter(**bad))),
    *_fields(
        ("skill_id", "caller_id", "channel_id"), NO_TEXT, lambda runs, bad: runs.count_filtered(RunFilter(**bad))
    ),
    *_fields(
        ("top_level_only", "include_dry_run"),
        [None, 1, "no"],
        lambda runs, bad: runs.filtered(RunFilter(**bad)),
    ),
    *_fields(("since", "until"), NO_TIME[1:] + BEYOND_TIME, lambda runs, bad: runs.filtered(RunFilter(**bad))),
]
PURGES = [
    *_field("cutoff", NO_TIME + BEYOND_TIME, lambda runs, bad: runs.purge_older_than(bad)),
    *_field(
        "actor", ["", "x" * 257, "system:x", 7], lambda runs, bad: runs.purge_older_than(moment(0), actor=bad)
    ),
    *_field("limit", [0, 1_001, *NO_NUMBER], lambda runs, bad: runs.purges(limit=bad)),
    *_field("before", NO_COUNT[:-1], lambda runs, bad: runs.purges(before=bad)),
]
LINEAGE = [
    *_field("run_id", NO_RUN, lambda runs, bad: runs.writes(bad)),
    *_field("run_id", NO_RUN, lambda runs, bad: runs.reads(bad)),
    *_field("limit", [0, 1_001, *NO_NUMBER], lambda runs, bad: runs.writes("r-1", limit=bad)),
    *_field("limit", [0, 1_001, *NO_NUMBER], lambda runs, bad: runs.reads("r-1", limit=bad)),
    *_field("after", [*NO_CURSOR, *NO_TEXT_IN_CURSOR], lambda runs, bad: runs.writes("r-1", after=bad)),
    *_field("after", [*NO_CURSOR, *NO_TEXT_IN_CURSOR], lambda runs, bad: runs.reads("r-1", after=bad)),
    *_field("run_ids", [None, 5, "r-1"], lambda runs, bad: runs.count_writes(bad)),
    *_field("run_ids", [[each] for each in NO_ID], lambda runs, bad: runs.count_writes(bad)),
]


EVERYTHING: list[Callable[[Runs], object]] = [
    lambda runs: runs.start(_info()),
    lambda runs: runs.finish("r-1", RunStats("ok")),
    lambda runs: runs.append_log(RunLog("r-1", "step")),
    lambda runs: runs.purge_older_than(START),
    lambda runs: runs.purge_batch(START, 10),
    lambda runs: runs.get("r-1"),
    lambda runs: runs.logs("r-1"),
    lambda runs: runs.by_skill("weather"),
    lambda runs: runs.count_by_skill("weather"),
    lambda runs: runs.by_caller("ada"),
    lambda runs: runs.filtered(),
    lambda runs: runs.count_filtered(),
    lambda runs: runs.children("r-1"),
    lambda runs: runs.parent_chain("r-1"),
    lambda runs: runs.tree("r-1"),
    lambda runs: runs.last_by_skills(["weather"]),
    lambda runs: runs.finished_before(START, 1),
    lambda runs: runs.purges(),
    lambda runs: runs.writes("r-1"),
    lambda runs: runs.count_writes(["r-1"]),
    lambda runs: runs.reads("r-1"),
]


class RunArgumentContract(Fixtures):
    """Bad input gives an error that names the field, and writes nothing."""

    @pytest.mark.parametrize(
        "cases",
        [STARTS, LOGS, FINISHES, READS, FILTERS, PURGES, LINEAGE],
        ids=["start", "append_log", "finish", "reads", "filter", "purge", "lineage"],
    )
    def test_an_argument_of_runs_outside_what_is_allowed_is_refused(self, runs: Runs, cases: list[Case]) -> None:
        begun = begin(runs, "r-1")
        told = [(field, _blamed(call, runs, bad), bad) for field, call, bad in cases]
        assert [case for case in told if case[0] != case[1]] == []
        assert runs.filtered() == (begun,)
        assert runs.logs("r-1") == ()

    def test_what_a_run_says_is_json(self, runs: Runs) -> None:
        begin(runs, "r-1")

        @settings(deadline=None, max_examples=50)
        @given(value=strategies.not_json())
        def is_refused(value: Any) -> None:
            with pytest.raises(ValueSerializationError, match=r"^inputs\.a"):
                runs.start(RunInfo("r-2", "weather", inputs={"a": value}))
            with pytest.raises(ValueSerializationError, match=r"^payload\.a"):
                runs.append_log(RunLog("r-1", "step", {"a": value}))

        is_refused()
        assert runs.logs("r-1") == ()
        assert runs.count_filtered() == 1

    @pytest.mark.parametrize("redacted", [None, "x", [1], {"a": float("nan")}, {"a": TOO_LONG}])
    def test_what_a_redaction_gives_back_is_checked_too(
        self, reopen: Callable[..., Ledger], redacted: Any
    ) -> None:
        runs = reopen(redact=lambda kind, value: redacted if kind == "payload" else value).runs
        begin(runs, "r-1")
        with pytest.raises(InvalidArgumentError, match="payload"):
            runs.append_log(RunLog("r-1", "step", {"a": 1}))
        assert runs.logs("r-1") == ()

    @pytest.mark.parametrize("redacted", [None, {"a": 1}, b"x", "\ud800", TOO_LONG])
    def test_what_a_redaction_makes_of_a_text_is_a_text(
        self, reopen: Callable[..., Ledger], redacted: Any
    ) -> None:
        runs = reopen(redact=lambda kind, value: redacted if kind == "output" else value).runs
        begin(runs, "r-1")
        with pytest.raises(InvalidArgumentError, match="output"):
            runs.finish("r-1", RunStats("ok", "done"))
        assert runs.get("r-1").status == "running"

    def test_the_runs_of_a_closed_ledger_say_that_it_is_closed(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()
        begin(ledger.runs, "r-1")
        ledger.close()
        for call in EVERYTHING:
            with pytest.raises(LedgerClosedError):
                call(ledger.runs)


def _blamed(call: Call, runs: Runs, bad: object) -> str:
    """The field that the error names, or what happened in its place."""
    try:
        return f"returned {call(runs, bad)!r}"
    except InvalidArgumentError as refused:
        return refused.field.removesuffix("[0]")
    except Exception as error:  # noqa: BLE001 - whatever it was, it was not the error that it should be
        return repr(error)
