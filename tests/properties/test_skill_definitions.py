"""Skills as JSON text, and validation of any skill at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from keyledger import InvalidArgumentError
from keyledger.adapters.conformance.strategies import json_values
from keyledger.domain.skills.definition import InputParameter, OutputTarget, Skill
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
MANY = st.lists(TEXT, max_size=4).map(tuple)
INTEGERS = st.integers(MIN_INTEGER, MAX_INTEGER)
BUDGETS = st.sampled_from([0, 0, 1, 12, 13, 50]) | INTEGERS
SECONDS = BUDGETS | st.floats(allow_nan=False, allow_infinity=False)

PARAMETERS = st.builds(InputParameter, name=TEXT, type=TEXT, description=TEXT, required=st.booleans())
ANY_SKILL = st.builds(
    Skill,
    **dict.fromkeys(["name", "description", "owner", "system_prompt", "model_tier", "schedule"], TEXT),
    **dict.fromkeys(["max_iterations", "max_tool_calls"], BUDGETS),
    max_runtime=SECONDS,
    output_target=st.builds(OutputTarget, kind=TEXT, target=TEXT),
    input_schema=st.lists(PARAMETERS, max_size=3).map(tuple),
    **dict.fromkeys(["tools", "tags", "shared_with"], MANY),
    visibility=TEXT,
    expose_as_chatbot_tool=st.booleans(),
    **dict.fromkeys(["chatbot_tool_name", "chatbot_tool_description", "chatbot_channel_filter"], TEXT),
)
LIKELY_SKILL = st.builds(
    Skill,
    name=TEXT.map(lambda text: f"n{text}"),
    system_prompt=TEXT.map(lambda text: f"p{text}"),
    schedule=st.sampled_from(["", " ", " daily ", "0,30 * * * *", "* * * * *"]),
    max_runtime=st.sampled_from([0, 0.5, 1, 60, 60.5, 600, 601]),
    tags=st.lists(st.sampled_from([" A ", "a", "", "É", "İ", "ẞ", "x" * 32, "x" * 33]) | TEXT, max_size=17).map(
        tuple
    ),
    tools=MANY,
)


@settings(max_examples=300, deadline=None)
@given(ANY_SKILL)
def test_a_skill_comes_back_from_its_json_text(skill: Skill) -> None:
    text = skill.model_dump_json()
    assert Skill.model_validate(parse_json(text)) == skill
    assert Skill.model_validate(parse_json(text)).model_dump_json() == text
    assert Skill.model_validate(skill.model_dump()) == skill


@settings(max_examples=300, deadline=None)
@given(skill=ANY_SKILL | LIKELY_SKILL, trusted=st.booleans())
def test_what_is_valid_is_valid_again_and_comes_back_as_it_is(skill: Skill, *, trusted: bool) -> None:
    options = ValidateOptions(is_builtin=trusted)
    before = skill.model_dump_json()
    try:
        saved = skill.validate(options)
    except InvalidArgumentError as refused:
        assert refused.field.partition(".")[0].partition("[")[0] in Skill.model_fields  # noqa: PT017 - it may pass
    else:
        assert saved.validate(options) == saved
    assert skill.model_dump_json() == before


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*Skill.model_fields, "extended_bounds", ""]), json_values(), max_size=6))
def test_any_json_object_is_a_skill_or_refused_by_the_name_of_a_field(fields: dict[str, Any]) -> None:
    try:
        skill = Skill.model_validate(fields)
    except InvalidArgumentError as refused:
        assert refused.field.partition(".")[0].partition("[")[0] in fields  # noqa: PT017 - it may be a skill
    else:
        with_defaults = {"output_target", "input_schema"}
        dumped = skill.model_dump(mode="json", exclude=with_defaults)
        assert all(dumped[name] == value for name, value in fields.items() if name not in with_defaults)
