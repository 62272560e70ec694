"""What happens to runs, as it happens: a line each for people, a JSON document each for programs."""

from __future__ import annotations

from typing import Any

import orjson
from rich.text import Text

from keyledger.adapters.cli.output import count, moment, out, printable
from keyledger.adapters.cli.run_output import FAILED, for_whom, lasting, log_style, status_style
from keyledger.adapters.clock import SystemClock
from keyledger.domain.audit.tail import RunNews
from keyledger.domain.run import RUNNING, RunFinished, RunLogged, RunPurged, RunStarted, run_of

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


def print_news(event: RunNews) -> None:
    """Print what happened to a run on a line; a terminal's width cuts it off, but for errors.

    Times in UTC, with the day if it is not today.
    """
    console = out()
    today = SystemClock().now().date() == event.recorded_at.date()
    when, run_id = (
        f"{moment(event.recorded_at)[-8 if today else 0 :]}  ",
        f"{printable(run_of(event.originator_id))}  ",
    )
    text = Text.assemble((when, "dim"), (run_id, "cyan"), *_parts(event))
    if console.is_terminal and not _failed(event):
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        console.print(text, soft_wrap=True)


def _failed(event: RunNews) -> bool:
    return bool(event.error) if isinstance(event, RunFinished) else getattr(event, "event_type", "") == "error"


def _parts(event: RunNews) -> list[tuple[str, str]]:
    match event:
        case RunStarted():
            caller = f", called by {printable(event.parent_run_id)}" if event.parent_run_id else ""
            rest = f"  {printable(event.skill_id)}{for_whom(event.caller_id, event.channel_id)}{caller}"
            return [("started", status_style(RUNNING)), (rest, "")]
        case RunLogged():
            style = log_style(event.event_type, orjson.loads(event.payload))
            payload = (f"  {printable(event.payload.decode())}", FAILED if _failed(event) else "")
            return [(f"#{event.sequence} ", "dim"), (event.event_type, style), payload]
        case RunFinished():
            said = [(_spent(event), ""), (printable(event.error), FAILED)]
            return [
                (event.status, status_style(event.status)),
                *((f"  {text}", style) for text, style in said if text),
            ]
        case RunPurged():
            return [("purged", "yellow"), (f"  by {printable(event.changed_by or '')}", "")]


def _spent(event: RunFinished) -> str:
    tokens = event.input_tokens + event.output_tokens + event.thinking_tokens
    said = [lasting(event.runtime_seconds)] if event.runtime_seconds else []
    said += [
        count(number, what) for number, what in ((event.tool_calls, "tool call"), (tokens, "token")) if number
    ]
    return ", ".join(said)
