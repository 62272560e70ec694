"""Runs that are recorded by tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from threading import Event
from typing import Any

import pytest

import keyledger
from keyledger import AsyncLedger, RunFilter, RunInfo, RunStats
from keyledger.adapters.aio.opening import Opening
from keyledger.domain.audit.telemetry import BegunRun, EndCall, TracedCall
from tests.aio.running import in_loop, lined_up, turns

Open = Callable[..., Opening]


async def lines(ledger: AsyncLedger, run_id: str = "r-1") -> list[tuple[str, Any]]:
    return [(log.event_type, log.payload) for log in await ledger.runs.logs(run_id)]


class Start:
    """The start of a run stops here until it is let through."""

    def __init__(self, ledger: AsyncLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        self._reached, self.let = Event(), Event()
        exclusive = ledger.storage.runs.exclusive

        def stopped(stream: str) -> Any:
            self._reached.set()
            assert self.let.wait(30)
            return exclusive(stream)

        monkeypatch.setattr(ledger.storage.runs, "exclusive", stopped)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 30)


@in_loop
async def test_a_block_is_a_run_that_is_recorded_as_it_goes_on(opening: Open) -> None:
    async with opening() as ledger:
        async with ledger.runs.record("weather", run_id="r-1", caller_id="ada", inputs={"city": "rome"}) as run:
            assert (await ledger.runs.get("r-1")).status == "running"
            await run.on_step({"text": "look"}, input_tokens=5, output_tokens=2, thinking_tokens=1)
            await run.on_tool("fetch", {"n": 1}, "sun")
            async with run.on_tool_call("fetch", {"n": 2}) as call:
                assert await lines(ledger) != []
                call.result = "rain"
            await run.partition("weather").set("rome", "rain")
            run.output = "rain"
        found = await ledger.runs.get("r-1")
        assert (found.status, found.output, found.caller_id, found.inputs) == (
            "ok",
            "rain",
            "ada",
            {"city": "rome"},
        )
        assert (found.tool_calls_count, found.total_input_tokens, found.total_output_tokens) == (2, 5, 2)
        assert (run.steps, run.tool_calls, run.failures, run.id, run.root_run_id) == (1, 2, 0, "r-1", "r-1")
        assert (run.input_tokens, run.output_tokens, run.thinking_tokens, run.status) == (5, 2, 1, "")
        assert [kind for kind, _ in await lines(ledger)] == ["step", *("tool_call", "tool_result") * 2]
        (write,) = await ledger.runs.writes("r-1")
        assert (write.version.changed_by, write.version.run_id) == ("ada", "r-1")


@in_loop
async def test_an_exception_ends_the_run_and_its_call_and_goes_on(opening: Open) -> None:
    async with opening() as ledger:
        with pytest.raises(TimeoutError):
            async with ledger.runs.record("weather", run_id="r-1") as run, run.on_tool_call("fetch", {}):
                raise TimeoutError("no answer")
        assert (await ledger.runs.get("r-1")).status == "timeout"
        assert (await lines(ledger))[-1] == (
            "tool_result",
            {"tool": "fetch", "call": 1, "ok": False, "error": "TimeoutError", "message": "no answer"},
        )


@in_loop
async def test_a_cancelled_task_ends_its_run_preempted_with_the_call_that_it_was_in(opening: Open) -> None:
    async with opening() as ledger:
        inside = asyncio.Event()

        async def work() -> None:
            async with ledger.runs.record("weather", run_id="r-1") as run, run.on_tool_call("fetch", {}):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ledger.runs.get("r-1")).status == "preempted"
        assert (await lines(ledger))[-1][1]["error"] == "CancelledError"


@in_loop
async def test_a_run_whose_start_was_cancelled_is_not_left_running(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        start = Start(ledger, monkeypatch)

        async def work() -> None:
            async with ledger.runs.record("weather", run_id="r-1"):
                raise AssertionError("it was cancelled before")

        (task,) = await lined_up(work())
        await start.reached()
        task.cancel()
        await turns()
        assert not task.done()
        start.let.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ledger.runs.get("r-1")).status == "preempted"


@in_loop
async def test_the_loop_goes_on_while_a_start_waits(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        start = Start(ledger, monkeypatch)
        (task,) = await lined_up(ledger.runs.start(RunInfo("r-1", "weather")))
        await start.reached()
        assert await ledger.runs.filtered() == ()
        start.let.set()
        assert (await task).id == "r-1"


@in_loop
async def test_a_ledger_that_is_closed_stops_no_block(opening: Open, caplog: pytest.LogCaptureFixture) -> None:
    ledger = await opening()
    done = []
    async with ledger.runs.record("weather", run_id="r-1") as run:
        await ledger.close()
        await run.on_step({"text": "look"})
        async with run.on_tool_call("fetch", {}) as call:
            call.result = 1
        done.append(True)
    assert done == [True]
    assert ledger.runs.failures == run.failures == 4
    assert "run 'r-1': a step is not recorded: LedgerClosedError" in caplog.text


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@in_loop
async def test_nothing_that_a_block_is_given_says_or_raises_stops_it_or_leaves_its_run_open(opening: Open) -> None:
    async with opening() as ledger:
        no_json: Any = {"a": (1,)}
        with pytest.raises(SpeechlessError):
            async with ledger.runs.record("weather", run_id="r-1", inputs=no_json) as run:
                run.output = "\ud800"
                async with run.on_tool_call("fetch", {}):
                    raise SpeechlessError
        found = await ledger.runs.get("r-1")
        assert (found.status, list(found.inputs), found.output) == ("error", ["omitted"], "")
        assert found.error == "omitted: output: a str without lone surrogates"
        assert (await lines(ledger))[1][1]["error"] == "SpeechlessError"
        assert ledger.runs.failures == 2


@in_loop
async def test_an_id_that_is_in_use_stops_the_block_before_it_begins(opening: Open) -> None:
    async with opening() as ledger:
        await ledger.runs.start(RunInfo("r-1", "weather"))
        with pytest.raises(keyledger.DuplicateRunError):
            async with ledger.runs.record("weather", run_id="r-1"):
                raise AssertionError("it must not begin")
        with pytest.raises(keyledger.DuplicateRunError):
            await ledger.runs.sink().start_run(RunInfo("r-1", "weather"))
        assert (await ledger.runs.get("r-1")).status == "running"


@in_loop
async def test_an_executor_tells_a_sink_of_many_tasks_runs(opening: Open) -> None:
    async with opening() as ledger:
        sink = ledger.runs.sink()

        async def execute(number: int) -> None:
            recorder = await sink.start_run(RunInfo(f"r-{number}", "weather"))
            await asyncio.gather(*(recorder.on_step({"n": n}, input_tokens=n) for n in range(5)))
            await recorder.on_error("no")
            await recorder.close(None if number else RunStats("lane_busy"))

        await asyncio.gather(*(execute(number) for number in range(8)))
        ended = {run.id: run.status for run in await ledger.runs.filtered(RunFilter())}
        assert ended == {f"r-{number}": "error" for number in range(1, 8)} | {"r-0": "lane_busy"}
        for number in range(8):
            assert [log.sequence for log in await ledger.runs.logs(f"r-{number}")] == [1, 2, 3, 4, 5, 6]
            assert (await ledger.runs.get(f"r-{number}")).total_input_tokens == 10


@in_loop
async def test_begin_and_end_do_what_the_block_does(opening: Open) -> None:
    async with opening() as ledger:
        run = ledger.runs.record("weather", run_id="r-1")
        assert await run.begin()
        run.status = "budget_exceeded"
        await run.end()
        assert (await ledger.runs.get("r-1")).status == "budget_exceeded"


@in_loop
async def test_purging_page_by_page_purges_all(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyledger.adapters.aio.runs.PURGE_BATCH", 2)
    async with opening() as ledger:
        for number in range(5):
            last = await ledger.runs.start(RunInfo(f"r-{number}", "weather"))
        assert await ledger.runs.purge_older_than(last.started_at.replace(year=9998), actor="mia") == 5
        assert [(purge.runs, purge.purged_by) for purge in await ledger.runs.purges()] == [
            (1, "mia"),
            (2, "mia"),
            (2, "mia"),
        ]
        assert await ledger.runs.count_filtered() == 0


# -------------------------------------------------------------------------------------------- spans

_current: ContextVar[str] = ContextVar("_current", default="")


class Spans:
    """Telemetry whose current span is a context variable, as OpenTelemetry's is."""

    def active(self, *_: Any, **__: Any) -> bool:
        return True

    is_open = active

    def begin_run(self, *_: Any, **__: Any) -> BegunRun:
        return BegunRun(None, _nothing)

    def end_run(self, *_: Any, **__: Any) -> None:
        pass

    show_run = end_run

    def enter_run(self, run_id: str) -> Callable[[], None]:
        token = _current.set(run_id)
        return lambda: _current.reset(token)

    def begin_call(self, call: TracedCall, *_: Any, **__: Any) -> EndCall:
        token = _current.set(f"{_current.get()}/{call.tool}")
        return lambda *_: _current.reset(token)


def _nothing() -> None:
    pass


@in_loop
async def test_the_spans_of_a_run_and_its_call_are_current_in_the_task_that_makes_them(
    opening: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with opening(telemetry=Spans()) as ledger:
        async with ledger.runs.record("weather", run_id="r-1") as run:
            assert _current.get() == "r-1"
            async with run.on_tool_call("fetch", {}):
                assert _current.get() == "r-1/fetch"
            assert _current.get() == "r-1"
        assert _current.get() == ""
    assert caplog.text == ""
