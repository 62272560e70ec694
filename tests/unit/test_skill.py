"""The rules of skills, one a test."""

from __future__ import annotations

from typing import Any

import pytest

from keyledger.domain.errors import (
    InvalidArgumentError,
    RevisionConflictError,
    SkillNotFoundError,
    UnreadableError,
)
from keyledger.domain.skill import (
    SkillAction,
    SkillState,
    skill_in,
    skill_of,
    skill_stream,
)
from keyledger.domain.skills.options import ValidateOptions

from .skill_specs import (
    STREAM,
    a_skill,
    archiving,
    given_skill,
    granting_extended_bounds,
    granting_quota,
    saving,
    seconds,
    was_archived,
    was_granted_extended_bounds,
    was_granted_quota,
    was_saved,
)

MORE: dict[str, Any] = {"max_iterations": 13}
"""More than the default tier may, and not more than the extended one."""


# ----------------------------------------------------------------------------------------------- save


def test_a_skill_is_saved_as_its_author_wrote_it() -> None:
    given_skill().when(saving(description="12 °C")).then(was_saved(description="12 °C"))


def test_a_skill_is_saved_as_it_is_normalised() -> None:
    saved = was_saved(tags=("rain",), schedule="daily")
    given_skill().when(saving(tags=(" Rain", "rain", " "), schedule=" daily ")).then(saved)


def test_an_admins_skill_is_trusted() -> None:
    given_skill().when(saving(admin=True, **MORE)).then(was_saved(trusted=True, **MORE))


def test_a_built_in_skill_is_trusted() -> None:
    saving_it = saving(options=ValidateOptions(is_builtin=True), **MORE)
    given_skill().when(saving_it).then(was_saved(trusted=True, **MORE))


def test_a_skill_that_breaks_a_rule_is_refused() -> None:
    given_skill().when(saving(name=" ")).then_refused(InvalidArgumentError, field="name", got=" ")


def test_a_save_that_says_nothing_new_is_no_event() -> None:
    given_skill(was_saved(tags=("rain",))).when(saving(tags=("RAIN",))).then_nothing()


def test_a_save_by_another_kind_of_author_is_an_event() -> None:
    given_skill(was_saved()).when(saving(admin=True)).then(was_saved(trusted=True))
    given_skill(was_saved(trusted=True)).when(saving()).then(was_saved(trusted=False))


def test_a_save_after_a_grant_that_says_nothing_new_is_no_event() -> None:
    given_skill(was_saved(), was_granted_quota(5)).when(saving()).then_nothing()


def test_a_save_brings_an_archived_skill_back_also_with_what_it_said() -> None:
    spec = given_skill(was_saved(), was_archived()).when(saving())
    spec.then(was_saved())
    assert not given_skill(was_saved(), was_archived(), was_saved()).state.archived


def test_a_skill_that_comes_back_has_what_was_granted_to_it() -> None:
    granted = was_granted_quota(5), was_granted_extended_bounds()
    state = given_skill(was_saved(), *granted, was_archived(), was_saved()).state
    assert (state.max_bytes, state.quota_revision, state.extended_bounds, state.archived) == (5, 2, True, False)


# ------------------------------------------------------------------------------------------- revisions


@pytest.mark.parametrize("if_revision", [0, 1, 3])
def test_a_save_at_another_revision_is_refused(if_revision: int) -> None:
    spec = given_skill(was_saved(), was_granted_quota(5)).when(saving(if_revision, name="New"))
    spec.then_refused(RevisionConflictError, key="weather", expected=if_revision, found=2)


def test_a_save_at_the_revision_of_the_last_event_passes() -> None:
    given_skill(was_saved(), was_granted_quota(5)).when(saving(2, name="New")).then(was_saved(name="New"))


def test_a_first_save_passes_at_revision_0() -> None:
    given_skill().when(saving(0)).then(was_saved())
    given_skill().when(saving(1)).then_refused(RevisionConflictError, expected=1, found=0)


def test_the_revision_is_judged_before_the_rules_and_also_where_nothing_new_is_said() -> None:
    given_skill(was_saved()).when(saving(7, name="")).then_refused(RevisionConflictError)
    given_skill(was_saved()).when(saving(7)).then_refused(RevisionConflictError)


# ---------------------------------------------------------------------------------------------- grants


@pytest.mark.parametrize("action", [granting_quota(5), granting_extended_bounds(), archiving()])
def test_what_was_never_saved_is_not_found(action: SkillAction) -> None:
    given_skill().when(action).then_refused(SkillNotFoundError, skill_id="weather")


def test_a_quota_is_granted_changed_and_taken_back() -> None:
    given_skill(was_saved()).when(granting_quota(0)).then(was_granted_quota(0))
    granted = (was_saved(), was_granted_quota(5))
    given_skill(*granted).when(granting_quota(6)).then(was_granted_quota(6))
    given_skill(*granted).when(granting_quota(None)).then(was_granted_quota(None))


def test_a_quota_that_is_there_already_is_granted_again() -> None:
    given_skill(was_saved(), was_granted_quota(5)).when(granting_quota(5)).then(was_granted_quota(5))
    given_skill(was_saved()).when(granting_quota(None)).then(was_granted_quota(None))


def test_the_revision_of_the_last_grant_of_a_quota_is_kept() -> None:
    assert given_skill(was_saved()).state.quota_revision == 0
    taken_back = given_skill(was_saved(), was_granted_quota(5), was_granted_quota(None), was_saved(name="New"))
    assert (taken_back.state.max_bytes, taken_back.state.quota_revision) == (None, 3)


def test_extended_bounds_are_granted_and_taken_back() -> None:
    given_skill(was_saved()).when(granting_extended_bounds()).then(was_granted_extended_bounds())
    granted = (was_saved(), was_granted_extended_bounds())
    revoked = was_granted_extended_bounds(granted=False)
    given_skill(*granted).when(granting_extended_bounds(granted=False)).then(revoked)


def test_extended_bounds_that_are_there_already_are_no_event() -> None:
    given_skill(was_saved(), was_granted_extended_bounds()).when(granting_extended_bounds()).then_nothing()
    given_skill(was_saved()).when(granting_extended_bounds(granted=False)).then_nothing()


def test_a_skill_is_judged_by_what_its_state_was_granted() -> None:
    given_skill(was_saved()).when(saving(**MORE)).then_refused(InvalidArgumentError, field="max_iterations")
    given_skill(was_saved(), was_granted_extended_bounds()).when(saving(**MORE)).then(was_saved(**MORE))


def test_a_tier_that_was_taken_back_counts_no_more() -> None:
    was_taken_back = was_granted_extended_bounds(), was_granted_extended_bounds(granted=False)
    spec = given_skill(was_saved(**MORE), *was_taken_back).when(saving(**MORE, name="New"))
    spec.then_refused(InvalidArgumentError, field="max_iterations", got=13)


def test_a_tier_that_only_the_options_claim_counts_for_nothing() -> None:
    claimed = ValidateOptions(extended_bounds=True)
    given_skill(was_saved()).when(saving(options=claimed, **MORE)).then_refused(InvalidArgumentError)


def test_the_tier_is_the_extended_one_by_a_grant_or_by_the_author() -> None:
    assert given_skill().state.tier == "default"
    assert given_skill(was_saved()).state.tier == "default"
    assert given_skill(was_saved(), was_granted_extended_bounds()).state.tier == "extended"
    assert given_skill(was_saved(trusted=True)).state.tier == "extended"
    assert given_skill(was_saved(trusted=True), was_saved()).state.tier == "default"


# --------------------------------------------------------------------------------------------- archive


def test_a_skill_is_archived_once() -> None:
    given_skill(was_saved()).when(archiving()).then(was_archived())
    given_skill(was_saved(), was_archived()).when(archiving()).then_nothing()


def test_an_archived_skill_may_be_granted_something() -> None:
    spec = given_skill(was_saved(), was_archived()).when(granting_quota(5))
    spec.then(was_granted_quota(5))


# ------------------------------------------------------------------------------------------------ time


def test_an_event_says_who_when_and_for_which_request() -> None:
    (event,) = given_skill(was_saved()).when(archiving(), at=50).decided()
    told = (event.originator_id, event.changed_by, event.request_id, event.recorded_at)
    assert told == (STREAM, "ada", "q-1", seconds(50))


def test_time_never_goes_back() -> None:
    (event,) = given_skill(was_saved(), was_granted_quota(5)).when(archiving(), at=-60).decided()
    assert event.recorded_at == seconds(1)


def test_a_skill_remembers_when_it_was_first_and_last_saved() -> None:
    saved = given_skill(was_saved(), was_granted_quota(5), was_saved(name="New"), was_archived()).state.saved
    assert saved is not None
    assert (saved.created_at, saved.saved_at, saved.revision) == (seconds(0), seconds(2), 3)


# ----------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("skill_id", ["weather", "skill:weather", "a@b", "é"])
def test_a_stream_is_named_by_the_skill(skill_id: str) -> None:
    assert skill_stream(skill_id) == f"skill:{skill_id}"
    assert skill_of(skill_stream(skill_id)) == skill_id


def test_what_was_never_saved_is_at_revision_0() -> None:
    assert SkillState(STREAM) == given_skill().state
    assert given_skill().state.revision == 0


NOT_JSON = "it is not JSON"


@pytest.mark.parametrize(
    ("definition", "flaw"),
    [
        (b"", NOT_JSON),
        (b"s3cret", NOT_JSON),
        (b'{"name":"s3cret', NOT_JSON),
        (b'{"name":"s3cret\xff"}', NOT_JSON),
        (b'["s3cret"]', "skill: allowed is an object of name, "),
        (b'{"name":["s3cret\\n"]}', "name: allowed is "),
        (b'{"input_schema":[{"name":"a"},{"type":"s3cret"}]}', "input_schema[1].name: allowed is "),
        (b'{"s3cret\\n":1}', "it has a field that is unknown here"),
        (b'{"input_schema":[{"name":"a","s3cret":1}]}', "it has a field that is unknown here"),
    ],
)
def test_a_definition_that_is_none_is_unreadable_and_not_told(definition: bytes, flaw: str) -> None:
    assert skill_in(STREAM, a_skill().model_dump_json().encode()) == a_skill()
    with pytest.raises(UnreadableError) as refused:
        skill_in(STREAM, definition)
    message = str(refused.value)
    assert message.startswith(f"a definition of 'skill:weather' cannot be read ({flaw}")
    assert "s3cret" not in message
    assert "\n" not in message
