"""JSON values: what may be stored, and how JSON text is read so that nothing is lost on the way.

A value is stored and counted as its compact UTF-8 JSON text. Whatever that text could not give back
exactly is refused here, never altered: NaN and infinities, integers beyond 64 bits, non-string keys, lone
surrogates, and any Python object that is not plainly ``None``, ``bool``, ``int``, ``float``, ``str``,
``list`` or ``dict``.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn, TypeAlias

from keyledger.domain.errors import ValueSerializationError

JSONValue: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

MAX_VALUE_BYTES = 65_536
"""The default cap on one value's JSON text, in bytes (kv_set's 64 KiB default)."""

MAX_DEPTH = 100
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


def check_value(value: object, path: str = "value", depth: int = 0) -> None:
    """Raise ValueSerializationError, naming the path, unless ``value`` is JSON that round-trips exactly."""
    kind = type(value)
    if kind is str:
        _check_text(value, path)  # type: ignore[arg-type]
    elif kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]
            raise ValueSerializationError(path, value, "an integer of at most 64 bits, signed")
    elif kind is float:
        if not isfinite(value):  # type: ignore[arg-type]
            raise ValueSerializationError(path, value, "a finite number")
    elif kind is dict or kind is list:
        _check_container(value, path, depth + 1)  # type: ignore[arg-type]
    elif value is not None and kind is not bool:
        raise ValueSerializationError(
            path, value, f"JSON: null, a bool, int, float, str, list or dict, not {kind.__qualname__}"
        )


def _check_container(value: dict[object, object] | list[object], path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueSerializationError(path.partition("[")[0].partition(".")[0], "…", f"at most {MAX_DEPTH} levels")
    if isinstance(value, list):
        for index, item in enumerate(value):
            check_value(item, f"{path}[{index}]", depth)
        return
    for key, item in value.items():
        if type(key) is not str:
            raise ValueSerializationError(f"{path}, a key", key, "a str")
        _check_text(key, f"{path}, a key")
        check_value(item, f"{path}.{key}", depth)


def _check_text(text: str, path: str) -> None:
    if not text.isascii() and not is_utf8(text):
        raise ValueSerializationError(path, text, "text without lone surrogates")


def is_utf8(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8, that is, holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(text: str | bytes, field: str = "value", *, envelope: int = 0) -> JSONValue:
    """Read JSON text without losing anything.

    ``envelope`` is how many levels the text adds around a value, which do not count as the value's depth.

    Returns:
        The value, which :func:`check_value` accepts.

    Raises:
        ValueSerializationError: the text is not JSON (RFC 8259), repeats a key within an object, or holds a
            number that neither a 64-bit integer nor a double carries exactly as written.
    """
    try:
        value: JSONValue = _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except json.JSONDecodeError as error:
        raise ValueSerializationError(field, text, f"valid JSON ({error.msg} at character {error.pos})") from None
    except UnicodeDecodeError:
        raise ValueSerializationError(field, text, "UTF-8 text") from None
    except RecursionError:
        raise ValueSerializationError(field, "…", f"at most {MAX_DEPTH} levels") from None
    except _RefusedTextError as error:
        raise ValueSerializationError(field, error.got, error.allowed) from None
    check_value(value, field, -envelope)
    return value


class _RefusedTextError(Exception):
    def __init__(self, got: object, allowed: str) -> None:
        self.got, self.allowed = got, allowed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
        raise _RefusedTextError(twice, "an object whose keys differ")
    return found


def _integer(text: str) -> int:
    longest = len(str(MIN_INTEGER))
    if len(text) > longest or not MIN_INTEGER <= int(text) <= MAX_INTEGER:
        raise _RefusedTextError(text, "an integer of at most 64 bits, signed")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    try:
        exact = isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except ArithmeticError:  # an exponent beyond Decimal's
        exact = False
    if not exact:
        raise _RefusedTextError(text, "a number that a double holds exactly as written")
    return number


def _constant(text: str) -> NoReturn:
    raise _RefusedTextError(text, "a finite number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


def json_type(text: bytes) -> str:
    """The JSON type of a compact JSON text, told by its first byte: object, array, string and so on."""
    names = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
    return names.get(text[:1], "number")
