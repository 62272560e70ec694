"""Runs and tool calls as spans by OpenTelemetry's conventions for generative AI, 1.42.0-dev.

The conventions are in development and have a repository of their own, open-telemetry/semantic-conventions-genai.
A run is ``invoke_agent {skill}``, a tool call ``execute_tool {tool}``, and a call of a key tool has beneath it the
memory operation that it is. A span tells ids, counts and classes of errors, never what a run or value says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from keyledger.adapters.otel import memory
from keyledger.domain.audit.telemetry import (
    TOOL_ERROR,
    BegunRun,
    EndCall,
    EndedRun,
    FindTraceparent,
    TracedCall,
    TracedRun,
    error_type,
)
from keyledger.domain.run import Outcome

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

_MOST_OPEN = 10_000
_MOST_KNOWN = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RUN = contexts.create_key("keyledger.run")
_W3C = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Makes spans with ``provider``, or with the one that the program has set, as soon as it has."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._given = provider
        self._tracer_of: tuple[TracerProvider, Tracer] | None = None
        self._open: dict[str, Span] = {}
        self._known: dict[str, str | None] = {}
        """The trace contexts of runs that other processes began, as far as they were looked up."""

    def active(self) -> bool:
        return self._tracer() is not None

    def _tracer(self) -> Tracer | None:
        provider = self._given or trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            return None
        if self._tracer_of is None or self._tracer_of[0] is not provider:
            tracer = provider.get_tracer("keyledger", version("keyledger"), SCHEMA_URL)
            self._tracer_of = (provider, tracer)
        return self._tracer_of[1]

    # ---------------------------------------------------------------------------------------- runs

    def begin_run(self, run: TracedRun, parent_traceparent: str | None) -> BegunRun:
        span = self._run_span(run, self._parent_of_run(run, parent_traceparent))
        return BegunRun(_traceparent(span), lambda: self._keep(run.id, span))

    def _run_span(self, run: TracedRun, parent: Context) -> Span:
        tracer = self._tracer()
        if tracer is None:
            return trace.INVALID_SPAN
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.id": run.skill_id,
            "gen_ai.agent.name": run.skill_id,
            "keyledger.run.id": run.id,
            "keyledger.run.root_id": run.root_run_id,
        }
        if run.channel_id:
            attributes["gen_ai.conversation.id"] = run.channel_id
        begun = _nanoseconds(run.started_at)
        return tracer.start_span(
            f"invoke_agent {run.skill_id}", parent, SpanKind.INTERNAL, attributes, None, begun
        )

    def _parent_of_run(self, run: TracedRun, traceparent: str | None) -> Context:
        """The span of the run's parent; where that has none, or there is no parent, the current one."""
        current = contexts.get_current()
        span = self._open.get(run.parent_run_id)
        if span is not None:
            return trace.set_span_in_context(span, current)
        return _remote(traceparent, current) if traceparent else current

    def _keep(self, run_id: str, span: Span) -> None:
        if span.get_span_context().is_valid:
            self._open[run_id] = span
            _bound(self._open, _MOST_OPEN)

    def is_open(self, run_id: str) -> bool:
        return run_id in self._open

    def end_run(self, run_id: str, ended: EndedRun) -> None:
        span = self._open.pop(run_id, None)
        if span is not None:
            _end_run(span, ended)

    def show_run(self, run: TracedRun, ended: EndedRun, traceparent: str) -> None:
        _end_run(self._run_span(run, _remote(traceparent, Context())), ended)

    def enter_run(self, run_id: str) -> Callable[[], None]:
        span = self._open.get(run_id)
        if span is None:
            return _nothing
        token = contexts.attach(contexts.set_value(_RUN, run_id, trace.set_span_in_context(span)))
        return lambda: contexts.detach(token)

    # ---------------------------------------------------------------------------------- tool calls

    def begin_call(self, call: TracedCall, find: FindTraceparent) -> EndCall:
        tracer = self._tracer()
        if tracer is None:
            return _nothing_to_end
        parent = self._parent_of_call(call, find)
        spans = [tracer.start_span(f"execute_tool {call.tool}", parent, SpanKind.INTERNAL, _tool_attributes(call))]
        operation = None if call.store is None else memory.operation(call.tool, call.args)
        if operation is not None:
            parent = trace.set_span_in_context(spans[0], parent)
            attributes = _memory_attributes(call, operation)
            spans.append(tracer.start_span(operation, parent, SpanKind.INTERNAL, attributes))
        token = contexts.attach(trace.set_span_in_context(spans[-1], parent))

        def end(result: Any, error: BaseException | str | None) -> None:
            contexts.detach(token)
            if operation is not None and error is None:
                spans[-1].set_attribute("gen_ai.memory.record.count", memory.record_count(call.tool, result))
            for span in reversed(spans):
                if error is not None:
                    _fail(span, TOOL_ERROR if isinstance(error, str) else error_type(error))
                span.end()

        return end

    def _parent_of_call(self, call: TracedCall, find: FindTraceparent) -> Context:
        """The span of the run that calls; inside the block of that run, the current span, which is beneath it."""
        current = contexts.get_current()
        if call.run_id is None or contexts.get_value(_RUN, current) == call.run_id:
            return current
        span = self._open.get(call.run_id)
        if span is not None:
            return trace.set_span_in_context(span, current)
        traceparent = self._traceparent_of(call.run_id, find)
        return _remote(traceparent, current) if traceparent else current

    def _traceparent_of(self, run_id: str, find: FindTraceparent) -> str | None:
        if run_id not in self._known:
            self._known[run_id] = find(run_id)
            _bound(self._known, _MOST_KNOWN)
        return self._known[run_id]


def _tool_attributes(call: TracedCall) -> dict[str, str]:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.tool}
    if call.store is not None:
        attributes["gen_ai.tool.type"] = "datastore"
    if call.run_id is not None:
        attributes["keyledger.run.id"] = call.run_id
    return attributes


def _memory_attributes(call: TracedCall, operation: str) -> dict[str, str]:
    store = memory.store_id(call.args, call.store or "")
    attributes = {"gen_ai.operation.name": operation, "gen_ai.memory.store.id": store}
    record = memory.record_id(call.args)
    return attributes if record is None else attributes | {"gen_ai.memory.record.id": record}


def _end_run(span: Span, ended: EndedRun) -> None:
    outcome = ended.outcome
    span.set_attributes(_outcome_attributes(outcome))
    if outcome.status not in {"ok", "dry_run"}:
        by_exception = ended.error_type if outcome.status == "error" else None
        _fail(span, by_exception or outcome.status)
    span.end(_nanoseconds(ended.finished_at))


def _outcome_attributes(outcome: Outcome) -> dict[str, str | int]:
    tokens = {
        "gen_ai.usage.input_tokens": outcome.input_tokens,
        "gen_ai.usage.output_tokens": outcome.output_tokens,
        "gen_ai.usage.reasoning.output_tokens": outcome.thinking_tokens,
    }
    said: dict[str, str | int] = {name: count for name, count in tokens.items() if count}
    return said | {"keyledger.run.status": outcome.status, "keyledger.run.tool_calls": outcome.tool_calls}


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def _traceparent(span: Span) -> str | None:
    """The W3C trace context of a span that has one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def _remote(traceparent: str, current: Context) -> Context:
    return _W3C.extract({"traceparent": traceparent}, current)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _bound(kept: dict[str, Any], most: int) -> None:
    """Let go of the oldest tenth of what is kept, if it is more than ``most``; no lock, as each step is one."""
    if len(kept) > most:
        for name in list(kept)[: most // 10]:
            kept.pop(name, None)


def _nothing() -> None:
    pass


def _nothing_to_end(_result: object, _error: object) -> None:
    pass
