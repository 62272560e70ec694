"""Tool calls: whatever is sent, by whomever."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import keyledger
from keyledger.adapters.conformance.strategies import json_values, not_json, texts
from keyledger.adapters.conformance.tool_machine import tool_machine
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.tools.kv import TOOLS
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER
from keyledger.opening import ledger_on

_QUICK = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_in_memory_nobody_gets_outside_of_what_is_theirs() -> None:
    def new_ledger() -> Callable[..., keyledger.Ledger]:
        storage = MemoryStorage(EventMapper())
        return partial(ledger_on, lambda: storage)

    run_state_machine_as_test(tool_machine(new_ledger), settings=settings(_QUICK, max_examples=100))


def test_on_sqlite_nobody_gets_outside_of_what_is_theirs(tmp_path: Path) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"sqlite:///{tmp_path}/{next(names)}.db")

    run_state_machine_as_test(tool_machine(new_ledger), settings=_QUICK)


def test_on_postgres_nobody_gets_outside_of_what_is_theirs(postgres_url: str, schema: str) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, postgres_url, schema=f"{schema}_{next(names)}", max_overflow=2)

    run_state_machine_as_test(tool_machine(new_ledger), settings=_QUICK)


# --------------------------------------------------------------------------------------- whatever is sent

ADA = keyledger.Invocation(
    skill_id="weather", caller_id="ada", run_id="r-1", flags=frozenset({ACCESS_FLAG, WRITE_FLAG})
)
CODES = {
    found.code
    for found in vars(keyledger).values()
    if isinstance(found, type) and issubclass(found, keyledger.KeyledgerError)
}
ARGUMENTS = sorted({name for spec in TOOLS.values() for name in spec.arguments.model_fields})
RESULTS = {
    "kv_get": {"scope", "key", "found"},
    "kv_set": {"ok", "scope", "key", "value", "revision"},
    "kv_increment": {"ok", "scope", "key", "value", "revision"},
    "kv_restore": {"ok", "scope", "key", "value", "revision"},
    "kv_delete": {"ok", "scope", "key", "deleted"},
    "kv_list": {"entries", "next"},
    "kv_history": {"scope", "key", "versions", "next"},
}

_PLAIN = {
    "scope": st.sampled_from(["skill", "user:ada", "run:r-1", "root_run:r-1"]),
    "key": st.text("kx", min_size=1, max_size=3),
    "value": json_values(),
    "ttl_seconds": st.none() | st.integers(-1, 9) | st.floats(-1, 1e6),
    "if_revision": st.none() | st.integers(0, 3),
    "request_id": st.none() | st.text("q", min_size=1, max_size=2),
    "delta": st.none() | st.integers(-5, 5),
    "initial_value": st.none() | st.integers(-5, 5),
    "prefix": st.none() | st.text("kx", max_size=2),
    "limit": st.none() | st.integers(1, 1000),
    "after": st.none() | st.text("kx", max_size=2),
    "before": st.none() | st.integers(0, 9),
    "to": st.integers(0, 3),
}
"""Of each argument what is often sent."""

_ANYTHING = json_values() | not_json() | st.text() | st.integers() | st.floats()
_NAMES = st.sampled_from(ARGUMENTS) | texts() | st.text() | st.integers() | st.none()
_MIXED = st.fixed_dictionaries({}, optional={name: plain | _ANYTHING for name, plain in _PLAIN.items()})
_SENT = (
    st.fixed_dictionaries({}, optional=_PLAIN)
    | _MIXED
    | st.dictionaries(_NAMES, _ANYTHING, max_size=5)
    | st.builds(lambda known, more: known | more, _MIXED, st.dictionaries(_NAMES, _ANYTHING, max_size=2))
    | st.dictionaries(_NAMES, json_values(), max_size=4).map(json.dumps)
    | _ANYTHING
)


@settings(_QUICK, max_examples=600)
@given(tool=st.sampled_from([*TOOLS]) | st.sampled_from([*TOOLS]) | _ANYTHING, sent=_SENT, audited=st.booleans())
def test_whatever_is_sent_the_answer_is_a_result_or_an_error_of_the_documented_form(
    tool: Any, sent: Any, *, audited: bool
) -> None:
    with keyledger.open("memory://") as ledger:
        if audited:
            ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
        ledger.partition("weather").set("k", 1)
        answer = ledger.tools(ADA).call(tool, sent)
        assert json.loads(orjson.dumps(answer)) == answer
        if "error" not in answer:
            assert RESULTS[tool] <= answer.keys() <= RESULTS[tool] | {"value", "revision", "ttl_seconds"}
            return
        assert answer.keys() == {"error", "message"}
        assert answer["error"] in CODES - {"error", "refused", "storage"}
        assert str(answer["message"]).startswith((f"{tool}: ", "tool: got "))
        assert "Traceback" not in str(answer["message"])
        assert ledger.runs.failures == 0


# --------------------------------------------------------------------------------------------- schemas


@pytest.mark.parametrize("tool", TOOLS)
def test_a_schema_is_one(tool: str) -> None:
    jsonschema.Draft202012Validator.check_schema(_schema(tool))


def _schema(tool: str) -> dict[str, Any]:
    with keyledger.open("memory://") as ledger:
        return ledger.tools(ADA)[tool].schema


def _is_valid(tool: str, sent: object) -> bool:
    return bool(jsonschema.Draft202012Validator(_schema(tool)).is_valid(sent))


_BAD_CODES = {"invalid_argument", "invalid_value"}
_WRONG = (
    st.none()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.sampled_from([True, 0.5, 1.0, 2.0**53, "", [], {}, ["k"]])
)
_NEARLY = {name: plain | plain | plain | _WRONG for name, plain in _PLAIN.items() if name != "scope"} | {
    "scope": _PLAIN["scope"] | st.sampled_from([None, 1, True, []])
}


@settings(_QUICK, max_examples=1_000)
@given(tool=st.sampled_from([*TOOLS]), data=st.data())
def test_a_schema_takes_what_the_arguments_take_and_nothing_else(tool: str, data: st.DataObject) -> None:
    """But for what it cannot say: lengths in bytes, the grammar of scopes, and 64 bits."""
    spec, others = TOOLS[tool].arguments, st.sampled_from(ARGUMENTS)
    sent = data.draw(
        st.fixed_dictionaries(
            {name: _NEARLY[name] for name in spec.required},
            optional={name: _NEARLY[name] for name in {*spec.model_fields, data.draw(others)} - {*spec.required}},
        )
    )
    for name in data.draw(st.sets(others, max_size=1)):
        sent.pop(name, None)
    with keyledger.open("memory://") as ledger:
        refused = ledger.tools(ADA).call(tool, sent).get("error") in _BAD_CODES
    assert _is_valid(tool, sent) is not refused
