from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import keyledger
from keyledger import InvalidArgumentError, KeyledgerError, Ledger, NotConfiguredError
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.tools.call import call_tool
from keyledger.adapters.tools.invocation import Invocation
from keyledger.adapters.tools.kv import TOOLS
from keyledger.adapters.tools.refusal import refusal

ADA = Invocation(skill_id="weather", caller_id="ada", run_id="r-2", root_run_id="r-1")
BO = Invocation(skill_id="weather", caller_id="bo", run_id="r-9")


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
            return refusal(tool, error)


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
    worker = Invocation(skill_id="fares", caller_id="ada", run_id="r-3", root_run_id="r-1")
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


# --------------------------------------------------- the order in which kv_set looks at what it was sent

TOO_LONG_AND_NO_JSON = ["x" * 70_000, float("nan")]


def test_first_of_all_a_ledger_must_be_configured() -> None:
    assert Host(None)("kv_set", scope="user:bo") == error("not_configured", "kv_set: not configured")


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


@pytest.mark.parametrize("delta", [True, 1.0, "1"])
def test_a_delta_that_is_no_integer_is_refused(call: Host, delta: object) -> None:
    message = f"kv_increment: delta: got {delta!r}; allowed is an integer"
    assert call("kv_increment", key="k", delta=delta) == error("invalid_argument", message)


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
    message = "tool: got 'kv_frob'; allowed is kv_get, kv_set, kv_delete, kv_increment, kv_list"
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
