"""What a skill and the options of its validation are made of: which types, and what is said of others."""

from __future__ import annotations

from typing import Any

import pytest

from keyledger import InvalidArgumentError
from keyledger.domain.skills.definition import InputParameter, OutputTarget, Skill
from keyledger.domain.skills.options import Caps, ValidateOptions


def refusal(fields: Any) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        Skill.model_validate(fields)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- skills


def test_a_skill_is_made_of_keywords_or_of_a_json_object() -> None:
    by_name = Skill(
        name="a",
        output_target=OutputTarget(kind="channel", target="c"),
        input_schema=(InputParameter(name="q", required=True),),
        tools=("kv_get",),
    )
    as_json = {
        "name": "a",
        "output_target": {"kind": "channel", "target": "c"},
        "input_schema": [{"name": "q", "required": True}],
        "tools": ["kv_get"],
    }
    assert Skill.model_validate(as_json) == by_name
    assert hash(Skill.model_validate(as_json)) == hash(by_name)


def test_nothing_needs_to_be_said_of_a_skill_and_it_cannot_be_changed() -> None:
    empty = Skill()
    assert (empty.model_tier, empty.output_target, empty.visibility) == ("standard", OutputTarget(), "private")
    with pytest.raises(Exception, match="frozen"):
        empty.name = "a"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 1}, "name: got 1; allowed is a string"),
        ({"name": None}, "name: got None; allowed is a string"),
        ({"max_iterations": True}, "max_iterations: got True; allowed is an integer"),
        ({"max_iterations": 1.0}, "max_iterations: got 1.0; allowed is an integer"),
        (
            {"max_tool_calls": 2**63},
            f"max_tool_calls: got {2**63}; allowed is an integer of at most 64 bits, signed",
        ),
        ({"max_runtime": "60"}, "max_runtime: got '60'; allowed is a finite number of seconds"),
        ({"max_runtime": True}, "max_runtime: got True; allowed is a finite number of seconds"),
        ({"max_runtime": float("nan")}, "max_runtime: got nan; allowed is a finite number of seconds"),
        ({"max_runtime": float("inf")}, "max_runtime: got inf; allowed is a finite number of seconds"),
        ({"max_runtime": -(2**64)}, f"max_runtime: got {-(2**64)}; allowed is a finite number of seconds"),
        ({"expose_as_chatbot_tool": 1}, "expose_as_chatbot_tool: got 1; allowed is true or false"),
        ({"tools": "kv_get"}, "tools: got 'kv_get'; allowed is a list"),
        ({"tools": {"kv_get"}}, "tools: got {'kv_get'}; allowed is a list"),
        ({"tags": ["a", 2]}, "tags[1]: got 2; allowed is a string"),
        ({"output_target": "reply"}, "output_target: got 'reply'; allowed is an object of kind, target"),
        ({"output_target": {"kind": 1}}, "output_target.kind: got 1; allowed is a string"),
        ({"input_schema": {}}, "input_schema: got {}; allowed is a list"),
        (
            {"input_schema": [{"name": "a"}, "b"]},
            "input_schema[1]: got 'b'; allowed is an object of name, type, description, required",
        ),
        ({"input_schema": [{"name": 1}]}, "input_schema[0].name: got 1; allowed is a string"),
        ({"input_schema": [{"name": "a"}, {}]}, "input_schema[1].name required"),
        (
            {"input_schema": [{"name": "a", "requierd": True}]},
            "unknown field 'input_schema[0].requierd'; known are name, type, description, required",
        ),
        (
            {"output_target": {"where": "here"}},
            "unknown field 'output_target.where'; known are kind, target",
        ),
        ({"name": "a\0"}, "name: got 'a\\x00'; allowed is text without NUL and lone surrogates"),
        ({"tools": ["\ud800"]}, "tools[0]: got '\\ud800'; allowed is text without NUL and lone surrogates"),
        (
            {"input_schema": [{"name": "\udfff"}]},
            "input_schema[0].name: got '\\udfff'; allowed is text without NUL and lone surrogates",
        ),
    ],
)
def test_what_is_of_another_type_is_refused_with_its_place(fields: dict[str, Any], message: str) -> None:
    assert refusal(fields) == message


@pytest.mark.parametrize("field", ["extended_bounds", "prompt"])
def test_an_unknown_field_is_refused_with_the_known_ones(field: str) -> None:
    message = refusal({field: True})
    assert message.startswith(f"unknown field {field!r}; known are name, description, owner, system_prompt, ")


@pytest.mark.parametrize("other", [None, 1, "{}", [], [("name", "a")]])
def test_what_is_no_object_is_refused(other: Any) -> None:
    assert refusal(other).startswith(f"skill: got {other!r}; allowed is an object of name, ")


def test_a_part_of_a_skill_that_is_made_alone_is_refused_by_its_own_names() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^name required$"):
        InputParameter()  # type: ignore[call-arg]
    with pytest.raises(InvalidArgumentError, match=r"^parameter: got 1; allowed is an object of name, type, "):
        InputParameter.model_validate(1)
    with pytest.raises(InvalidArgumentError, match=r"^kind: got 1; allowed is a string$"):
        OutputTarget.model_validate({"kind": 1})


@pytest.mark.parametrize("field", ["max_iterations", "max_tool_calls", "max_runtime"])
def test_a_budget_is_a_number_that_a_64_bit_integer_holds(field: str) -> None:
    for most, beyond in [(2**63 - 1, 2**63), (-(2**63), -(2**63) - 1)]:
        assert getattr(Skill.model_validate({field: most}), field) == most
        assert refusal({field: beyond}).startswith(f"{field}: got {beyond}; allowed is ")


@pytest.mark.parametrize("longest", ["o" * 256, "é" * 128])
def test_an_owner_has_at_most_256_utf8_bytes(longest: str) -> None:
    assert Skill(owner=longest).owner == longest
    assert refusal({"owner": f"{longest}o"}).endswith("allowed is at most 256 UTF-8 bytes")


# --------------------------------------------------------------------------------------------- options


def test_without_options_ours_hold() -> None:
    options = ValidateOptions()
    assert (options.tier, options.caps, options.min_interval) == ("default", Caps(12, 30, 60), 30)
    assert options.extended_caps == Caps(50, 150, 600)


@pytest.mark.parametrize("field", ["extended_bounds", "author_is_admin", "is_builtin"])
def test_a_grant_an_admin_and_a_builtin_have_the_extended_tier(field: str) -> None:
    options = ValidateOptions(**{field: True})  # type: ignore[arg-type]  # it is a bool
    assert (options.tier, options.caps) == ("extended", Caps(50, 150, 600))
    assert options.is_trusted is (field != "extended_bounds")


def test_every_number_of_the_options_holds_instead_of_ours() -> None:
    own: dict[str, Any] = {
        f"{tier}_{name}": number
        for number, (tier, name) in enumerate(
            ((tier, name) for tier in ("default", "extended") for name in Caps._fields), start=1
        )
    }
    options = ValidateOptions(min_interval_minutes=7, **own)
    assert (options.min_interval, options.caps, options.extended_caps) == (7, Caps(1, 2, 3), Caps(4, 5, 6))


NUMBERS = [
    "min_interval_minutes",
    *(f"{tier}_{name}" for tier in ("default", "extended") for name in Caps._fields),
]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("wrong", [-1, True, "1", None, float("nan"), float("inf")])
def test_an_option_that_is_no_number_of_its_kind_is_refused_by_name(field: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ValidateOptions(**{field: wrong})
    assert caught.value.field == field


def test_a_runtime_may_have_a_fraction_where_counts_may_not() -> None:
    assert ValidateOptions(default_max_runtime=0.5).caps.max_runtime == 0.5
    wrong: Any = 0.5
    with pytest.raises(InvalidArgumentError, match=r"^extended_max_iterations: got 0\.5"):
        ValidateOptions(extended_max_iterations=wrong)


@pytest.mark.parametrize("field", ["author_is_admin", "is_builtin", "extended_bounds"])
@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_an_option_that_is_no_bool_is_refused_by_name(field: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{field}: got .* allowed is True or False$"):
        ValidateOptions(**{field: wrong})


WORDS = ["model_tiers", "output_kinds", "input_types", "visibilities"]


@pytest.mark.parametrize("field", WORDS)
@pytest.mark.parametrize("wrong", ["team", None, {"team"}, ["team", ""], [" "], [1]])
def test_words_are_a_list_and_not_blank(field: str, wrong: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"^{field}: got .* a list or tuple of words that are not blank$"
    ):
        ValidateOptions(**{field: wrong})


@pytest.mark.parametrize("field", WORDS)
def test_a_word_is_short_enough_to_be_looked_for_and_can_be_stored(field: str) -> None:
    given: list[dict[str, Any]] = [{field: ["ok", "w" * 257]}, {field: ["ok", "w\0"]}]
    for wrong in given:
        with pytest.raises(InvalidArgumentError) as caught:
            ValidateOptions(**wrong)
        assert caught.value.field == f"{field}[1]"


@pytest.mark.parametrize("field", WORDS)
def test_a_list_of_words_becomes_a_tuple(field: str) -> None:
    given: dict[str, Any] = {field: ["team", "w" * 256]}
    options = ValidateOptions(**given)
    assert getattr(options, field) == ("team", "w" * 256)
    given[field].append("later")
    assert "later" not in getattr(options, field)


@pytest.mark.parametrize(
    ("field", "wrong"), [("is_model_tier", "fast"), ("channel_filters", "public"), ("channel_filters", 3)]
)
def test_a_checker_is_a_function_and_a_registry_can_be_asked(field: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ValidateOptions(**{field: wrong})
    assert (caught.value.field, caught.value.got) == (field, wrong)
