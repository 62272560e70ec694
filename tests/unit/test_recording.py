"""What records a run counts, survives and says; the storage underneath may fail, the run never does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any

import pytest

import keyledger
from keyledger import (
    DuplicateRunError,
    InvalidArgumentError,
    InvokeDepthExceededError,
    KeyNotFoundError,
    LedgerBusyError,
    NullSink,
    OutcomeUnknownError,
    RunInfo,
    RunNotFoundError,
    RunStats,
    StorageUnavailableError,
    sink_on,
)
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.runs import MemoryRuns
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.tools.call import call_tool
from keyledger.domain.audit.arguments import MAX_PAYLOAD_BYTES
from keyledger.domain.audit.ports import RunCommit
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.policy import ACCESS_FLAG
from keyledger.domain.run import MAX_INVOKE_DEPTH, RunAction
from keyledger.opening import ledger_on


class BrittleRuns(MemoryRuns):
    """The audit of a storage that is down whenever ``outage`` holds an error."""

    outage: Exception | None = None
    hiccups: list[Exception]
    """Errors of one commit each, raised before the outage."""

    def commit(self, commit: RunCommit) -> None:
        if self.hiccups:
            raise self.hiccups.pop()
        if self.outage is not None:
            raise self.outage
        super().commit(commit)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def storage() -> MemoryStorage:
    storage = MemoryStorage(EventMapper())
    storage.runs = runs = BrittleRuns(storage.mapper, storage.recorder)
    runs.hiccups = []
    return storage


@pytest.fixture
def audit(storage: MemoryStorage) -> BrittleRuns:
    assert isinstance(storage.runs, BrittleRuns)
    return storage.runs


@pytest.fixture
def ledger(storage: MemoryStorage, clock: ManualClock) -> Iterator[keyledger.Ledger]:
    with ledger_on(lambda: storage, clock=clock) as ledger:
        yield ledger


def run_info(run_id: str = "r", **fields: Any) -> RunInfo:
    return RunInfo(run_id, "weather", **fields)


def lines(ledger: keyledger.Ledger, run_id: str = "r") -> list[tuple[str, Mapping[str, Any]]]:
    return [(log.event_type, log.payload) for log in ledger.runs.logs(run_id)]


# --------------------------------------------------------------------------------------------- a sink


def test_what_an_executor_tells_becomes_lines_in_order(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info(inputs={"q": "units?"}))
    recorder.on_step({"thought": "look it up"}, input_tokens=7, output_tokens=2)
    recorder.on_tool("search", {"q": "units"}, {"hits": 3})
    recorder.on_tool("mail", {}, error="no such address")
    recorder.on_error("gave up")
    assert lines(ledger) == [
        ("step", {"thought": "look it up", "input_tokens": 7, "output_tokens": 2}),
        ("tool_call", {"tool": "search", "args": {"q": "units"}}),
        ("tool_result", {"tool": "search", "call": 2, "ok": True, "result": {"hits": 3}}),
        ("tool_call", {"tool": "mail", "args": {}}),
        (
            "tool_result",
            {"tool": "mail", "call": 4, "ok": False, "error": "tool_error", "message": "no such address"},
        ),
        ("error", {"message": "gave up"}),
    ]
    assert [log.sequence for log in ledger.runs.logs("r")] == [1, 2, 3, 4, 5, 6]
    assert ledger.runs.get("r").inputs == {"q": "units?"}


def test_a_closed_run_has_the_sums_and_its_time(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    for _ in range(3):
        recorder.on_step(input_tokens=10, output_tokens=4, thinking_tokens=1)
        recorder.on_tool("search", {})
    clock.advance(2.5)
    recorder.close()
    run = ledger.runs.get("r")
    assert (run.status, run.error, run.runtime_seconds, run.tool_calls_count) == ("ok", "", 2.5, 3)
    assert (run.total_input_tokens, run.total_output_tokens, run.total_thinking_tokens) == (30, 12, 3)


def test_a_run_counts_its_time_from_the_start_that_it_was_given(
    ledger: keyledger.Ledger, clock: ManualClock
) -> None:
    started_at = clock.now()
    clock.advance(60)
    ledger.runs.sink().start_run(run_info(started_at=started_at)).close()
    assert ledger.runs.get("r").runtime_seconds == 60


def test_what_stats_say_goes_before_what_was_counted(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_step(input_tokens=10, output_tokens=4)
    recorder.on_tool("search", {})
    clock.advance(9)
    recorder.close(RunStats("timeout", "half", "too slow", runtime_seconds=8.0, output_tokens=5))
    run = ledger.runs.get("r")
    assert (run.status, run.output, run.error) == ("timeout", "half", "too slow")
    assert (run.runtime_seconds, run.total_output_tokens) == (8.0, 5)
    assert (run.total_input_tokens, run.tool_calls_count) == (10, 1)


def test_a_run_that_is_closed_after_an_error_ended_in_it(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_error("first")
    recorder.on_error("last")
    recorder.close()
    assert (ledger.runs.get("r").status, ledger.runs.get("r").error) == ("error", "last")


def test_a_second_close_changes_nothing(
    ledger: keyledger.Ledger, clock: ManualClock, storage: MemoryStorage
) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.close()
    before = storage.runs.load("run:r")
    clock.advance(5)
    recorder.close(RunStats("error"))
    assert storage.runs.load("run:r") == before
    assert ledger.runs.get("r").status == "ok"
    ledger.runs.finish("r", RunStats("timeout"))  # says somebody who knows better
    recorder.close()
    assert ledger.runs.get("r").status == "timeout"


def test_a_call_is_logged_before_it_is_made(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    with recorder.on_tool_call("search", {"q": 1}) as call:
        assert lines(ledger) == [("tool_call", {"tool": "search", "args": {"q": 1}})]
        recorder.on_step()
        call.result = [1, 2]
    assert lines(ledger)[2] == ("tool_result", {"tool": "search", "call": 1, "ok": True, "result": [1, 2]})


def test_an_exception_is_the_error_of_its_call_and_goes_on(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    with pytest.raises(KeyboardInterrupt), recorder.on_tool_call("search", {}):
        raise KeyboardInterrupt
    with pytest.raises(LookupError), recorder.on_tool_call("search", {}):
        raise LookupError("nowhere")
    with pytest.raises(KeyNotFoundError), recorder.on_tool_call("search", {}):
        raise KeyNotFoundError("k", "skill")
    recorder.close()
    results = [payload for kind, payload in lines(ledger) if kind == "tool_result"]
    assert [(payload["ok"], payload["error"], payload["message"]) for payload in results] == [
        (False, "KeyboardInterrupt", ""),
        (False, "LookupError", "nowhere"),
        (False, "not_found", "no key 'k' in scope 'skill'"),
    ]
    assert ledger.runs.get("r").tool_calls_count == 3


def test_calls_of_key_tools_are_counted_with_the_others(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_tool("search", {})
    for run_id in ("r", "another", None):
        by = keyledger.Invocation(
            skill_id="weather", caller_id="ada", run_id=run_id, flags=frozenset({ACCESS_FLAG})
        )
        call_tool(ledger, "kv_get", {"key": "a"}, by)
    recorder.close()
    assert ledger.runs.get("r").tool_calls_count == 2
    assert [payload["tool"] for kind, payload in lines(ledger) if kind == "tool_call"] == ["search", "kv_get"]


def test_threads_share_a_recorder(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    threads, each = 8, 25
    together = Barrier(threads)

    def work(number: int) -> None:
        together.wait()
        for step in range(each):
            recorder.on_step({"thread": number, "step": step}, input_tokens=1)
            recorder.on_tool("search", {"thread": number, "step": step})

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    recorder.close()
    logs = ledger.runs.logs("r")
    assert [log.sequence for log in logs] == list(range(1, 3 * threads * each + 1))
    for number in range(threads):
        steps = [log for log in logs if log.event_type == "step" and log.payload["thread"] == number]
        assert [log.payload["step"] for log in steps] == list(range(each))
    called = {log.sequence for log in logs if log.event_type == "tool_call"}
    answered = {log.payload["call"] for log in logs if log.event_type == "tool_result"}
    assert answered == called
    run = ledger.runs.get("r")
    assert (run.tool_calls_count, run.total_input_tokens) == (threads * each, threads * each)


def test_a_forked_child_waits_for_no_thread_of_its_parent(ledger: keyledger.Ledger, audit: BrittleRuns) -> None:
    recorder = ledger.runs.record("weather", run_id="r")
    assert recorder.begin()

    def goes_on() -> None:
        recorder.on_step({"n": 1})
        audit.outage = StorageUnavailableError("gone")
        recorder.on_step({"n": 2})

    with ledger.runs._failures.lock:  # as a thread may that is not in the child
        ledger.reset_after_fork()
        child = Thread(target=goes_on, daemon=True)
        child.start()
        child.join(30)
        assert not child.is_alive()
    assert lines(ledger) == [("step", {"n": 1})]
    assert recorder.failures == ledger.runs.failures == 1


# ------------------------------------------------------------------------------------------- failures


def test_a_storage_that_is_down_fails_no_run(
    ledger: keyledger.Ledger, audit: BrittleRuns, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    audit.outage = StorageUnavailableError("the disk is gone")
    with caplog.at_level(logging.WARNING, "keyledger"):
        for _ in range(5):
            recorder.on_step()
            recorder.on_tool("search", {})
        recorder.close()
    assert ledger.runs.failures == 16
    assert [record.getMessage() for record in caplog.records] == [
        "run 'r': a step is not recorded: StorageUnavailableError: the disk is gone",
        "run 'r': a tool_call is not recorded: StorageUnavailableError: the disk is gone",
        "run 'r': a tool_result is not recorded: StorageUnavailableError: the disk is gone",
        "run 'r': its end is not recorded: StorageUnavailableError: the disk is gone",
    ]
    assert ledger.runs.get("r").status == "running"
    assert lines(ledger) == []


def test_an_end_that_could_not_be_written_is_written_by_another_close(
    ledger: keyledger.Ledger, audit: BrittleRuns, clock: ManualClock
) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    clock.advance(3)
    audit.outage = StorageUnavailableError("gone")
    recorder.close(RunStats("lane_busy"))
    audit.outage = None
    clock.advance(100)
    recorder.close()
    run = ledger.runs.get("r")
    assert (run.status, run.runtime_seconds) == ("lane_busy", 3)


@pytest.mark.parametrize(
    "hiccup", [LedgerBusyError("busy"), StorageUnavailableError("gone"), OutcomeUnknownError("run:r")]
)
def test_an_end_is_written_although_the_storage_is_away_for_a_moment(
    ledger: keyledger.Ledger, audit: BrittleRuns, hiccup: Exception
) -> None:
    with ledger.runs.record("weather", run_id="r") as run:
        run.output = "done"
        audit.hiccups = [hiccup]
    assert (ledger.runs.get("r").status, ledger.runs.get("r").output) == ("ok", "done")
    assert ledger.runs.failures == 0


@pytest.mark.parametrize("committed", [True, False])
def test_a_start_of_which_nobody_knows_whether_it_took_place_is_looked_up(
    ledger: keyledger.Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, committed: bool
) -> None:
    execute = RunWriter.execute

    def loses_the_answer(writer: RunWriter, stream: str, action: RunAction, **by: Any) -> Any:
        if committed:
            execute(writer, stream, action, **by)
        raise OutcomeUnknownError(stream)

    run = ledger.runs.record("weather", run_id="r", parent_run_id="p")
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "execute", loses_the_answer)
        assert run.begin() is committed
    run.on_step({"n": 1})
    run.end()
    assert run.root_run_id == "p"
    if committed:
        assert (ledger.runs.get("r").status, lines(ledger)) == ("ok", [("step", {"n": 1})])
        assert (ledger.runs.failures, caplog.messages) == (0, [])
    else:
        assert not ledger.runs.exists("r")
        assert ledger.runs.failures == 1
        assert "its start is not recorded: OutcomeUnknownError" in caplog.text


def test_a_run_whose_start_could_not_be_written_is_not_recorded(
    ledger: keyledger.Ledger, audit: BrittleRuns, caplog: pytest.LogCaptureFixture
) -> None:
    audit.outage = StorageUnavailableError("gone")
    recorder = ledger.runs.sink().start_run(run_info())
    audit.outage = None
    recorder.on_step()
    recorder.close()
    assert ledger.runs.failures == 1
    assert [record.getMessage() for record in caplog.records] == [
        "run 'r': its start is not recorded: StorageUnavailableError: gone"
    ]
    with pytest.raises(RunNotFoundError):
        ledger.runs.get("r")


def test_a_run_that_was_purged_meanwhile_goes_on(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    clock.advance(1)
    ledger.runs.purge_older_than(clock.now())
    recorder.on_step()
    recorder.close()
    assert ledger.runs.failures == 2


def test_what_guards_an_invocation_is_raised(ledger: keyledger.Ledger) -> None:
    sink = ledger.runs.sink()
    sink.start_run(run_info("r0"))
    with pytest.raises(DuplicateRunError):
        sink.start_run(run_info("r0"))
    with pytest.raises(InvalidArgumentError, match="skill_id"):
        sink.start_run(RunInfo("r", ""))
    with pytest.raises(InvalidArgumentError, match=r"^run: got 'r'"):
        sink.start_run("r")  # type: ignore[arg-type]
    for depth in range(1, MAX_INVOKE_DEPTH + 1):
        sink.start_run(run_info(f"r{depth}", parent_run_id=f"r{depth - 1}"))
    with pytest.raises(InvokeDepthExceededError):
        sink.start_run(run_info("beyond", parent_run_id=f"r{MAX_INVOKE_DEPTH}"))
    assert ledger.runs.failures == 0


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"secret": float("nan")}, "payload.args.secret: a finite number"),
        ({"secret": {1, 2}}, "payload.args.secret: "),
        ({"secret": "x" * MAX_PAYLOAD_BYTES}, "payload: at most 1048576 UTF-8 bytes"),
    ],
)
def test_in_place_of_what_cannot_be_written_stands_why(
    ledger: keyledger.Ledger, args: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_tool("search", args, "found")
    (_, call), (_, result) = lines(ledger)
    assert call == {"tool": "search", "omitted": call["omitted"]}
    assert call["omitted"].startswith(why)
    assert result == {"tool": "search", "call": 1, "ok": True, "result": "found"}
    assert ledger.runs.failures == 1
    assert caplog.records[0].getMessage() == f"run 'r': what a tool_call says is not recorded: {call['omitted']}"


def test_tokens_that_are_no_count_are_not_counted(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_step({"n": 1}, input_tokens=5, output_tokens=None)  # type: ignore[arg-type]
    recorder.on_step({"n": 2}, input_tokens=7)
    recorder.close()
    assert [payload.get("n") for _, payload in lines(ledger)] == [None, 2]
    assert ledger.runs.get("r").total_input_tokens == 7


def test_an_end_that_cannot_be_written_as_it_is_ends_the_run_all_the_same(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.close(RunStats("ok", "x" * (MAX_PAYLOAD_BYTES + 1)))
    run = ledger.runs.get("r")
    assert (run.status, run.output, run.error) == ("ok", "", "omitted: output: at most 1048576 UTF-8 bytes")
    assert ledger.runs.failures == 1


@pytest.mark.parametrize(
    ("stats", "status", "error"),
    [
        (RunStats("running"), "error", "omitted: status: ok, error, "),
        (RunStats("timeout", error="\ud800"), "timeout", "omitted: error: a str without lone surrogates"),
        (RunStats("timeout", input_tokens=-1), "timeout", "omitted: input_tokens: an integer from 0 to "),
    ],
)
def test_an_end_that_is_none_ends_the_run_with_what_was_recorded(
    ledger: keyledger.Ledger, clock: ManualClock, stats: RunStats, status: str, error: str
) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_step(input_tokens=5)
    clock.advance(2)
    recorder.close(stats)
    run = ledger.runs.get("r")
    assert run.status == status
    assert run.error.startswith(error)
    assert (run.total_input_tokens, run.runtime_seconds) == (5, 2)
    assert ledger.runs.failures == 1


def test_what_is_no_object_is_left_out(ledger: keyledger.Ledger) -> None:
    recorder = ledger.runs.sink().start_run(run_info())
    recorder.on_step("thinking", output_tokens=3)  # type: ignore[arg-type]
    recorder.on_tool("search", ["rome"], 1)  # type: ignore[arg-type]
    recorder.close()
    assert lines(ledger) == [
        ("step", {"omitted": "payload: a dict of JSON values"}),
        ("tool_call", {"tool": "search", "omitted": "args: a dict of JSON values"}),
        ("tool_result", {"tool": "search", "call": 2, "ok": True, "result": 1}),
    ]
    assert ledger.runs.get("r").total_output_tokens == 3


def test_what_redaction_refuses_to_see_is_never_written(
    storage: MemoryStorage, caplog: pytest.LogCaptureFixture
) -> None:
    def redact(kind: str, value: Any) -> Any:
        if kind == "payload" and "password" in str(value):
            raise ValueError(f"not for me: {value}")
        return value

    with ledger_on(lambda: storage, redact=redact) as ledger:
        recorder = ledger.runs.sink().start_run(run_info())
        recorder.on_step({"password": "hunter2"})
        recorder.on_step({"n": 2})
        recorder.close()
        assert lines(ledger) == [
            ("step", {"omitted": "redacted payload: what redact returns, and it raised ValueError"}),
            ("step", {"n": 2}),
        ]
        assert ledger.runs.get("r").status == "ok"
    assert "hunter2" not in caplog.text


def test_a_sink_on_nothing_costs_nothing() -> None:
    sink = sink_on(None)
    assert isinstance(sink, NullSink)
    recorder = sink.start_run(RunInfo("", ""))
    assert recorder is NullSink().start_run(run_info())
    recorder.on_step({"a": 1}, input_tokens=1)
    recorder.on_tool("search", {})
    with recorder.on_tool_call("search", {}) as call, recorder.on_tool_call("mail", {}) as other:
        call.result = {"large": "result"}
        assert call is other
        assert call.result is None
    with pytest.raises(LookupError), recorder.on_tool_call("search", {}):
        raise LookupError
    recorder.on_error("x")
    recorder.close(RunStats("ok"))


def test_a_sink_on_the_runs_of_a_ledger_records_there(ledger: keyledger.Ledger) -> None:
    sink_on(ledger.runs).start_run(run_info()).close()
    assert ledger.runs.get("r").status == "ok"


# ------------------------------------------------------------------------------------------- a block


def test_a_block_is_a_run(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    with ledger.runs.record("weather", caller_id="ada", channel_id="chat", inputs={"city": "Oslo"}) as run:
        assert ledger.runs.get(run.id).status == "running"
        run.on_step(input_tokens=3)
        run.partition("weather").set("units", "C")
        clock.advance(1.5)
        run.output = "done"
    found = ledger.runs.get(run.id)
    assert (found.skill_id, found.caller_id, found.channel_id) == ("weather", "ada", "chat")
    assert (found.inputs, found.root_run_id) == ({"city": "Oslo"}, run.id)
    assert (found.status, found.output, found.error) == ("ok", "done", "")
    assert (found.runtime_seconds, found.total_input_tokens) == (1.5, 3)


def test_each_run_that_is_given_no_id_gets_one_of_its_own(ledger: keyledger.Ledger) -> None:
    ids = set()
    for _ in range(20):
        with ledger.runs.record("weather") as run:
            ids.add(run.id)
    assert len(ids) == 20
    assert {run.id for run in ledger.runs.by_skill("weather")} == ids


def test_what_is_written_through_a_run_is_the_runs(ledger: keyledger.Ledger) -> None:
    with (
        ledger.runs.record("weather", run_id="root", caller_id="ada") as root,
        ledger.runs.record("geo", run_id="child", parent_run_id=root.id) as child,
    ):
        child.partition("geo", tool="kv_set").set("city", "Oslo")
        child.partition("geo").set("found", 1, scope=f"root_run:{child.root_run_id}")
        root.partition("weather").set("units", "C")
    versions = {write.version.key: write.version for id_ in ("root", "child") for write in ledger.runs.writes(id_)}
    assert versions["units"].changed_by == "ada"
    assert versions["city"].changed_by is None
    assert versions["city"].tool == "kv_set"
    assert {version.root_run_id for version in versions.values()} == {"root"}
    assert {version.run_id for version in versions.values()} == {"root", "child"}


def test_what_a_run_reads_is_recorded_if_asked_for(ledger: keyledger.Ledger) -> None:
    ledger.partition("weather").set("units", "C")
    with ledger.runs.record("weather", run_id="r") as run:
        run.partition("weather", record_reads=True).get("units")
    assert [(read.key, read.revision) for read in ledger.runs.reads("r")] == [("units", 1)]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ValueError("no city"), "error", "ValueError: no city"),
        (LookupError(), "error", "LookupError"),
        (TimeoutError("10 s"), "timeout", "TimeoutError: 10 s"),
        (asyncio.CancelledError(), "preempted", "CancelledError"),
        (KeyboardInterrupt(), "preempted", "KeyboardInterrupt"),
        (GeneratorExit(), "preempted", "GeneratorExit"),
        (SystemExit(3), "preempted", "SystemExit: 3"),
    ],
)
def test_an_exception_ends_the_run_and_goes_on(
    ledger: keyledger.Ledger, error: BaseException, status: str, text: str
) -> None:
    with pytest.raises(type(error)) as raised, ledger.runs.record("weather", run_id="r") as run:
        run.output = "half"
        raise error
    assert raised.value is error
    found = ledger.runs.get("r")
    assert (found.status, found.output, found.error) == (status, "half", text)


def test_a_status_that_was_set_holds(ledger: keyledger.Ledger) -> None:
    with ledger.runs.record("weather", run_id="dry") as run:
        run.status = "dry_run"
    with pytest.raises(ValueError, match="spent"), ledger.runs.record("weather", run_id="spent") as run:
        run.status = "budget_exceeded"
        raise ValueError("spent")
    assert ledger.runs.get("dry").status == "dry_run"
    spent = ledger.runs.get("spent")
    assert (spent.status, spent.error) == ("budget_exceeded", "ValueError: spent")


def test_a_block_that_reported_an_error_ended_in_it(ledger: keyledger.Ledger) -> None:
    with ledger.runs.record("weather", run_id="r") as run:
        run.on_error("no answer")
    assert (ledger.runs.get("r").status, ledger.runs.get("r").error) == ("error", "no answer")


@pytest.mark.parametrize("status", ["running", "", "done", None])
def test_a_run_cannot_end_in_just_any_status(ledger: keyledger.Ledger, status: Any) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="status"),
        ledger.runs.record("weather", run_id="r") as run,
    ):
        run.status = status


def test_a_block_runs_where_nothing_can_be_written(ledger: keyledger.Ledger, audit: BrittleRuns) -> None:
    audit.outage = StorageUnavailableError("gone")
    with ledger.runs.record("weather", run_id="r", parent_run_id="p") as run:
        audit.outage = None
        run.on_step()
        run.partition("weather").set("units", "C")
        run.output = "done"
    assert ledger.runs.failures == run.failures == 1
    assert [write.version.run_id for write in ledger.runs.writes("r")] == ["r"]
    assert [write.version.root_run_id for write in ledger.runs.writes("r")] == ["p"]


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("id", {"run_id": ""}),
        ("caller_id", {"caller_id": "a\0"}),
        ("parent_run_id", {"run_id": "r", "parent_run_id": "r"}),
    ],
)
def test_a_block_is_not_entered_with_what_is_no_run(
    ledger: keyledger.Ledger, field: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError) as raised, ledger.runs.record("weather", **options):
        raise AssertionError("entered")
    assert raised.value.field == field
    assert ledger.runs.failures == 0


def test_a_block_that_must_not_start_does_not(ledger: keyledger.Ledger) -> None:
    with ledger.runs.record("weather", run_id="r"):
        pass
    entered = False
    with pytest.raises(DuplicateRunError), ledger.runs.record("weather", run_id="r"):
        entered = True
    assert not entered
    assert ledger.runs.get("r").status == "ok"
