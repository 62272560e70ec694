"""The rules of going back, one a test."""

from datetime import UTC, datetime

from keyledger.domain.commands import Batch
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    KeyCountExceededError,
    NamespaceQuotaExceededError,
    RevisionConflictError,
    ValueTooLargeError,
)
from keyledger.domain.partition import KeySet
from keyledger.domain.quota import Limits

from .specs import (
    ABSENT,
    given,
    incrementing,
    partition_was_deleted,
    quota_was_changed,
    restoring,
    restoring_all,
    setting,
    was_deleted,
    was_expired,
    was_incremented,
    was_restored,
    was_set,
)


def small(max_bytes: int | None = None, **limits: int) -> Limits:
    return Limits(max_bytes, **limits)


def test_a_restore_gives_a_key_the_value_that_it_had_and_says_when() -> None:
    given(was_set("a", 1), was_set("a", 2)).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1)
    )


def test_a_restore_brings_a_deleted_key_back() -> None:
    given(was_set("a", 1), was_deleted("a")).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1)
    )


def test_a_restore_brings_back_what_a_deleted_partition_held() -> None:
    given(was_set("a", 1), partition_was_deleted()).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1)
    )


def test_a_restore_of_a_key_that_was_not_there_deletes_it_and_says_so() -> None:
    given(was_set("b", 1), was_set("a", 1)).when(restoring("a", ABSENT, to=1)).then(
        was_deleted("a", restored_from=1)
    )


def test_a_restore_of_a_key_that_is_absent_now_and_was_then_is_nothing() -> None:
    given(was_set("a", 1), was_deleted("a")).when(restoring("a", ABSENT, to=0)).then_nothing()


def test_a_restore_of_a_key_that_still_stands_at_that_version_is_nothing() -> None:
    given(was_set("a", 1), was_set("b", 1)).when(restoring("a", 1, to=2, version=1)).then_nothing()


def test_also_when_it_will_expire_and_its_time_goes_on() -> None:
    given(was_set("a", 1, expires=60)).when(restoring("a", 1, to=1, ttl=60, version=1), at=30).then_nothing()


def test_a_restore_to_what_a_key_holds_for_good_is_nothing() -> None:
    given(was_set("a", 1), was_set("a", 1)).when(restoring("a", 1, to=1, version=1)).then_nothing()


def test_the_same_value_in_another_type_is_another_value() -> None:
    given(was_set("a", 1.0), was_set("a", 1)).when(restoring("a", 1.0, to=1, version=1)).then(
        was_restored("a", 1.0, to=1)
    )


def test_a_restore_of_the_same_value_with_another_life_is_an_event() -> None:
    given(was_set("a", 1), was_set("a", 1, expires=60)).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1)
    )
    given(was_set("a", 1, expires=60), was_set("a", 1)).when(restoring("a", 1, to=1, ttl=60, version=1)).then(
        was_restored("a", 1, to=1, expires=60)
    )


def test_the_life_that_was_left_begins_anew() -> None:
    given(was_set("a", 1, expires=60), was_set("a", 2)).when(
        restoring("a", 1, to=1, ttl=20, version=1), at=100
    ).then(was_restored("a", 1, to=1, expires=120))


def test_a_restore_without_a_life_clears_one() -> None:
    given(was_set("a", 1), was_set("a", 2, expires=60)).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1, expires=None)
    )


def test_a_life_that_would_end_after_all_years_ends_with_them() -> None:
    (event,) = given(was_set("a", 1), was_set("a", 2)).when(restoring("a", 1, to=1, ttl=2.6e11)).decided()
    assert isinstance(event, KeySet)
    assert event.expires_at == datetime.max.replace(tzinfo=UTC)


def test_a_restore_over_an_expired_entry_ends_it_first() -> None:
    given(was_set("a", 1), was_set("a", 2, expires=10)).when(restoring("a", 1, to=1, version=1), at=10).then(
        was_expired("a", expired=10), was_restored("a", 1, to=1)
    )


def test_an_expired_version_can_be_restored_itself() -> None:
    given(was_set("a", 1, expires=10)).when(restoring("a", 1, to=1, ttl=10, version=1), at=50).then(
        was_expired("a", expired=10), was_restored("a", 1, to=1, expires=60)
    )


def test_a_restore_to_nothing_of_an_expired_entry_only_ends_it() -> None:
    given(was_set("a", 1, expires=10)).when(restoring("a", ABSENT, to=0), at=10).then(was_expired("a", expired=10))


def test_an_undo_can_be_undone() -> None:
    given(was_set("a", 1), was_set("a", 2), was_restored("a", 1, to=1)).when(
        restoring("a", 2, to=2, version=2)
    ).then(was_restored("a", 2, to=2))
    given(was_set("a", 1), was_deleted("a", restored_from=0)).when(restoring("a", 1, to=1, version=1)).then(
        was_restored("a", 1, to=1)
    )


def test_a_restored_integer_can_be_incremented() -> None:
    given(was_set("n", 5), was_set("n", "x"), was_restored("n", 5, to=1)).when(incrementing("n")).then(
        was_incremented("n", by=1, to=6)
    )


# ------------------------------------------------------------------------------------ conditions, limits


def test_if_revision_guards_a_restore() -> None:
    back = restoring("a", 1, to=1, version=1, if_revision=1)
    given(was_set("a", 1), was_set("a", 2)).when(back).then_refused(RevisionConflictError, expected=1, found=2)
    given(was_set("a", 1), was_set("a", 2)).when(back._replace(if_revision=2)).then(was_restored("a", 1, to=1))


def test_if_revision_guards_also_a_restore_that_would_be_nothing() -> None:
    given(was_set("a", 1)).when(restoring("a", 1, to=1, version=1, if_revision=9)).then_refused(
        RevisionConflictError, expected=9, found=1
    )


def test_a_restored_value_obeys_the_cap_of_today() -> None:
    given(was_set("a", "xx"), was_set("a", 1)).when(
        restoring("a", "xx", to=1, version=1), limits=small(max_value_bytes=3)
    ).then_refused(ValueTooLargeError, size=4, max_bytes=3)


def test_a_value_above_the_cap_that_still_stands_is_left_alone() -> None:
    given(was_set("a", "xx")).when(
        restoring("a", "xx", to=1, version=1), limits=small(max_value_bytes=3)
    ).then_nothing()


def test_a_restore_that_grows_obeys_the_quota() -> None:
    back = restoring("a", 1234, to=1, version=1)
    given(was_set("a", 1234), was_set("a", 1)).when(back, limits=small(3)).then_refused(
        NamespaceQuotaExceededError, used=1, asked=3, max=3
    )
    given(was_set("a", 1234), was_set("a", 1)).when(back, limits=small(4)).then(was_restored("a", 1234, to=1))


def test_a_restore_that_shrinks_passes_above_a_lowered_quota() -> None:
    given(was_set("a", 1), was_set("a", 12345), quota_was_changed(2)).when(
        restoring("a", 1, to=1, version=1)
    ).then(was_restored("a", 1, to=1))


def test_a_restore_that_needs_room_ends_as_many_expired_entries_as_it_needs() -> None:
    given(was_set("x", 12, expires=1), was_set("y", 12, expires=2), was_set("a", 123), was_deleted("a")).when(
        restoring("a", 123, to=3, version=3), at=5, limits=small(5)
    ).then(was_expired("x", expired=1), was_restored("a", 123, to=3))


def test_a_restore_of_a_deleted_key_counts_as_a_key() -> None:
    given(was_set("a", 1), was_deleted("a"), was_set("b", 1)).when(
        restoring("a", 1, to=1, version=1), limits=small(max_keys=1)
    ).then_refused(KeyCountExceededError, used=1, asked=1, max=1)


def test_a_restore_that_grows_obeys_the_global_quota() -> None:
    given(was_set("a", 1234), was_set("a", 1)).when(
        restoring("a", 1234, to=1, version=1), limits=small(leased_bytes=3)
    ).then_refused(GlobalQuotaExceededError, used=1, asked=3, max=3)


# --------------------------------------------------------------------------------------- all at once


def test_restoring_all_does_every_one_of_them() -> None:
    given(was_set("a", 1), was_set("b", 1), was_deleted("b"), was_set("a", 2), was_set("c", 3)).when(
        restoring_all(
            restoring("a", 1, to=2, version=1),
            restoring("b", 1, to=2, version=2),
            restoring("c", ABSENT, to=2),
            to=2,
        )
    ).then(was_restored("a", 1, to=2), was_restored("b", 1, to=2), was_deleted("c", restored_from=2))


def test_restoring_all_of_nothing_is_nothing() -> None:
    given(was_set("a", 1)).when(restoring_all(to=1)).then_nothing()


def test_restoring_all_is_judged_on_its_final_state() -> None:
    given(was_set("b", 12345), was_deleted("b"), was_set("c", 12345)).when(
        restoring_all(restoring("b", 12345, to=1, version=1), restoring("c", ABSENT, to=1), to=1), limits=small(5)
    ).then(was_restored("b", 12345, to=1), was_deleted("c", restored_from=1))


def test_one_value_above_the_cap_refuses_all() -> None:
    given(was_set("a", 1), was_set("b", "xx"), was_set("a", 2), was_set("b", 1)).when(
        restoring_all(restoring("a", 1, to=2, version=1), restoring("b", "xx", to=2, version=2), to=2),
        limits=small(max_value_bytes=3),
    ).then_refused(ValueTooLargeError)


def test_all_refused_by_a_quota_is_nothing_done() -> None:
    given(was_set("a", 12), was_set("b", 12), was_set("a", 1), was_set("b", 1)).when(
        restoring_all(restoring("a", 12, to=2, version=1), restoring("b", 12, to=2, version=2), to=2),
        limits=small(3),
    ).then_refused(NamespaceQuotaExceededError, used=2, asked=2, max=3)


def test_the_entries_that_are_restored_are_not_ended_to_make_room() -> None:
    given(was_set("a", 12, expires=1), was_set("x", 12, expires=2)).when(
        restoring_all(restoring("a", 12, to=1, ttl=1, version=1), to=1), at=5, limits=small(3)
    ).then(was_expired("x", expired=2), was_expired("a", expired=1), was_restored("a", 12, to=1, expires=6))


def test_a_restore_can_be_a_part_of_a_batch() -> None:
    given(was_set("a", 1), was_set("a", 2)).when(
        Batch((setting("b", 1), restoring("a", 1, to=1, version=1)))
    ).then(was_set("b", 1), was_restored("a", 1, to=1))
