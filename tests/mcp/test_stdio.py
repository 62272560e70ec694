"""The server on standard input and output: what it says there, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import keyledger
from tests.mcp.serving import WHO, message, start


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start("--url", f"sqlite:///{tmp_path}/ledger.db", *WHO)
    yield process
    process.kill()
    process.communicate()


def said(server: subprocess.Popen[str], line: str | bytes) -> Any:
    """What the server answers to a line."""
    assert server.stdin is not None
    assert server.stdout is not None
    os.write(server.stdin.fileno(), line if isinstance(line, bytes) else line.encode())
    return json.loads(server.stdout.readline())


def setting(identifier: int | str, value: str) -> str:
    """A line that sets a key to what JSON text says."""
    call = {"name": "kv_set", "arguments": {"key": "k", "value": "VALUE"}}
    return message(identifier, "tools/call", call).replace('"VALUE"', value)


def test_it_ends_well_when_standard_input_does(server: subprocess.Popen[str]) -> None:
    assert said(server, setting(1, "1"))["result"]["structuredContent"]["ok"] is True
    assert server.communicate(timeout=60) == ("", "")
    assert server.returncode == 0


def test_it_ends_well_where_nobody_says_anything(tmp_path: Path) -> None:
    server = start("--url", f"sqlite:///{tmp_path}/ledger.db", *WHO)
    assert server.communicate(timeout=60) == ("", "")
    assert server.returncode == 0


def test_calls_are_done_in_the_order_of_their_lines_and_answered_before_it_ends(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    lines = "".join(setting(number, str(number)) for number in range(30))
    cancelled = message(31, "notifications/cancelled", {"requestId": 30}).replace('"id": 31, ', "")
    out, err = server.communicate(lines + setting(30, "30") + cancelled, timeout=60)
    answers = [json.loads(line) for line in out.splitlines()]
    assert (server.returncode, err) == (0, "")
    assert [answer["id"] for answer in answers][:30] == list(range(30))
    with keyledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        versions = ledger.partition("weather").history("k")
    assert [version.value for version in versions][::-1][:30] == list(range(30))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_while_it_waits_for_input(
    server: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert said(server, setting(1, "1"))["id"] == 1
    server.send_signal(number)
    assert server.wait(60) == 0
    assert server.stdout is not None
    assert server.stderr is not None
    assert (server.stdout.read(), server.stderr.read()) == ("", "")


@pytest.mark.parametrize("lines", [setting(2, "2"), "nonsense\n" * 100, ("nonsense\n" + setting(3, "3")) * 20])
def test_it_ends_well_when_nobody_reads_its_answers(server: subprocess.Popen[str], lines: str) -> None:
    assert said(server, setting(1, "1"))["id"] == 1
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stderr is not None
    server.stdout.close()
    server.stdin.write(lines)
    server.stdin.flush()
    assert server.wait(60) == 0
    assert server.stderr.read() == ""


UNREADABLE: list[tuple[str | bytes, int | str | None]] = [
    ("nonsense\n", None),
    ("[]\n", None),
    ("\n", None),
    (b"\xff\xfe\n", None),
    ("[" * 100_000 + "\n", None),
    ('{"id": 7}\n', 7),
    ('{"id": {}}\n', None),
    (setting("a", r'"\ud800"'), "a"),
    (setting(8, '"X"').encode().replace(b"X", b"\xff"), 8),
]


def test_a_line_that_is_no_message_is_answered_and_the_next_is_served(server: subprocess.Popen[str]) -> None:
    for line, identifier in UNREADABLE:
        answer = said(server, line)
        assert (answer["id"], answer["error"]["code"]) == (identifier, -32700)
    assert said(server, setting(1, "null"))["result"]["structuredContent"]["revision"] == 1


def test_a_number_that_would_be_altered_is_refused(server: subprocess.Popen[str]) -> None:
    for value in ("NaN", "-Infinity", "1e999", str(2**63), "1" + "0" * 400, '{"a": [NaN]}'):
        refused = said(server, setting(1, value))["result"]
        assert refused["isError"] is True
        assert refused["structuredContent"]["error"] == "invalid_value"
    assert said(server, setting(2, "1"))["result"]["structuredContent"]["revision"] == 1
