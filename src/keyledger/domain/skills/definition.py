"""A skill as its author writes it."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainValidator
from pydantic_core import PydanticCustomError

from keyledger.domain.scope import MAX_ID_BYTES
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.skills.validation import check_size, check_skill, normalised_tag
from keyledger.domain.strict import StrictModel
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, is_utf8

_Any = TypeVar("_Any")


def _storable(text: str) -> str:
    if "\0" in text or not is_utf8(text):
        raise PydanticCustomError("text", "text without NUL and lone surrogates")
    return text


def _name(text: str) -> str:
    if len(text.encode()) > MAX_ID_BYTES:
        raise PydanticCustomError("name", f"at most {MAX_ID_BYTES} UTF-8 bytes")
    return text


def _tuple(given: Any) -> Any:  # noqa: ANN401 - what a host sends
    return tuple(given) if isinstance(given, list) else given


def _integer(number: int) -> int:
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise PydanticCustomError("integer", "an integer of at most 64 bits, signed")
    return number


def _seconds(given: Any) -> int | float:  # noqa: ANN401 - what a host sends
    if type(given) is int and MIN_INTEGER <= given <= MAX_INTEGER:
        return given
    if type(given) is float and isfinite(given):
        return given
    raise PydanticCustomError("seconds", "a finite number of seconds")


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, AfterValidator(_name)]
Many = Annotated[tuple[_Any, ...], BeforeValidator(_tuple)]
Count = Annotated[int, AfterValidator(_integer)]
Seconds = Annotated[int | float, PlainValidator(_seconds)]


class OutputTarget(StrictModel):
    """Where a skill's answer goes: a ``kind`` of place, and which of that kind ``target`` is."""

    whole: ClassVar[str] = "output_target"

    kind: Text = "reply"
    target: Text = ""


class InputParameter(StrictModel):
    """One input of a skill: its ``name``, its JSON ``type``, what it is for, and whether it must be given."""

    whole: ClassVar[str] = "parameter"

    name: Text
    type: Text = "string"
    description: Text = ""
    required: bool = False


class Skill(StrictModel):
    """A skill: what it is told, what it may use, when it runs, who sees it.

    Of a budget (``max_iterations``, ``max_tool_calls``, and ``max_runtime`` in seconds) 0 is the executor's
    default. An empty ``schedule`` is a skill that runs on demand; others are in UTC. Lists become tuples. A
    Skill need not keep the rules: :meth:`validate` tells.

    Raises:
        InvalidArgumentError: a field is missing, unknown or of another type; the error names it, as
            ``input_schema[0].name``.
    """

    model_config = ConfigDict(protected_namespaces=())
    whole: ClassVar[str] = "skill"

    name: Text = ""
    description: Text = ""
    owner: Name = ""
    system_prompt: Text = ""
    model_tier: Text = "standard"
    schedule: Text = ""
    max_iterations: Count = 0
    max_tool_calls: Count = 0
    max_runtime: Seconds = 0
    output_target: OutputTarget = OutputTarget()
    input_schema: Many[InputParameter] = ()
    tools: Many[Text] = ()
    tags: Many[Text] = ()
    visibility: Text = "private"
    shared_with: Many[Text] = ()
    expose_as_chatbot_tool: bool = False
    chatbot_tool_name: Text = ""
    chatbot_tool_description: Text = ""
    chatbot_channel_filter: Text = ""

    def validate(self, options: ValidateOptions = ValidateOptions()) -> Self:  # type: ignore[override]  # noqa: B008 - pydantic's is deprecated; frozen
        """The skill as it would be saved: schedule and tags trimmed, tags also in lower case, none blank or twice.

        Raises:
            InvalidArgumentError: for the first rule that is broken, in the order of the fields above, and last for
                its size; ``field``, ``got`` and ``allowed`` say which, what came and what would do.
        """
        skill = type(self).model_validate(dict(self))  # model_copy checks nothing
        check_skill(skill, options)
        tags = filter(None, dict.fromkeys(map(normalised_tag, skill.tags)))
        saved = skill.model_copy(update={"schedule": skill.schedule.strip(), "tags": tuple(tags)})
        check_size(saved)
        return saved
