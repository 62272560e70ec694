"""Tool calls: what a model is answered, whatever stores the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.audit.records import RunInfo
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.domain.toolset import Toolset

WRITES = [("kv_set", {"value": 1}), ("kv_increment", {}), ("kv_delete", {}), ("kv_restore", {"to": 1})]
READS: list[tuple[str, dict[str, Any]]] = [("kv_get", {}), ("kv_history", {})]


def invoked(**fields: Any) -> Invocation:
    """By ada, for the skill weather, with every flag."""
    return Invocation(**{"skill_id": "weather", "caller_id": "ada", "flags": [ACCESS_FLAG, WRITE_FLAG]} | fields)


def _sized(size: int) -> str:
    """A value whose JSON text has so many bytes."""
    return "x" * (size - 2)


def _pages(tools: Toolset, tool: str, items: str, cursor: str, args: dict[str, Any]) -> Iterator[Any]:
    """What a tool gives page by page."""
    page = tools.call(tool, args)
    while page["next"] is not None:
        yield page[items]
        page = tools.call(tool, args | {cursor: page["next"]})
    yield page[items]


class ToolContract(Fixtures):
    """What the tools of an invocation do."""

    @pytest.fixture
    def tools(self, ledger: Ledger) -> Toolset:
        """Ada's, in run r-1."""
        return ledger.tools(invoked(run_id="r-1"))

    def test_a_null_that_a_tool_stored_is_found(self, tools: Toolset) -> None:
        tools.call("kv_set", {"key": "k", "value": None})
        found = {"scope": "skill", "key": "k", "found": True, "value": None, "revision": 1}
        assert tools.call("kv_get", {"key": "k"}) == found
        assert tools.call("kv_get", {"key": "other"}) == {"scope": "skill", "key": "other", "found": False}

    def test_a_ttl_is_told_in_whole_seconds_and_zero_is_none(self, tools: Toolset, clock: ManualClock) -> None:
        written = {"ok": True, "scope": "skill", "key": "k", "value": 1, "revision": 1}
        assert tools.call("kv_set", {"key": "k", "value": 1, "ttl_seconds": 90}) == written | {"ttl_seconds": 90}
        clock.advance(29.5)
        assert tools.call("kv_get", {"key": "k"})["ttl_seconds"] == 61
        assert tools.call("kv_set", {"key": "k", "value": 1, "ttl_seconds": 0}) == written | {"revision": 2}

    def test_the_history_tool_tells_each_change_newest_first(self, tools: Toolset, clock: ManualClock) -> None:
        tools.call("kv_set", {"key": "k", "value": None, "ttl_seconds": 60})
        tools.call("kv_set", {"key": "k", "value": 1})
        tools.call("kv_delete", {"key": "k"})
        at, by = clock.now().isoformat(), {"changed_by": "ada", "run_id": "r-1"}
        then = (clock.now() + timedelta(seconds=60)).isoformat()
        assert tools.call("kv_history", {"key": "k", "limit": 2}) == {
            "scope": "skill",
            "key": "k",
            "versions": [
                {"revision": 3, "operation": "delete", "recorded_at": at, **by},
                {"revision": 2, "operation": "set", "recorded_at": at, **by, "value": 1},
            ],
            "next": 2,
        }
        first = {"revision": 1, "operation": "set", "recorded_at": at, **by, "value": None, "expires_at": then}
        rest = tools.call("kv_history", {"key": "k", "limit": 2, "before": 2})
        assert rest == {"scope": "skill", "key": "k", "versions": [first], "next": None}

    def test_what_never_was_has_no_history(self, tools: Toolset) -> None:
        tools.call("kv_set", {"key": "other", "value": 1})
        message = "kv_history: no key 'k' in scope 'skill'"
        assert tools.call("kv_history", {"key": "k"}) == {"error": "not_found", "message": message}
        beyond = tools.call("kv_history", {"key": "other", "before": 1})
        assert beyond == {"scope": "skill", "key": "other", "versions": [], "next": None}

    @pytest.mark.parametrize("limit", [None, 5, 1_000])
    def test_a_list_ends_a_page_before_it_is_too_long_and_goes_on(self, tools: Toolset, limit: int | None) -> None:
        sizes = [60_000, 65_534, 65_532, 65_535, 5, 2, 65_536, 60_000, 65_536, 65_536, 65_536, 2, 2]
        for number, size in enumerate(sizes):
            tools.call("kv_set", {"key": f"k{number:02}", "value": _sized(size)})
        pages: list[Any] = list(_pages(tools, "kv_list", "entries", "after", {"prefix": "k", "limit": limit}))
        assert [entry["key"] for page in pages for entry in page] == [f"k{number:02}" for number in range(13)]
        bounds = [5, 5, 3] if limit == 5 else [6, 4, 3]
        assert [len(page) for page in pages] == bounds

    def test_what_a_list_left_for_the_next_page_was_not_read_yet(self, ledger: Ledger) -> None:
        ledger.runs.start(RunInfo("r-1", "weather"))
        tools = ledger.tools(invoked(run_id="r-1", record_reads=True))
        for number in range(6):
            tools.call("kv_set", {"key": f"k{number}", "value": _sized(65_536)})
        first: Any = tools.call("kv_list", {})
        assert ([read.key for read in ledger.runs.reads("r-1")], first["next"]) == (["k0", "k1", "k2", "k3"], "k3")

    def test_a_history_ends_a_page_before_it_is_too_long_and_goes_on(self, tools: Toolset) -> None:
        for number in range(11):
            tools.call("kv_set", {"key": "k", "value": f"{number:02}" + _sized(65_534)})
        tools.call("kv_delete", {"key": "k"})
        pages: list[Any] = list(_pages(tools, "kv_history", "versions", "before", {"key": "k"}))
        assert [version["revision"] for page in pages for version in page] == [*range(12, 0, -1)]
        assert [len(page) for page in pages] == [5, 4, 3]

    def test_a_page_has_one_value_however_long(self, reopen: Callable[..., Ledger]) -> None:
        with reopen(max_value_bytes=600_000, quota=2_000_000) as ledger:
            tools = ledger.tools(invoked())
            for key in ("a", "b", "b"):
                tools.call("kv_set", {"key": key, "value": _sized(300_000)})
            listed: list[Any] = list(_pages(tools, "kv_list", "entries", "after", {}))
            told: list[Any] = list(_pages(tools, "kv_history", "versions", "before", {"key": "b"}))
            assert ([len(page) for page in listed], [len(page) for page in told]) == ([1, 1], [1, 1])

    def test_a_restore_brings_a_value_back(self, tools: Toolset) -> None:
        tools.call("kv_set", {"key": "k", "value": "good"})
        tools.call("kv_set", {"key": "k", "value": "bad"})
        back = {"ok": True, "scope": "skill", "key": "k", "value": "good", "revision": 3}
        assert tools.call("kv_restore", {"key": "k", "to": 1, "if_revision": 2}) == back
        assert tools.call("kv_restore", {"key": "k", "to": 3}) == back
        tools.call("kv_delete", {"key": "k"})
        assert tools.call("kv_restore", {"key": "k", "to": 3}) == back | {"revision": 5}

    def test_a_restore_to_where_nothing_was_changes_nothing(self, tools: Toolset) -> None:
        tools.call("kv_set", {"key": "other", "value": 1})
        tools.call("kv_set", {"key": "k", "value": 1})
        for to, place in ((0, "weather@0"), (1, "weather@1")):
            message = f"kv_restore: no key 'k' in scope 'skill' at {place}"
            assert tools.call("kv_restore", {"key": "k", "to": to}) == {"error": "not_found", "message": message}
        message = "kv_restore: 'weather' has no revision 9; its last is 2"
        answer = tools.call("kv_restore", {"key": "k", "to": 9})
        assert answer == {"error": "revision_not_found", "message": message}
        assert tools.call("kv_get", {"key": "k"})["revision"] == 2

    def test_a_restore_that_is_sent_again_is_done_once(self, tools: Toolset) -> None:
        for value in (1, 2):
            tools.call("kv_set", {"key": "k", "value": value})
        once = {"key": "k", "to": 1, "request_id": "q"}
        assert tools.call("kv_restore", once) == tools.call("kv_restore", once)
        tools.call("kv_delete", {"key": "k"})
        tools.call("kv_restore", once)
        assert tools.call("kv_get", {"key": "k"})["found"] is False

    def test_a_quota_is_told_by_what_is_used_of_it(self, reopen: Callable[..., Ledger]) -> None:
        with reopen(quota=10, max_value_bytes=8) as ledger:
            tools = ledger.tools(invoked())
            tools.call("kv_set", {"key": "k", "value": 12345678})
            message = "quota_exceeded — 8/10 bytes used; ask admin for higher quota"
            for tool, more in (("kv_set", {"value": 123}), ("kv_increment", {"initial_value": 122})):
                answer = tools.call(tool, {"key": "other", **more})
                assert answer == {"error": "quota_exceeded", "message": f"{tool}: {message}"}
            message = "value exceeds max 8 bytes (got 9)"
            for tool, more in (("kv_set", {"value": 123456789}), ("kv_increment", {"delta": 10**8})):
                answer = tools.call(tool, {"key": "k", **more})
                assert answer == {"error": "value_too_large", "message": f"{tool}: {message}"}

    def test_a_full_ledger_tells_nothing_of_others(self, reopen: Callable[..., Ledger]) -> None:
        with reopen(global_quota=10) as ledger:
            ledger.tools(invoked(skill_id="someone")).call("kv_set", {"key": "k", "value": 12345678})
            answer = ledger.tools(invoked()).call("kv_set", {"key": "k", "value": 123})
            message = "kv_set: global_quota_exceeded — 8/10 bytes used; ask admin for higher quota"
            assert answer == {"error": "global_quota_exceeded", "message": message}

    @pytest.mark.parametrize(("tool", "more"), [*WRITES, *READS, ("kv_list", {})])
    def test_each_tool_needs_its_flags(self, ledger: Ledger, tool: str, more: dict[str, Any]) -> None:
        sent = more if tool == "kv_list" else {"key": "k", **more}
        reads = (tool, more) not in WRITES
        for flags in ((), (WRITE_FLAG,), (ACCESS_FLAG,)):
            answer = ledger.tools(invoked(flags=flags)).call(tool, sent)
            missing = WRITE_FLAG if flags == (ACCESS_FLAG,) else ACCESS_FLAG
            if reads and missing == WRITE_FLAG:
                assert answer.get("error") != "permission_denied"
            else:
                assert answer == {
                    "error": "permission_denied",
                    "message": f"{tool}: the flag {missing!r} is required, and this call does not have it; "
                    "ask an admin to grant it",
                }
        assert ledger.partitions().items == ()

    def test_flags_are_not_asked_for_where_that_is_switched_off(self, reopen: Callable[..., Ledger]) -> None:
        with reopen(enforce_flags=False) as ledger:
            assert ledger.tools(invoked(flags=())).call("kv_increment", {"key": "k"})["value"] == 1
            with ledger.dry_run() as dry:
                assert dry.tools(invoked(flags=())).call("kv_increment", {"key": "k"})["value"] == 2

    @pytest.mark.parametrize(("tool", "more"), [*WRITES, *READS])
    def test_a_host_that_does_not_audit_names_the_run_above(
        self, ledger: Ledger, tool: str, more: dict[str, Any]
    ) -> None:
        ledger.tools(invoked(run_id="above")).call("kv_set", {"scope": "run:above", "key": "k", "value": 1})
        tools = ledger.tools(invoked(run_id="below", parent_run_id="above"))
        answer = tools.call(tool, {"scope": "run:above", "key": "k", **more})
        assert answer.get("error") == (None if (tool, more) in READS else "access_denied")
        shared = tools.call("kv_set", {"scope": "root_run:above", "key": "k", "value": 1})
        assert shared["ok"] is True

    def test_of_a_run_that_is_audited_the_audit_says_what_is_above(self, ledger: Ledger) -> None:
        ledger.runs.start(RunInfo("top", "planner"))
        ledger.runs.start(RunInfo("mid", "planner", parent_run_id="top"))
        ledger.runs.start(RunInfo("alone", "weather"))
        for run_id in ("top", "mid"):
            by = ledger.tools(invoked(run_id=run_id))
            by.call("kv_set", {"scope": f"run:{run_id}", "key": "k", "value": run_id})
        claims = ledger.tools(invoked(run_id="alone", parent_run_id="mid"))
        assert claims.call("kv_get", {"scope": "run:mid", "key": "k"})["error"] == "access_denied"
        assert claims.call("kv_get", {"scope": "root_run:top", "key": "k"})["error"] == "access_denied"
        unaudited = ledger.tools(invoked(run_id="new", parent_run_id="mid"))
        assert [
            unaudited.call("kv_get", {"scope": f"run:{run_id}", "key": "k"})["value"] for run_id in ("top", "mid")
        ] == ["top", "mid"]
        assert unaudited.call("kv_set", {"scope": "root_run:top", "key": "k", "value": 1})["ok"] is True

    def test_what_was_refused_is_in_the_log_of_the_run(self, ledger: Ledger) -> None:
        ledger.runs.start(RunInfo("r-1", "weather"))
        tools = ledger.tools(invoked(run_id="r-1", flags=[ACCESS_FLAG]))
        sent: list[tuple[str, Any]] = [
            ("kv_set", {"key": "k", "value": 1}),
            ("kv_drop", {"key": "k"}),
            ("kv_get", '{"key": "k", "scope": "user:bo"}'),
            ("kv_get", "no JSON"),
            ("kv_get", [1]),
        ]
        answers = [tools.call(tool, args) for tool, args in sent]
        lines = [line.payload for line in ledger.runs.logs("r-1")]
        assert [line["args"] for line in lines[::2]] == [
            {"key": "k", "value": 1},
            {"key": "k"},
            {"key": "k", "scope": "user:bo"},
            "no JSON",
            [1],
        ]
        assert [{name: line[name] for name in ("ok", "error", "message")} for line in lines[1::2]] == [
            {"ok": False, **answer} for answer in answers
        ]
        codes = ["permission_denied", "invalid_argument", "access_denied", "invalid_value", "invalid_argument"]
        assert [answer["error"] for answer in answers] == codes
