"""The rules for skills: one test a rule, with what just passes and what just does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyledger import InvalidArgumentError
from keyledger.domain.skills.definition import InputParameter, OutputTarget, Skill
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.skills.validation import MAX_SKILL_BYTES

ADMIN = ValidateOptions(author_is_admin=True)
BUILTIN = ValidateOptions(is_builtin=True)
EXTENDED = ValidateOptions(extended_bounds=True)
HINT = "; ask an admin to grant extended_bounds for higher"


def skill(**fields: Any) -> Skill:
    return Skill(**{"name": "weather", "system_prompt": "Say how the weather will be."} | fields)


def saved(options: ValidateOptions = ValidateOptions(), /, **fields: Any) -> Skill:  # noqa: B008 - frozen
    return skill(**fields).validate(options)


def refused(options: ValidateOptions = ValidateOptions(), /, **fields: Any) -> InvalidArgumentError:  # noqa: B008
    with pytest.raises(InvalidArgumentError) as caught:
        saved(options, **fields)
    return caught.value


# ------------------------------------------------------------------------------------------- the order

BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": " "}),
    ("system_prompt", {"system_prompt": "\n"}),
    ("model_tier", {"model_tier": "slow"}),
    ("schedule", {"schedule": "* * * * *"}),
    ("max_iterations", {"max_iterations": 51}),
    ("max_tool_calls", {"max_tool_calls": -1}),
    ("max_runtime", {"max_runtime": 0.5}),
    ("output_target.kind", {"output_target": {"kind": "moon"}}),
    ("input_schema[0].name", {"input_schema": [{"name": ""}]}),
    ("tools[0]", {"tools": [""]}),
    ("tags", {"tags": [""] * 17}),
    ("visibility", {"visibility": "hidden"}),
    ("chatbot_tool_name", {"expose_as_chatbot_tool": True}),
    ("skill", {"description": "x" * MAX_SKILL_BYTES}),
]


@pytest.mark.parametrize("index", range(len(BROKEN)))
def test_of_several_rules_the_first_one_broken_is_told(index: int) -> None:
    fields = {name: value for _, broken in BROKEN[index:] for name, value in broken.items()}
    assert refused(**fields).field == BROKEN[index][0]


@pytest.mark.parametrize("index", range(len(BROKEN) - 1))
def test_of_two_neighbouring_rules_the_first_is_told(index: int) -> None:
    (field, first), (_, second) = BROKEN[index : index + 2]
    assert refused(**second, **first).field == field


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"max_runtime": 601}, {"max_iterations": 13}),  # bounds of all, then caps of all
        ({"max_iterations": 13}, {"max_tool_calls": 31}),
        ({"max_tool_calls": 31}, {"max_runtime": 61}),
        ({"max_runtime": 61}, {"output_target": {"kind": "moon"}}),
        ({"visibility": "shared"}, {"expose_as_chatbot_tool": True}),
    ],
)
def test_a_ceiling_is_told_before_a_cap_and_caps_in_the_order_of_the_fields(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert str(refused(**first, **second)) == str(refused(**first))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": ""}, {"type": "moon"}),
        ({"type": "moon"}, {"name": "a"}),
    ],
)
def test_of_one_parameter_the_name_is_judged_first_and_a_repetition_last(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    parameters = [{"name": "a"}, {"name": "b"} | second | first]
    assert refused(input_schema=parameters).field == f"input_schema[1].{next(iter(first))}"


def test_of_two_parameters_the_first_is_judged_first() -> None:
    assert refused(input_schema=[{"name": "a", "type": "moon"}, {"name": ""}]).field == "input_schema[0].type"


@pytest.mark.parametrize("index", range(4))
def test_of_what_a_chatbot_needs_the_first_missing_is_told(index: int) -> None:
    needed = ["chatbot_tool_name", "chatbot_tool_description", "chatbot_channel_filter"]
    fields = dict.fromkeys(needed[:index], "given") | {"expose_as_chatbot_tool": True}
    nobody = ValidateOptions(channel_filters=())
    assert refused(nobody, **fields).field == [*needed, needed[-1]][index]


# ------------------------------------------------------------------------------------ what comes back


def test_a_skill_with_a_name_and_a_prompt_is_valid_as_it_is() -> None:
    assert saved() == skill()


def test_name_and_prompt_are_kept_as_they_are() -> None:
    kept = saved(name=" Weather ", system_prompt="\tSay how it will be.\n")
    assert (kept.name, kept.system_prompt) == (" Weather ", "\tSay how it will be.\n")


def test_tags_are_trimmed_lowercased_and_deduplicated_in_order_without_blanks() -> None:
    assert saved(tags=[" B", "a", "", "b ", " \t", "A", "É"]).tags == ("b", "a", "é")


@pytest.mark.parametrize(("given", "kept"), [(" daily\n", "daily"), ("  ", ""), (" 0  9 * * * ", "0  9 * * *")])
def test_a_schedule_is_trimmed(given: str, kept: str) -> None:
    assert saved(schedule=given).schedule == kept


def test_validate_leaves_the_skill_as_it_was() -> None:
    given = skill(tags=[" A "], schedule=" daily ")
    before = given.model_dump()
    assert given.validate() != given
    assert given.model_dump() == before


def test_what_a_copy_was_updated_with_is_checked_too() -> None:
    assert skill().model_copy(update={"tags": ["A"]}).validate().tags == ("a",)
    with pytest.raises(InvalidArgumentError, match=r"^tools\[0\]: got 3; allowed is a string$"):
        skill().model_copy(update={"tools": [3]}).validate()


def test_other_options_than_ours_are_refused() -> None:
    wrong: Any = {"author_is_admin": True}
    with pytest.raises(InvalidArgumentError, match=r"^options: got .* allowed is ValidateOptions$"):
        skill().validate(wrong)


# ---------------------------------------------------------------------------------- name, prompt, tier


@pytest.mark.parametrize("field", ["name", "system_prompt"])
def test_name_and_prompt_are_required(field: str) -> None:
    error = refused(**{field: ""})
    assert (str(error), error.field) == (f"{field} required", field)


@pytest.mark.parametrize("field", ["name", "system_prompt"])
@pytest.mark.parametrize("blank", [" ", "\t\n", "\u3000"])
def test_name_and_prompt_may_not_be_blank(field: str, blank: str) -> None:
    assert str(refused(**{field: blank})) == f"{field}: got {blank!r}; allowed is text that is not blank"


@pytest.mark.parametrize(
    "tier",
    [
        "fast",
        "standard",
        "thinking",
        "thinking:high",
        "openai/gpt-5",
        "openai/gpt-5:low",
        "openrouter/meta/llama-4:free",
        "openrouter/meta/llama-4:free:high",
    ],
)
def test_a_model_tier_is_an_alias_or_a_model_of_a_provider_with_or_without_reasoning(tier: str) -> None:
    assert saved(model_tier=tier).model_tier == tier


@pytest.mark.parametrize(
    "tier",
    [
        "",
        "x",
        "Fast",
        " fast",
        "fast:",
        ":high",
        "x:high",
        "fast:a b",
        "/",
        "a/",
        "/b",
        "a/b:",
        "a//b",
        "a /b",
        "a/b c",
    ],
)
def test_an_unknown_model_tier_is_refused_with_what_is_expected(tier: str) -> None:
    message = f'unknown model tier "{tier}" (expected a tier alias or provider/model)'
    error = refused(model_tier=tier)
    assert (str(error), error.field, error.got) == (message, "model_tier", tier)
    assert error.allowed == "fast, standard, thinking, or provider/model"


def test_an_unknown_model_tier_is_shown_on_one_line_and_not_at_length() -> None:
    assert str(refused(model_tier='a"\n')).startswith(r'unknown model tier "a\"\n" (')
    assert len(str(refused(model_tier="x" * 10_000))) < 250


def test_a_host_may_have_more_model_tiers() -> None:
    options = ValidateOptions(model_tiers=("huge",))
    assert saved(options, model_tier="huge:high").model_tier == "huge:high"
    assert saved(options, model_tier="fast").model_tier == "fast"
    assert refused(model_tier="huge").field == "model_tier"


def test_a_checker_of_model_tiers_replaces_the_rule() -> None:
    options = ValidateOptions(is_model_tier=lambda spec: spec == "mine", model_tiers=("huge",))
    assert saved(options, model_tier="mine").model_tier == "mine"
    for spec in ("fast", "huge", "openai/gpt-5"):
        assert str(refused(options, model_tier=spec)).startswith(f'unknown model tier "{spec}"')


def test_a_checker_of_model_tiers_that_fails_is_named() -> None:
    def failing(_: str) -> bool:
        raise LookupError("models.json")

    error = refused(ValidateOptions(is_model_tier=failing), model_tier="fast")
    assert (error.field, type(error.__cause__)) == ("is_model_tier", LookupError)
    assert str(error) == "is_model_tier: got LookupError('models.json'); allowed is what can be asked for any text"


# -------------------------------------------------------------------------------------------- schedule


def test_a_skill_without_a_schedule_runs_on_demand() -> None:
    assert saved(schedule="").schedule == ""


@pytest.mark.parametrize("options", [ValidateOptions(), EXTENDED, ADMIN, BUILTIN])
def test_fires_must_be_30_minutes_apart_for_everybody(options: ValidateOptions) -> None:
    assert saved(options, schedule="0,30 * * * *").schedule == "0,30 * * * *"
    assert str(refused(options, schedule="0,31 * * * *")) == (
        "schedule: got '0,31 * * * *'; allowed is one whose fires are at least 30 minutes apart; "
        "this one has two within 29"
    )


@pytest.mark.parametrize("options", [ValidateOptions(), ADMIN])
def test_a_host_may_have_another_smallest_gap(options: ValidateOptions) -> None:
    every_minute, every_hour = replace(options, min_interval_minutes=1), replace(options, min_interval_minutes=60)
    assert saved(every_minute, schedule="* * * * *").schedule == "* * * * *"
    assert saved(every_hour, schedule="5 * * * *").schedule == "5 * * * *"
    assert refused(every_hour, schedule="0,59 * * * *").field == "schedule"


def test_what_is_wrong_with_a_cron_expression_is_told() -> None:
    error = refused(schedule=" 61 * * * * ")
    assert error.field == "schedule"
    assert str(error).endswith("bad minute")


# --------------------------------------------------------------------------------------------- budgets

BUDGETS = ["max_iterations", "max_tool_calls", "max_runtime"]


@pytest.mark.parametrize("field", BUDGETS)
@pytest.mark.parametrize("options", [ValidateOptions(), EXTENDED, ADMIN, BUILTIN])
def test_a_budget_of_zero_is_the_executors_default_and_a_negative_one_is_refused_to_everybody(
    field: str, options: ValidateOptions
) -> None:
    assert getattr(saved(options, **{field: 0}), field) == 0
    assert refused(options, **{field: -1}).field == field


@pytest.mark.parametrize("options", [ValidateOptions(), EXTENDED, ADMIN, BUILTIN])
def test_a_runtime_is_at_least_one_second_for_everybody(options: ValidateOptions) -> None:
    assert saved(options, max_runtime=1).max_runtime == 1
    assert refused(options, max_runtime=0.999).field == "max_runtime"


@pytest.mark.parametrize(
    ("field", "most", "unit"),
    [("max_iterations", 12, ""), ("max_tool_calls", 30, ""), ("max_runtime", 60, " seconds")],
)
def test_the_default_tier_has_its_caps_and_says_who_grants_more(field: str, most: int, unit: str) -> None:
    assert getattr(saved(**{field: most}), field) == most
    assert str(refused(**{field: most + 1})) == (
        f"{field}: got {most + 1}; allowed is at most {most}{unit}, the cap of the default tier{HINT}"
    )


def test_a_fraction_of_a_second_counts() -> None:
    assert saved(max_runtime=59.9).max_runtime == 59.9
    assert refused(max_runtime=60.1).field == "max_runtime"


@pytest.mark.parametrize(
    ("field", "most"), [("max_iterations", 50), ("max_tool_calls", 150), ("max_runtime", 600)]
)
def test_the_extended_tier_has_higher_caps_and_nobody_who_grants_more(field: str, most: int) -> None:
    assert getattr(saved(EXTENDED, **{field: most}), field) == most
    assert HINT not in str(refused(EXTENDED, **{field: most + 1}))


def test_a_refusal_by_the_extended_tier_names_it() -> None:
    message = "max_tool_calls: got 151; allowed is at most 150, the cap of the extended tier"
    assert str(refused(EXTENDED, max_tool_calls=151)) == message


@pytest.mark.parametrize("options", [ADMIN, BUILTIN])
def test_admins_and_builtins_pass_ceilings_and_caps(options: ValidateOptions) -> None:
    big = {"max_iterations": 1_000, "max_tool_calls": 10_000, "max_runtime": 86_400}
    assert saved(options, **big) == skill(**big)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("max_iterations", "max_iterations: got 51; allowed is 1 to 50, or 0 for the executor's default"),
        ("max_runtime", "max_runtime: got 601; allowed is 1 to 600 seconds, or 0 for the executor's default"),
    ],
)
@pytest.mark.parametrize("who", [ValidateOptions(), EXTENDED])
def test_for_others_the_ceiling_holds_where_a_host_raised_the_caps_above_it(
    field: str, message: str, who: ValidateOptions
) -> None:
    raised: dict[str, Any] = {f"{tier}_{name}": 10_000 for tier in ("default", "extended") for name in BUDGETS}
    options = replace(who, **raised)
    ceiling = 50 if field == "max_iterations" else 600
    assert getattr(saved(options, **{field: ceiling}), field) == ceiling
    assert str(refused(options, **{field: ceiling + 1})) == message
    assert saved(options, max_tool_calls=10_000).max_tool_calls == 10_000


@pytest.mark.parametrize(
    ("field", "asked", "told"),
    [
        ("max_iterations", 51, "1 to 50, or 0 for the executor's default, and at most 12"),
        ("max_runtime", 601, "1 to 600 seconds, or 0 for the executor's default, and at most 60 seconds"),
    ],
)
def test_a_refusal_by_the_ceiling_names_the_cap_that_holds_and_the_way_out(
    field: str, asked: int, told: str
) -> None:
    refusal = str(refused(**{field: asked}))
    assert refusal == f"{field}: got {asked}; allowed is {told}, the cap of the default tier{HINT}"
    assert str(refused(EXTENDED, **{field: asked})).endswith("or 0 for the executor's default")
    assert str(refused(**{field: -1})).endswith("or 0 for the executor's default")


@pytest.mark.parametrize("field", BUDGETS)
@pytest.mark.parametrize("tier", ["default", "extended"])
def test_each_cap_can_be_lowered(field: str, tier: str) -> None:
    lowered: dict[str, Any] = {f"{tier}_{field}": 5}
    options = ValidateOptions(extended_bounds=tier == "extended", **lowered)
    assert getattr(saved(options, **{field: 5}), field) == 5
    assert f"at most 5{' seconds' if field == 'max_runtime' else ''}, the cap of the {tier} tier" in str(
        refused(options, **{field: 6})
    )


def test_who_grants_more_is_not_named_where_a_grant_would_not_help() -> None:
    options = ValidateOptions(extended_max_tool_calls=30)
    assert str(refused(options, max_tool_calls=31)).endswith("the cap of the default tier")
    assert str(refused(max_tool_calls=31)).endswith(HINT)


# --------------------------------------------------------------------------------- output, input, tools


@pytest.mark.parametrize("kind", ["reply", "channel", "user", "key", "none"])
def test_an_output_kind_is_a_known_one(kind: str) -> None:
    assert saved(output_target={"kind": kind, "target": "t"}).output_target == OutputTarget(kind=kind, target="t")


def test_an_unknown_output_kind_is_refused_unless_the_host_has_it() -> None:
    error = refused(output_target={"kind": "moon"})
    assert str(error) == "output_target.kind: got 'moon'; allowed is one of reply, channel, user, key, none"
    assert (
        saved(ValidateOptions(output_kinds=("moon",)), output_target={"kind": "moon"}).output_target.kind == "moon"
    )


@pytest.mark.parametrize("blank", ["", "  "])
def test_every_parameter_is_named(blank: str) -> None:
    error = refused(input_schema=[{"name": "a"}, {"name": blank}])
    assert error.field == "input_schema[1].name"


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "array", "object"])
def test_a_parameters_type_is_a_known_one(kind: str) -> None:
    assert saved(input_schema=[{"name": "a", "type": kind}]).input_schema == (InputParameter(name="a", type=kind),)


def test_an_unknown_type_is_refused_with_its_place_unless_the_host_has_it() -> None:
    schema = [{"name": "a"}, {"name": "b"}, {"name": "c", "type": "moon"}]
    assert str(refused(input_schema=schema)) == (
        "input_schema[2].type: got 'moon'; allowed is one of string, integer, number, boolean, array, object"
    )
    assert saved(ValidateOptions(input_types=("moon",)), input_schema=schema).input_schema[2].type == "moon"


def test_no_two_parameters_have_one_name() -> None:
    assert len(saved(input_schema=[{"name": "a"}, {"name": "A"}]).input_schema) == 2
    assert str(refused(input_schema=[{"name": "a"}, {"name": "b"}, {"name": "a"}])) == (
        "input_schema[2].name: got 'a'; allowed is a name that input_schema[0].name has not"
    )
    assert refused(input_schema=[{"name": "a"}, {"name": "a "}]).field == "input_schema[1].name"


@pytest.mark.parametrize("blank", ["", "  "])
def test_no_tool_is_blank(blank: str) -> None:
    assert refused(tools=["kv_get", blank]).field == "tools[1]"


def test_no_tool_is_named_twice() -> None:
    assert saved(tools=["kv_get", "KV_GET"]).tools == ("kv_get", "KV_GET")
    assert str(refused(tools=["a", "b", "b"])) == "tools[2]: got 'b'; allowed is a name that tools[1] has not"
    assert refused(tools=[" a", "a\n"]).field == "tools[1]"


# ------------------------------------------------------------------------- tags, visibility, chatbot


def test_there_are_at_most_16_tags() -> None:
    tags = [f"t{number}" for number in range(17)]
    assert saved(tags=tags[:16]).tags == tuple(tags[:16])
    assert str(refused(tags=tags)) == "tags: got 17; allowed is at most 16 tags, blank and repeated ones counted"


@pytest.mark.parametrize("filler", ["", "a"])
def test_tags_are_counted_before_blanks_and_duplicates_go(filler: str) -> None:
    assert saved(tags=["a", *[filler] * 15]).tags == ("a",)
    assert refused(tags=["a", *[filler] * 16]).got == 17


@pytest.mark.parametrize("character", ["a", "é", "語", "🦊"])
def test_a_tag_has_at_most_32_utf8_bytes(character: str) -> None:
    longest = (character * 32).encode()[: 32 - 32 % len(character.encode())].decode()
    longest += "a" * (32 - len(longest.encode()))
    assert saved(tags=[f"  {longest} "]).tags == (longest,)
    assert refused(tags=["ok", f"{longest}a"]).field == "tags[1]"


def test_a_tag_is_measured_as_it_is_kept() -> None:
    assert len("İ".encode()) == 2
    assert len(saved(tags=["İ" * 10]).tags[0].encode()) == 30
    assert str(refused(tags=["İ" * 11])).endswith("allowed is at most 32 UTF-8 bytes, not 33")


@pytest.mark.parametrize("visibility", ["private", "public"])
def test_visibility_is_a_known_one(visibility: str) -> None:
    assert saved(visibility=visibility).visibility == visibility


def test_an_unknown_visibility_is_refused_unless_the_host_has_it() -> None:
    assert str(refused(visibility="team")) == "visibility: got 'team'; allowed is one of private, shared, public"
    assert saved(ValidateOptions(visibilities=("team",)), visibility="team").visibility == "team"


@pytest.mark.parametrize("nobody", [[], [""], [" ", ""]])
def test_a_shared_skill_needs_somebody_to_share_with(nobody: list[str]) -> None:
    assert refused(visibility="shared", shared_with=nobody).field == "shared_with"
    assert saved(visibility="shared", shared_with=["ada"]).shared_with == ("ada",)
    assert saved(visibility="private", shared_with=nobody).shared_with == tuple(nobody)


CHATBOT = {
    "expose_as_chatbot_tool": True,
    "chatbot_tool_name": "weather",
    "chatbot_tool_description": "How it will be.",
    "chatbot_channel_filter": "public",
}


@pytest.mark.parametrize("field", ["chatbot_tool_name", "chatbot_tool_description", "chatbot_channel_filter"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_what_a_chatbot_offers_needs_a_name_a_description_and_a_channel_filter(field: str, blank: str) -> None:
    assert saved(**CHATBOT) == skill(**CHATBOT)
    assert refused(**CHATBOT | {field: blank}).field == field
    assert saved(**CHATBOT | {field: blank, "expose_as_chatbot_tool": False}).expose_as_chatbot_tool is False


@pytest.mark.parametrize("registry", [("public",), {"public": 1}, {"public"}])
def test_a_channel_filter_must_be_registered_where_there_is_a_registry(registry: Any) -> None:
    options = ValidateOptions(channel_filters=registry)
    assert saved(options, **CHATBOT).chatbot_channel_filter == "public"
    assert str(refused(options, **CHATBOT | {"chatbot_channel_filter": "secret"})) == (
        "chatbot_channel_filter: got 'secret'; allowed is a filter that is registered"
    )


def test_a_registry_of_channel_filters_that_fails_is_named() -> None:
    class Failing:
        def __contains__(self, _: object) -> bool:
            raise LookupError("filters.json")

    error = refused(ValidateOptions(channel_filters=Failing()), **CHATBOT)
    assert (error.field, type(error.__cause__)) == ("channel_filters", LookupError)


def test_a_channel_filter_is_not_checked_without_a_registry_or_exposure() -> None:
    assert saved(**CHATBOT | {"chatbot_channel_filter": "secret"}).chatbot_channel_filter == "secret"
    nobody = ValidateOptions(channel_filters=())
    assert saved(nobody, chatbot_channel_filter="secret").chatbot_channel_filter == "secret"


@pytest.mark.parametrize("options", [ADMIN, BUILTIN])
@pytest.mark.parametrize(("field", "fields"), [each for each in BROKEN if not each[0].startswith("max_iter")])
def test_admins_and_builtins_keep_every_other_rule(
    options: ValidateOptions, field: str, fields: dict[str, Any]
) -> None:
    assert refused(options, **fields).field == field


def test_a_skill_has_at_most_65536_bytes_of_json_as_it_is_saved() -> None:
    spare = MAX_SKILL_BYTES - len(skill().model_dump_json())
    longest = saved(description="x" * (spare - 1) + "x", tags=[" "] * 16)
    assert len(longest.model_dump_json()) == MAX_SKILL_BYTES
    assert str(refused(description="x" * (spare - 1) + "é")) == (
        "skill: got 65537; allowed is at most 65536 bytes of JSON in all"
    )
