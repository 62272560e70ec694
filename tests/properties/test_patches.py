"""Differences inside of JSON values."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonpatch import apply_patch

from keyledger.adapters.conformance.strategies import json_values
from keyledger.domain.past.difference import patch_of

_NEAR: st.SearchStrategy[Any] = st.sampled_from(
    [0, 0.0, -0.0, False, 1, 1.0, True, "1", None, "", [], {}, 2**53, 2.0**53, 2**53 + 1]
)
_ODD_NAMES = st.sampled_from(["", "/", "~", "~0", "~1", "a/b", "-", "0", "é", "\0", " "])
_SHAPES = st.recursive(
    _NEAR,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_ODD_NAMES, inner, max_size=4),
    max_leaves=15,
)
_VALUES = _SHAPES | json_values()


def text(value: Any) -> str:
    """A text that is the same for the same JSON value, and tells 1, 1.0 and true apart."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=1_000, deadline=None)
@given(old=_VALUES, new=_VALUES)
@example(old={"a": 1}, new={"a": 1.0})
@example(old=[True, 1], new=[1, True])
@example(old=0.0, new=-0.0)
@example(old={"a": [1, {"b": True}]}, new={"a": [1, {"b": 1}]})
@example(old={"a": [1]}, new={"b": [True]})
@example(old=[1, 2, 3], new=[3, 2, 1])
@example(old={"a/b": 1, "~": 2}, new={"a/b": 2, "": 3})
@example(old={"": {}, "/": {}}, new={"": {"": {}}})
def test_a_patch_makes_the_old_value_into_the_new_and_is_nothing_only_for_the_same(old: Any, new: Any) -> None:
    before = deepcopy(old), deepcopy(new)
    patch = patch_of(old, new)
    assert text(apply_patch(old, list(patch))) == text(new)
    assert (patch == ()) is (text(old) == text(new))
    assert text(before) == text((old, new))
    assert all(operation["op"] in {"add", "remove", "replace", "move", "copy", "test"} for operation in patch)


@settings(max_examples=200, deadline=None)
@given(value=_VALUES, path=st.lists(st.integers(0, 5), max_size=4), new=_NEAR)
def test_a_change_deep_inside_is_found(value: Any, path: list[int], new: Any) -> None:
    changed = {"root": deepcopy(value)}
    place: Any = changed
    name: Any = "root"
    for step in path:
        inner = place[name]
        if not isinstance(inner, list | dict) or not inner:
            break
        place, name = inner, (range(len(inner)) if isinstance(inner, list) else list(inner))[step % len(inner)]
    place[name] = new
    patch = patch_of({"root": value}, changed)
    assert text(apply_patch({"root": value}, list(patch))) == text(changed)


@settings(max_examples=30, deadline=None)
@given(edits=st.lists(st.tuples(st.sampled_from(["drop", "put", "swap"]), st.integers(0, 499), _NEAR), max_size=8))
def test_a_patch_of_a_big_array_is_about_what_changed(edits: list[tuple[str, int, Any]]) -> None:
    old: list[Any] = [{"number": number, "text": "x" * (number % 7)} for number in range(500)]
    new = deepcopy(old)
    for what, place, value in edits:
        if what == "drop":
            del new[place % len(new)]
        elif what == "put":
            new.insert(place, value)
        else:
            new[place % len(new)], new[0] = new[0], new[place % len(new)]
    patch = patch_of(old, new)
    assert text(apply_patch(old, list(patch))) == text(new)
    assert (patch == ()) is (text(old) == text(new))


@pytest.mark.parametrize("value", [1, 1.0, True, None, "", [], {}, {"a": [1, 2]}, {"b": 1, "a": 2}])
def test_the_same_value_needs_no_patch(value: Any) -> None:
    assert patch_of(value, deepcopy(value)) == ()
    assert patch_of({"x": value, "y": 0}, {"y": 0, "x": value}) == ()
