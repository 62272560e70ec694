"""The tools over both transports, both generations of the protocol, both stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

import keyledger
from keyledger.adapters.mcp.server import make_server
from keyledger.adapters.mcp.turns import Turns
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.mcp.serving import WHO, Connect, called, in_loop, names, over_stdio

ADA = Invocation(skill_id="weather", caller_id="ada", flags=frozenset({ACCESS_FLAG, WRITE_FLAG}))


@in_loop
async def test_the_tools_are_listed_as_the_ledger_describes_them(connect: Connect) -> None:
    async with connect() as client:
        listed = (await client.list_tools()).tools
    with keyledger.open("memory://") as ledger:
        told = ledger.tools(ADA).mcp()
    assert [(tool.name, tool.description, tool.input_schema) for tool in listed] == [
        (tool["name"], tool["description"], tool["inputSchema"]) for tool in told
    ]


@in_loop
async def test_a_value_comes_back_as_it_was_sent(connect: Connect) -> None:
    values: list[Any] = [None, {"t": [1, None, {"ü": "\U0001f600"}]}, 2**63 - 1, -(2**63), 0.1, "", [], False]
    async with connect() as client:
        for revision, value in enumerate(values, 1):
            assert (await called(client, "kv_set", key="k/é %", value=value))["revision"] == revision
            found = await called(client, "kv_get", key="k/é %")
            assert found == {
                "scope": "skill",
                "key": "k/é %",
                "found": True,
                "value": value,
                "revision": revision,
            }
            assert type(found["value"]) is type(value)
    with keyledger.open(connect.url) as ledger:
        (last, *_) = ledger.partition(connect.skill).history("k/é %")
        assert (last.changed_by, last.revision) == ("ada", len(values))
        assert ledger.rebuild().differences == ()


@in_loop
async def test_a_refusal_is_an_error_that_a_model_can_read(connect: Connect) -> None:
    async with connect() as client:
        refused = [
            await called(client, "kv_set", key="k"),
            await called(client, "kv_set", key="k", value="x" * 70_000),
            await called(client, "kv_set", key="k", value=2**63),
            await called(client, "kv_get", key="k", scope="user:bo"),
            await called(client, "kv_history", key="k"),
            await called(client, "kv_rename", key="k"),
        ]
    assert [each["error"] for each in refused] == [
        "invalid_argument",
        "value_too_large",
        "invalid_value",
        "access_denied",
        "not_found",
        "invalid_argument",
    ]
    assert [set(each) for each in refused] == [{"error", "message"}] * 6
    assert refused[0]["message"] == "kv_set: value required"
    assert refused[1]["message"] == "kv_set: value exceeds max 65536 bytes (got 70002)"


@in_loop
async def test_what_a_model_sends_never_says_who_it_is(connect: Connect) -> None:
    forged = {
        "skill_id": "bank",
        "caller_id": "bo",
        "is_admin": True,
        "run_id": "r-9",
        "flags": [WRITE_FLAG],
        "invocation": {"skill_id": "bank", "caller_id": "bo"},
    }
    async with connect() as client:
        for name, value in forged.items():
            refused = await called(client, "kv_set", key="k", value=1, **{name: value})
            assert refused["error"] == "invalid_argument"
            assert f"unknown field '{name}'" in refused["message"]
    with keyledger.open(connect.url) as ledger:
        assert not {connect.skill, "bank"} & {each.id for each in ledger.partitions(limit=1000)}


@in_loop
async def test_read_only_offers_and_does_nothing_that_writes(connect_alone: Connect) -> None:
    keyledger.open(connect_alone.url).close()
    async with connect_alone(*WHO, "--read-only") as client:
        assert names((await client.list_tools()).tools) == ["kv_get", "kv_list", "kv_history"]
        refused = await called(client, "kv_set", key="k", value=1)
        assert refused["error"] == "permission_denied"
        assert (await called(client, "kv_get", key="k"))["found"] is False


@in_loop
async def test_a_configuration_without_flags_does_not_open_what_is_served_to_more_than_it_names(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    keyledger.open(url).close()
    (tmp_path / "keyledger.yaml").write_text("tools: {kv_store: {enforce_flags: false}}")
    async with over_stdio(url, *WHO, "--config", str(tmp_path / "keyledger.yaml"), "--read-only") as client:
        assert names((await client.list_tools()).tools) == ["kv_get", "kv_list", "kv_history"]
        assert (await called(client, "kv_set", key="k", value=1))["error"] == "permission_denied"


def test_a_ledger_that_does_not_ask_for_flags_is_not_served() -> None:
    with (
        keyledger.open("memory://", enforce_flags=False) as ledger,
        pytest.raises(InvalidArgumentError, match="enforce_flags"),
    ):
        make_server(ledger, lambda _: ADA, Turns.of_one())


@in_loop
async def test_the_options_say_who_calls(connect_alone: Connect) -> None:
    options = ("--run", "r-2", "--root-run", "r-1", "--channel", "c", "--parent-run", "r-1", "--admin")
    async with connect_alone(*WHO, *options) as client:
        for scope in ("skill", "user:bo", "run:r-2", "root_run:r-1"):
            assert (await called(client, "kv_set", scope=scope, key="k", value=scope))["ok"] is True
        assert (await called(client, "kv_set", scope="run:r-1", key="k", value=1))["error"] == "access_denied"
    with keyledger.open(connect_alone.url) as ledger:
        tree = ledger.partition("weather", root_run_id="r-1")
        assert tree.get("k", scope="root_run:r-1").value == "root_run:r-1"  # type: ignore[union-attr]
        assert {version.run_id for version in tree.history("k")} == {"r-2"}


@pytest.mark.parametrize("name", ["kv_set", "kv_delete", "kv_increment", "kv_restore", "kv_get"])
@in_loop
async def test_a_host_is_told_what_a_tool_does_to_what_is_stored(name: str) -> None:
    with keyledger.open("memory://") as ledger:
        async with Client(make_server(ledger, lambda _: ADA, Turns.of_one())) as client:
            (hints,) = [tool.annotations for tool in (await client.list_tools()).tools if tool.name == name]
    assert hints is not None
    said = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert said == {
        "kv_get": (True, None, None, False),
        "kv_increment": (False, False, False, False),
    }.get(name, (False, True, True, False))
