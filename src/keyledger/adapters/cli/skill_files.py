"""A skill as its author keeps it in a file: JSON or YAML."""

from __future__ import annotations

from codecs import BOM_UTF8
from json import JSONDecodeError
from typing import Any

from keyledger.adapters.cli.lines import opened
from keyledger.domain.errors import InvalidArgumentError, ValueSerializationError
from keyledger.domain.skills.definition import Skill
from keyledger.domain.values import JSONValue, parse_json

_FORM = "a mapping of a skill's fields, as JSON or YAML"


def read_skill(file: str) -> Skill:
    """The skill in a file, or on standard input for ``-``; JSON where it begins with a brace, else YAML.

    Raises:
        InvalidArgumentError: it cannot be read, or says something that no skill has.
    """
    with opened(file) as stream:
        content = stream.read().removeprefix(BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError(file, "(other bytes)", "text in UTF-8") from None
    fields = _from_json(file, text) if text.lstrip().startswith("{") else _from_yaml(file, text)
    if not isinstance(fields, dict):
        raise InvalidArgumentError(file, fields, _FORM)
    return Skill.model_validate(fields)


def _from_json(file: str, text: str) -> JSONValue:
    try:
        return parse_json(text, file)
    except ValueSerializationError as error:
        cause = error.__context__
        if isinstance(cause, JSONDecodeError):
            raise _unreadable(file, (cause.lineno, cause.colno, cause.msg)) from None
        raise


def _from_yaml(file: str, text: str) -> Any:
    import yaml  # noqa: PLC0415 - no other command needs it

    from keyledger.adapters.strict_yaml import StrictLoader, problem_of  # noqa: PLC0415

    try:
        return yaml.load(text, StrictLoader)  # noqa: S506 - derived from the safe one
    except yaml.YAMLError as error:
        raise _unreadable(file, problem_of(error, text) or (1, 1, str(error))) from None
    except RecursionError:
        raise InvalidArgumentError(file, "(too deep)", _FORM) from None


def _unreadable(file: str, problem: tuple[int, int, str]) -> InvalidArgumentError:
    """What a parser says of a file: where it is, as editors count, and what."""
    line, column, what = problem
    error = InvalidArgumentError(file, what, _FORM)
    error.args = (f"{file}, line {line}, column {column}: {' '.join(what.split())}",)
    return error
