"""The rules of branching off, one a test."""

import pytest

from keyledger.domain.commands import Action, Batch, ChangeQuota, CompleteFork, DeletePartition, EndExpired
from keyledger.domain.errors import ForkIncompleteError, GlobalQuotaExceededError, PartitionExistsError
from keyledger.domain.partition import PartitionState
from keyledger.domain.quota import UNBOUND

from .specs import (
    ABSENT,
    copying,
    deleting,
    fork_was_completed,
    forking,
    given,
    incrementing,
    partition_was_deleted,
    quota_was_changed,
    restoring,
    restoring_all,
    setting,
    was_copied,
    was_deleted,
    was_expired,
    was_forked,
    was_set,
)


def test_a_fork_begins_by_saying_where_it_comes_from() -> None:
    given().when(forking("weather", 41, judged=-5)).then(was_forked("weather", 41, judged=-5))


@pytest.mark.parametrize(
    "past",
    [
        (was_set("a", 1),),
        (was_set("a", 1), was_deleted("a")),
        (was_set("a", 1), partition_was_deleted()),
        (quota_was_changed(5),),
        (was_forked(),),
        (was_forked(), fork_was_completed()),
        (was_forked(), partition_was_deleted()),
    ],
)
def test_a_fork_never_begins_where_something_was_before(past: tuple[object, ...]) -> None:
    given(*past).when(forking()).then_refused(PartitionExistsError, partition="p")  # type: ignore[arg-type]


def test_a_fork_copies_keys_that_say_which_revision_they_are_of() -> None:
    given(was_forked()).when(Batch((copying("a", 1, of=7), copying("b", [], of=7)))).then(
        was_copied("a", 1, of=7), was_copied("b", [], of=7)
    )


def test_what_was_left_of_a_life_begins_with_the_copy() -> None:
    given(was_forked()).when(copying("a", 1, ttl=20), at=100).then(was_copied("a", 1, of=7, expires=120))


def test_a_key_is_copied_once() -> None:
    given(was_forked(), was_copied("a", 1, of=7)).when(Batch((copying("a", 1), copying("b", 2)))).then(
        was_copied("b", 2, of=7)
    )


def test_nothing_is_copied_into_what_is_no_unfinished_fork() -> None:
    for past in (
        (),
        (was_set("b", 1),),
        (was_forked(), fork_was_completed()),
        (was_forked(), partition_was_deleted()),
    ):
        given(*past).when(copying("a", 1)).then_nothing()


def test_a_copy_is_bound_by_no_quota_and_no_cap() -> None:
    given(was_forked()).when(copying("a", "x" * 100_000), limits=UNBOUND).then(
        was_copied("a", "x" * 100_000, of=7)
    )


def test_a_copy_is_bound_by_the_global_quota() -> None:
    given(was_forked()).when(copying("a", 1234), limits=UNBOUND._replace(leased_bytes=3)).then_refused(
        GlobalQuotaExceededError, used=0, asked=4, max=3
    )


def test_a_fork_is_completed_once() -> None:
    given(was_forked()).when(CompleteFork(None)).then(fork_was_completed())
    given(was_forked(), fork_was_completed()).when(CompleteFork(None)).then_nothing()
    given(was_forked(), partition_was_deleted()).when(CompleteFork(None)).then_nothing()
    given().when(CompleteFork(5)).then_nothing()


def test_the_quota_of_its_source_comes_with_the_end_of_a_fork() -> None:
    given(was_forked(), was_copied("a", 12345, of=7)).when(CompleteFork(3)).then(
        fork_was_completed(), quota_was_changed(3)
    )
    given(was_forked()).when(CompleteFork(0)).then(fork_was_completed(), quota_was_changed(0))


@pytest.mark.parametrize(
    "action",
    [
        setting("a", 1),
        incrementing("n"),
        deleting("a"),
        deleting("missing"),
        Batch((setting("a", 1), setting("b", 1))),
        restoring("a", 1, to=1),
        restoring("a", ABSENT, to=0),
        restoring_all(restoring("a", 1, to=1), to=1),
        ChangeQuota(5),
        ChangeQuota(None),
    ],
)
def test_an_unfinished_fork_refuses_to_be_written(action: Action) -> None:
    given(was_forked(), was_copied("a", 1, of=7)).when(action).then_refused(ForkIncompleteError, partition="p")


def test_also_before_it_looks_at_a_condition() -> None:
    given(was_forked(), was_copied("a", 1, of=7)).when(setting("a", 2, if_revision=99)).then_refused(
        ForkIncompleteError
    )


def test_an_unfinished_fork_can_be_deleted_and_is_none_any_more() -> None:
    given(was_forked(), was_copied("a", 1, of=7)).when(DeletePartition()).then(partition_was_deleted())
    given(was_forked(), was_copied("a", 1, of=7), partition_was_deleted()).when(setting("a", 2)).then(
        was_set("a", 2)
    )


def test_what_expires_in_an_unfinished_fork_is_ended_when_it_is_finished_lest_it_be_copied_again() -> None:
    past = was_forked(), was_copied("a", 1, of=7, expires=10)
    given(*past).when(EndExpired(5), at=10).then_nothing()
    given(*past).when(copying("a", 1, ttl=10), at=10).then_nothing()
    given(*past, fork_was_completed()).when(EndExpired(5), at=10).then(was_expired("a", expired=10))


def test_a_copy_makes_no_room_from_what_expired() -> None:
    given(was_forked(), was_copied("a", 1234, of=7, expires=10)).when(
        copying("b", 1234), at=10, limits=UNBOUND._replace(leased_bytes=4)
    ).then_refused(GlobalQuotaExceededError)


def test_a_finished_fork_is_a_partition_as_any_other() -> None:
    fork = given(was_forked(), was_copied("a", 1, of=7), fork_was_completed())
    assert fork.state == PartitionState(
        "partition:p", 3, 1, 1, None, fork.state.last_recorded_at, entries=fork.state.entries
    )
    fork.when(setting("a", 2, if_revision=2)).then(was_set("a", 2))


def test_a_fork_stays_unfinished_whatever_happens_to_it_until_it_is_completed() -> None:
    past = [was_forked(), was_copied("a", 1, of=7), was_copied("b", 1, of=7)]
    for length in range(1, len(past) + 1):
        assert given(*past[:length]).state.forking
    assert not given(*past, fork_was_completed()).state.forking
