"""Stored events of runs: topics and fields are the storage format, and every event reads back as it was."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyledger.adapters.conformance.strategies import json_values, keys, texts
from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.event import Event
from keyledger.domain.run import (
    EVENT_TYPES,
    KeysRead,
    Purged,
    RunFinished,
    RunLogged,
    RunPurged,
    RunsPurged,
    RunStarted,
)

TIME = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MAPPER = EventMapper()
PLACED: dict[str, Any] = {
    "originator_id": "run:r-1",
    "originator_version": 3,
    "recorded_at": TIME,
    "request_id": "q-1",
    "changed_by": "ada",
}


def test_topics_and_fields_are_these_and_stay_so() -> None:
    own = {
        event_type.TOPIC: [name for name in event_type.model_fields if name not in Event.model_fields]
        for event_type in EVENT_TYPES
    }
    outcome = ["status", "output", "error", "tool_calls", "runtime_seconds"]
    begun = [
        "skill_id",
        "caller_id",
        "channel_id",
        "parent_run_id",
        "depth",
        "started_at",
        "traceparent",
        "inputs",
    ]
    assert own == {
        "run.RunStarted": begun,
        "run.RunLogged": ["sequence", "event_type", "payload"],
        "run.KeysRead": ["reads"],
        "run.RunFinished": [*outcome, "input_tokens", "output_tokens", "thinking_tokens"],
        "run.RunPurged": [],
        "run.Purged": [],
        "run.RunsPurged": ["runs", "before"],
    }


def test_a_stored_line_is_json_that_people_can_read() -> None:
    stored = MAPPER.to_stored_event(RunLogged(**PLACED, sequence=7, event_type="step", payload=b'{"a":[1.50]}'))
    assert (stored.originator_id, stored.originator_version, stored.topic) == ("run:r-1", 3, "run.RunLogged")
    assert stored.state == (
        b'{"recorded_at":"2026-01-01T12:30:00+00:00","changed_by":"ada","request_id":"q-1","schema_version":1,'
        b'"sequence":7,"event_type":"step","value":{"a":[1.50]}}'
    )


@given(text=keys(), said=texts(), value=st.dictionaries(texts(), json_values(), max_size=3))
def test_every_event_of_a_run_reads_back_as_it_was(text: str, said: str, value: dict[str, Any]) -> None:
    for name in (text, '","value":"', ',"value":', '["x"],"value":'):
        body = orjson.dumps(value | {name: name})
        for event in (
            RunStarted(**PLACED, skill_id=name, caller_id=name, root_run_id=name, started_at=TIME, inputs=body),
            RunLogged(**PLACED, sequence=2**53, event_type="error", payload=body),
            KeysRead(**PLACED, reads=((name, name, name, 2**63 - 1), ("partition:p", "skill", "value", 0))),
            RunFinished(**PLACED, status="error", output=said, error=name, runtime_seconds=0.1),
            RunsPurged(**PLACED | {"changed_by": name}, runs=3, before=TIME),
        ):
            assert MAPPER.to_domain_event(MAPPER.to_stored_event(event)) == event


@pytest.mark.parametrize("event", [RunPurged(**PLACED), Purged(**PLACED | {"changed_by": None})])
def test_an_event_that_says_nothing_reads_back_too(event: Event) -> None:
    assert MAPPER.to_domain_event(MAPPER.to_stored_event(event)) == event
