"""Checks of what callers say of runs, and the actions that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from sys import float_info

from keyledger.domain import arguments
from keyledger.domain.audit.records import RunFilter, RunInfo, RunLog, RunStats
from keyledger.domain.engine import Engine, Redact
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.run import LOG_TYPES, MAX_SEQUENCE, PURGES, STATUSES, TERMINAL, Log, Outcome
from keyledger.domain.scope import MAX_ID_BYTES, check_id, check_text
from keyledger.domain.values import check_value, is_utf8

MAX_PAYLOAD_BYTES = 1_048_576
"""The cap on the JSON text of a run's inputs, of its output or error, and of one log line's payload, in bytes."""

DEFAULT_RUNS, MOST_RUNS = 50, 500


def check_run_id(field: str, run_id: object) -> None:
    """Raise unless ``run_id`` may name a run: 1 to 256 UTF-8 bytes, and not the ledger's own."""
    check_id(field, run_id)
    if run_id == PURGES:
        raise InvalidArgumentError(field, run_id, f"any id but {PURGES}, which is the ledger's own")


def check_run_info(run: RunInfo, now: datetime) -> None:
    """Raise unless ``run`` may be started at ``now``."""
    if not isinstance(run, RunInfo):
        raise InvalidArgumentError("run", run, "a RunInfo")
    check_run_id("id", run.id)
    check_id("skill_id", run.skill_id)
    for field in ("caller_id", "channel_id"):
        _check_if_any(field, getattr(run, field))
    for field in ("parent_run_id", "root_run_id"):
        if getattr(run, field) != "":
            check_run_id(field, getattr(run, field))
    if run.parent_run_id == run.id:
        raise InvalidArgumentError("parent_run_id", run.id, "another run than the one that starts")
    if run.started_at is not None:
        started_at = arguments.moment("started_at", run.started_at)
        if started_at > now + arguments.MAX_CLOCK_SKEW:
            ahead = f"a time at most {arguments.MAX_CLOCK_SKEW.seconds} s ahead of the clock"
            raise InvalidArgumentError("started_at", started_at.isoformat(), ahead)


def json_object(engine: Engine, field: str, value: object) -> bytes:
    """The JSON text of an object, once the ledger's redaction has seen it."""
    text = _object(engine, field, value)
    if engine.settings.redact is not None and text != b"{}":
        redacted = _redacted(engine.settings.redact, field, engine.codec.decode(text))
        text = _object(engine, f"redacted {field}", redacted)
    _check_size(field, len(text))
    return text


def _object(engine: Engine, field: str, value: object) -> bytes:
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(field, value, "a dict of JSON values")
    plain = dict(value)
    check_value(plain, field)
    return engine.codec.encode(plain)


def _redacted(redact: Redact, field: str, value: object) -> object:
    try:
        return redact(field, value)
    except Exception as error:
        kind = type(error).__qualname__
        raised = f"what redact returns, and it raised {kind}"
        raise InvalidArgumentError(f"redacted {field}", kind, raised) from error


def check_log(log: RunLog) -> None:
    """Raise unless ``log`` is a line of something that may be a run."""
    if not isinstance(log, RunLog):
        raise InvalidArgumentError("log", log, "a RunLog")
    check_run_id("run_id", log.run_id)


def log_action(engine: Engine, log: RunLog) -> Log:
    """The action that appends ``log``."""
    if log.event_type not in LOG_TYPES:
        raise InvalidArgumentError("event_type", log.event_type, ", ".join(LOG_TYPES))
    if log.sequence is not None:
        arguments.check_integer("sequence", log.sequence, 0, MAX_SEQUENCE)
    return Log(log.event_type, json_object(engine, "payload", log.payload), log.sequence)


def outcome(engine: Engine, stats: RunStats) -> Outcome:
    """How a run ended, as its event says it."""
    if not isinstance(stats, RunStats):
        raise InvalidArgumentError("stats", stats, "a RunStats")
    if stats.status not in TERMINAL:
        raise InvalidArgumentError("status", stats.status, ", ".join(TERMINAL))
    for field in ("tool_calls", "input_tokens", "output_tokens", "thinking_tokens"):
        arguments.check_integer(field, getattr(stats, field), 0)
    seconds = stats.runtime_seconds
    if type(seconds) not in (int, float) or not 0 <= seconds <= float_info.max:
        raise InvalidArgumentError("runtime_seconds", seconds, "a finite number of seconds, at least 0")
    return Outcome(
        stats.status,
        _text(engine, "output", stats.output),
        _text(engine, "error", stats.error),
        stats.tool_calls,
        float(seconds),
        stats.input_tokens,
        stats.output_tokens,
        stats.thinking_tokens,
    )


def _text(engine: Engine, field: str, text: object) -> str:
    checked = _checked(field, text)
    if checked and engine.settings.redact is not None:
        checked = _checked(f"redacted {field}", _redacted(engine.settings.redact, field, checked))
    _check_size(field, len(checked.encode()))
    return checked


def _checked(field: str, text: object) -> str:
    if not isinstance(text, str) or not is_utf8(text):
        raise InvalidArgumentError(field, text, "a str without lone surrogates")
    return str.__str__(text)  # exactly a str


def _check_size(field: str, size: int) -> None:
    if size > MAX_PAYLOAD_BYTES:
        raise InvalidArgumentError(field, f"{size} bytes", f"at most {MAX_PAYLOAD_BYTES} UTF-8 bytes")


def check_filter(wanted: RunFilter | None) -> RunFilter:
    """The filter, its times in UTC; raises unless each field is of its form."""
    if wanted is None:
        return RunFilter()
    if not isinstance(wanted, RunFilter):
        raise InvalidArgumentError("wanted", wanted, "a RunFilter")
    if wanted.status not in ("", *STATUSES):
        raise InvalidArgumentError("status", wanted.status, ", ".join(STATUSES))
    for field in ("top_level_only", "include_dry_run"):
        if type(getattr(wanted, field)) is not bool:
            raise InvalidArgumentError(field, getattr(wanted, field), "a bool")
    for field in ("skill_id", "caller_id", "channel_id"):
        _check_if_any(field, getattr(wanted, field))
    since, until = (
        moment if moment is None else arguments.moment(field, moment)
        for field, moment in (("since", wanted.since), ("until", wanted.until))
    )
    return replace(wanted, since=since, until=until)


def clamped(limit: int) -> int:
    """``limit`` if it is from 1 to 500, else 50."""
    arguments.check_integer("limit", limit)
    return limit if 0 < limit <= MOST_RUNS else DEFAULT_RUNS


def _check_if_any(field: str, text: object) -> None:
    if text != "":
        check_text(field, text, MAX_ID_BYTES)
