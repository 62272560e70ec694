"""What the text of a variable says; where it is not of the form, the text itself, for the model to refuse."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")

_TRUTHS = {
    **dict.fromkeys(("y", "yes", "true", "on", "1"), True),
    **dict.fromkeys(("n", "no", "false", "off", "0"), False),
}


def text(value: str) -> str:
    """The text."""
    return value


def integer(value: str) -> int | str:
    """A decimal integer."""
    return int(value) if _INTEGER.fullmatch(value) else value


def number(value: str) -> float | int | str:
    """A decimal number."""
    read = integer(value)
    return float(value) if isinstance(read, str) and _NUMBER.fullmatch(value) else read


def truth(value: str) -> bool | str:
    """A truth word of YAML 1.1 in any case, or 1 or 0."""
    return _TRUTHS.get(value.lower(), value)
