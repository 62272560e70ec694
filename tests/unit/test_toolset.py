"""The tools as a host holds them: what is offered, in which shapes, and that a call only ever answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import keyledger
from keyledger import (
    FlagRequiredError,
    ForkIncompleteError,
    InvalidArgumentError,
    Invocation,
    KeyledgerError,
    LedgerBusyError,
    LedgerClosedError,
    NewerLedgerError,
    OutcomeUnknownError,
    StorageError,
    StorageUnavailableError,
    Toolset,
    UnreadableError,
)
from keyledger.adapters.tools.kv import TOOLS
from keyledger.adapters.tools.refusal import told
from keyledger.adapters.tools.toolset import LedgerToolset
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG

READS = ["kv_get", "kv_list", "kv_history"]
DETAIL = 'connection to "db.internal" as "root" with password hunter2 failed: /var/lib/ledger.db'


def invocation(*flags: str, **fields: Any) -> Invocation:
    return Invocation(skill_id="weather", caller_id="ada", flags=frozenset(flags), **fields)


BOTH = invocation(ACCESS_FLAG, WRITE_FLAG)


@pytest.fixture
def ledger() -> Iterator[keyledger.Ledger]:
    with keyledger.open("memory://") as opened:
        yield opened


@pytest.fixture
def tools(ledger: keyledger.Ledger) -> Toolset:
    return ledger.tools(BOTH)


# --------------------------------------------------------------------------------------- what is offered


def test_an_invocation_that_no_tool_is_offered_to_is_told_once(
    ledger: keyledger.Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    tools = ledger.tools(invocation("type.system.kv_store_acces"))
    assert (tools.openai(), tools.openai(), tools.anthropic(), tools.mcp()) == ([], [], [], [])
    tools.call("kv_get", {"key": "k"})
    (record,) = caplog.records
    assert record.name == "keyledger"
    assert record.getMessage() == (
        "no tool is offered to skill 'weather': the flags that tools require are type.system.kv_store_access, "
        "type.system.kv_store_write, and its invocation has ['type.system.kv_store_acces']"
    )


def test_nobody_is_warned_of_an_invocation_that_some_tools_are_offered_to(
    ledger: keyledger.Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    assert ledger.tools(invocation(ACCESS_FLAG)).openai() != []
    with keyledger.open("memory://", enforce_flags=False) as open_to_all:
        assert open_to_all.tools(invocation()).openai() != []
    assert caplog.messages == []


def test_those_tools_are_offered_whose_flags_are_there(ledger: keyledger.Ledger) -> None:
    assert list(ledger.tools(BOTH)) == list(TOOLS)
    assert list(ledger.tools(invocation(ACCESS_FLAG))) == READS
    assert list(ledger.tools(invocation(WRITE_FLAG))) == []
    assert [len(ledger.tools(by)) for by in (BOTH, invocation(ACCESS_FLAG), invocation())] == [7, 3, 0]


def test_every_tool_is_offered_where_flags_are_not_enforced() -> None:
    with keyledger.open("memory://", enforce_flags=False) as ledger:
        tools = ledger.tools(invocation())
        assert (list(tools), tools["kv_set"](key="k", value=1)["ok"]) == (list(TOOLS), True)


@pytest.mark.parametrize("wrong", [1, None, "no"])
def test_enforcing_flags_is_true_or_false(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^enforce_flags: got .*; allowed is True or False$"):
        keyledger.open("memory://", enforce_flags=wrong)


@pytest.mark.parametrize("wrong", [None, {"skill_id": "w", "caller_id": "a"}, "ada"])
def test_an_invocation_is_asked_for(ledger: keyledger.Ledger, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^invocation: got .*; allowed is an Invocation$"):
        ledger.tools(wrong)


def test_a_tool_is_called_with_its_arguments_by_name(tools: Toolset) -> None:
    assert tools["kv_set"](key="k", value=None)["revision"] == 1
    assert tools["kv_get"](key="k", scope="skill")["found"] is True
    unknown = tools["kv_get"](self="k")
    assert unknown["message"] == "kv_get: unknown field 'self'; known are scope, key"


def test_a_tool_says_what_it_is(tools: Toolset) -> None:
    tool = tools["kv_set"]
    assert (tool.name, tool.requires_flags) == ("kv_set", (ACCESS_FLAG, WRITE_FLAG))
    assert (tool.permission.authoring_requirement, tool.permission.operates_on) == ("anyone", "caller")
    assert (tool.permission.safe_for_share, tool.permission.categories) == (True, ("storage", "write"))
    assert tool.description == tools.mcp()[1]["description"]


def test_a_tool_that_is_not_offered_cannot_be_taken(ledger: keyledger.Ledger) -> None:
    reading = ledger.tools(invocation(ACCESS_FLAG))
    with pytest.raises(FlagRequiredError):
        reading["kv_set"]
    with pytest.raises(InvalidArgumentError, match=r"^tool: got 'kv_drop'; allowed is kv_get, kv_set"):
        reading["kv_drop"]
    assert ("kv_set" in reading, "kv_get" in reading) == (False, True)


def test_without_a_ledger_every_call_answers_that_it_is_not_configured() -> None:
    tools = LedgerToolset(None, BOTH)
    assert (list(tools), len(LedgerToolset(None, invocation(ACCESS_FLAG)))) == (list(TOOLS), 3)
    not_configured = {"error": "not_configured", "message": "kv_set: not configured"}
    assert tools["kv_set"](key="k", value=1) == tools.call("kv_set", {}) == not_configured
    assert tools.openai()[0]["function"]["name"] == "kv_get"


# ------------------------------------------------------------------------------------- in which shapes


def test_each_shape_has_the_same_tools_with_the_same_schemas(tools: Toolset) -> None:
    schemas = {name: tools[name].schema for name in tools}
    descriptions = {name: tools[name].description for name in tools}
    openai = [each["function"] for each in tools.openai()]
    assert {each["type"] for each in tools.openai()} == {"function"}
    for shape, key in ((openai, "parameters"), (tools.anthropic(), "input_schema"), (tools.mcp(), "inputSchema")):
        assert {each["name"]: each[key] for each in shape} == schemas
        assert {each["name"]: each["description"] for each in shape} == descriptions
        assert {frozenset(each) - {"annotations"} for each in shape} == {frozenset({"name", "description", key})}


def test_mcp_is_told_which_tools_only_read(tools: Toolset) -> None:
    hints = {each["name"]: each["annotations"]["readOnlyHint"] for each in tools.mcp()}
    assert {name for name, reads in hints.items() if reads} == set(READS)


@pytest.mark.parametrize("name", TOOLS)
def test_a_schema_is_plain_and_describes_every_argument(tools: Toolset, name: str) -> None:
    schema = tools[name].schema
    assert schema.keys() == {"type", "properties", "required", "additionalProperties"}
    assert schema["additionalProperties"] is False
    assert all(field["description"] for field in schema["properties"].values())
    assert "title" not in json.dumps(schema)
    required = {"kv_set": ["key", "value"], "kv_restore": ["key", "to"], "kv_list": []}
    assert schema["required"] == required.get(name, ["key"])
    assert [name for name, field in schema["properties"].items() if "type" not in field] == (
        ["value"] if name == "kv_set" else []
    )


def test_the_schemas_are_made_once(tools: Toolset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tools.mcp()
    monkeypatch.setattr(BaseModel, "model_json_schema", None)
    assert tools.mcp() == before


def test_a_host_may_change_the_schemas_it_is_given(tools: Toolset) -> None:
    tools.mcp()[0]["inputSchema"]["properties"].clear()
    assert tools["kv_get"].schema["properties"]


# ------------------------------------------------------------------------------- what may be sent


@pytest.mark.parametrize("sent", ['{"key": "k"}', b'{"key": "k"}', {"key": "k"}])
def test_arguments_may_be_json_text(tools: Toolset, sent: Any) -> None:
    assert tools.call("kv_get", sent) == {"scope": "skill", "key": "k", "found": False}


@pytest.mark.parametrize("nothing", [None, "", "  ", "{}", {}, "null", b"", b" ", b"null"])
def test_arguments_may_be_left_out(tools: Toolset, nothing: Any) -> None:
    assert tools.call("kv_list", nothing) == {"entries": [], "next": None}


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        ("nope", "invalid_value", "got 'nope'; allowed is valid JSON (Expecting value at character 0)"),
        ('{"key": 1, "key": 2}', "invalid_value", "got 'key'; allowed is an object whose keys differ"),
        ('{"value": 18446744073709551616}', "invalid_value", "got '18446744073709551616'; allowed is"),
        (b"\xff", "invalid_value", "got b'\\xff'; allowed is UTF-8 text"),
        ("[1]", "invalid_argument", "got [1]; allowed is an object"),
        (7, "invalid_argument", "got 7; allowed is an object"),
    ],
)
def test_arguments_that_are_none_are_refused(tools: Toolset, sent: Any, code: str, message: str) -> None:
    answer = tools.call("kv_set", sent)
    assert answer["error"] == code
    assert str(answer["message"]).startswith(f"kv_set: arguments: {message}")


@pytest.mark.parametrize("tool", [None, 5, [], "kv_set ", "KV_SET", "__class__", "\ud800"])
def test_what_is_no_tool_is_answered(ledger: keyledger.Ledger, tool: Any) -> None:
    ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
    answer = ledger.tools(invocation(run_id="r-1")).call(tool, {"key": "k"})
    assert answer["error"] == "invalid_argument"
    assert str(answer["message"]).startswith("tool: got ")
    assert len(list(ledger.runs.logs("r-1"))) == 2
    assert ledger.runs.failures == 0


# --------------------------------------------------------------------------------- what is told of errors


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(keyledger.Partition, "set", fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            StorageUnavailableError(DETAIL),
            "storage_unavailable",
            "the storage cannot be reached; nothing was written, try again later",
        ),
        (
            OutcomeUnknownError(DETAIL),
            "outcome_unknown",
            "the storage went away: it was written or not; repeat it with the request_id it had, or read first",
        ),
        (LedgerBusyError(DETAIL), "busy", "the storage is busy; nothing was written, try again"),
        (LedgerClosedError(), "closed", "the storage is closed; tell an admin"),
        (NewerLedgerError(DETAIL), "newer_ledger", "the storage was written by a newer version; tell an admin"),
        (UnreadableError(DETAIL, DETAIL), "unreadable", "what is stored cannot be read; tell an admin"),
        (StorageError(DETAIL), "storage", "the storage failed; try again later, or tell an admin"),
    ],
)
def test_of_the_storage_a_model_reads_a_sentence_and_the_log_the_detail(
    tools: Toolset,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: StorageError,
    code: str,
    message: str,
) -> None:
    failing(monkeypatch, error)
    assert tools["kv_set"](key="k", value=1) == {"error": code, "message": f"kv_set: {message}"}
    assert [(record.name, record.levelno) for record in caplog.records] == [("keyledger", logging.WARNING)]
    assert caplog.messages == [f"'kv_set': {type(error).__name__}: {error}"]


def test_every_error_of_the_storage_has_a_sentence_of_its_own(
    tools: Toolset, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [
        found for found in vars(keyledger).values() if isinstance(found, type) and issubclass(found, StorageError)
    ]
    messages = set()
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, DETAIL)
        failing(monkeypatch, error)
        messages.add(tools["kv_set"](key="k", value=1)["message"])
    assert len(messages) == len(kinds) >= 7


def test_a_tool_that_only_reads_is_never_told_of_a_request_id(
    tools: Toolset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutcomeUnknownError(DETAIL)

    monkeypatch.setattr(keyledger.Partition, "get", fail)
    message = "kv_get: the storage went away; try again"
    assert tools["kv_get"](key="k") == {"error": "outcome_unknown", "message": message}


def test_no_name_of_a_tool_forges_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    told("kv_get\nforged: all is well" + "x" * 1_000_000, StorageError("gone"))
    (message,) = caplog.messages
    assert message.startswith("'kv_get\\nforged: all is well")
    assert len(message) < 200


@pytest.mark.parametrize("during", ["quota lookup", "usage check"])
def test_a_step_that_failed_is_named(tools: Toolset, monkeypatch: pytest.MonkeyPatch, during: str) -> None:
    error = StorageUnavailableError(DETAIL)
    error.during = during
    failing(monkeypatch, error)
    message = f"kv_set: {during}: the storage cannot be reached; nothing was written, try again later"
    assert tools["kv_set"](key="k", value=1) == {"error": "storage_unavailable", "message": message}


def test_of_a_bug_a_model_reads_the_class_alone_and_the_log_has_the_rest(
    tools: Toolset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing(monkeypatch, ZeroDivisionError(DETAIL))
    answer = tools["kv_set"](key="k", value=1)
    assert answer == {"error": "internal", "message": "a bug in keyledger: ZeroDivisionError"}
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "'kv_set': a bug in keyledger")
    assert record.exc_info is not None


def test_who_interrupts_a_call_is_not_answered_but_heard(tools: Toolset, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keyledger.Partition, "set", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tools["kv_set"](key="k", value=1)


def test_a_partition_that_is_being_copied_is_not_named(tools: Toolset, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ForkIncompleteError("someone-elses"))
    message = "kv_set: what is stored here is a copy that is not finished; try again later, or ask an admin"
    assert tools["kv_set"](key="k", value=1) == {"error": "fork_incomplete", "message": message}


def test_no_error_names_another_tenant(ledger: keyledger.Ledger) -> None:
    other = Invocation(skill_id="rival", caller_id="mallory", run_id="r-mallory", flags=BOTH.flags)
    for scope in ("skill", "user:mallory", "run:r-mallory", "root_run:r-mallory"):
        ledger.tools(other).call(
            "kv_set", {"scope": scope, "key": "k", "value": "hers", "request_id": f"q-{scope}"}
        )
    ledger.runs.start(keyledger.RunInfo("r-ada", "weather"))
    mine = ledger.tools(invocation(ACCESS_FLAG, WRITE_FLAG, run_id="r-ada"))
    mine.call("kv_set", {"key": "k", "value": "mine", "request_id": "q"})
    ledger.partition("weather").set_quota(6)
    answers = [
        mine.call("kv_set", {"key": "k", "value": 1, "request_id": "q"}),
        mine.call("kv_set", {"key": "k", "value": 1, "if_revision": 9}),
        mine.call("kv_set", {"key": "more", "value": "x"}),
        mine.call("kv_increment", {"key": "k"}),
        mine.call("kv_restore", {"key": "k", "to": 99}),
        mine.call("kv_restore", {"key": "k", "to": 0}),
        mine.call("kv_history", {"key": "never"}),
        mine.call("kv_get", {"scope": "run:r-1", "key": "k"}),
        mine.call("kv_get", {"scope": "user:bo", "key": "k"}),
        mine.call("kv_get", {"scope": "root_run:r-1", "key": "k"}),
        mine.call("kv_drop", {"key": "k"}),
    ]
    assert [answer["error"] for answer in answers] == [
        "request_id_reused",
        "revision_conflict",
        "quota_exceeded",
        "invalid_value_type",
        "revision_not_found",
        "not_found",
        "not_found",
        *["access_denied"] * 3,
        "invalid_argument",
    ]
    assert not [answer for answer in answers if "mallory" in str(answer) or "rival" in str(answer)]


def test_a_closed_ledger_is_told(ledger: keyledger.Ledger, tools: Toolset) -> None:
    ledger.close()
    assert tools.call("kv_get", {"key": "k"})["error"] == "closed"


def test_an_argument_that_cannot_even_be_shown_is_refused_by_its_class(tools: Toolset) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise KeyledgerError("no")

    answer = tools.call("kv_get", {"key": Shy()})
    assert answer == {"error": "invalid_argument", "message": "kv_get: key: got <Shy>; allowed is a string"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("tool", "sent", "code"),
    [
        pytest.param("kv_set", {"key": "k", "value": nested(100_000)}, "invalid_value", id="a deep value"),
        pytest.param("kv_get", {"key": nested(100_000)}, "invalid_argument", id="a deep key"),
        pytest.param("kv_get", {"other": nested(100_000)}, "invalid_argument", id="a deep unknown"),
        pytest.param("kv_get", "[" * 100_000, "invalid_value", id="deep text"),
        pytest.param("kv_get", {"\ud800": 1}, "invalid_argument", id="half a character"),
        pytest.param("kv_increment", {"key": "k", "delta": 10**5_000}, "invalid_argument", id="a long number"),
        pytest.param("kv_set", {"key": "k", "value": 10**5_000}, "invalid_value", id="a long value"),
        pytest.param(
            "kv_set", {"key": "k", "value": 1, "ttl_seconds": 10**5_000}, "invalid_argument", id="for ever"
        ),
    ],
)
def test_what_is_out_of_all_bounds_is_refused(ledger: keyledger.Ledger, tool: str, sent: Any, code: str) -> None:
    ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
    answer = ledger.tools(invocation(ACCESS_FLAG, WRITE_FLAG, run_id="r-1")).call(tool, sent)
    assert answer["error"] == code
    assert ledger.runs.failures == 0
    assert [line.event_type for line in ledger.runs.logs("r-1")] == ["tool_call", "tool_result"]


_LONG = "\0" * 1_000_000


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        ("kv_get", {_LONG: 1}),
        ("kv_set", {"key": "k", "value": {_LONG: {_LONG: float("nan")}}}),
        ("kv_set", {"key": "k", "value": float("nan"), _LONG: {_LONG: float("nan")}}),
        ("kv_get", {"key": _LONG}),
        ("kv_get", {"key": "k", "scope": _LONG}),
        ("kv_get", {"key": "k", "scope": "user:" + _LONG}),
        ("kv_set", {"key": "k", "value": 1, "request_id": _LONG}),
        ("kv_get", _LONG),
        (_LONG, {"key": "k"}),
        (_LONG, {"key": float("nan")}),
        ([_LONG], {"key": _LONG}),
    ],
)
def test_nothing_that_is_refused_is_told_or_logged_at_length(
    ledger: keyledger.Ledger, caplog: pytest.LogCaptureFixture, tool: Any, sent: Any
) -> None:
    ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
    answer = ledger.tools(invocation(ACCESS_FLAG, WRITE_FLAG, run_id="r-1")).call(tool, sent)
    assert answer["error"] in {"invalid_argument", "invalid_value", "value_too_large"}
    assert len(str(answer["message"])) < 500
    lines = [line.payload for line in ledger.runs.logs("r-1")]
    assert [len(json.dumps(line)) < 2_000 for line in lines] == [True, True]
    assert (ledger.runs.failures, caplog.messages) == (0, [])


def test_what_is_wrong_with_a_scope_is_told_of_the_scope(tools: Toolset) -> None:
    answer = tools.call("kv_get", {"key": "k", "scope": "user:"})
    message = "kv_get: scope: got 'user:'; allowed is 'user:<id>', where <id> is at least one character"
    message += "; those of this call are 'skill', 'user:ada'"
    assert answer == {"error": "invalid_argument", "message": message}


def test_an_argument_that_is_not_one_is_refused_even_if_it_is_null(tools: Toolset) -> None:
    assert tools["kv_list"](ttl_seconds=None)["error"] == "invalid_argument"
