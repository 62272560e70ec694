"""Hypothesis strategies for what a ledger takes, and for what it must refuse."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, JSONValue


class _Number(IntEnum):
    ONE = 1


class _Text(str):
    __slots__ = ()


def texts(min_size: int = 0, max_size: int = 20) -> st.SearchStrategy[str]:
    """Any text that UTF-8 can hold, NUL included."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=max_size)


def keys() -> st.SearchStrategy[str]:
    """Keys of every kind that is allowed: 1 to 512 UTF-8 bytes without NUL."""
    allowed = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(allowed, min_size=1, max_size=40) | st.sampled_from(["k" * 512, "é" * 256, "\U0010ffff" * 128])


def scopes() -> st.SearchStrategy[str]:
    """Scopes that live in their partition's own stream."""
    return st.sampled_from(["skill", "user:ada", "user:bob", "run:r-1"])


def json_values() -> st.SearchStrategy[JSONValue]:
    """JSON values of every type and shape, a few levels deep."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(MIN_INTEGER, MAX_INTEGER)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
        max_leaves=12,
    )


def not_json() -> st.SearchStrategy[Any]:
    """Python objects that are not JSON, or that JSON would alter: bare, and inside of lists and dicts."""
    bare: st.SearchStrategy[Any] = (
        st.sampled_from([float("nan"), float("inf"), float("-inf")])
        | st.integers(min_value=MAX_INTEGER + 1)
        | st.integers(max_value=MIN_INTEGER - 1)
        | st.sampled_from(["\ud800", "ok\udfff", _Text("x"), _Number.ONE, OrderedDict(a=1)])
        | st.binary()
        | st.tuples(st.integers(0, 9))
        | st.sets(st.integers(0, 9))
        | st.just(object())
        | st.sampled_from([Decimal("1.5"), Fraction(1, 2), 1j, ..., print, type])
        | st.sampled_from([UUID(int=0), date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)])
        | st.dictionaries(st.integers(0, 9) | st.none() | st.booleans(), st.none(), min_size=1, max_size=2)
        | st.just({"\udc00": 1})
    )
    return st.recursive(
        bare,
        lambda inner: st.builds(lambda item: [1, item], inner) | st.builds(lambda item: {"a": item}, inner),
        max_leaves=3,
    )
