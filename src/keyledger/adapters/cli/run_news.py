"""What happens to runs, as it happens: a line each for people, a JSON document each for programs."""

from __future__ import annotations

from typing import Any

import orjson
from rich.text import Text

from keyledger.adapters.cli.output import count, moment, printable
from keyledger.adapters.cli.run_output import FAILED, for_whom, lasting, log_style, status_style
from keyledger.domain.run import RUNNING, RunFinished, RunLogged, RunPurged, RunStarted, run_of
from keyledger.domain.run_tail import RunNews

_DOCUMENTS: dict[type[RunNews], tuple[str, tuple[str, ...]]] = {
    RunStarted: (
        "started",
        ("skill_id", "caller_id", "channel_id", "parent_run_id", "root_run_id", "started_at", "inputs"),
    ),
    RunLogged: ("logged", ("sequence", "event_type", "payload")),
    RunFinished: (
        "finished",
        (
            *("status", "output", "error", "tool_calls", "runtime_seconds"),
            *("input_tokens", "output_tokens", "thinking_tokens"),
        ),
    ),
    RunPurged: ("purged", ("changed_by",)),
}


def news_document(event: RunNews) -> dict[str, Any]:
    """What happened to a run; ``change`` is started, logged, finished or purged, and names the other fields."""
    change, names = _DOCUMENTS[type(event)]
    document = {"change": change, "run_id": run_of(event.originator_id), "recorded_at": event.recorded_at}
    return document | {name: _plain(getattr(event, name)) for name in names}


def _plain(value: Any) -> Any:
    return orjson.Fragment(value) if isinstance(value, bytes) else value


def news_line(event: RunNews) -> Text:
    """What happened to a run, on one line; times in UTC."""
    when, run_id = f"{moment(event.recorded_at)[-8:]}  ", f"{printable(run_of(event.originator_id))}  "
    parts = [(when, "dim"), (run_id, "cyan"), *_parts(event)]
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _parts(event: RunNews) -> list[tuple[str, str]]:
    match event:
        case RunStarted():
            caller = f", called by {printable(event.parent_run_id)}" if event.parent_run_id else ""
            rest = f"  {printable(event.skill_id)}{for_whom(event.caller_id, event.channel_id)}{caller}"
            return [("started", status_style(RUNNING)), (rest, "")]
        case RunLogged():
            style = log_style(event.event_type)
            payload = (f"  {printable(event.payload.decode())}", style if event.event_type == "error" else "")
            return [(f"#{event.sequence} ", "dim"), (event.event_type, style), payload]
        case RunFinished():
            failed = [(f"  {printable(event.error)}", FAILED)] if event.error else []
            return [(event.status, status_style(event.status)), (f"  {_spent(event)}", ""), *failed]
        case RunPurged():
            return [("purged", "yellow"), (f"  by {printable(event.changed_by or '')}", "")]


def _spent(event: RunFinished) -> str:
    tokens = event.input_tokens + event.output_tokens + event.thinking_tokens
    said = [lasting(event.runtime_seconds)] if event.runtime_seconds else []
    said += [count(number, what) for number, what in ((event.tool_calls, "tool call"), (tokens, "token")) if number]
    return ", ".join(said)
