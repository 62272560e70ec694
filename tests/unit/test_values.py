"""JSON text and JSON values."""

import json
from typing import Any

import pytest
from hypothesis import given

from keyledger.adapters.conformance.strategies import json_values, not_json
from keyledger.adapters.json_codec import OrjsonCodec
from keyledger.domain.errors import ValueSerializationError
from keyledger.domain.values import MAX_DEPTH, check_value, parse_json

CODEC = OrjsonCodec()


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@given(json_values())
def test_json_text_of_a_value_reads_back_exactly(value: Any) -> None:
    assert repr(parse_json(CODEC.encode(value))) == repr(value)
    assert repr(CODEC.decode(CODEC.encode(value))) == repr(value)
    assert repr(parse_json(json.dumps(value, indent=1))) == repr(value)


@given(json_values())
def test_encoding_twice_changes_nothing(value: Any) -> None:
    text = CODEC.encode(value)
    assert CODEC.encode(CODEC.decode(text)) == text


@given(not_json())
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueSerializationError):
        check_value(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nul",
        "{'a': 1}",
        "[1,]",
        "NaN",
        "-Infinity",
        "[Infinity]",
        "18446744073709551616",
        "-9223372036854775809",
        "1" * 5000,
        "1e999",
        "1e-999",
        "0.1000000000000000055511151231257827",
        '{"a": 1, "a": 2}',
        '{"x": {"a": 1, "b": 2, "a": 1}}',
        '"\\ud800"',
        "1 2",
        "[" * 100_000,
        b"\xff",
    ],
)
def test_text_that_would_lose_something_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueSerializationError, match="value: got"):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e2", 100.0), ("0.1", 0.1), ("-0.0", -0.0), ("9223372036854775807", 2**63 - 1), (" [ ] ", [])],
)
def test_text_that_loses_nothing_is_read(text: str, value: Any) -> None:
    assert repr(parse_json(text)) == repr(value)


def test_depth_is_limited() -> None:
    check_value(nested(MAX_DEPTH))
    with pytest.raises(ValueSerializationError, match="100 levels"):
        check_value(nested(MAX_DEPTH + 1))


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueSerializationError, match="100 levels"):
        check_value(value)


def test_a_long_name_in_a_path_is_shortened() -> None:
    with pytest.raises(ValueSerializationError) as refused:
        check_value({"x" * 1_000_000: {"y": float("nan")}})
    assert str(refused.value) == f"value.{'x' * 80}….y: got nan; allowed is a finite number"


def test_the_error_names_the_path() -> None:
    with pytest.raises(ValueSerializationError) as refused:
        check_value({"a": [1, {"b": float("nan")}]})
    assert str(refused.value) == "value.a[1].b: got nan; allowed is a finite number"
