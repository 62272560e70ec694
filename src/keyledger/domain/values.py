"""JSON values: what may be stored, and how JSON text is read so that nothing is lost on the way.

A value is stored and counted as its compact UTF-8 JSON text. Whatever that text could not give back
exactly is refused here, never altered: NaN and infinities, integers beyond 64 bits, non-string keys, lone
surrogates, and any Python object that is not plainly ``None``, ``bool``, ``int``, ``float``, ``str``,
``list`` or ``dict``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn, TypeAlias

from keyledger.domain.errors import ValueSerializationError, shortened

JSONValue: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

MAX_VALUE_BYTES = 65_536
"""The default cap on one value's JSON text, in bytes (kv_set's 64 KiB default)."""

MAX_DEPTH = 100
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


def check_value(value: object, field: str = "value", depth: int = 0) -> None:
    """Raise ValueSerializationError, naming the path, unless ``value`` is JSON that round-trips exactly."""
    try:
        _check(value, depth)
    except _RefusedPartError as refused:
        raise ValueSerializationError(f"{field}{refused.path or ''}", refused.got, refused.allowed) from None


class _RefusedPartError(Exception):
    """A part of a value is not allowed; the path to it, if it is to be named, is put together on the way out."""

    def __init__(self, got: object, allowed: str, path: str | None = "") -> None:
        self.got, self.allowed, self.path = got, allowed, path


def _check(value: Any, depth: int) -> None:  # noqa: ANN401 - that is the question
    kind = type(value)
    if kind is str:
        if not value.isascii() and not is_utf8(value):
            raise _RefusedPartError(value, "text without lone surrogates")
    elif kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise _RefusedPartError(value, "an integer of at most 64 bits, signed")
    elif kind is dict:
        _check_names(value)
        _check_parts(value.items(), depth, ".{}")
    elif kind is list:
        _check_parts(enumerate(value), depth, "[{}]")
    elif kind is float:
        if not isfinite(value):
            raise _RefusedPartError(value, "a finite number")
    elif value is not None and kind is not bool:
        allowed = f"JSON: null, a bool, int, float, str, list or dict, not {kind.__qualname__}"
        raise _RefusedPartError(value, allowed)


def _check_names(value: dict[Any, Any]) -> None:
    for name in value:
        if type(name) is not str:
            raise _RefusedPartError(name, "a str", ", a key")
        if not name.isascii() and not is_utf8(name):
            raise _RefusedPartError(name, "text without lone surrogates", ", a key")


def _check_parts(parts: Iterable[tuple[Any, Any]], depth: int, place: str) -> None:
    if depth >= MAX_DEPTH:
        raise _RefusedPartError("…", f"at most {MAX_DEPTH} levels", None)
    name = None
    try:
        for name, part in parts:  # noqa: B007 - where it stopped
            _check(part, depth + 1)
    except _RefusedPartError as refused:
        if refused.path is not None:
            refused.path = place.format(shortened(str(name))) + refused.path
        raise


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
