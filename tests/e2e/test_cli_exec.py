"""Tool calls as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import keyledger
from tests.e2e.cli import INVOCATION, Run, call


def test_exec_answers_each_call_with_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text(
        call("kv_set", key="k", value=[1.0, None]) + "\n" + call("kv_get", key="k")
    )
    assert run("exec", "calls.jsonl").out.splitlines() == [
        '{"ok":true,"result":{"ok":true,"scope":"skill","key":"k","value":[1.0,null],"revision":1}}',
        '{"ok":true,"result":{"scope":"skill","key":"k","found":true,"value":[1.0,null],"revision":1}}',
    ]


def test_exec_with_json_prints_the_same(run: Run) -> None:
    line = call("kv_get", key="k")
    assert run("exec", "-", "--json", stdin=line).out == run("exec", "-", stdin=line).out


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("nope", "invalid_value", "line: got 'nope'; allowed is valid JSON"),
        ("[1]", "invalid_argument", "line: got [1]; allowed is an object of tool, args and invocation"),
        (b"\xff", "invalid_value", "line: got b'\\xff'; allowed is UTF-8 text"),
        ('{"tool":1,"tool":2}', "invalid_value", "line: got 'tool'; allowed is an object whose keys differ"),
        ('{"tool":18446744073709551616}', "invalid_value", "line: got '18446744073709551616'; allowed is"),
        ("{}", "invalid_argument", "invocation required"),
        ({"tool": "kv_get", "invocation": {}}, "invalid_argument", "kv_get: invocation.skill_id required"),
        ({"args": None}, "invalid_argument", "kv_get: key required"),
        ({"args": []}, "invalid_argument", "kv_get: arguments: got []; allowed is an object"),
        ({"arg": {}}, "invalid_argument", "kv_get: unknown field 'arg'; known are tool, args, invocation"),
        ({"tool": "kv_frob"}, "invalid_argument", "tool: got 'kv_frob'; allowed is kv_get, kv_set"),
        ({"tool": []}, "invalid_argument", "tool: got []; allowed is kv_get, kv_set"),
        ({"args": "{"}, "invalid_value", "kv_get: arguments: got '{'; allowed is valid JSON"),
        (
            '{"invocation":{"skill_id":"a","caller_id":"b"}}',
            "invalid_argument",
            "tool: got None; allowed is kv_get",
        ),
        ({"args": {"scope": "user:bo", "key": "k"}}, "access_denied", "kv_get: scope 'user:bo'"),
    ],
)
def test_a_bad_line_is_answered_and_the_rest_still_run(run: Run, line: Any, code: str, message: str) -> None:
    if isinstance(line, dict):
        line = json.dumps({"tool": "kv_get", "invocation": INVOCATION} | line)
    text = line if isinstance(line, bytes) else line.encode()
    done = run("exec", "-", stdin=b"\n".join([text, b"", b"  ", call("kv_set", key="k", value=1).encode()]))
    bad, good = map(json.loads, done.out.splitlines())
    assert (done.status, done.err, good["ok"]) == (0, "", True)
    assert (bad["ok"], bad["error"]) == (False, code)
    assert bad["message"].startswith(message)


def test_exec_asks_for_flags_as_a_list_or_a_personas_mapping(run: Run) -> None:
    personas = [
        {"type": {"system": {"kv_store_access": "yes", "kv_store_write": "on"}}},
        ["type.system.kv_store_access"],
        {"type.system.kv_store_write": True},
    ]
    lines = [
        json.dumps(
            {"tool": "kv_set", "args": {"key": "k", "value": 1}, "invocation": INVOCATION | {"flags": flags}}
        )
        for flags in personas
    ]
    answers = [json.loads(line) for line in run("exec", "-", stdin="\n".join(lines)).out.splitlines()]
    assert [answer.get("error") for answer in answers] == [None, "permission_denied", "permission_denied"]
    assert answers[1]["message"].startswith("kv_set: the flag 'type.system.kv_store_write' is required")


def test_a_bug_in_one_call_does_not_end_the_session(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyledger.Partition, "get", lambda *_, **__: 1 / 0)
    done = run("exec", "-", stdin=call("kv_get", key="k") + "\n" + call("kv_list"))
    assert [json.loads(line).get("error") for line in done.out.splitlines()] == ["internal", None]


def test_the_calls_of_a_run_are_in_its_log_and_what_they_read_is_recorded(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/keyledger.db"
    with keyledger.open(url) as ledger:
        ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
    lines = [
        {"tool": tool, "args": {"key": "k"}, "invocation": INVOCATION | {"run_id": "r-1", "record_reads": reads}}
        for tool, reads in (("kv_get", True), ("kv_increment", False), ("kv_get", True), ("kv_set", True))
    ]
    answers = run("exec", "-", stdin="\n".join(map(json.dumps, lines))).out.splitlines()
    with keyledger.open(url) as ledger:
        logged = [(line.event_type, line.payload) for line in ledger.runs.logs("r-1")]
        assert [kind for kind, _ in logged] == ["tool_call", "tool_result"] * 4
        results = [payload for kind, payload in logged if kind == "tool_result"]
        assert results == [
            {"tool": line["tool"], "call": call, **json.loads(each)}
            for call, line, each in zip((1, 3, 5, 7), lines, answers, strict=True)
        ]
        assert [read.revision for read in ledger.runs.reads("r-1")] == [0, 1]


def test_whatever_a_model_sent_in_a_run_is_in_its_log(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/keyledger.db"
    with keyledger.open(url) as ledger:
        ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
    sent: list[dict[str, Any]] = [
        {"tool": "kv_get", "args": [1]},
        {"tool": ["kv_get"], "args": {"key": "k"}},
        {"tool": "kv_get", "args": "no JSON"},
        {"tool": "kv_get", "args": '{"key": "k"}'},
        {"args": {"key": "k"}},
    ]
    lines = [json.dumps(line | {"invocation": INVOCATION | {"run_id": "r-1"}}) for line in sent]
    answers = [json.loads(line) for line in run("exec", "-", stdin="\n".join(lines)).out.splitlines()]
    assert [answer.get("error") for answer in answers] == [
        "invalid_argument",
        "invalid_argument",
        "invalid_value",
        None,
        "invalid_argument",
    ]
    with keyledger.open(url) as ledger:
        logged = [line.payload for line in ledger.runs.logs("r-1")]
    assert logged[::2] == [
        {"tool": "kv_get", "args": [1]},
        {"tool": "['kv_get']", "args": {"key": "k"}},
        {"tool": "kv_get", "args": "no JSON"},
        {"tool": "kv_get", "args": {"key": "k"}},
        {"tool": "None", "args": {"key": "k"}},
    ]
    assert [{name: line[name] for name in line.keys() - {"tool", "call"}} for line in logged[1::2]] == answers


def test_lines_of_a_dry_run_see_each_other_and_leave_nothing_behind(run: Run) -> None:
    dry = {"invocation": INVOCATION | {"run_id": "r-1", "dry_run": True}}
    lines = [json.dumps(json.loads(call("kv_increment", key="calls")) | dry)] * 2
    done = run("exec", "-", stdin="\n".join([call("kv_set", key="calls", value=5), *lines]))
    assert [json.loads(line)["result"]["value"] for line in done.out.splitlines()] == [5, 6, 7]
    assert run("get", "calls", "-p", "weather").out == "5\n"
    assert [each["id"] for each in run("partitions", "--json").json["partitions"]] == ["weather"]
