"""Flags: what a persona grants, in whatever shape it is written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from keyledger import FlagRequiredError, InvalidArgumentError, Invocation, Permission
from keyledger.adapters.tools.kv import TOOLS
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG, check_flags


def flags(given: Any) -> frozenset[str]:
    return Invocation(skill_id="w", caller_id="a", flags=given).flags


@pytest.mark.parametrize("names", [["a.b", "c"], ("a.b", "c"), {"a.b", "c"}, frozenset({"a.b", "c"})])
def test_flags_may_be_names(names: Any) -> None:
    assert flags(names) == {"a.b", "c"}


@pytest.mark.parametrize(
    "persona",
    [
        {"type": {"system": {"kv_store_access": True}}},
        {"type.system": {"kv_store_access": "yes"}},
        {"type": {"system.kv_store_access": "on"}},
        {"type.system.kv_store_access": "true"},
    ],
)
def test_a_persona_names_flags_by_nesting_or_by_dots(persona: Any) -> None:
    assert flags(persona) == {ACCESS_FLAG}


@pytest.mark.parametrize(
    "word", ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "yEs", True]
)
def test_what_yaml_reads_as_true_grants(word: object) -> None:
    assert flags({"a": word}) == {"a"}


@pytest.mark.parametrize(
    "word",
    [
        *("n", "no", "false", "off", "", " yes", "yes ", "ye\N{LATIN SMALL LETTER LONG S}", "1", "enabled", "ja"),
        *(False, None, 1, 1.0, 0, ["yes"], ("yes",), b"yes", [True]),
    ],
)
def test_whatever_else_denies(word: object) -> None:
    assert flags({"a": word}) == frozenset()


def test_words_are_those_of_a_persona_in_yaml() -> None:
    persona = yaml.safe_load(
        "type:\n  system:\n    kv_store_access: yes\n    kv_store_write: 'Y'\n    other: off\n"
    )
    assert flags(persona) == {ACCESS_FLAG, WRITE_FLAG}


def test_what_is_above_a_flag_does_not_grant_it() -> None:
    assert ACCESS_FLAG not in flags({"type": {"system": True}, "type.system": "yes"})


@pytest.mark.parametrize(
    "persona",
    [{"a.b": True, "a": {"b": False}}, {"a": {"b": "no"}, "a.b": "yes"}, {"a.b": None, "a": {"b": True}}],
)
def test_a_flag_that_is_denied_anywhere_is_denied(persona: Any) -> None:
    assert flags(persona) == frozenset()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("abc", "invocation.flags: got 'abc'; allowed is a list of strings, or an object of flags"),
        (None, "invocation.flags: got None; allowed is a list of strings"),
        ([1], "invocation.flags: got [1]; allowed is a list of strings"),
        ({5: True}, "invocation.flags: got 5; allowed is names of flags that are text"),
        ({"a": {True: 1}}, "invocation.flags: got True; allowed is names of flags that are text"),
    ],
)
def test_what_are_no_flags_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        flags(given)
    assert str(caught.value).startswith(message)


def test_a_persona_that_holds_itself_is_refused() -> None:
    persona: dict[str, Any] = {}
    persona["a"] = persona
    with pytest.raises(InvalidArgumentError, match="an object of at most 20 levels"):
        flags(persona)


@given(
    st.dictionaries(st.text("abc", min_size=1), st.sampled_from(["yes", "no", True, False, None, 1]), max_size=5)
)
def test_nested_or_flat_a_persona_grants_the_same(said: dict[str, object]) -> None:
    flat = {f"x.y.{name}": word for name, word in said.items()}
    nested = {"x": {"y": said}}
    granted = {name for name, word in flat.items() if word == "yes" or word is True}
    assert flags(flat) == flags(nested) == granted


def test_a_missing_flag_is_named_with_the_tool() -> None:
    check_flags("kv_get", ("a", "b"), {"a", "b", "c"})
    with pytest.raises(FlagRequiredError) as caught:
        check_flags("kv_get", ("a", "b", "c"), {"a"})
    assert (caught.value.tool, caught.value.flag, caught.value.code) == ("kv_get", "b", "permission_denied")


def test_each_tool_says_what_it_asks_for() -> None:
    reading = Permission("anyone", "caller", safe_for_share=True, categories=("storage", "read"))
    writing = Permission("anyone", "caller", safe_for_share=True, categories=("storage", "write"))
    reads = {"kv_get", "kv_list", "kv_history"}
    assert {name: (spec.permission, spec.requires_flags) for name, spec in TOOLS.items()} == {
        name: (reading, (ACCESS_FLAG,)) if name in reads else (writing, (ACCESS_FLAG, WRITE_FLAG))
        for name in (*reads, "kv_set", "kv_delete", "kv_increment", "kv_restore")
    }


def test_an_admin_needs_flags_too() -> None:
    admin = Invocation(skill_id="w", caller_id="a", is_admin=True)
    assert admin.flags == frozenset()
