"""The rules for skills, in the order in which the first one that is broken is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.skills.schedule import smallest_gap
from keyledger.domain.skills.vocabulary import INPUT_TYPES, MODEL_TIERS, OUTPUT_KINDS, SHARED, VISIBILITIES
from keyledger.domain.strict import RequiredFieldError

if TYPE_CHECKING:  # it imports this module
    from keyledger.domain.skills.definition import InputParameter, Skill

MAX_ITERATIONS = 50
MAX_RUNTIME = 600
MIN_RUNTIME = 1

MAX_TAGS = 16
MAX_TAG_BYTES = 32

MAX_SKILL_BYTES = 65_536


def check_skill(skill: Skill, options: ValidateOptions) -> None:
    """Raise InvalidArgumentError for the first rule that ``skill`` breaks, but for the one on its size."""
    if not isinstance(options, ValidateOptions):
        raise InvalidArgumentError("options", options, "ValidateOptions")
    _check_given("name", skill.name)
    _check_given("system_prompt", skill.system_prompt)
    _check_model_tier(skill.model_tier, options)
    _check_schedule(skill.schedule.strip(), options)
    _check_bounds(skill, options)
    _check_caps(skill, options)
    _check_word("output_target.kind", skill.output_target.kind, (*OUTPUT_KINDS, *options.output_kinds))
    _check_inputs(skill.input_schema, (*INPUT_TYPES, *options.input_types))
    _check_tools(skill.tools)
    _check_tags(skill.tags)
    check_visibility(skill.visibility, options)
    _check_shared(skill)
    _check_chatbot(skill, options)


def normalised_tag(tag: str) -> str:
    """A tag as it is kept and looked for: trimmed, in lower case."""
    return tag.strip().lower()


def _check_given(field: str, text: str) -> None:
    if not text:
        raise RequiredFieldError(field)
    _check_not_blank(field, text)


def _check_not_blank(field: str, text: str) -> None:
    if not text.strip():
        raise InvalidArgumentError(field, text, "text that is not blank")


def _check_word(field: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise InvalidArgumentError(field, word, f"one of {', '.join(dict.fromkeys(known))}")


# ---------------------------------------------------------------------------------------- tier, schedule

_PROVIDER_AND_MODEL = re.compile(r"[^\s/:]+(/[^\s/:]+)+(:[^\s/:]+)*")
_REASONING = re.compile(r"[^\s/:]+")
_LONGEST_SHOWN = 80


def _check_model_tier(spec: str, options: ValidateOptions) -> None:
    tiers = (*MODEL_TIERS, *options.model_tiers)
    own = options.is_model_tier
    if not (_is_model_tier(spec, tiers) if own is None else _asked("is_model_tier", own, spec)):
        error = InvalidArgumentError("model_tier", spec, f"{', '.join(tiers)}, or provider/model")
        shown = json.dumps(spec[:_LONGEST_SHOWN], ensure_ascii=False)
        error.args = (f"unknown model tier {shown} (expected a tier alias or provider/model)",)
        raise error


def _asked(option: str, ask: Callable[[str], object], word: str) -> bool:
    """What a host's own code answers; an error that names the option where it fails."""
    try:
        return bool(ask(word))
    except Exception as error:
        raise InvalidArgumentError(option, error, "what can be asked for any text") from error


def _is_model_tier(spec: str, tiers: Sequence[str]) -> bool:
    tier, _, reasoning = spec.rpartition(":")
    is_tier = spec in tiers or (tier in tiers and _REASONING.fullmatch(reasoning) is not None)
    return is_tier or _PROVIDER_AND_MODEL.fullmatch(spec) is not None


def _check_schedule(schedule: str, options: ValidateOptions) -> None:
    if not schedule:
        return
    gap, floor = smallest_gap(schedule), options.min_interval
    if gap < floor:
        allowed = f"one whose fires are at least {floor} minutes apart; this one has two within {gap}"
        raise InvalidArgumentError("schedule", schedule, allowed)


# ---------------------------------------------------------------------------------------------- budgets


def _check_bounds(skill: Skill, options: ValidateOptions) -> None:
    _check_bound("max_iterations", skill.max_iterations, 1, MAX_ITERATIONS, options)
    _check_bound("max_tool_calls", skill.max_tool_calls, 1, None, options)
    _check_bound("max_runtime", skill.max_runtime, MIN_RUNTIME, MAX_RUNTIME, options)


def _check_bound(field: str, asked: float, least: int, outer: int | None, options: ValidateOptions) -> None:
    """0 passes: it is the executor's default. ``asked`` and the bounds are seconds for ``max_runtime``."""
    ceiling = None if options.is_trusted else outer
    too_much = ceiling is not None and asked > ceiling
    if too_much or (asked and asked < least):
        span = f"at least {least}" if ceiling is None else f"{least} to {ceiling}"
        cap = f", and {_cap(field, options)}" if too_much and getattr(options.caps, field) < ceiling else ""
        raise InvalidArgumentError(field, asked, f"{span}{_unit(field)}, or 0 for the executor's default{cap}")


def _unit(field: str) -> str:
    return " seconds" if field == "max_runtime" else ""


def _check_caps(skill: Skill, options: ValidateOptions) -> None:
    if options.is_trusted:
        return
    for field, cap in options.caps._asdict().items():
        asked = getattr(skill, field)
        if asked > cap:
            raise InvalidArgumentError(field, asked, _cap(field, options))


def _cap(field: str, options: ValidateOptions) -> str:
    """The cap that holds for ``field``, and who may lift it, where somebody may."""
    cap, higher = getattr(options.caps, field), getattr(options.extended_caps, field)
    hint = "; ask an admin to grant extended_bounds for higher" if higher > cap else ""
    return f"at most {cap}{_unit(field)}, the cap of the {options.tier} tier{hint}"


# ---------------------------------------------------------------------------------------------- content


def _check_inputs(parameters: Sequence[InputParameter], types: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for index, parameter in enumerate(parameters):
        place = f"input_schema[{index}]"
        _check_not_blank(f"{place}.name", parameter.name)
        _check_word(f"{place}.type", parameter.type, types)
        _check_new(f"{place}.name", parameter.name, seen)


def _check_tools(tools: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for index, tool in enumerate(tools):
        _check_not_blank(f"tools[{index}]", tool)
        _check_new(f"tools[{index}]", tool, seen)


def _check_new(field: str, name: str, seen: dict[str, str]) -> None:
    former = seen.setdefault(name.strip(), field)
    if former != field:
        raise InvalidArgumentError(field, name, f"a name that {former} has not")


def _check_tags(tags: Sequence[str]) -> None:
    if len(tags) > MAX_TAGS:
        raise InvalidArgumentError("tags", len(tags), f"at most {MAX_TAGS} tags, blank and repeated ones counted")
    for index, tag in enumerate(tags):
        size = len(normalised_tag(tag).encode())
        if size > MAX_TAG_BYTES:
            raise InvalidArgumentError(f"tags[{index}]", tag, f"at most {MAX_TAG_BYTES} UTF-8 bytes, not {size}")


def check_visibility(visibility: str, options: ValidateOptions) -> None:
    """Raise InvalidArgumentError, naming those that are known, unless ``visibility`` is one of them."""
    _check_word("visibility", visibility, (*VISIBILITIES, *options.visibilities))


def _check_shared(skill: Skill) -> None:
    if skill.visibility == SHARED and not any(who.strip() for who in skill.shared_with):
        raise InvalidArgumentError("shared_with", list(skill.shared_with), "somebody, where visibility is shared")


def _check_chatbot(skill: Skill, options: ValidateOptions) -> None:
    if not skill.expose_as_chatbot_tool:
        return
    for field in ("chatbot_tool_name", "chatbot_tool_description", "chatbot_channel_filter"):
        if not getattr(skill, field).strip():
            raise InvalidArgumentError(field, getattr(skill, field), "text, where expose_as_chatbot_tool is true")
    wanted, registered = skill.chatbot_channel_filter, options.channel_filters
    if registered is not None and not _asked("channel_filters", registered.__contains__, wanted):
        raise InvalidArgumentError("chatbot_channel_filter", wanted, "a filter that is registered")


def check_size(skill: Skill) -> None:
    """Raise InvalidArgumentError if ``skill``, as it would be saved, is longer than a skill may be."""
    size = len(skill.model_dump_json().encode())
    if size > MAX_SKILL_BYTES:
        raise InvalidArgumentError("skill", size, f"at most {MAX_SKILL_BYTES} bytes of JSON in all")
