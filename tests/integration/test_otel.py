"""Runs and tool calls as spans: their names, attributes and parents, in one process and in two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

import keyledger
from keyledger import (
    DuplicateRunError,
    InvalidArgumentError,
    Invocation,
    RunInfo,
    RunStats,
    StorageUnavailableError,
)
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.otel import spans
from keyledger.adapters.otel.spans import SCHEMA_URL, OpenTelemetry
from keyledger.adapters.tools.call import call_tool
from keyledger.domain.audit.telemetry import Tracing
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG

Reopen = Callable[..., keyledger.Ledger]


class Tracer:
    """A provider as a program sets one, and what it exported."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def telemetry(self) -> OpenTelemetry:
        """What a process of its own would have: what one keeps in memory, another does not see."""
        return OpenTelemetry(self.provider)

    def spans(self) -> dict[str, ReadableSpan]:
        """The spans that have ended, by name."""
        found = {span.name: span for span in self._exporter.get_finished_spans()}
        assert len(found) == len(self._exporter.get_finished_spans())
        return found


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    tracer = Tracer()
    yield tracer
    assert trace.get_current_span() is trace.INVALID_SPAN
    tracer.provider.shutdown()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(reopen: Reopen, tracer: Tracer, clock: ManualClock) -> Iterator[keyledger.Ledger]:
    with reopen(clock=clock, telemetry=tracer.telemetry) as ledger:
        yield ledger


@pytest.fixture
def elsewhere(reopen: Reopen, tracer: Tracer, clock: ManualClock) -> Iterator[keyledger.Ledger]:
    """The same ledger in what would be another process: it shares the database, and nothing in memory."""
    with reopen(clock=clock, telemetry=tracer.telemetry) as ledger:
        yield ledger


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def is_beneath(child: ReadableSpan, parent: ReadableSpan) -> bool:
    return (
        child.parent is not None
        and child.context is not None
        and parent.context is not None
        and child.parent.span_id == parent.context.span_id
        and child.context.trace_id == parent.context.trace_id
    )


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def invocation(run_id: str | None = None, **fields: Any) -> Invocation:
    return Invocation(
        skill_id="weather", caller_id="ada", run_id=run_id, flags=frozenset({ACCESS_FLAG, WRITE_FLAG}), **fields
    )


# ---------------------------------------------------------------------------------------------- runs


def test_a_run_is_a_span(ledger: keyledger.Ledger, tracer: Tracer, clock: ManualClock) -> None:
    began = clock.now()
    with ledger.runs.record("weather", run_id="r", channel_id="chat-7", inputs={"city": "secret"}) as run:
        run.on_step({"thought": "secret"}, input_tokens=30, output_tokens=12, thinking_tokens=5)
        clock.advance(3)
        run.output = "secret"
    (span,) = tracer.spans().values()
    assert (span.name, span.kind, span.status.status_code) == (
        "invoke_agent weather",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert attributes(span) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": "weather",
        "gen_ai.agent.name": "weather",
        "gen_ai.conversation.id": "chat-7",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "keyledger.run.id": "r",
        "keyledger.run.root_id": "r",
        "keyledger.run.status": "ok",
        "keyledger.run.tool_calls": 0,
    }
    assert (span.start_time, span.end_time) == (nanoseconds(began), nanoseconds(clock.now()))
    assert span.parent is None
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.instrumentation_scope.schema_url) == ("keyledger", SCHEMA_URL)
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        ("ok", None),
        ("dry_run", None),
        ("error", "error"),
        ("timeout", "timeout"),
        ("budget_exceeded", "budget_exceeded"),
        ("preempted", "preempted"),
        ("lane_busy", "lane_busy"),
    ],
)
def test_a_status_is_an_error_or_not(
    ledger: keyledger.Ledger, tracer: Tracer, status: str, error_type: str | None
) -> None:
    ledger.runs.start(RunInfo("r", "weather"))
    ledger.runs.finish("r", RunStats(status, error="a secret"))
    (span,) = tracer.spans().values()
    assert attributes(span).get("error.type") == error_type
    assert attributes(span)["keyledger.run.status"] == status
    assert span.status.status_code is (StatusCode.ERROR if error_type else StatusCode.UNSET)
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("error", "error_type"),
    [(LookupError("a secret"), "LookupError"), (TimeoutError(), "timeout"), (KeyboardInterrupt(), "preempted")],
)
def test_the_class_of_an_exception_is_the_type_of_the_error(
    ledger: keyledger.Ledger, tracer: Tracer, error: BaseException, error_type: str
) -> None:
    with pytest.raises(type(error)), ledger.runs.record("weather"):
        raise error
    (span,) = tracer.spans().values()
    assert attributes(span)["error.type"] == error_type
    assert "secret" not in span.to_json()


def test_a_run_is_beneath_the_run_that_called_it(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    ledger.runs.start(RunInfo("root", "plan"))
    ledger.runs.start(RunInfo("child", "search", parent_run_id="root"))
    ledger.runs.start(RunInfo("grandchild", "read", parent_run_id="child"))
    for run_id in ("root", "child", "grandchild"):
        ledger.runs.finish(run_id, RunStats("ok"))
    found = tracer.spans()
    assert is_beneath(found["invoke_agent read"], found["invoke_agent search"])
    assert is_beneath(found["invoke_agent search"], found["invoke_agent plan"])
    assert found["invoke_agent plan"].parent is None
    assert attributes(found["invoke_agent read"])["keyledger.run.root_id"] == "root"


def test_a_run_without_a_parent_is_beneath_the_current_span(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    with tracer.provider.get_tracer("host").start_as_current_span("POST /ask"):
        ledger.runs.start(RunInfo("r", "weather"))
        ledger.runs.start(RunInfo("child", "search", parent_run_id="r"))
        ledger.runs.start(RunInfo("stray", "stray", parent_run_id="never-started"))
    for run_id in ("r", "child", "stray"):
        ledger.runs.finish(run_id, RunStats("ok"))
    found = tracer.spans()
    assert is_beneath(found["invoke_agent weather"], found["POST /ask"])
    assert is_beneath(found["invoke_agent search"], found["invoke_agent weather"])
    assert is_beneath(found["invoke_agent stray"], found["POST /ask"])


def test_what_happens_in_a_block_is_beneath_its_run(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    host = tracer.provider.get_tracer("host")
    with ledger.runs.record("plan", run_id="root") as root:
        with host.start_as_current_span("chat large"):
            root.on_tool("search", {})
        with ledger.runs.record("geo", parent_run_id="root"):
            host.start_span("chat small").end()
            root.on_tool("mail", {})
    found = tracer.spans()
    assert is_beneath(found["chat large"], found["invoke_agent plan"])
    assert is_beneath(found["execute_tool search"], found["chat large"])
    assert is_beneath(found["chat small"], found["invoke_agent geo"])
    assert is_beneath(found["execute_tool mail"], found["invoke_agent plan"])


def test_a_run_that_must_not_start_has_no_span_and_takes_none_away(
    ledger: keyledger.Ledger, tracer: Tracer
) -> None:
    ledger.runs.start(RunInfo("r", "weather"))
    with pytest.raises(DuplicateRunError):
        ledger.runs.start(RunInfo("r", "other"))
    ledger.runs.finish("r", RunStats("ok"))
    assert set(tracer.spans()) == {"invoke_agent weather"}


def test_a_run_is_one_span_however_often_it_is_finished(
    ledger: keyledger.Ledger, elsewhere: keyledger.Ledger, tracer: Tracer
) -> None:
    ledger.runs.start(RunInfo("r", "weather"))
    for status in ("ok", "ok", "error"):
        ledger.runs.finish("r", RunStats(status))
    elsewhere.runs.finish("r", RunStats("timeout"))
    (span,) = tracer.spans().values()
    assert attributes(span)["keyledger.run.status"] == "ok"


def test_a_run_that_says_it_began_after_now_does_not_end_before_it_began(
    ledger: keyledger.Ledger, tracer: Tracer, clock: ManualClock
) -> None:
    now = clock.now()
    ahead = ManualClock(now)
    ahead.advance(4)
    ledger.runs.start(RunInfo("r", "weather", started_at=ahead.now()))
    ledger.runs.finish("r", RunStats("ok"))
    (span,) = tracer.spans().values()
    assert span.start_time == span.end_time == nanoseconds(now)


# ------------------------------------------------------------------------------- several processes


def test_a_run_is_beneath_a_run_of_another_process(
    ledger: keyledger.Ledger, elsewhere: keyledger.Ledger, tracer: Tracer
) -> None:
    def other_process() -> None:
        with elsewhere.runs.record("search", parent_run_id="root", run_id="child"):
            call_tool(elsewhere, "kv_get", {"key": "a"}, invocation("root"))

    with ledger.runs.record("plan", run_id="root"), ThreadPoolExecutor(1) as pool:
        pool.submit(other_process).result()
    found = tracer.spans()
    assert is_beneath(found["invoke_agent search"], found["invoke_agent plan"])
    assert is_beneath(found["execute_tool kv_get"], found["invoke_agent plan"])


def test_a_run_that_ends_in_another_process_is_shown_from_there(
    ledger: keyledger.Ledger, elsewhere: keyledger.Ledger, tracer: Tracer, clock: ManualClock
) -> None:
    began = clock.now()
    ledger.runs.start(RunInfo("root", "plan"))
    ledger.runs.start(RunInfo("r", "weather", channel_id="chat-7", parent_run_id="root"))
    clock.advance(60)
    elsewhere.runs.finish("r", RunStats("timeout", input_tokens=9))
    ledger.runs.finish("root", RunStats("ok"))
    found = tracer.spans()
    span = found["invoke_agent weather"]
    assert (span.start_time, span.end_time) == (nanoseconds(began), nanoseconds(clock.now()))
    assert attributes(span) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": "weather",
        "gen_ai.agent.name": "weather",
        "gen_ai.conversation.id": "chat-7",
        "gen_ai.usage.input_tokens": 9,
        "error.type": "timeout",
        "keyledger.run.id": "r",
        "keyledger.run.root_id": "root",
        "keyledger.run.status": "timeout",
        "keyledger.run.tool_calls": 0,
    }
    assert span.context is not None
    assert found["invoke_agent plan"].context is not None
    assert span.context.trace_id == found["invoke_agent plan"].context.trace_id


def test_spans_that_are_kept_too_long_are_shown_when_the_run_ends(
    ledger: keyledger.Ledger, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_MOST_OPEN", 10)
    for number in range(11):
        ledger.runs.start(RunInfo(f"r{number}", f"skill-{number}"))
    for number in range(11):
        ledger.runs.finish(f"r{number}", RunStats("ok"))
    assert set(tracer.spans()) == {f"invoke_agent skill-{number}" for number in range(11)}
    assert tracer.spans()["invoke_agent skill-0"].parent is not None
    assert tracer.spans()["invoke_agent skill-1"].parent is None


CHILD = """
import json, sys, keyledger
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
with keyledger.open(**json.loads(sys.argv[1])) as ledger:
    with ledger.runs.record("search", parent_run_id="root"):
        pass
(span,) = exporter.get_finished_spans()
print(format(span.context.trace_id, "032x"), format(span.parent.span_id, "016x"))
"""


def test_processes_share_a_trace(ledger: keyledger.Ledger, options: dict[str, Any], tracer: Tracer) -> None:
    with ledger.runs.record("plan", run_id="root"):
        child = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(options)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    (span,) = tracer.spans().values()
    assert span.context is not None
    assert child.stdout.split() == [format(span.context.trace_id, "032x"), format(span.context.span_id, "016x")]


# ---------------------------------------------------------------------------------------- tool calls


@pytest.mark.parametrize(
    ("tool", "args", "operation", "record", "count"),
    [
        ("kv_set", {"key": "new", "value": 1}, "upsert_memory", "skill/new", 1),
        ("kv_set", {"key": "new", "value": 1, "if_revision": 0}, "create_memory", "skill/new", 1),
        ("kv_set", {"key": "a", "value": 1, "if_revision": 1}, "update_memory", "skill/a", 1),
        ("kv_set", {"key": "a", "value": 1, "scope": "user:ada"}, "upsert_memory", "user:ada/a", 1),
        ("kv_increment", {"key": "n"}, "upsert_memory", "skill/n", 1),
        ("kv_get", {"key": "a"}, "search_memory", "skill/a", 1),
        ("kv_get", {"key": "missing"}, "search_memory", "skill/missing", 0),
        ("kv_list", {"prefix": ""}, "search_memory", None, 2),
        ("kv_delete", {"key": "a"}, "delete_memory", "skill/a", 1),
    ],
)
def test_a_call_of_a_key_tool_is_a_span_with_its_memory_operation(
    ledger: keyledger.Ledger,
    tracer: Tracer,
    tool: str,
    args: dict[str, Any],
    operation: str,
    record: str | None,
    count: int,
) -> None:
    kv = ledger.partition("weather")
    kv.set("a", "secret")
    kv.set("b", "secret")
    ledger.runs.start(RunInfo("r", "weather"))
    call_tool(ledger, tool, args, invocation("r"))
    ledger.runs.finish("r", RunStats("ok"))
    found = tracer.spans()
    call, memory = found[f"execute_tool {tool}"], found[operation]
    assert attributes(call) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "datastore",
        "keyledger.run.id": "r",
    }
    assert attributes(memory) == {
        "gen_ai.operation.name": operation,
        "gen_ai.memory.store.id": "weather",
        "gen_ai.memory.record.count": count,
        **({} if record is None else {"gen_ai.memory.record.id": record}),
    }
    assert is_beneath(memory, call)
    assert is_beneath(call, found["invoke_agent weather"])
    assert call.kind is memory.kind is SpanKind.INTERNAL
    assert "secret" not in call.to_json() + memory.to_json()


def test_what_a_dispatch_tree_shares_is_a_store_of_its_own(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    call_tool(ledger, "kv_set", {"key": "a", "value": 1, "scope": "root_run:r"}, invocation("r"))
    memory = attributes(tracer.spans()["upsert_memory"])
    assert memory["gen_ai.memory.store.id"] == "__root_run__"
    assert memory["gen_ai.memory.record.id"] == "root_run:r/a"


@pytest.mark.parametrize(
    ("args", "error_type", "record"),
    [
        ({"key": "a", "value": 1, "if_revision": 9}, "revision_conflict", "skill/a"),
        ({"key": "a", "value": float("nan")}, "invalid_value", "skill/a"),
        ({"key": "a", "value": 1, "scope": "user:bob"}, "access_denied", "user:bob/a"),
        ({"key": "a" * 600, "value": 1}, "invalid_argument", None),
        ({"key": "\ud800", "value": 1}, "invalid_argument", None),
        ({"key": 7, "value": 1, "scope": ["secret"]}, "invalid_argument", None),
        ({"key": "a", "secret": 1}, "invalid_argument", "skill/a"),
    ],
)
def test_a_call_that_is_refused_says_why_in_a_word(
    ledger: keyledger.Ledger, tracer: Tracer, args: dict[str, Any], error_type: str, record: str | None
) -> None:
    with pytest.raises(keyledger.KeyledgerError):
        call_tool(ledger, "kv_set", args, invocation())
    for span in tracer.spans().values():
        assert attributes(span)["error.type"] == error_type
        assert span.status.status_code is StatusCode.ERROR
        assert "secret" not in span.to_json()
    memory = next(span for name, span in tracer.spans().items() if name.endswith("_memory"))
    assert attributes(memory).get("gen_ai.memory.record.id") == record
    assert "gen_ai.memory.record.count" not in attributes(memory)


def test_a_tool_that_is_none_has_no_span(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    with pytest.raises(InvalidArgumentError):
        call_tool(ledger, "kv_drop", {}, invocation())
    assert tracer.spans() == {}


def test_a_tool_of_the_host_is_a_span_beneath_its_run(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    recorder = ledger.runs.sink().start_run(RunInfo("r", "weather"))
    with recorder.on_tool_call("search", {"q": "secret"}) as call:
        tracer.provider.get_tracer("host").start_span("GET /search").end()
        call.result = {"kv": "secret"}
    recorder.on_tool("mail", {}, error="a secret")
    with pytest.raises(OSError, match="secret"), recorder.on_tool_call("fetch", {}):
        raise ConnectionResetError("a secret")
    recorder.on_tool("kv_set", {"key": "a"}, {"ok": True})
    recorder.close()
    found = tracer.spans()
    run = found.pop("invoke_agent weather")
    assert is_beneath(found.pop("GET /search"), found["execute_tool search"])
    assert all(is_beneath(span, run) for span in found.values())
    errors = {name: attributes(span).get("error.type") for name, span in found.items()}
    assert errors == {
        "execute_tool search": None,
        "execute_tool mail": "tool_error",
        "execute_tool fetch": "ConnectionResetError",
        "execute_tool kv_set": None,
    }
    assert "gen_ai.tool.type" not in attributes(found["execute_tool search"])
    assert attributes(run)["keyledger.run.tool_calls"] == 4
    assert not any("secret" in span.to_json() for span in found.values())


def test_a_call_without_a_run_is_beneath_the_current_span(ledger: keyledger.Ledger, tracer: Tracer) -> None:
    with tracer.provider.get_tracer("host").start_as_current_span("host"):
        call_tool(ledger, "kv_get", {"key": "a"}, invocation())
        call_tool(ledger, "kv_delete", {"key": "a"}, invocation("never-started"))
    found = tracer.spans()
    assert is_beneath(found["execute_tool kv_get"], found["host"])
    assert is_beneath(found["execute_tool kv_delete"], found["host"])


def test_the_span_of_another_process_is_looked_up_once(
    ledger: keyledger.Ledger, elsewhere: keyledger.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.runs.start(RunInfo("r", "weather"))
    asked: list[str] = []
    find = elsewhere.runs.tracing._find

    def counted(run_id: str) -> str | None:
        asked.append(run_id)
        return find(run_id)

    monkeypatch.setattr(elsewhere.runs.tracing, "_find", counted)
    for run_id in ("r", "never", "r", "never"):
        with elsewhere.runs.tracing.call("search", {}, run_id):
            pass
    assert asked == ["r", "never"]


# ----------------------------------------------------------------------------------- what may go wrong


class Broken(OpenTelemetry):
    """Active, and fails at whatever else it is asked."""

    def __init__(self, *, fails_late: bool) -> None:
        super().__init__(TracerProvider())
        self._works = {"active", "begin_run", "enter_run", "begin_call"} if fails_late else {"active"}

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in self._works:
            raise RuntimeError(f"no {name}")
        found = super().__getattribute__(name)
        return (lambda *_: self._fails) if name in {"enter_run", "begin_call"} else found

    def _fails(self, *_told: Any) -> None:
        raise RuntimeError("too late")


@pytest.mark.parametrize(("fails_late", "first"), [(False, "no begin_run"), (True, "too late")])
def test_no_failure_of_tracing_breaks_a_run(
    reopen: Reopen, caplog: pytest.LogCaptureFixture, first: str, *, fails_late: bool
) -> None:
    with reopen(telemetry=Broken(fails_late=fails_late)) as ledger:
        with ledger.runs.record("weather", run_id="r") as run:
            run.on_tool("search", {})
            call_tool(ledger, "kv_set", {"key": "a", "value": 1}, invocation("r"))
        with pytest.raises(LookupError), ledger.runs.record("weather", run_id="r2") as run:
            raise LookupError
        assert ledger.runs.get("r").status == "ok"
        assert ledger.runs.get("r2").status == "error"
        assert ledger.runs.failures == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"tracing failed, and the runs go on without it: RuntimeError: {first}"
    ]


def test_a_run_that_is_not_sampled_samples_none_beneath(reopen: Reopen, tracer: Tracer) -> None:
    never = Tracer(sampler=ParentBased(ALWAYS_OFF))
    with reopen(telemetry=never.telemetry) as unsampled, reopen(telemetry=tracer.telemetry) as ledger:
        unsampled.runs.start(RunInfo("root", "plan"))
        with ledger.runs.record("weather", parent_run_id="root"):
            pass
        unsampled.runs.finish("root", RunStats("ok"))
    assert tracer.spans() == never.spans() == {}


def test_a_start_that_could_not_be_written_has_no_span(
    ledger: keyledger.Ledger, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_arguments: Any, **_options: Any) -> Any:
        raise StorageUnavailableError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(ledger._run_writer, "execute", down)
        with ledger.runs.record("weather") as run:
            pass
    assert run.failures == 1
    assert tracer.spans() == {}


def test_a_context_that_a_block_left_is_as_it_was(ledger: keyledger.Ledger) -> None:
    token = context.attach(context.set_value("mine", 1))
    before = context.get_current()
    with ledger.runs.record("weather") as run, run.on_tool_call("search", {}):
        assert context.get_value("mine") == 1
    assert context.get_current() is before
    context.detach(token)


@pytest.mark.parametrize(
    ("program", "provider", "imported"),
    [("", "", False), ("import opentelemetry.trace", "", True), ("", "sdk_tracer_provider", True)],
)
def test_opentelemetry_is_imported_by_who_uses_it(
    program: str, provider: str, *, imported: bool, tmp_path: Path
) -> None:
    script = f"""
import sys
import keyledger
from keyledger.adapters.tools.call import call_tool

def found():
    return [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]

with keyledger.open("sqlite:///{tmp_path}/l.db", enforce_flags=False) as ledger:
    assert found() == []
    {program}
    with ledger.runs.record("weather") as run:
        run.on_tool("search", {{}})
    ada = keyledger.Invocation(skill_id="weather", caller_id="ada")
    call_tool(ledger, "kv_set", {{"key": "a", "value": 1}}, ada)
    assert ("keyledger.adapters.otel.spans" in sys.modules) is {imported}
    assert bool(found()) is {imported}
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    if provider:
        environment["OTEL_PYTHON_TRACER_PROVIDER"] = provider
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=environment)


def test_telemetry_that_cannot_be_loaded_is_tried_once(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[int] = []

    def load() -> OpenTelemetry:
        tried.append(1)
        raise ImportError("half installed")

    tracing = Tracing(load, lambda _: None)
    for _ in range(3):
        with tracing.call("search", {}, None) as call:
            call.result = 1
        assert call.result == 1
    assert len(tried) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "tracing failed, and the runs go on without it: ImportError: half installed"
    ]


def test_without_the_extra_nothing_of_it_is_imported(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
import keyledger
from keyledger.adapters.otel.detection import detected
from keyledger.adapters.tools.call import call_tool
from keyledger.domain.audit.telemetry import no_telemetry

assert detected() is no_telemetry
with keyledger.open("sqlite:///{tmp_path}/l.db", enforce_flags=False) as ledger:
    with ledger.runs.record("weather", run_id="r") as run:
        run.on_tool("search", {{}})
    ada = keyledger.Invocation(skill_id="weather", caller_id="ada")
    call_tool(ledger, "kv_set", {{"key": "a", "value": 1}}, ada)
    assert ledger.runs.get("r").status == "ok"
assert [name for name in sys.modules if name.startswith("opentelemetry")] == ["opentelemetry"]
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
