"""Stored events of skills: topics and fields are the storage format, and every event reads back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keyledger.adapters.conformance.strategies import keys
from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.event import Event
from keyledger.domain.skill import (
    EVENT_TYPES,
    ExtendedBoundsGranted,
    SkillArchived,
    SkillQuotaGranted,
    SkillSaved,
    skill_in,
)
from keyledger.domain.skills.definition import InputParameter, OutputTarget, Skill

TIME = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MAPPER = EventMapper()
PLACED: dict[str, Any] = {
    "originator_id": "skill:weather",
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
    assert own == {
        "skill.SkillSaved": ["trusted", "definition"],
        "skill.SkillQuotaGranted": ["max_bytes"],
        "skill.ExtendedBoundsGranted": ["granted"],
        "skill.SkillArchived": [],
    }


def test_the_fields_of_a_definition_are_these_and_stay_so() -> None:
    assert Skill().model_dump_json() == (
        '{"name":"","description":"","owner":"","system_prompt":"","model_tier":"standard","schedule":"",'
        '"max_iterations":0,"max_tool_calls":0,"max_runtime":0,"output_target":{"kind":"reply","target":""},'
        '"input_schema":[],"tools":[],"tags":[],"visibility":"private","shared_with":[],'
        '"expose_as_chatbot_tool":false,"chatbot_tool_name":"","chatbot_tool_description":"",'
        '"chatbot_channel_filter":""}'
    )
    assert list(InputParameter.model_fields) == ["name", "type", "description", "required"]
    assert list(OutputTarget.model_fields) == ["kind", "target"]


def test_a_stored_save_is_json_that_people_can_read() -> None:
    stored = MAPPER.to_stored_event(SkillSaved(**PLACED, trusted=True, definition=b'{"name":"Weather"}'))
    assert (stored.originator_id, stored.originator_version, stored.topic) == (
        "skill:weather",
        3,
        "skill.SkillSaved",
    )
    assert stored.state == (
        b'{"recorded_at":"2026-01-01T12:30:00+00:00","changed_by":"ada","request_id":"q-1","schema_version":1,'
        b'"trusted":true,"value":{"name":"Weather"}}'
    )


@given(said=keys(), max_bytes=st.none() | st.integers(0, 2**63 - 1), flag=st.booleans())
def test_every_event_of_a_skill_reads_back_as_it_was(said: str, max_bytes: int | None, *, flag: bool) -> None:
    skill = Skill(
        name=said, tools=(said, '","value":'), input_schema=(InputParameter(name=said),), max_runtime=1.5
    )
    definition = skill.model_dump_json().encode()
    for event in (
        SkillSaved(**PLACED, trusted=flag, definition=definition),
        SkillQuotaGranted(**PLACED, max_bytes=max_bytes),
        ExtendedBoundsGranted(**PLACED, granted=flag),
        SkillArchived(**PLACED | {"changed_by": None}),
    ):
        assert MAPPER.to_domain_event(MAPPER.to_stored_event(event)) == event
    assert skill_in("skill:weather", definition) == skill
