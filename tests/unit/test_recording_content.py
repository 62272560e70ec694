"""Whatever a run is given, says or raises: its body hears nothing of the audit, and the run ends."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

import keyledger
from keyledger import InvalidArgumentError, Ledger, RunInfo, RunLog, RunStats
from keyledger.domain.audit.arguments import MAX_PAYLOAD_BYTES
from keyledger.domain.audit.telemetry import TracedCall, Tracing
from keyledger.domain.values import MAX_INTEGER

TOO_LONG = "x" * MAX_PAYLOAD_BYTES
NO_JSON: Any = {"a": (1, 2)}
NO_TEXT = "a str without lone surrogates"


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Text(str):
    __slots__ = ()


class Redaction:
    """Leaves what it is shown as it is, until it is told what to return, or to raise."""

    to: Any = None
    seen: int = 0

    def __call__(self, kind: str, value: Any) -> Any:
        self.seen += 1
        if isinstance(self.to, Exception):
            raise self.to
        return value if self.to is None else self.to(kind, value)


@pytest.fixture
def redaction() -> Redaction:
    return Redaction()


@pytest.fixture
def ledger(redaction: Redaction) -> Iterator[Ledger]:
    with keyledger.open("memory://", redact=redaction) as ledger:
        yield ledger


def lines(ledger: Ledger) -> list[tuple[str, Mapping[str, Any]]]:
    return [(log.event_type, log.payload) for log in ledger.runs.logs("r")]


# ------------------------------------------------------------------------- an exception without words


def test_an_exception_that_cannot_say_what_it_is_ends_the_run_by_its_class(ledger: Ledger) -> None:
    with pytest.raises(SpeechlessError), ledger.runs.record("weather", run_id="r"):
        raise SpeechlessError
    assert (ledger.runs.get("r").status, ledger.runs.get("r").error) == ("error", "SpeechlessError")
    assert ledger.runs.failures == 0


def test_an_exception_that_cannot_say_what_it_is_is_logged_by_its_class(ledger: Ledger) -> None:
    recorder = ledger.runs.sink().start_run(RunInfo("r", "weather"))
    with pytest.raises(SpeechlessError), recorder.on_tool_call("search", {}):
        raise SpeechlessError
    recorder.close()
    said = {"tool": "search", "call": 1, "ok": False, "error": "SpeechlessError", "message": ""}
    assert lines(ledger)[1] == ("tool_result", said)


def test_tracing_that_fails_without_words_is_reported_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def active(self) -> bool:
            raise SpeechlessError

        def __getattr__(self, name: str) -> Callable[..., Any]:
            raise SpeechlessError

    with Tracing(Broken, lambda _: None).call("search", {}, "r") as call:
        call.result = TracedCall("search", {})
    assert caplog.messages == ["tracing failed, and the runs go on without it: SpeechlessError"]


# --------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"a": TOO_LONG}, "inputs: at most 1048576 UTF-8 bytes"),
        ({"a": (1, 2)}, "inputs.a: JSON: null, a bool, int, float, str, list or dict, not tuple"),
        ({"a": datetime.now(UTC)}, "inputs.a: JSON: null, a bool, int, float, str, list or dict, not datetime"),
        ({1: 2}, "inputs, a key: a str"),
        ([], "inputs: a dict of JSON values"),
    ],
)
def test_inputs_that_cannot_be_written_stop_no_block(
    ledger: Ledger, inputs: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger.runs.record("weather", run_id="r", inputs=inputs) as run:
        run.output = "done"
    found = ledger.runs.get("r")
    assert (found.status, found.output, found.inputs) == ("ok", "done", {"omitted": why})
    assert run.failures == ledger.runs.failures == 1
    assert caplog.messages == [f"run 'r': what it was given is not recorded: {why}"]


def test_inputs_that_cannot_be_written_stop_no_executor(ledger: Ledger) -> None:
    recorder = ledger.runs.sink().start_run(RunInfo("r", "weather", inputs=NO_JSON))
    recorder.on_step({"n": 1})
    recorder.close()
    assert ledger.runs.get("r").inputs["omitted"]
    assert (ledger.runs.get("r").status, lines(ledger)) == ("ok", [("step", {"n": 1})])


@pytest.mark.parametrize("kind", [dict, OrderedDict, MappingProxyType, lambda given: defaultdict(int, given)])
def test_any_mapping_is_an_object(ledger: Ledger, kind: Callable[[dict[str, Any]], Any]) -> None:
    with ledger.runs.record("weather", run_id="r", inputs=kind({"a": 1})) as run:
        run.on_step(kind({"b": 2}))
        run.on_tool("search", kind({"c": 3}))
    ledger.runs.append_log(RunLog("r", "step", kind({"d": 4})))
    assert ledger.runs.get("r").inputs == {"a": 1}
    said = [payload for kind, payload in lines(ledger) if kind != "tool_result"]
    assert said == [{"b": 2}, {"tool": "search", "args": {"c": 3}}, {"d": 4}]
    assert ledger.runs.failures == 0


def test_a_mapping_inside_inputs_is_a_dict(ledger: Ledger) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^inputs\.a: .* not OrderedDict"):
        ledger.runs.start(RunInfo("r", "weather", inputs={"a": OrderedDict(b=1)}))


def test_of_an_exception_that_is_not_ours_the_log_is_told_the_class(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    class Lazy(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise ConnectionError("hunter2")

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    ledger.runs.sink().start_run(RunInfo("r", "weather")).on_step(Lazy())
    assert caplog.messages == ["run 'r': a step is not recorded: ConnectionError"]


# ------------------------------------------------------------------------------------------ redaction


@pytest.mark.parametrize(
    "to",
    [
        ValueError("hunter2"),
        lambda *_: None,
        lambda *_: {1, 2},
        lambda *_: {"a": TOO_LONG},
        lambda *_: TOO_LONG * 2,
    ],
)
def test_a_redaction_that_fails_at_everything_leaves_a_run_that_has_ended(
    ledger: Ledger, redaction: Redaction, to: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redaction.to = to
    done = []
    with pytest.raises(LookupError), ledger.runs.record("weather", run_id="r", inputs={"a": "hunter2"}) as run:
        run.on_step({"a": "hunter2"})
        run.on_tool("search", {"a": "hunter2"}, "hunter2")
        run.output = "hunter2"
        done.append(True)
        raise LookupError("hunter2")
    found = ledger.runs.get("r")
    assert done == [True]
    assert (found.status, found.inputs, found.output, found.error) == ("error", {}, "", "")
    assert (found.tool_calls_count, lines(ledger)) == (1, [])
    assert ledger.runs.failures == 8
    assert "hunter2" not in caplog.text


def test_what_a_redaction_refuses_is_left_out_with_why(ledger: Ledger, redaction: Redaction) -> None:
    def without_secrets(_: str, value: Any) -> Any:
        return None if "hunter2" in str(value) else value

    redaction.to = without_secrets
    with ledger.runs.record("weather", run_id="r", inputs={"a": "hunter2"}) as run:
        run.output = "hunter2"
    found = ledger.runs.get("r")
    assert found.inputs == {"omitted": "redacted inputs: a dict of JSON values"}
    assert (found.status, found.output, found.error) == ("ok", "", f"omitted: redacted output: {NO_TEXT}")


def test_a_redaction_that_raises_is_named_to_who_records_for_himself(ledger: Ledger, redaction: Redaction) -> None:
    redaction.to = ZeroDivisionError("hunter2")
    with pytest.raises(InvalidArgumentError, match="redacted inputs") as raised:
        ledger.runs.start(RunInfo("r", "weather", inputs={"a": 1}))
    assert raised.value.__cause__ is redaction.to
    assert "hunter2" not in str(raised.value)
    ledger.runs.start(RunInfo("r", "weather"))  # there is nothing to show
    with pytest.raises(InvalidArgumentError, match="redacted output"):
        ledger.runs.finish("r", RunStats("ok", "done"))


def test_a_text_may_be_of_a_subclass(ledger: Ledger, redaction: Redaction) -> None:
    redaction.to = lambda _, value: Text(value)
    with ledger.runs.record("weather", run_id="r") as run:
        run.output = Text("done")
    found = ledger.runs.get("r")
    assert (found.status, found.output, type(found.output)) == ("ok", "done", str)
    assert (redaction.seen, ledger.runs.failures) == (1, 0)


# ------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize("output", [None, 3, {"a": 1}, "\ud800", TOO_LONG + "x"])
def test_an_output_that_cannot_be_written_is_left_out(ledger: Ledger, output: Any) -> None:
    with ledger.runs.record("weather", run_id="r") as run:
        run.output = output
    found = ledger.runs.get("r")
    assert (found.status, found.output) == ("ok", "")
    assert found.error.startswith("omitted: output: ")
    assert ledger.runs.failures == 1


def test_more_tokens_than_can_be_counted_are_as_many_as_can(ledger: Ledger) -> None:
    recorder = ledger.runs.sink().start_run(RunInfo("r", "weather"))
    for _ in range(2):
        recorder.on_step(input_tokens=MAX_INTEGER, output_tokens=MAX_INTEGER, thinking_tokens=1)
    recorder.close()
    found = ledger.runs.get("r")
    assert (found.status, found.total_input_tokens, found.total_output_tokens, found.total_thinking_tokens) == (
        "ok",
        MAX_INTEGER,
        MAX_INTEGER,
        2,
    )
    assert ledger.runs.failures == 0


@pytest.mark.parametrize("stats", [{"status": "ok"}, {}, "ok", 0])
def test_an_end_that_is_no_stats_ends_the_run(
    ledger: Ledger, stats: Any, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = ledger.runs.sink().start_run(RunInfo("r", "weather"))
    recorder.on_step(input_tokens=5)
    recorder.close(stats)
    found = ledger.runs.get("r")
    assert (found.status, found.error, found.total_input_tokens) == ("error", "omitted: stats: a RunStats", 5)
    assert ledger.runs.failures == 1
    assert caplog.messages == ["run 'r': what it came to is not recorded: stats: a RunStats"]
