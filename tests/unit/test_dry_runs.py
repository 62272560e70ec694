"""Tool calls of dry runs: what they share, for how long, and that they leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

import keyledger
from keyledger import (
    FlagRequiredError,
    InvalidArgumentError,
    Invocation,
    KeyledgerError,
    Ledger,
    RunInfo,
    RunStats,
    StorageUnavailableError,
)
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.tools.call import call_tool
from keyledger.domain.partition import PartitionEvent
from keyledger.domain.past.dry_runs import MAX_DRY_RUNS
from keyledger.domain.past.forking import COPIED_AT_ONCE
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.domain.run import run_stream
from keyledger.opening import ledger_on

FLAGS = frozenset({ACCESS_FLAG, WRITE_FLAG})
DRY = Invocation(skill_id="weather", caller_id="ada", run_id="r-2", root_run_id="r-1", flags=FLAGS, dry_run=True)
ALONE = DRY.model_copy(update={"run_id": None, "root_run_id": None})


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with keyledger.open("memory://") as opened:
        opened.partition("weather").set("calls", 5)
        yield opened


def invocation(**fields: Any) -> Invocation:
    return DRY.model_copy(update=fields)


def increment(ledger: Ledger, by: Invocation = DRY, **args: Any) -> Any:
    return call_tool(ledger, "kv_increment", {"key": "calls", **args}, by)["value"]


def everything(ledger: Ledger) -> Any:
    storage = ledger.storage
    runs = [storage.runs.events(run_stream(run_id), 0, 100) for run_id in ("r-1", "r-2")]
    return [(name, storage.events(name, 0, 100)) for name, _ in storage.all_streams()], runs


def test_a_dry_run_sees_what_stands_and_what_it_did_itself(ledger: Ledger) -> None:
    assert [increment(ledger) for _ in range(3)] == [6, 7, 8]
    assert call_tool(ledger, "kv_get", {"key": "calls"}, DRY)["value"] == 8


@pytest.mark.parametrize(("tool", "args"), [("kv_get", {"key": "calls"}), ("kv_increment", {"key": "calls"})])
def test_a_dry_run_needs_the_flags_of_its_tools(ledger: Ledger, tool: str, args: Any) -> None:
    with pytest.raises(FlagRequiredError):
        call_tool(ledger, tool, args, invocation(flags=frozenset({WRITE_FLAG})))
    assert increment(ledger) == 6


def test_a_dry_run_leaves_nothing_behind(ledger: Ledger) -> None:
    for run_id in ("r-1", "r-2"):
        ledger.runs.start(RunInfo(run_id, "weather", root_run_id="r-1"))
    before = everything(ledger)
    recording = invocation(record_reads=True)
    call_tool(ledger, "kv_get", {"key": "calls"}, recording)
    call_tool(ledger, "kv_set", {"key": "calls", "value": 1}, recording)
    call_tool(ledger, "kv_set", {"key": "k", "value": 1, "scope": "root_run:r-1"}, recording)
    call_tool(ledger, "kv_delete", {"key": "calls", "request_id": "q-1"}, recording)
    call_tool(ledger, "kv_list", {}, recording)
    with pytest.raises(KeyledgerError):
        call_tool(ledger, "kv_set", {"key": "k", "value": "x" * 70_000}, recording)
    with ledger.dry_runs.of("r-1") as dry:
        assert dry.runs.reads("r-2").items == ()
        assert dry.runs.unrecorded_reads == 0
    assert ledger.runs.reads("r-2").items == ()
    assert everything(ledger) == before
    assert (ledger.runs.failures, ledger.runs.unrecorded_reads) == (0, 0)


def test_a_request_id_of_a_dry_run_is_free_afterwards(ledger: Ledger) -> None:
    assert increment(ledger, request_id="q-1") == 6
    assert increment(ledger, request_id="q-1") == 6
    assert increment(ledger, invocation(dry_run=False), request_id="q-1") == 6
    assert ledger.partition("weather").usage().live_keys == 1


def test_the_runs_of_a_tree_share_what_they_do_across_partitions(ledger: Ledger) -> None:
    call_tool(ledger, "kv_set", {"key": "k", "value": 1, "scope": "root_run:r-1"}, DRY)
    sibling = invocation(run_id="r-3", skill_id="fares")
    assert call_tool(ledger, "kv_get", {"key": "k", "scope": "root_run:r-1"}, sibling)["value"] == 1


def test_a_run_of_which_the_ledger_knows_the_tree_shares_with_it(ledger: Ledger) -> None:
    ledger.runs.start(RunInfo("r-2", "weather", root_run_id="r-1"))
    assert increment(ledger) == 6
    assert increment(ledger, invocation(root_run_id=None)) == 7


def test_other_trees_and_calls_without_a_run_have_their_own(ledger: Ledger) -> None:
    assert increment(ledger) == 6
    assert increment(ledger, invocation(run_id="r-9", root_run_id=None)) == 6
    assert [increment(ledger, ALONE) for _ in range(2)] == [6, 6]
    assert increment(ledger) == 7


def test_a_dry_run_ends_with_the_run_that_its_tree_began_with(ledger: Ledger) -> None:
    for run_id in ("r-1", "r-2"):
        ledger.runs.start(RunInfo(run_id, "weather", root_run_id="r-1"))
    assert increment(ledger) == 6
    ledger.runs.finish("r-2", RunStats("dry_run"))
    assert increment(ledger) == 7
    ledger.runs.finish("r-1", RunStats("dry_run"))
    assert increment(ledger) == 6


def test_a_run_that_a_block_records_ends_its_dry_run_with_the_block(ledger: Ledger) -> None:
    with ledger.runs.record("weather", run_id="r-1") as run:
        run.status = "dry_run"
        assert increment(ledger) == 6
    assert ledger.runs.get("r-1").status == "dry_run"
    assert ledger.runs.by_skill("weather") == ()
    assert increment(ledger) == 6


def test_of_too_many_dry_runs_the_one_that_is_longest_idle_is_forgotten(ledger: Ledger) -> None:
    runs = [invocation(run_id=f"r-{number}", root_run_id=None) for number in range(MAX_DRY_RUNS)]
    assert {increment(ledger, run) for run in runs} == {6}
    assert increment(ledger, runs[0]) == 7
    assert increment(ledger, invocation(run_id="r-more", root_run_id=None)) == 6
    assert [increment(ledger, run) for run in (runs[0], runs[1], runs[2])] == [8, 6, 6]


def test_a_forked_child_forgets_the_dry_runs(ledger: Ledger) -> None:
    assert increment(ledger) == 6
    ledger.reset_after_fork()
    assert increment(ledger) == 6


def test_a_dry_run_may_do_no_more_than_another(ledger: Ledger) -> None:
    with pytest.raises(keyledger.ScopeAccessError):
        call_tool(ledger, "kv_set", {"key": "k", "value": 1, "scope": "user:bo"}, DRY)
    ledger.runs.start(RunInfo("r-1", "weather"))
    ledger.runs.start(RunInfo("r-2", "weather", parent_run_id="r-1"))
    ledger.partition("weather").set("k", 1, scope="run:r-1")
    assert call_tool(ledger, "kv_get", {"key": "k", "scope": "run:r-1"}, DRY)["value"] == 1
    with pytest.raises(keyledger.ScopeAccessError):
        call_tool(ledger, "kv_set", {"key": "k", "value": 1, "scope": "run:r-1"}, DRY)


def test_dry_run_is_true_or_false(ledger: Ledger) -> None:
    assert increment(ledger, invocation(dry_run=False)) == 6
    assert increment(ledger, Invocation(skill_id="weather", caller_id="ada", flags=FLAGS)) == 7
    with pytest.raises(InvalidArgumentError) as caught:
        Invocation(skill_id="weather", caller_id="ada", dry_run="yes")  # type: ignore[arg-type]
    assert caught.value.field == "invocation.dry_run"


def test_a_copy_that_fails_midway_is_finished_by_the_next_call() -> None:
    storage = MemoryStorage(EventMapper())
    with ledger_on(lambda: storage) as ledger:
        with ledger.partition("weather").batch() as batch:
            for number in range(COPIED_AT_ONCE + 50):
                batch.set(f"k{number:03}", number)
        dry, working, reads = ledger.dry_run(), storage.events_at, count()

        def failing(stream: str, revisions: Sequence[int]) -> dict[int, PartitionEvent]:
            if next(reads) == 1:
                raise StorageUnavailableError("gone for a moment")
            return working(stream, revisions)

        storage.events_at = failing  # type: ignore[method-assign]
        kv = dry.partition("weather")
        with pytest.raises(StorageUnavailableError):
            kv.get("k001")
        ledger.partition("weather").set("k001", "later")
        assert [entry.value for entry in kv.scan()] == list(range(COPIED_AT_ONCE + 50))
        assert [version.operation for version in kv.history("k001")] == ["copy"]
