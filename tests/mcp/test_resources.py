"""The resources: a key, its history, the trace of a run, for whom the tools would show them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request

import keyledger
from keyledger import RunInfo, RunLog
from keyledger.adapters.mcp.resources import key_resource
from keyledger.adapters.mcp.server import make_server
from keyledger.adapters.mcp.turns import Turns
from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.mcp.serving import WHO, Connect, called, in_loop, names, resource

IN_RUN = (*WHO, "--run", "r-2")
KEYS = ["plain", "a/b", "50 %", "%2F", "ключ", "..", "?limit=1", "#", "k\n", "\U0001f600"]


class Raw(Request[dict[str, Any], Literal["tools/call"]]):
    """A call whose parameters the SDK's client does not look at."""

    method: Literal["tools/call"] = "tools/call"
    params: dict[str, Any]


def in_process(ledger: keyledger.Ledger, **fields: Any) -> Client:
    """A client of a server in this process."""
    who = {"skill_id": "weather", "caller_id": "ada", "flags": [ACCESS_FLAG, WRITE_FLAG], **fields}
    invocation = Invocation.model_validate(who)
    return Client(make_server(ledger, lambda _: invocation, Turns.of_one()))


async def refusal(client: Client, uri: str) -> Any:
    """The error that reading a resource came to."""
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    assert raised.value.data["message"] == raised.value.message
    return raised.value.data["error"]


@in_loop
async def test_any_key_is_a_resource_and_has_its_history(connect: Connect) -> None:
    async with connect() as client:
        for key in KEYS:
            await called(client, "kv_set", key=key, value=[key])
            await called(client, "kv_set", key=key, value=None)
        listed = (await client.list_resources()).resources
        assert names(listed) == sorted(KEYS, key=str.encode)
        for each in listed:
            assert await resource(client, each.uri) == await called(client, "kv_get", key=each.name)
            uri = each.uri.replace("//key/", "//history/")
            assert await resource(client, uri) == await called(client, "kv_history", key=each.name)
            page = await resource(client, f"{uri}?limit=1")
            assert [version["value"] for version in page["versions"]] == [None]
            page = await resource(client, f"{uri}?limit=1&before={page['next']}")
            assert [version["value"] for version in page["versions"]] == [[each.name]]


@in_loop
async def test_a_run_reads_its_trace_and_those_of_the_runs_that_led_to_it(connect_alone: Connect) -> None:
    with keyledger.open(connect_alone.url) as ledger:
        ledger.runs.start(RunInfo("r-1", "weather", "ada", inputs={"city": "Oslo"}))
        ledger.runs.start(RunInfo("r-2", "weather", "ada", parent_run_id="r-1"))
        ledger.runs.start(RunInfo("r-3", "weather", "ada", parent_run_id="r-1"))
        ledger.runs.append_log(RunLog("r-1", "step", {"say": "hello"}))
    async with connect_alone(*IN_RUN) as client:
        above = await resource(client, "keyledger://trace/r-1")
        assert (above["run"]["inputs"], above["logs"][0]["payload"]) == ({"city": "Oslo"}, {"say": "hello"})
        await called(client, "kv_set", key="k", value=1)
        own = await resource(client, "keyledger://trace/r-2")
        assert [line["event_type"] for line in own["logs"]] == ["tool_call", "tool_result"]
        for other in ("r-3", "r-4"):
            assert await refusal(client, f"keyledger://trace/{other}") == "access_denied"


@in_loop
async def test_a_resource_is_refused_where_a_tool_would_be(connect: Connect) -> None:
    with keyledger.open(connect.url) as ledger:
        ledger.partition(connect.skill).set("k", "secret", scope="user:bo")
    async with connect() as client:
        assert await refusal(client, key_resource("k", "user:bo").uri) == "access_denied"
        assert await refusal(client, "keyledger://history/user:bo/k") == "access_denied"
        assert await refusal(client, key_resource("k").uri) == "not_found"
        assert await refusal(client, "keyledger://history/skill/k") == "not_found"
        assert await refusal(client, "keyledger://key/nobody/k") == "invalid_argument"
        assert await refusal(client, "keyledger://trace/r-1") == "access_denied"
        assert await refusal(client, "file:///etc/passwd") == "invalid_argument"


@in_loop
async def test_templates_say_how_to_name_a_resource(connect: Connect) -> None:
    async with connect() as client:
        templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [
        "keyledger://key/{scope}/{key}",
        "keyledger://history/{scope}/{key}{?limit,before}",
        "keyledger://trace/{run_id}{?limit,after}",
    ]


@in_loop
async def test_without_the_flag_no_resource_is_listed_or_read() -> None:
    with keyledger.open("memory://") as ledger:
        ledger.runs.start(RunInfo("r-1", "weather"))
        ledger.partition("weather").set("k", 1)
        async with in_process(ledger, flags=[WRITE_FLAG], run_id="r-1") as client:
            for uri in ("key/skill/k", "history/skill/k", "trace/r-1"):
                assert await refusal(client, f"keyledger://{uri}") == "permission_denied"
            with pytest.raises(MCPError, match="kv_list"):
                await client.list_resources()


@in_loop
async def test_the_list_of_resources_goes_on_page_by_page() -> None:
    with keyledger.open("memory://") as ledger:
        kv = ledger.partition("weather")
        for number in range(250):
            kv.set(f"k{number:03}", number)
        kv.set("hidden", 1, scope="user:ada")
        found, pages, cursor = list[str](), 0, None
        async with in_process(ledger) as client:
            while pages == 0 or cursor is not None:
                page = await client.list_resources(cursor=cursor)
                found, pages, cursor = found + names(page.resources), pages + 1, page.next_cursor
    assert (found, pages) == ([f"k{number:03}" for number in range(250)], 3)


@in_loop
async def test_reading_a_resource_is_a_call_in_the_log_of_the_run() -> None:
    with keyledger.open("memory://") as ledger:
        ledger.runs.start(RunInfo("r-1", "weather"))
        async with in_process(ledger, run_id="r-1") as client:
            await refusal(client, key_resource("k").uri)
            await refusal(client, "keyledger://history/user:bo/k")
        logged = [line.payload for line in ledger.runs.logs("r-1") if line.event_type == "tool_call"]
    assert [payload["tool"] for payload in logged] == ["kv_get", "kv_history"]


@in_loop
async def test_what_is_refused_before_a_tool_is_called_is_in_the_log_of_the_run_too() -> None:
    with keyledger.open("memory://") as ledger:
        for run_id in ("r-1", "r-2"):
            ledger.runs.start(RunInfo(run_id, "weather"))
        async with in_process(ledger, run_id="r-1") as client:
            await refusal(client, "keyledger://trace/r-2")
            await refusal(client, "keyledger://nothing")
            for params in ({"name": "kv_set", "arguments": [1]}, {"name": 5}, {}):
                with pytest.raises(MCPError) as raised:
                    await client.session.send_request(Raw(params=params), CallToolResult)
                assert raised.value.data["error"] == "invalid_argument"
        logged: list[Any] = [line.payload for line in ledger.runs.logs("r-1")]
    calls, results = logged[::2], logged[1::2]
    assert [(call["tool"], call["args"]) for call in calls[:2]] == [
        ("trace", {"run_id": "r-2"}),
        ("resources/read", {"uri": "keyledger://nothing"}),
    ]
    assert [call["tool"] for call in calls[2:]] == ["tools/call"] * 3
    assert calls[2]["args"]["arguments"] == [1]
    assert [result["error"] for result in results] == ["access_denied"] + ["invalid_argument"] * 4


@in_loop
async def test_a_trace_has_pages() -> None:
    with keyledger.open("memory://") as ledger:
        ledger.runs.start(RunInfo("r-1", "weather"))
        for number in range(250):
            ledger.runs.append_log(RunLog("r-1", "step", {"number": number}))
        async with in_process(ledger, run_id="r-1") as client:
            sizes, found, query = list[int](), list[int](), ""
            while query != "?after=None":
                page = await resource(client, f"keyledger://trace/r-1{query}")
                sizes.append(len(page["logs"]))
                found += [line["payload"]["number"] for line in page["logs"]]
                query = f"?after={page['next']}"
            page = await resource(client, "keyledger://trace/r-1?limit=2&after=7")
            assert await refusal(client, "keyledger://trace/r-1?limit=1001") == "invalid_argument"
            assert await refusal(client, "keyledger://trace/r-1?before=1") == "invalid_argument"
    assert (sizes, found) == ([100, 100, 50], list(range(250)))
    assert ([line["sequence"] for line in page["logs"]], page["next"]) == ([8, 9], 9)


@in_loop
async def test_a_page_of_a_trace_is_not_longer_than_a_client_can_take() -> None:
    with keyledger.open("memory://") as ledger:
        ledger.runs.start(RunInfo("r-1", "weather"))
        for _ in range(10):
            ledger.runs.append_log(RunLog("r-1", "step", {"text": "x" * 60_000}))
        async with in_process(ledger, run_id="r-1") as client:
            page = await resource(client, "keyledger://trace/r-1")
            rest = await resource(client, "keyledger://trace/r-1?after=8")
    assert (len(page["logs"]), page["next"], len(rest["logs"]), rest["next"]) == (4, 4, 2, None)


@in_loop
async def test_a_trace_of_a_run_that_was_never_started_is_not_found() -> None:
    with keyledger.open("memory://") as ledger:
        async with in_process(ledger, run_id="r-1") as client:
            assert await refusal(client, "keyledger://trace/r-1") == "run_not_found"


@in_loop
async def test_a_storage_that_is_away_is_the_servers_fault_and_tells_nothing_of_it() -> None:
    ledger = keyledger.open("memory://")
    ledger.close()
    async with in_process(ledger, run_id="r-1") as client:
        for uri in ("key/skill/k", "trace/r-1"):
            with pytest.raises(MCPError) as raised:
                await client.read_resource(f"keyledger://{uri}")
            assert (raised.value.code, raised.value.data["error"]) == (-32603, "closed")
