"""The file of bearer tokens: what it may say, and that no error repeats a token."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from keyledger import InvalidArgumentError
from keyledger.adapters.mcp.tokens import Granted, read_tokens
from keyledger.domain.policy import ACCESS_FLAG

SECRET = "sesame-0123456789-ABCDEF"  # noqa: S105 - of no door
ADA = {"skill_id": "weather", "caller_id": "ada"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def verified(file: Path, token: str) -> Any:
    return asyncio.run(read_tokens(file).verify_token(token))


def test_each_token_stands_for_its_own_invocation(file: Path) -> None:
    file.write_text(f"""
        {SECRET}: {{skill_id: weather, caller_id: ada, flags: [{ACCESS_FLAG}]}}
        other-{SECRET}:
            skill_id: bank
            caller_id: bo
            is_admin: true
            flags: {{type: {{system: {{kv_store_access: yes}}}}}}
    """)
    ada, bo = verified(file, SECRET), verified(file, f"other-{SECRET}")
    assert (ada.invocation.skill_id, ada.invocation.caller_id) == ("weather", "ada")
    assert (bo.invocation.skill_id, bo.invocation.is_admin) == ("bank", True)
    assert ada.invocation.flags == bo.invocation.flags == {ACCESS_FLAG}
    assert ada.client_id != bo.client_id
    assert SECRET not in repr(ada)


def test_json_is_read_as_well_and_a_missing_flag_denies(file: Path) -> None:
    file.write_text(json.dumps({SECRET: ADA}))
    granted = verified(file, SECRET)
    assert isinstance(granted, Granted)
    assert granted.invocation.flags == frozenset()


@pytest.mark.parametrize("token", ["", SECRET[:-1], f"{SECRET}x", f" {SECRET}", SECRET.lower(), "ü", "1"])
def test_only_the_very_token_is_known(file: Path, token: str) -> None:
    file.write_text(json.dumps({SECRET: ADA}))
    assert verified(file, token) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a YAML or JSON file of tokens"),
        ("[]", "a YAML or JSON file of tokens"),
        ("{}", "a YAML or JSON file of tokens"),
        (f"{SECRET}: {{skill_id: w\n", "see line 2"),
        (f"{SECRET}: *{SECRET}\n", "see line 1"),
        (f"{SECRET}: !!python/name:os.system {{}}\n", "see line 1"),
        (f"{SECRET}: {{}}\n{SECRET}: {{}}\n", "see line 2"),
        (f"{SECRET}: {{skill_id: w, skill_id: v}}\n", "see line 1"),
        (f"\ud800{SECRET}", "a YAML or JSON file of tokens"),
        (f"? [{SECRET}]\n: {{}}", "see line 1"),
        (f"{SECRET}: {{[{SECRET}]: 1}}", "see line 1"),
        (f"{SECRET}: {{1: 1}}", "token 1: got '(not shown)'; allowed is the fields"),
        (f"{SECRET}: {SECRET}", "token 1: got '(not shown)'; allowed is the fields of an invocation"),
        (f"{SECRET}: {{skill_id: w}}", "token 1: invocation.caller_id: got None"),
        (f"{SECRET}: {{skill_id: w, caller_id: a, skil: 1}}", "token 1: got 'skil'; allowed is the fields of an"),
        (f"{SECRET}: {{skill_id: w, skill_identifier: 1}}", "token 1: got '(not shown)'; allowed is the fields"),
        (f"a-name-for-the-token: {{{SECRET}: {{skill_id: w}}}}", "token 1: got '(not shown)'"),
        (f"{SECRET}: {{skill_id: w, caller_id: a, is_admin: 1}}", "token 1: invocation.is_admin: got 1"),
        ("short: {skill_id: w, caller_id: a}", "token 1: got '(not shown)'; allowed is 16 or more letters"),
        ("1234567890123456: {skill_id: w, caller_id: a}", "token 1: got '(not shown)'"),
        (f"ü{SECRET}: {{skill_id: w, caller_id: a}}", "token 1: got '(not shown)'"),
        (f"'{SECRET} x': {{skill_id: w, caller_id: a}}", "token 1: got '(not shown)'"),
    ],
)
def test_a_file_of_another_form_is_refused_without_showing_a_token(file: Path, text: str, told: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidArgumentError) as raised:
        read_tokens(file)
    assert told in str(raised.value)
    assert str(raised.value).startswith("--tokens: ")
    assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "no.yaml" if kind == "missing" else tmp_path
    with pytest.raises(InvalidArgumentError, match="a file that can be read") as raised:
        read_tokens(path)
    assert raised.value.got == str(path)


@pytest.mark.parametrize(
    "value", ["!!bool abc", "!!map [a]", "!!timestamp a", "!!int abc", "2026-13-45", r'"\Uffffffff"', "[" * 5_000]
)
def test_a_value_that_yaml_cannot_make_is_no_bug(file: Path, value: str) -> None:
    file.write_text(f"{SECRET}: {{skill_id: {value}, caller_id: ada}}")
    with pytest.raises(InvalidArgumentError, match="a YAML or JSON file of tokens") as caught:
        read_tokens(file)
    assert SECRET not in str(caught.value)
