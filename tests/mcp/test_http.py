"""The server on HTTP: many clients at once, each as whom its token says, and nobody else."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import keyledger
from keyledger.adapters.mcp.http import is_loopback, listen
from keyledger.adapters.mcp.resources import key_resource
from keyledger.adapters.mcp.tokens import read_tokens
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.mcp.serving import MODES, WHO, called, http_server, in_loop, message, names, over_http, resource, start

BOTH = [ACCESS_FLAG, WRITE_FLAG]
ADA, BO, CY, DI = (f"{name}-0123456789-ABCDEF" for name in ("ada", "bo", "cy", "di"))
TOKENS: dict[str, dict[str, Any]] = {
    ADA: {"skill_id": "weather", "caller_id": "ada", "flags": BOTH},
    BO: {"skill_id": "bank", "caller_id": "bo", "flags": BOTH, "run_id": "r-9"},
    CY: {"skill_id": "weather", "caller_id": "cy", "flags": [ACCESS_FLAG]},
    DI: {"skill_id": "weather", "caller_id": "di"},
}


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[str, str]:
    """The options that say whom each token stands for."""
    (tmp_path / "tokens.json").write_text(json.dumps(TOKENS))
    return ("--tokens", str(tmp_path / "tokens.json"))


NO_TOOL = (
    "no tool is offered to skill 'weather': the flags that tools require are type.system.kv_store_access, "
    "type.system.kv_store_write, and its invocation has []\n"
)


def posted(served: str, body: str, method: str = "POST", **headers: str) -> tuple[HTTPResponse, dict[str, Any]]:
    """What a client that speaks without the SDK is answered."""
    place = urlsplit(served)
    connection = HTTPConnection(place.netloc, timeout=60)
    fields = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODES[0],
        "Mcp-Method": json.loads(body)["method"],
        "Mcp-Name": "kv_set",
    }
    try:
        connection.request(method, place.path, body.encode(), fields | headers)
        answer = connection.getresponse()
        text = answer.read()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer, json.loads(text) if is_json else {}
    finally:
        connection.close()


SET = message(1, "tools/call", {"name": "kv_set", "arguments": {"key": "k", "value": 1}})


@in_loop
async def test_clients_are_served_at_once_and_lose_nothing(url: str) -> None:
    with http_server(url, *WHO) as served:
        async with over_http(served) as one, over_http(served, mode="legacy") as two:
            calls = [called(client, "kv_increment", key="n") for client in (one, two) for _ in range(20)]
            values = [result["value"] for result in await asyncio.gather(*calls)]
    assert sorted(values) == list(range(1, 41))
    with keyledger.open(url) as ledger:
        assert ledger.partition("weather").get("n").value == 40  # type: ignore[union-attr]
        assert ledger.rebuild().differences == ()


@in_loop
async def test_each_token_has_its_own_keys_name_and_rights(url: str, tokens: tuple[str, str]) -> None:
    with http_server(url, *tokens, warns=NO_TOOL) as served:
        ada, bo, cy, di = (over_http(served, token=token) for token in TOKENS)
        async with ada, bo, cy, di:
            for client in (ada, bo):
                assert (await called(client, "kv_set", key="k", value="mine"))["revision"] == 1
            assert (await called(bo, "kv_set", key="k", value="bo's"))["revision"] == 2
            assert (await called(cy, "kv_get", key="k"))["value"] == "mine"
            assert (await resource(bo, key_resource("k").uri))["value"] == "bo's"
            assert (await called(cy, "kv_set", key="k", value=1))["error"] == "permission_denied"
            assert (await called(cy, "kv_get", key="k", scope="user:ada"))["error"] == "access_denied"
            assert (await called(di, "kv_get", key="k"))["error"] == "permission_denied"
            offered = [len((await client.list_tools()).tools) for client in (ada, bo, cy, di)]
    assert offered == [7, 7, 3, 0]
    with keyledger.open(url) as ledger:
        (version, _) = ledger.partition("bank").history("k")
        assert (version.changed_by, version.run_id) == ("bo", "r-9")


@in_loop
async def test_tokens_hold_for_clients_that_begin_with_a_handshake(
    tmp_path: Path, tokens: tuple[str, str]
) -> None:
    with http_server(f"sqlite:///{tmp_path}/ledger.db", *tokens) as served:
        ada, bo = (over_http(served, token=token, mode="legacy") for token in (ADA, BO))
        async with ada, bo:
            await called(ada, "kv_set", key="a", value=1)
            assert names((await ada.list_resources()).resources) == ["a"]
            assert names((await bo.list_resources()).resources) == []


def test_without_a_known_token_nothing_is_answered_but_401(tmp_path: Path, tokens: tuple[str, str]) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with http_server(url, *tokens) as served:
        for given in ("", "Bearer", "Bearer ", f"Bearer {ADA}x", f"Bearer {ADA[:-1]}", f"Basic {ADA}", ADA):
            answer, body = posted(served, SET, Authorization=given)
            assert (answer.status, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
            assert body == {"error": "invalid_token", "error_description": "Authentication required"}
        assert posted(served, SET)[0].status == 401
        _, body = posted(served, SET, Authorization=f"bearer {ADA}")
        assert body["result"]["structuredContent"]["revision"] == 1


HEADERS = [
    ({"Host": "localhost"}, 200, ""),
    ({"Host": "[::1]:80"}, 200, ""),
    ({"Origin": "http://localhost:3000"}, 200, ""),
    ({"Content-Type": "text/plain"}, 400, ""),
    ({"Host": "evil.example"}, 421, "Invalid Host header: evil.example\n"),
    ({"Host": "127.0.0.1.evil.example:80"}, 421, "Invalid Host header: 127.0.0.1.evil.example:80\n"),
    ({"Origin": "http://evil.example"}, 403, "Invalid Origin header: http://evil.example\n"),
]


def test_a_page_cannot_reach_this_machine_by_a_name_of_its_own(tmp_path: Path, tokens: tuple[str, str]) -> None:
    for options in (WHO, tokens):
        warnings = "".join(warns for _, _, warns in HEADERS)
        with http_server(f"sqlite:///{tmp_path}/ledger.db", *options, warns=warnings) as served:
            for headers, status, _ in HEADERS:
                assert posted(served, SET, Authorization=f"Bearer {ADA}", **headers)[0].status == status


def test_beyond_this_machine_it_serves_under_any_name_who_has_a_token(
    tmp_path: Path, tokens: tuple[str, str]
) -> None:
    everywhere = ("--host", "0.0.0.0")  # noqa: S104
    with http_server(f"sqlite:///{tmp_path}/ledger.db", *tokens, *everywhere) as served:
        assert posted(served, SET, Host="memory.example")[0].status == 401
        assert posted(served, SET, Host="memory.example", Authorization=f"Bearer {ADA}")[0].status == 200


def test_a_person_is_told_where_it_serves_and_ends_it_with_ctrl_c(tmp_path: Path) -> None:
    server = start("--url", f"sqlite:///{tmp_path}/ledger.db", "--transport", "http", "--port", "0", *WHO)
    try:
        assert server.stdout is not None
        served = re.fullmatch(
            r"serving at (http://127\.0\.0\.1:\d+/mcp); Ctrl-C ends it\n", server.stdout.readline()
        )
        assert served is not None
        assert posted(served[1], SET)[0].status == 200
        server.send_signal(signal.SIGINT)
        assert server.communicate(timeout=60) == ("", "")
        assert server.returncode == 0
    finally:
        server.kill()
        server.communicate()


HALF = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{"


def half_a_request(served: str) -> socket.socket:
    """A connection on which the server waits for the other half of a request."""
    connection = socket.create_connection((str(urlsplit(served).hostname), urlsplit(served).port or 0), timeout=60)
    connection.sendall(HALF)
    assert connection.recv(100).startswith(b"HTTP/1.1 100")  # it has begun to read
    return connection


def test_its_end_does_not_wait_for_the_other_half_of_a_request(tmp_path: Path) -> None:
    with ExitStack() as connections:
        with http_server(f"sqlite:///{tmp_path}/ledger.db", *WHO) as served:
            half_a_request(served).close()  # a client that went away in between
            connection = connections.enter_context(half_a_request(served))
        # The server has ended, and said nothing, while the connection was still open.
        assert connection.recv(100).startswith(b"HTTP/1.1 503")


def test_it_takes_what_is_posted_and_gives_no_streams(tmp_path: Path) -> None:
    with http_server(f"sqlite:///{tmp_path}/ledger.db", *WHO) as served:
        for method in ("GET", "DELETE", "PUT"):
            answer, _ = posted(served, SET, method)
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert posted(served.replace("/mcp", "/"), SET)[0].status == 404


def test_a_value_that_would_be_altered_is_refused(tmp_path: Path) -> None:
    with http_server(f"sqlite:///{tmp_path}/ledger.db", *WHO) as served:
        for value in ("NaN", "1e999", str(2**63), r'"\ud800"'):
            _, body = posted(served, SET.replace('"value": 1', f'"value": {value}'))
            assert body["result"]["structuredContent"]["error"] == "invalid_value"
        _, body = posted(served, SET)
        assert body["result"]["structuredContent"]["revision"] == 1


def test_a_token_without_a_run_has_no_dry_run(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text(json.dumps({DI: TOKENS[ADA] | {"dry_run": True}}))
    with pytest.raises(InvalidArgumentError) as raised:
        read_tokens(tmp_path / "tokens.json")
    assert (raised.value.field, raised.value.allowed) == (
        "--tokens: token 1: dry_run",
        "false where there is no run_id",
    )
    (tmp_path / "tokens.json").write_text(json.dumps({DI: TOKENS[BO] | {"dry_run": True}}))
    read_tokens(tmp_path / "tokens.json")


@in_loop
async def test_the_dry_run_of_a_token_goes_on_from_call_to_call(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text(json.dumps({BO: TOKENS[BO] | {"dry_run": True}}))
    url = f"sqlite:///{tmp_path}/ledger.db"
    with http_server(url, "--tokens", str(tmp_path / "tokens.json")) as served:
        async with over_http(served, token=BO) as client:
            assert (await called(client, "kv_set", key="k", value=1))["ok"] is True
            assert (await called(client, "kv_get", key="k"))["value"] == 1
    with keyledger.open(url) as ledger:
        assert list(ledger.partitions()) == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is expected


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_headers() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
