"""The words of the specs of runs; see ``specs``. Every run is ``r-1``, its events a second apart from START on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from keyledger.domain.run import (
    Finish,
    KeysRead,
    Log,
    Outcome,
    Purge,
    Purged,
    RunAction,
    RunCommand,
    RunEvent,
    RunFinished,
    RunLogged,
    RunPurged,
    RunStarted,
    RunState,
    Start,
    decide,
    fold,
)

from .specs import START, Fact, Spec

STREAM = "run:r-1"


def seconds(count: float) -> datetime:
    return START + timedelta(seconds=count)


def was_started(started_at: float = 0, **fields: Any) -> Fact:
    given_fields = {"skill_id": "weather", "root_run_id": "r-1", "inputs": b"{}", **fields}
    return Fact(RunStarted, {"started_at": seconds(started_at), **given_fields})


def was_logged(sequence: int, payload: Any = None, event_type: str = "step") -> Fact:
    fields = {"sequence": sequence, "event_type": event_type, "payload": orjson.dumps(payload or {})}
    return Fact(RunLogged, fields)


def were_logged(*sequences: int) -> tuple[Fact, ...]:
    return tuple(map(was_logged, sequences))


def keys_were_read(*reads: tuple[str, str, str, int]) -> Fact:
    return Fact(KeysRead, {"reads": reads})


def was_finished(status: str = "ok", **fields: Any) -> Fact:
    return Fact(RunFinished, {"status": status, **fields})


def was_purged() -> Fact:
    return Fact(RunPurged, {})


def stands_purged() -> Fact:
    return Fact(Purged, {})


def starting(started_at: float | None = None, **fields: Any) -> Start:
    given_fields = {
        "skill_id": "weather",
        "caller_id": "ada",
        "channel_id": "cli",
        "parent_run_id": "",
        "root_run_id": "r-1",
        "depth": 0,
        "traceparent": None,
        "inputs": b"{}",
        **fields,
    }
    return Start(started_at=None if started_at is None else seconds(started_at), **given_fields)


def logging(sequence: int | None = None, payload: Any = None, event_type: str = "step") -> Log:
    return Log(event_type, orjson.dumps(payload or {}), sequence)


def finishing(status: str = "ok", **fields: Any) -> Finish:
    return Finish(Outcome(status, **fields))


def purging() -> Purge:
    return Purge()


class given_run(Spec):  # noqa: N801 - reads as a word in a sentence
    """``given_run(was_started()).when(logging()).then(was_logged(1))``"""

    def __init__(self, *facts: Fact) -> None:
        self.state = fold(RunState(STREAM), events_of(*facts))
        self.revision = self.state.revision
        self._command: RunCommand | None = None

    def when(self, action: RunAction, *, at: float = 1_000) -> given_run:
        self._command = RunCommand(action, "q-1", "ada")
        self._now = seconds(at)
        return self

    def _decide(self) -> Sequence[RunEvent]:
        assert self._command is not None
        return decide(self._command, self.state, self._now)


def events_of(*facts: Fact) -> list[RunEvent]:
    """The events of facts, in the run's stream."""
    events = [fact.event(STREAM, revision) for revision, fact in enumerate(facts, 1)]
    return [event.model_copy(update={"recorded_at": seconds(at)}) for at, event in enumerate(events)]
