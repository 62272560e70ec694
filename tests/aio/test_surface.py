"""The async classes have what the others have, under the same names with the same parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import keyledger

PAIRS = [
    (keyledger.Ledger, keyledger.AsyncLedger),
    (keyledger.Partition, keyledger.AsyncPartition),
    (keyledger.PendingBatch, keyledger.AsyncPendingBatch),
    (keyledger.Runs, keyledger.AsyncRuns),
    (keyledger.Skills, keyledger.AsyncSkills),
    (keyledger.Toolset, keyledger.AsyncToolset),
    (keyledger.View, keyledger.AsyncView),
]
NOT_AWAITED = {
    ("AsyncLedger", "dry_run"),
    ("AsyncLedger", "partition"),
    ("AsyncLedger", "tools"),
    ("AsyncPartition", "batch"),
    ("AsyncPartition", "watch"),
    ("AsyncRuns", "record"),
    ("AsyncRuns", "sink"),
    ("AsyncToolset", "anthropic"),
    ("AsyncToolset", "mcp"),
    ("AsyncToolset", "openai"),
    ("AsyncView", "batch"),
}
"""What only makes an object, or refuses to; so does everything of a batch."""


def members(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_every_public_member_is_there(plain: type, awaited: type) -> None:
    called_by_the_interpreter = {"reset_after_fork"}
    assert members(awaited) - {"storage"} == members(plain) - called_by_the_interpreter


@pytest.mark.parametrize(
    ("plain", "awaited", "name"),
    [(plain, awaited, name) for plain, awaited in PAIRS for name in sorted(members(plain) & members(awaited))],
)
def test_a_member_takes_and_returns_the_same(plain: type, awaited: type, name: str) -> None:
    ours, theirs = getattr(awaited, name), inspect.getattr_static(plain, name)
    if not inspect.isfunction(theirs):
        assert type(inspect.getattr_static(awaited, name)) is type(theirs)
        return
    signature, expected = inspect.signature(ours), inspect.signature(theirs)
    assert signature.parameters == expected.parameters
    returned, twin = expected.return_annotation, f"Async{expected.return_annotation}"
    iterated = returned.startswith("Iterator[")
    assert signature.return_annotation == (twin if iterated or twin in keyledger.__all__ else returned)
    only_made = awaited is keyledger.AsyncPendingBatch or (awaited.__name__, name) in NOT_AWAITED
    assert inspect.iscoroutinefunction(ours) is not (iterated or only_made)


@pytest.mark.parametrize(
    ("plain", "awaited"),
    [
        (keyledger.Recorder, keyledger.AsyncRunRecorder),
        (keyledger.RunRecorder, keyledger.AsyncRunRecorder),
        (keyledger.RecordedRun, keyledger.AsyncRecordedRun),
        (keyledger.Sink, keyledger.AsyncSink),
    ],
)
def test_what_records_a_run_is_there_with_the_same_parameters(plain: type, awaited: type) -> None:
    for_others = {"count_call", "begin_call", "end_call", "reset"}
    for name in members(plain) - for_others:
        ours, theirs = inspect.getattr_static(awaited, name), inspect.getattr_static(plain, name)
        if inspect.isfunction(theirs):
            assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
            assert inspect.iscoroutinefunction(ours) or name in {"on_tool_call", "partition"}
        else:
            assert type(ours) is type(theirs)


def test_both_ways_to_open_take_the_same() -> None:
    assert inspect.signature(keyledger.open_async).parameters == inspect.signature(keyledger.open).parameters


def test_a_difference_would_be_found() -> None:
    class Drifted:
        async def get(self, key: str) -> Any: ...

    with pytest.raises(AssertionError):
        test_every_public_member_is_there(keyledger.Partition, Drifted)
    with pytest.raises(AssertionError):
        test_a_member_takes_and_returns_the_same(keyledger.Partition, Drifted, "get")
