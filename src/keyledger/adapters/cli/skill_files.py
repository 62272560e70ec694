"""A skill as its author keeps it in a file: JSON or YAML."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

from keyledger.adapters.cli.lines import opened
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.skills.definition import Skill
from keyledger.domain.values import parse_json

_FORM = "a mapping of a skill's fields, as JSON or YAML"


def read_skill(file: str) -> Skill:
    """The skill in a file, or on standard input for ``-``; JSON where it begins with a brace, else YAML.

    Raises:
        InvalidArgumentError: it cannot be read, or says something that no skill has.
    """
    with opened(file) as stream:
        text = stream.read().removeprefix(BOM_UTF8)
    fields = parse_json(text, file) if text.lstrip().startswith(b"{") else _from_yaml(file, text)
    if not isinstance(fields, dict):
        raise InvalidArgumentError(file, fields, _FORM)
    return Skill.model_validate(fields)


def _from_yaml(file: str, text: bytes) -> Any:
    import yaml  # noqa: PLC0415 - no other command needs it

    from keyledger.adapters.strict_yaml import StrictLoader  # noqa: PLC0415

    try:
        return yaml.load(text.decode(), StrictLoader)  # noqa: S506 - derived from the safe one
    except UnicodeDecodeError:
        raise InvalidArgumentError(file, "(other bytes)", "text in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(file, " ".join(str(error).split()), _FORM) from None
