"""The rules of a partition, one a test."""

from datetime import timedelta

import pytest

from keyledger.domain.commands import Batch, ChangeQuota, DeletePartition, EndExpired
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    IntegerOverflowError,
    InvalidArgumentError,
    InvalidValueTypeError,
    KeyCountExceededError,
    NamespaceQuotaExceededError,
    RevisionConflictError,
    TimeReversalError,
    ValueTooLargeError,
)
from keyledger.domain.quota import Limits
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER

from .specs import (
    START,
    deleting,
    given,
    incrementing,
    partition_was_deleted,
    quota_was_changed,
    setting,
    was_deleted,
    was_expired,
    was_incremented,
    was_set,
)


def small(max_bytes: int | None = None, **limits: int) -> Limits:
    return Limits(max_bytes, **limits)


def test_a_set_gives_a_key_its_value() -> None:
    given().when(setting("a", {"x": 1})).then(was_set("a", {"x": 1}))


def test_a_set_of_the_same_value_is_an_event_too() -> None:
    given(was_set("a", 1)).when(setting("a", 1)).then(was_set("a", 1))


def test_every_event_of_a_command_says_who_and_when() -> None:
    (event,) = given().when(setting("a", 1), at=5).decided()
    assert (event.changed_by, event.run_id, event.root_run_id, event.tool) == ("ada", "r-1", "r-0", "kv_set")
    assert (event.request_id, event.recorded_at) == ("q-1", START + timedelta(seconds=5))


def test_a_ttl_counts_from_the_events_own_time() -> None:
    given().when(setting("a", 1, ttl=10), at=5).then(was_set("a", 1, expires=15))


def test_a_ttl_counts_from_the_partitions_last_event_when_the_clock_is_behind_it() -> None:
    given(was_set("b", 1)).when(setting("a", 1, ttl=10), at=-100).then(was_set("a", 1, expires=10))


def test_a_ttl_that_ends_after_all_years_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="ttl"):
        given().when(setting("a", 1, ttl=1e12)).decided()


def test_a_set_without_a_ttl_clears_an_earlier_one() -> None:
    given(was_set("a", 1, expires=10)).when(setting("a", 2)).then(was_set("a", 2, expires=None))


def test_a_value_above_the_cap_is_refused() -> None:
    given().when(setting("a", "xx"), limits=small(max_value_bytes=3)).then_refused(
        ValueTooLargeError, size=4, max_bytes=3
    )


def test_a_value_at_the_cap_passes() -> None:
    given().when(setting("a", "x"), limits=small(max_value_bytes=3)).then(was_set("a", "x"))


# ------------------------------------------------------------------------------------------- increments


def test_an_increment_of_a_missing_key_starts_from_the_initial_value() -> None:
    given().when(incrementing("n", 2, initial_value=40)).then(was_incremented("n", by=2, to=42))


def test_an_increment_carries_delta_and_result() -> None:
    given(was_set("n", 40)).when(incrementing("n", -2)).then(was_incremented("n", by=-2, to=38))


def test_an_increment_keeps_the_remaining_ttl() -> None:
    given(was_set("n", 1, expires=10)).when(incrementing("n"), at=5).then(
        was_incremented("n", by=1, to=2, expires=10)
    )


def test_an_increment_with_a_ttl_sets_it() -> None:
    given(was_set("n", 1, expires=10)).when(incrementing("n", ttl=20), at=5).then(
        was_incremented("n", by=1, to=2, expires=25)
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, "boolean"),
        (1.5, "float"),
        (1.0, "float"),
        ("1", "string"),
        (None, "null"),
        ([], "array"),
        ({}, "object"),
    ],
)
def test_an_increment_of_anything_but_an_integer_is_refused(value: object, found: str) -> None:
    given(was_set("n", value)).when(incrementing("n")).then_refused(InvalidValueTypeError, found=found)


@pytest.mark.parametrize(("value", "delta"), [(MAX_INTEGER, 1), (MIN_INTEGER, -1)])
def test_an_increment_past_64_bits_is_refused(value: int, delta: int) -> None:
    given(was_set("n", value)).when(incrementing("n", delta)).then_refused(IntegerOverflowError, delta=delta)


def test_an_increment_obeys_the_cap() -> None:
    given(was_set("n", 9)).when(incrementing("n"), limits=small(max_value_bytes=1)).then_refused(
        ValueTooLargeError
    )


def test_an_increment_that_grows_a_number_obeys_the_quota() -> None:
    given(was_set("n", 9)).when(incrementing("n"), limits=small(1)).then_refused(NamespaceQuotaExceededError)


# ----------------------------------------------------------------------------------- deletes, conditions


def test_a_delete_ends_a_live_key() -> None:
    given(was_set("a", 1)).when(deleting("a")).then(was_deleted("a"))


def test_a_delete_of_a_missing_key_is_nothing() -> None:
    given(was_set("a", 1), was_deleted("a")).when(deleting("a")).then_nothing()


def test_if_revision_compares_the_revision_that_last_changed_the_key() -> None:
    given(was_set("a", 1), was_set("b", 1)).when(setting("a", 2, if_revision=1)).then(was_set("a", 2))


def test_if_revision_names_both_numbers_when_it_fails() -> None:
    given(was_set("a", 1), was_set("a", 2)).when(setting("a", 3, if_revision=1)).then_refused(
        RevisionConflictError, expected=1, found=2
    )


def test_if_revision_0_is_for_a_key_that_does_not_exist() -> None:
    given(was_set("a", 1)).when(setting("a", 2, if_revision=0)).then_refused(
        RevisionConflictError, expected=0, found=1
    )
    given(was_set("a", 1), was_deleted("a")).when(setting("a", 2, if_revision=0)).then(was_set("a", 2))


def test_if_revision_guards_a_delete_of_a_missing_key_too() -> None:
    given().when(deleting("a", if_revision=3)).then_refused(RevisionConflictError, expected=3, found=0)
    given().when(deleting("a", if_revision=0)).then_nothing()


# ----------------------------------------------------------------------------------------------- expiry


def test_a_write_to_an_expired_key_ends_it_first() -> None:
    given(was_set("a", 1, expires=10)).when(setting("a", 2), at=10).then(
        was_expired("a", expired=10), was_set("a", 2)
    )


def test_expiry_is_nobodys_doing() -> None:
    expired, _ = given(was_set("a", 1, expires=10)).when(setting("a", 2), at=10).decided()
    assert (expired.changed_by, expired.run_id, expired.tool) == ("system:expiry", None, None)
    assert expired.request_id == "q-1"


def test_a_delete_of_an_expired_key_only_ends_it() -> None:
    given(was_set("a", 1, expires=10)).when(deleting("a"), at=11).then(was_expired("a", expired=10))


def test_an_increment_of_an_expired_key_starts_anew() -> None:
    given(was_set("n", 5, expires=10)).when(incrementing("n"), at=10).then(
        was_expired("n", expired=10), was_incremented("n", by=1, to=1)
    )


def test_if_revision_0_holds_for_an_expired_key() -> None:
    given(was_set("a", 1, expires=10)).when(setting("a", 2, if_revision=0), at=10).then(
        was_expired("a", expired=10), was_set("a", 2)
    )


def test_the_sweeper_ends_the_longest_expired_first() -> None:
    given(
        was_set("c", 1, expires=5), was_set("b", 1, expires=3), was_set("a", 1, expires=3), was_set("d", 1)
    ).when(EndExpired(2), at=9).then(was_expired("a", expired=3), was_expired("b", expired=3))


def test_the_sweeper_finds_nothing_when_nothing_expired() -> None:
    given(was_set("a", 1, expires=10)).when(EndExpired(9), at=9).then_nothing()


# ------------------------------------------------------------------------------------------------ quota


def test_exactly_at_the_quota_passes() -> None:
    given(was_set("a", 1234)).when(setting("b", 5), limits=small(5)).then(was_set("b", 5))


def test_one_byte_above_the_quota_is_refused_with_the_numbers() -> None:
    given(was_set("a", 1234)).when(setting("b", 56), limits=small(5)).then_refused(
        NamespaceQuotaExceededError, used=4, asked=2, max=5
    )


def test_an_edit_that_shrinks_a_value_passes_at_full_quota() -> None:
    given(was_set("a", 12345)).when(setting("a", 1234), limits=small(3)).then(was_set("a", 1234))


def test_an_edit_of_the_same_size_passes_above_a_lowered_quota() -> None:
    given(was_set("a", 12345), quota_was_changed(1)).when(setting("a", 54321)).then(was_set("a", 54321))


def test_a_partitions_own_quota_takes_the_place_of_the_configured_one() -> None:
    given(quota_was_changed(10)).when(setting("a", 12345), limits=small(1)).then(was_set("a", 12345))
    given(quota_was_changed(10), quota_was_changed(None)).when(setting("a", 12), limits=small(1)).then_refused(
        NamespaceQuotaExceededError
    )


def test_a_change_to_the_same_quota_is_nothing() -> None:
    given(quota_was_changed(10)).when(ChangeQuota(10)).then_nothing()
    given(quota_was_changed(10)).when(ChangeQuota(None)).then(quota_was_changed(None))


def test_a_write_that_needs_room_ends_as_many_expired_entries_as_it_needs() -> None:
    given(was_set("b", 12, expires=1), was_set("a", 12, expires=1), was_set("c", 12, expires=2)).when(
        setting("new", 1234), at=5, limits=small(6)
    ).then(was_expired("a", expired=1), was_expired("b", expired=1), was_set("new", 1234))


def test_a_write_that_fits_leaves_other_expired_entries_alone() -> None:
    given(was_set("a", 12, expires=1)).when(setting("new", 1), at=5, limits=small(9)).then(was_set("new", 1))


def test_an_expired_value_under_the_same_key_was_not_live_so_the_write_grows() -> None:
    given(was_set("a", 1234, expires=1), was_set("b", 1234)).when(
        setting("a", 12), at=5, limits=small(5)
    ).then_refused(NamespaceQuotaExceededError, used=4, asked=2, max=5)


def test_the_number_of_live_keys_is_limited() -> None:
    given(was_set("a", 1)).when(setting("b", 1), limits=small(max_keys=1)).then_refused(
        KeyCountExceededError, used=1, asked=1, max=1
    )
    given(was_set("a", 1)).when(setting("a", 2), limits=small(max_keys=1)).then(was_set("a", 2))


def test_a_write_that_needs_a_key_ends_an_expired_one() -> None:
    given(was_set("a", 1, expires=1)).when(setting("b", 1), at=1, limits=small(max_keys=1)).then(
        was_expired("a", expired=1), was_set("b", 1)
    )


def test_growth_beyond_what_is_leased_of_the_global_quota_is_refused() -> None:
    leased = small(leased_bytes=4)
    given(was_set("a", 12)).when(setting("b", 123), limits=leased).then_refused(
        GlobalQuotaExceededError, used=2, asked=3, max=4
    )
    given(was_set("a", 12)).when(setting("b", 12), limits=leased).then(was_set("b", 12))
    given(was_set("a", 12345)).when(setting("a", 54321), limits=leased).then(was_set("a", 54321))


def test_the_partitions_quota_is_checked_before_the_global_one() -> None:
    given().when(setting("a", 123), limits=small(1, leased_bytes=1)).then_refused(NamespaceQuotaExceededError)


# --------------------------------------------------------------------------------------- batch, partition


def test_a_batch_is_judged_on_its_final_state() -> None:
    given(was_set("a", 12345)).when(Batch((setting("b", 123), deleting("a"))), limits=small(5)).then(
        was_set("b", 123), was_deleted("a")
    )


def test_each_action_of_a_batch_sees_what_the_one_before_it_did() -> None:
    given().when(Batch((setting("n", 1), incrementing("n"), setting("n", 5, if_revision=2)))).then(
        was_set("n", 1), was_incremented("n", by=1, to=2), was_set("n", 5)
    )


def test_one_refusal_refuses_the_batch() -> None:
    given(was_set("t", "x")).when(Batch((setting("a", 1), incrementing("t")))).then_refused(InvalidValueTypeError)


def test_room_for_a_batch_is_made_before_its_own_events() -> None:
    given(was_set("old", 123, expires=1)).when(
        Batch((setting("a", 12), setting("b", 1))), at=2, limits=small(4)
    ).then(was_expired("old", expired=1), was_set("a", 12), was_set("b", 1))


def test_deleting_a_partition_is_one_event() -> None:
    given(was_set("a", 1), was_set("b", 1)).when(DeletePartition()).then(partition_was_deleted())


def test_deleting_a_partition_that_is_not_there_is_nothing() -> None:
    given().when(DeletePartition()).then_nothing()
    given(was_set("a", 1), partition_was_deleted()).when(DeletePartition()).then_nothing()


def test_a_deleted_partition_is_empty_and_its_revisions_go_on() -> None:
    after = given(was_set("a", 123), quota_was_changed(9), partition_was_deleted())
    assert (after.state.used_bytes, after.state.live_keys, len(after.state.entries)) == (0, 0, 0)
    assert after.state.max_bytes == 9
    after.when(setting("a", 1, if_revision=0)).then(was_set("a", 1))


# ------------------------------------------------------------------------------------------------- time


def test_time_never_goes_back_within_a_partition() -> None:
    (event,) = given(was_set("a", 1)).when(setting("b", 1), at=-60).decided()
    assert event.recorded_at == START


def test_a_clock_that_jumps_back_revives_nothing() -> None:
    given(was_set("a", 1, expires=-5)).when(deleting("a"), at=-10).then(was_expired("a", expired=-5))


def test_a_supplied_time_before_the_last_event_is_refused() -> None:
    given(was_set("a", 1)).when(setting("a", 2), recorded_at=-1).then_refused(TimeReversalError)
