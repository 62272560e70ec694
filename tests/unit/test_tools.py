from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import keyledger
from keyledger import (
    InvalidArgumentError,
    Invocation,
    KeyledgerError,
    Ledger,
    NotConfiguredError,
    RunInfo,
    RunStats,
    StorageUnavailableError,
)
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.memory.runs import MemoryRuns
from keyledger.adapters.tools.call import call_tool
from keyledger.adapters.tools.kv import TOOLS
from keyledger.adapters.tools.refusal import refusal
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.opening import ledger_on

FLAGS = frozenset({ACCESS_FLAG, WRITE_FLAG})


def invocation(skill_id: str = "weather", caller_id: str = "ada", **fields: Any) -> Invocation:
    return Invocation(skill_id=skill_id, caller_id=caller_id, **{"flags": FLAGS} | fields)


ADA = invocation(run_id="r-2", root_run_id="r-1")
BO = invocation(caller_id="bo", run_id="r-9")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> Iterator[Ledger]:
    with keyledger.open("memory://", clock=clock) as opened:
        yield opened


class Host:
    """Calls tools as an agent host does: a result, or the answer that a model would read."""

    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger

    def __call__(self, tool: str, by: Invocation = ADA, /, **args: Any) -> dict[str, Any]:
        try:
            return call_tool(self.ledger, tool, args, by)
        except KeyledgerError as error:
            return {"ok": False} | refusal(tool, error)


@pytest.fixture
def call(ledger: Ledger) -> Host:
    return Host(ledger)


def error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "message": message}


# ---------------------------------------------------------------------------------------------- kv_get


def test_a_missing_key_is_answered_not_raised(call: Host) -> None:
    assert call("kv_get", key="k") == {"scope": "skill", "key": "k", "found": False}


def test_a_stored_null_is_found(call: Host) -> None:
    call("kv_set", key="k", value=None)
    assert call("kv_get", key="k") == {"scope": "skill", "key": "k", "found": True, "value": None, "revision": 1}


def test_a_value_with_a_ttl_tells_what_is_left_of_it(call: Host, clock: ManualClock) -> None:
    call("kv_set", key="k", value=1, ttl_seconds=90)
    clock.advance(29.5)
    assert call("kv_get", key="k")["ttl_seconds"] == 61


def test_an_expired_value_is_not_found(call: Host, clock: ManualClock) -> None:
    call("kv_set", key="k", value=1, ttl_seconds=90)
    clock.advance(90)
    assert call("kv_get", key="k")["found"] is False


# ---------------------------------------------------------------------------------------------- kv_set


def test_set_answers_with_value_and_revision(call: Host) -> None:
    assert call("kv_set", key="k", value={"a": [1.0, None]}) == {
        "ok": True,
        "scope": "skill",
        "key": "k",
        "value": {"a": [1.0, None]},
        "revision": 1,
    }


@pytest.mark.parametrize("none", [0, 0.0, -1, -1e300, None])
def test_a_ttl_of_zero_null_or_less_is_none(call: Host, none: float | None) -> None:
    assert "ttl_seconds" not in call("kv_set", key="k", value=1, ttl_seconds=none)


@pytest.mark.parametrize("bad", [True, "60", float("nan"), float("inf"), [60]])
def test_a_ttl_that_is_no_number_is_refused_by_its_own_name(call: Host, bad: object) -> None:
    answer = call("kv_set", key="k", value=1, ttl_seconds=bad)
    assert answer["error"] == "invalid_argument"
    assert answer["message"].startswith("kv_set: ttl_seconds: got ")


@pytest.mark.parametrize("tool", ["kv_set", "kv_increment"])
@pytest.mark.parametrize("long", [1e18, 10**400, 10**12])
def test_a_ttl_beyond_all_time_is_refused_by_its_own_name(call: Host, tool: str, long: float) -> None:
    answer = call(tool, key="k", ttl_seconds=long, **({"value": 1} if tool == "kv_set" else {}))
    assert answer["message"].startswith(f"{tool}: ttl_seconds: got 1")
    allowed = "allowed is a number of seconds that end before the year 10000; 0, less or null is for ever"
    assert answer["message"].endswith(allowed)


def test_a_write_records_caller_run_tree_and_tool(call: Host, ledger: Ledger) -> None:
    call("kv_set", key="k", value=1)
    version = ledger.partition("weather").history("k")[0]
    assert (version.changed_by, version.run_id, version.root_run_id, version.tool) == (
        "ada",
        "r-2",
        "r-1",
        "kv_set",
    )


def test_a_run_that_nobody_dispatched_is_recorded_as_its_own_root(call: Host, ledger: Ledger) -> None:
    call("kv_set", BO, key="k", value=1)
    assert ledger.partition("weather").history("k")[0].root_run_id == "r-9"


def test_skills_do_not_share_keys_but_a_dispatch_tree_does(call: Host) -> None:
    worker = invocation("fares", "ada", run_id="r-3", root_run_id="r-1")
    call("kv_set", key="k", value=1)
    call("kv_set", scope="root_run:r-1", key="k", value=2)
    assert call("kv_get", worker, key="k")["found"] is False
    assert call("kv_get", worker, scope="root_run:r-1", key="k")["value"] == 2


def test_a_condition_that_does_not_hold_refuses(call: Host) -> None:
    call("kv_set", key="k", value=1)
    answer = call("kv_set", key="k", value=2, if_revision=0)
    assert answer["error"] == "revision_conflict"
    assert answer["message"].startswith("kv_set: 'k' is at revision 1, not 0")


def test_a_repeated_request_id_gives_the_first_result(call: Host) -> None:
    first = call("kv_increment", key="k", request_id="once")
    assert call("kv_increment", key="k", request_id="once") == first


def test_a_request_id_is_the_runs_own(call: Host) -> None:
    assert call("kv_increment", key="k", request_id="1")["value"] == 1
    assert call("kv_increment", BO, key="k", request_id="1")["value"] == 2
    assert call("kv_set", invocation(run_id="r-10"), key="other", value=1, request_id="1")["ok"] is True
    again = [call("kv_increment", by, key="k", request_id="1")["value"] for by in (ADA, BO)]
    assert again == [1, 2]


def test_without_a_run_a_request_id_is_the_callers_own(call: Host) -> None:
    ada, bo = invocation(), invocation(caller_id="bo")
    values = [call("kv_increment", by, key="k", request_id="1")["value"] for by in (ada, bo, ada, bo)]
    assert values == [1, 2, 1, 2]
    namesake = invocation(caller_id="cy", run_id="ada")
    assert call("kv_increment", namesake, key="k", request_id="1")["value"] == 3


def test_in_a_tree_each_skill_has_request_ids_of_its_own(call: Host) -> None:
    by = [invocation(skill, run_id=run, root_run_id="top") for run in ("r", None) for skill in ("a", "b")]
    sent = {"scope": "root_run:top", "key": "k", "request_id": "1"}
    assert [call("kv_increment", each, **sent)["value"] for each in by * 2] == [1, 2, 3, 4] * 2


def test_every_tool_that_writes_owns_its_request_ids(call: Host) -> None:
    call("kv_set", key="k", value=1)
    more = {"kv_set": {"value": 1}, "kv_restore": {"to": 1}}
    for tool in (name for name, spec in TOOLS.items() if spec.writes):
        for by in (ADA, BO):
            assert call(tool, by, key="k", request_id=tool, **more.get(tool, {})).get("ok"), tool
            assert call("kv_set", by, key=tool, value=1, request_id=tool)["error"] == "request_id_reused"


@pytest.mark.parametrize("request_id", ["1", "a:b", "skill:weather@1", "%3A", "é" * 128, "x" * 256])
def test_the_ledgers_request_id_fits_and_the_error_names_what_was_sent(
    call: Host, ledger: Ledger, request_id: str
) -> None:
    by = invocation(run_id="r/17:é")
    assert call("kv_set", by, key="k", value=1, request_id=request_id)["ok"] is True
    known = ledger.partition("weather").history("k")[0].request_id
    digest = hashlib.sha256(f"run:weather:r%2F17%3A%C3%A9:{request_id}".encode()).hexdigest()
    is_long = len(request_id.encode()) == 256
    assert known == (f"sha256:{digest}" if is_long else f"run:weather:r%2F17%3A%C3%A9:{request_id}")
    message = f"kv_set: request id {request_id!r} was used for another command; give each command its own"
    assert call("kv_set", by, key="k", value=2, request_id=request_id) == error("request_id_reused", message)


@pytest.mark.parametrize("request_id", ["", "x" * 257, "a\0b", 5])
def test_a_request_id_that_is_none_is_refused_as_it_was_sent(call: Host, request_id: object) -> None:
    answer = call("kv_set", scope="user:bo", key="k", value=1, request_id=request_id)
    assert answer["message"].startswith(f"kv_set: request_id: got {request_id!r}"[:80])


# --------------------------------------------------- the order in which kv_set looks at what it was sent

TOO_LONG_AND_NO_JSON = ["x" * 70_000, float("nan")]


def test_first_of_all_a_ledger_must_be_configured() -> None:
    assert Host(None)("kv_set", scope="user:bo") == error("not_configured", "kv_set: not configured")


def test_then_the_tool_must_be_one(call: Host) -> None:
    assert call("kv_drop", invocation(flags=[]), scope="user:bo")["message"].startswith("tool: got 'kv_drop'")


def test_then_the_flags_must_be_there(call: Host) -> None:
    answer = call("kv_set", invocation(flags=[ACCESS_FLAG]), colour="red")
    message = (
        "kv_set: the flag 'type.system.kv_store_write' is required, and this call does not have it; "
        "ask an admin to grant it"
    )
    assert answer == error("permission_denied", message)


def test_then_the_arguments_are_looked_at(call: Host) -> None:
    answer = call("kv_set", scope="user:bo", if_revision="1")
    assert answer == error("invalid_argument", "kv_set: if_revision: got '1'; allowed is an integer")


def test_then_the_scope_is_checked(call: Host) -> None:
    answer = call("kv_set", scope="user:bo")
    assert answer == error("access_denied", "kv_set: scope 'user:bo' is not yours to use: the caller is 'ada'")


@pytest.mark.parametrize("empty", ["", None])
def test_then_a_key_must_be_there(call: Host, empty: str | None) -> None:
    assert call("kv_set", key=empty) == error("invalid_argument", "kv_set: key required")
    assert call("kv_set") == error("invalid_argument", "kv_set: key required")


def test_then_the_key_must_be_one(call: Host) -> None:
    assert call("kv_set", key="x" * 513)["message"].endswith("allowed is at most 512 UTF-8 bytes")


def test_then_a_value_must_be_there(call: Host) -> None:
    assert call("kv_set", key="k") == error("invalid_argument", "kv_set: value required")


def test_then_its_length_is_checked(call: Host) -> None:
    answer = call("kv_set", key="k", value=TOO_LONG_AND_NO_JSON)
    assert answer == error("value_too_large", "kv_set: value exceeds max 65536 bytes (got 70009)")
    assert (
        call("kv_set", key="k", value="x" * 70_110)["message"]
        == "kv_set: value exceeds max 65536 bytes (got 70112)"
    )


def test_a_value_of_exactly_the_cap_passes(call: Host) -> None:
    assert call("kv_set", key="k", value="x" * 65_534)["ok"] is True


def test_then_that_it_is_json(call: Host, ledger: Ledger) -> None:
    ledger.partition("weather").set_quota(0)
    answer = call("kv_set", key="k", value=float("nan"))
    message = "kv_set: value is not valid JSON: value: got nan; allowed is a finite number"
    assert answer == error("invalid_value", message)
    assert call("kv_set", key="k", value={1, 2})["error"] == "invalid_value"


def test_then_the_quota(call: Host, ledger: Ledger) -> None:
    ledger.partition("weather").set_quota(1_048_576)
    for number in range(16):
        call("kv_set", key=f"k{number}", value="x" * 65_534)
    call("kv_set", key="k0", value="x" * 65_528)
    message = "kv_set: quota_exceeded — 1048570/1048576 bytes used; ask admin for higher quota"
    assert call("kv_set", key="more", value="x" * 10) == error("quota_exceeded", message)


def test_the_cap_is_the_ledgers_own() -> None:
    with keyledger.open("memory://", max_value_bytes=10) as small:
        assert (
            Host(small)("kv_set", key="k", value="x" * 9)["message"]
            == "kv_set: value exceeds max 10 bytes (got 11)"
        )


# ------------------------------------------------------------------------------ kv_delete, kv_increment


def test_delete_says_whether_there_was_anything(call: Host) -> None:
    call("kv_set", key="k", value=1)
    assert call("kv_delete", key="k") == {"ok": True, "scope": "skill", "key": "k", "deleted": True}
    assert call("kv_delete", key="k")["deleted"] is False


def test_increment_starts_a_missing_key_at_its_initial_value(call: Host) -> None:
    answer = call("kv_increment", key="k", delta=-2, initial_value=10)
    assert answer == {"ok": True, "scope": "skill", "key": "k", "value": 8, "revision": 1}


def test_increment_adds_one_unless_told_otherwise_and_keeps_the_ttl(call: Host) -> None:
    call("kv_set", key="k", value=5, ttl_seconds=60)
    assert (call("kv_increment", key="k")["value"], call("kv_get", key="k")["ttl_seconds"]) == (6, 60)


@pytest.mark.parametrize("delta", [True, 1.5, "1", 2.0**54, float("inf"), float("nan")])
def test_a_delta_that_is_no_integer_is_refused(call: Host, delta: object) -> None:
    message = f"kv_increment: delta: got {delta!r}; allowed is an integer"
    assert call("kv_increment", key="k", delta=delta) == error("invalid_argument", message)


def test_an_integral_float_is_an_integer_as_in_json_schema(call: Host) -> None:
    answer = call("kv_increment", key="k", delta=2.0**53, initial_value=-1.0, if_revision=0.0)
    assert (answer["value"], type(answer["value"])) == (2**53 - 1, int)
    assert len(call("kv_list", limit=5.0)["entries"]) == 1
    assert call("kv_history", key="k", before=2.0)["versions"][0]["revision"] == 1
    assert call("kv_restore", key="k", to=1.0)["ok"] is True


def test_increment_of_a_string_is_refused(call: Host) -> None:
    call("kv_set", key="k", value="5")
    assert call("kv_increment", key="k")["error"] == "invalid_value_type"


# --------------------------------------------------------------------------------------------- kv_list


def test_a_list_is_read_page_by_page(call: Host) -> None:
    for key in ("a", "b1", "b2", "b3"):
        call("kv_set", key=key, value=key)
    page = call("kv_list", prefix="b", limit=2)
    assert page == {
        "entries": [{"key": "b1", "value": "b1", "revision": 2}, {"key": "b2", "value": "b2", "revision": 3}],
        "next": "b2",
    }
    rest = call("kv_list", prefix="b", limit=2, after=page["next"])
    assert ([entry["key"] for entry in rest["entries"]], rest["next"]) == (["b3"], None)


def test_the_next_of_a_last_page_may_be_sent_back_as_it_is(call: Host) -> None:
    call("kv_set", key="a", value=1)
    assert len(call("kv_list", after=None)["entries"]) == 1


def test_a_list_shows_only_its_own_scope(call: Host) -> None:
    call("kv_set", scope="user:ada", key="a", value=1)
    assert call("kv_list")["entries"] == []
    assert call("kv_list", BO, scope="user:ada")["error"] == "access_denied"


# ------------------------------------------------------------------------------------------ bad calls


def test_an_unknown_tool_is_refused_with_the_known_ones(call: Host) -> None:
    message = (
        "tool: got 'kv_frob'; allowed is kv_get, kv_set, kv_delete, kv_increment, kv_list, kv_history, kv_restore"
    )
    assert call("kv_frob") == error("invalid_argument", message)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_argument_is_refused_with_the_known_ones(call: Host, tool: str) -> None:
    answer = call(tool, key="k", ttl=5) if tool != "kv_list" else call(tool, ttl=5)
    assert answer["message"].startswith(f"{tool}: unknown field 'ttl'; known are scope, ")


@pytest.mark.parametrize("tool", ["kv_get", "kv_set", "kv_delete", "kv_increment"])
def test_every_tool_on_a_key_wants_one(call: Host, tool: str) -> None:
    assert call(tool) == error("invalid_argument", f"{tool}: key required")


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_checks_the_scope(call: Host, tool: str) -> None:
    assert call(tool, scope="run:r-1")["error"] == "access_denied"
    assert call(tool, scope=5) == error("invalid_argument", f"{tool}: scope: got 5; allowed is a string")


def test_a_refused_call_writes_nothing(call: Host, ledger: Ledger) -> None:
    call("kv_set", key="k", value=float("nan"))
    call("kv_set", scope="user:bo", key="k", value=1)
    assert ledger.partitions().items == ()


def test_errors_keep_their_type_for_python_callers(ledger: Ledger) -> None:
    with pytest.raises(NotConfiguredError):
        call_tool(None, "kv_get", {"key": "k"}, ADA)
    with pytest.raises(InvalidArgumentError) as caught:
        call_tool(ledger, "kv_get", {}, ADA)
    assert caught.value.field == "key"


# --------------------------------------------------------------------------------- in the log of a run


Lines = Callable[[], list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def lines(ledger: Ledger) -> Lines:
    """Run r-2, which is ADA's, was started; what its log says."""
    ledger.runs.start(RunInfo("r-2", "weather", "ada", parent_run_id="r-1"))
    return lambda: [(line.event_type, dict(line.payload)) for line in ledger.runs.logs("r-2")]


def test_a_call_and_its_result_are_lines_of_the_log(call: Host, lines: Lines) -> None:
    result = call("kv_set", key="k", value=None, ttl_seconds=None)
    assert lines() == [
        ("tool_call", {"tool": "kv_set", "args": {"key": "k", "value": None, "ttl_seconds": None}}),
        ("tool_result", {"tool": "kv_set", "call": 1, "ok": True, "result": result}),
    ]


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("kv_set", {"scope": "user:bo", "key": "k", "value": 1}),
        ("kv_set", {"key": "k", "value": 1, "if_revision": 5}),
        ("kv_get", {"key": ""}),
        ("kv_list", {"ttl": 5}),
        ("kv_frob", {"key": "k"}),
    ],
)
def test_a_refused_call_is_logged_with_what_the_model_reads(
    call: Host, lines: Lines, tool: str, args: dict[str, Any]
) -> None:
    answer = call(tool, **args)
    assert answer["ok"] is False
    assert lines() == [
        ("tool_call", {"tool": tool, "args": args}),
        ("tool_result", {"tool": tool, "call": 1, **answer}),
    ]


def test_results_of_parallel_calls_of_one_tool_name_their_calls(
    ledger: Ledger, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = keyledger.Partition.get

    def another_call_meanwhile(kv: keyledger.Partition, key: str, **options: Any) -> Any:
        if key == "slow":
            call_tool(ledger, "kv_get", {"key": "quick"}, ADA)
        return get(kv, key, **options)

    monkeypatch.setattr(keyledger.Partition, "get", another_call_meanwhile)
    call_tool(ledger, "kv_get", {"key": "slow"}, ADA)
    asked = [payload["args"]["key"] for kind, payload in lines() if kind == "tool_call"]
    answered = [(payload["call"], payload["result"]["key"]) for kind, payload in lines() if kind == "tool_result"]
    assert (asked, answered) == (["slow", "quick"], [(2, "quick"), (1, "slow")])


def test_a_bug_is_logged_by_its_class_alone(ledger: Ledger, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyledger.Partition, "get", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_tool(ledger, "kv_get", {"key": "k"}, ADA)
    assert lines()[1] == (
        "tool_result",
        {"tool": "kv_get", "call": 1, **error("internal", "a bug in keyledger: ZeroDivisionError")},
    )


def test_calls_of_other_runs_or_none_are_not_logged(call: Host, ledger: Ledger, lines: Lines) -> None:
    call("kv_set", BO, key="k", value=1)
    call("kv_set", invocation("weather", "bo"), key="k", value=1)
    assert (lines(), ledger.runs.failures) == ([], 0)
    assert ledger.runs.exists("r-9") is False


def test_a_run_that_ended_is_still_logged_and_a_purged_one_no_more(
    call: Host, ledger: Ledger, lines: Lines, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.runs.finish("r-2", RunStats("ok"))
    call("kv_get", key="k")
    assert len(lines()) == 2
    clock.advance(1)
    ledger.runs.purge_older_than(clock.now())
    assert call("kv_get", key="k")["found"] is False
    assert (ledger.runs.failures, caplog.messages) == (0, [])


def test_a_run_that_another_process_purged_is_not_logged_without_noise(
    call: Host, ledger: Ledger, lines: Lines, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    call("kv_get", key="k")
    assert len(lines()) == 2
    clock.advance(1)
    assert ledger_on(lambda: ledger.storage, clock=clock).runs.purge_older_than(clock.now()) == 1
    assert call("kv_get", key="k")["found"] is False
    assert (ledger.runs.failures, caplog.messages) == (0, [])


def test_what_is_too_long_is_logged_by_its_length(call: Host, lines: Lines) -> None:
    args = {"key": "k", "value": "x" * 65_000}
    call("kv_set", **args)
    call("kv_set", **(args | {"value": "x" * 65_534}))
    page = call("kv_list")
    first, _, second, *_, listed = lines()
    assert first == ("tool_call", {"tool": "kv_set", "args": args})
    size = len(json.dumps({"tool": "kv_set", "args": args}, separators=(",", ":"))) + 534
    assert second == ("tool_call", {"tool": "kv_set", "omitted_bytes": size})
    size = len(json.dumps({"tool": "kv_list", "call": 5, "ok": True, "result": page}, separators=(",", ":")))
    assert listed == ("tool_result", {"tool": "kv_list", "call": 5, "ok": True, "omitted_bytes": size})


def test_a_line_of_exactly_the_cap_is_logged_whole(call: Host, lines: Lines) -> None:
    rest = len(json.dumps({"tool": "kv_set", "args": {"key": "k", "value": ""}}, separators=(",", ":")))
    for more in (0, 1):
        call("kv_set", key="k", value="x" * (65_536 - rest + more))
    whole, cut = (payload for kind, payload in lines() if kind == "tool_call")
    assert len(whole["args"]["value"]) == 65_536 - rest
    assert cut == {"tool": "kv_set", "omitted_bytes": 65_537}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, (1, 2), "\ud800"])
def test_arguments_that_are_no_json_are_logged_by_what_is_amiss(
    call: Host, lines: Lines, ledger: Ledger, value: object
) -> None:
    answer = call("kv_set", key="k", value=value)
    (_, asked), (_, answered) = lines()
    assert asked.keys() == {"tool", "omitted"}
    assert asked["omitted"].startswith("payload.args.value: ")
    assert (answered, ledger.runs.failures) == ({"tool": "kv_set", "call": 1, **answer}, 0)


def test_redaction_sees_what_calls_say(clock: ManualClock) -> None:
    def redact(kind: str, said: Any) -> Any:
        return {"kind": kind, "fields": list(said)}

    with keyledger.open("memory://", clock=clock, redact=redact) as ledger:
        ledger.runs.start(RunInfo("r-2", "weather"))
        call_tool(ledger, "kv_set", {"key": "k", "value": "secret"}, ADA)
        assert [dict(line.payload) for line in ledger.runs.logs("r-2")] == [
            {"kind": "payload", "fields": ["tool", "args"]},
            {"kind": "payload", "fields": ["tool", "call", "ok", "result"]},
        ]


def test_a_log_that_cannot_be_written_never_fails_a_call_and_is_reported_once(
    call: Host, ledger: Ledger, lines: Lines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "execute", refuse)
        assert call("kv_set", key="k", value=1)["ok"] is True
        assert call("kv_get", key="k")["value"] == 1
    assert (lines(), ledger.runs.failures) == ([], 4)
    assert caplog.messages == ["run 'r-2': a tool call is not logged: StorageUnavailableError: gone"]
    call("kv_get", key="k")
    assert len(lines()) == 2


def test_where_nobody_can_say_whether_a_run_is_audited_the_call_is_done(
    call: Host, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryRuns, "statuses", lambda *_: 1 / 0)
    assert call("kv_set", key="k", value=1)["ok"] is True
    assert (ledger.runs.failures, len(caplog.messages)) == (1, 1)


def test_a_closed_ledger_is_the_calls_to_tell(
    call: Host, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.close()
    assert call("kv_get", key="k")["error"] == "closed"
    assert (ledger.runs.failures, caplog.messages) == (0, [])


# ------------------------------------------------------------------------------ what the audit knows


def test_a_call_of_an_audited_run_is_in_the_tree_that_the_run_is_in(call: Host, ledger: Ledger) -> None:
    ledger.runs.start(RunInfo("top", "planner"))
    ledger.runs.start(RunInfo("below", "weather", parent_run_id="top"))
    by = invocation("weather", "ada", run_id="below")
    assert call("kv_set", by, key="k", value=1, scope="root_run:top")["ok"] is True
    assert call("kv_set", by, key="k", value=1)["ok"] is True
    assert ledger.partition("weather").history("k")[0].root_run_id == "top"
    assert call("kv_get", by, key="k", scope="root_run:below")["error"] == "access_denied"


def test_a_run_reads_what_those_above_it_keep_and_writes_nothing_there(call: Host, ledger: Ledger) -> None:
    for run_id, parent in (("a", ""), ("b", "a"), ("c", "b"), ("other", "a")):
        ledger.runs.start(RunInfo(run_id, "weather", parent_run_id=parent))
        by = invocation("weather", "ada", run_id=run_id)
        assert call("kv_set", by, key="k", value=run_id, scope=f"run:{run_id}")["ok"] is True
    by = invocation("weather", "ada", run_id="c")
    assert [call("kv_get", by, key="k", scope=f"run:{run_id}")["value"] for run_id in "abc"] == ["a", "b", "c"]
    assert [entry["key"] for entry in call("kv_list", by, scope="run:a")["entries"]] == ["k"]
    for tool in ("kv_set", "kv_increment", "kv_delete"):
        assert call(tool, by, key="k", scope="run:a", **{"kv_set": {"value": 1}}.get(tool, {}))["ok"] is False
    assert call("kv_get", by, key="k", scope="run:other")["error"] == "access_denied"
    nobody = invocation("weather", "ada", run_id="never-started")
    assert call("kv_get", nobody, key="k", scope="run:a")["error"] == "access_denied"


def test_a_call_below_a_run_that_nobody_audits_is_in_that_runs_tree(call: Host, ledger: Ledger) -> None:
    by = invocation(run_id="below", parent_run_id="above")
    assert call("kv_set", by, key="k", value=1, scope="root_run:above")["ok"] is True
    assert call("kv_get", by, key="k", scope="root_run:below")["error"] == "access_denied"
    call("kv_set", by, key="k", value=1)
    assert ledger.partition("weather").history("k")[0].root_run_id == "above"


def test_the_tree_that_a_host_names_is_the_one(call: Host, ledger: Ledger) -> None:
    ledger.runs.start(RunInfo("above", "planner", root_run_id="top"))
    by = invocation(run_id="below", parent_run_id="above")
    assert call("kv_set", by, key="k", value=1, scope="root_run:top")["ok"] is True
    named = invocation(run_id="below", parent_run_id="above", root_run_id="named")
    assert call("kv_set", named, key="k", value=1, scope="root_run:named")["ok"] is True
    assert call("kv_get", named, key="k", scope="root_run:top")["error"] == "access_denied"


# ------------------------------------------------------------------------- what was in the storage's way


def test_a_quota_that_cannot_be_looked_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with keyledger.open("memory://", tier_quotas={"default": 10}) as ledger:
        monkeypatch.setattr(ledger.storage.skills, "tier", _unreachable)
        message = "kv_set: quota lookup: the storage cannot be reached; nothing was written, try again later"
        answer = Host(ledger)("kv_set", key="k", value=1)
        assert answer == error("storage_unavailable", message)


def test_a_usage_that_cannot_be_read_is_told(call: Host, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger.storage, "load", _unreachable)
    message = "usage check: the storage cannot be reached; nothing was written, try again later"
    assert call("kv_set", key="k", value=1) == error("storage_unavailable", f"kv_set: {message}")
    assert call("kv_increment", key="k") == error("storage_unavailable", f"kv_increment: {message}")


def _unreachable(*_: object, **__: object) -> None:
    raise StorageUnavailableError("at db.internal as root")


@pytest.mark.parametrize(
    ("tool", "flags", "args", "code"),
    [
        ("kv_frob", FLAGS, {}, "invalid_argument"),
        ("kv_set", [ACCESS_FLAG], {}, "permission_denied"),
        ("kv_get", FLAGS, {"ttl": 1}, "invalid_argument"),
        ("kv_get", FLAGS, {"key": "k"}, "storage_unavailable"),
    ],
)
def test_what_needs_no_storage_is_refused_without_it_and_logged(
    call: Host,
    ledger: Ledger,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    flags: Any,
    args: Any,
    code: str,
) -> None:
    monkeypatch.setattr(type(ledger.runs), "root_of", _unreachable)
    answer = call(tool, invocation(run_id="r-2", flags=flags), **args)
    assert answer["error"] == code
    assert lines()[1:] == [("tool_result", {"tool": tool, "call": 1, **answer})]


# ------------------------------------------------------------------------------------- recorded reads


def test_what_tools_read_is_recorded_where_the_invocation_says_so(
    call: Host, ledger: Ledger, lines: Lines
) -> None:
    del lines
    call("kv_set", key="a", value=1)
    call("kv_get", key="a")
    assert ledger.runs.reads("r-2").items == ()
    reading = ADA.model_copy(update={"record_reads": True})
    call("kv_get", reading, key="missing")
    call("kv_list", reading)
    assert [(read.key, read.revision) for read in ledger.runs.reads("r-2")] == [("a", 1), ("missing", 0)]


@pytest.mark.parametrize("run_id", [None, ""])
def test_without_a_run_no_invocation_records_reads(run_id: str | None) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        invocation("weather", "ada", run_id=run_id, record_reads=True)
    assert str(caught.value) == "invocation.record_reads: got True; allowed is false where there is no run_id"
