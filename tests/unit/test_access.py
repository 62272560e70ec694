from __future__ import annotations

import pytest

from keyledger import InvalidArgumentError, Invocation, ScopeAccessError
from keyledger.domain.policy import check_access
from keyledger.domain.run import PURGES


def invocation(**fields: object) -> Invocation:
    return Invocation.model_validate({"skill_id": "weather", "caller_id": "ada", **fields})


def refused(scope: str, **fields: object) -> str:
    with pytest.raises(ScopeAccessError) as caught:
        check_access(invocation(**fields), scope)
    assert caught.value.scope == scope
    return caught.value.reason


def test_the_skill_scope_is_open_to_every_call() -> None:
    check_access(invocation(), "skill")


def test_a_user_scope_is_its_own_callers() -> None:
    check_access(invocation(), "user:ada")
    assert refused("user:bo") == "the caller is 'ada'"


def test_an_admin_may_use_any_users_scope() -> None:
    check_access(invocation(is_admin=True), "user:bo")


def test_a_run_scope_is_that_very_runs() -> None:
    check_access(invocation(run_id="r-1"), "run:r-1")
    assert refused("run:r-2", run_id="r-1") == "the call's run is 'r-1'"


def test_an_admin_may_not_use_another_runs_scopes() -> None:
    assert refused("run:r-2", run_id="r-1", is_admin=True)
    assert refused("root_run:r-2", run_id="r-1", is_admin=True)


def test_a_call_without_a_run_has_no_run_scope() -> None:
    assert refused("run:r-1") == "the call belongs to no run"
    assert refused("root_run:r-1") == "the call belongs to no dispatch tree"


def test_a_root_run_scope_is_open_to_its_dispatch_tree() -> None:
    check_access(invocation(run_id="r-2", root_run_id="r-1"), "root_run:r-1")
    assert refused("root_run:r-2", run_id="r-2", root_run_id="r-1") == "the call's dispatch tree is 'r-1'"


@pytest.mark.parametrize("empty", [None, ""])
def test_a_run_that_nobody_dispatched_is_the_root_of_its_own_tree(empty: str | None) -> None:
    check_access(invocation(run_id="r-1", root_run_id=empty), "root_run:r-1")


def test_reading_an_ancestors_run_scope_is_not_allowed_yet() -> None:
    assert refused("run:r-1", run_id="r-2", root_run_id="r-1")


@pytest.mark.parametrize(
    "scope", ["user:ada2", "user:ad", "user:Ada", "user:ada ", "user:\N{CYRILLIC SMALL LETTER A}da"]
)
def test_a_look_alike_of_ones_own_id_is_somebody_else(scope: str) -> None:
    assert refused(scope)


@pytest.mark.parametrize(
    "scope", ["", "Skill", "user", "user:", "run:", "root_run:", "session:1", "root_run:__root_run__:x"]
)
def test_a_scope_outside_the_grammar_is_an_invalid_argument(scope: str) -> None:
    with pytest.raises(InvalidArgumentError, match="scope"):
        check_access(invocation(run_id="r", is_admin=True), scope)


# ---------------------------------------------------------------------------------- the invocation itself


def test_an_invocation_is_frozen_and_hashable() -> None:
    one = invocation(flags=["a", "b"])
    assert hash(one) == hash(invocation(flags=["b", "a"]))
    assert one.flags == {"a", "b"}
    with pytest.raises(ValueError, match="frozen"):
        one.skill_id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"skill_id": "w"}, "invocation.caller_id required"),
        ({"caller_id": "a"}, "invocation.skill_id required"),
        ({"skill_id": "", "caller_id": "a"}, "invocation.skill_id: got ''; allowed is at least one character"),
        ({"skill_id": "w", "caller_id": 5}, "invocation.caller_id: got 5; allowed is a str"),
        (
            {"skill_id": "w", "caller_id": "system:expiry"},
            "invocation.caller_id: got 'system:expiry'; allowed is a name that does not begin with system:",
        ),
        ({"skill_id": "w", "caller_id": "a\0"}, "invocation.caller_id: got 'a\\x00'"),
        ({"skill_id": "__root_run__:x", "caller_id": "a"}, "invocation.skill_id: got '__root_run__:x'"),
        ({"skill_id": "w", "caller_id": "a", "run_id": 1}, "invocation.run_id: got 1"),
        ({"skill_id": "w", "caller_id": "a", "root_run_id": "x" * 257}, "invocation.root_run_id: got "),
        (
            {"skill_id": "w", "caller_id": "a", "flags": "abc"},
            "invocation.flags: got 'abc'; allowed is a list of strings",
        ),
        ({"skill_id": "w", "caller_id": "a", "flags": [1]}, "invocation.flags: got [1]"),
        (
            {"skill_id": "w", "caller_id": "a", "is_admin": 1},
            "invocation.is_admin: got 1; allowed is true or false",
        ),
        (
            {"skill_id": "w", "caller_id": "a", "colour": "red"},
            "unknown field 'invocation.colour'; known are skill_id",
        ),
        ("w", "invocation: got 'w'; allowed is an object of skill_id, caller_id"),
    ],
)
def test_what_does_not_fit_an_invocation_is_an_error_that_names_the_field(fields: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Invocation.model_validate(fields)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("field", ["channel_id", "run_id", "root_run_id", "parent_run_id"])
def test_an_id_that_is_empty_is_none(field: str) -> None:
    assert getattr(invocation(**{field: ""}), field) is getattr(invocation(), field) is None
    assert getattr(invocation(**{field: "x:y"}), field) == "x:y"
    with pytest.raises(InvalidArgumentError, match=rf"^invocation\.{field}: got 5; allowed is a str$"):
        invocation(**{field: 5})


@pytest.mark.parametrize("field", ["run_id", "root_run_id", "parent_run_id"])
def test_a_run_may_not_be_the_ledgers_own(field: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^invocation\.{field}: got "):
        invocation(**{field: PURGES})


@pytest.mark.parametrize(
    ("fields", "tree"),
    [
        ({}, None),
        ({"run_id": "r"}, "r"),
        ({"run_id": "r", "parent_run_id": "p"}, "p"),
        ({"run_id": "r", "parent_run_id": "p", "root_run_id": "t"}, "t"),
    ],
)
def test_the_tree_is_the_one_of_whoever_is_named_highest(fields: dict[str, str], tree: str | None) -> None:
    assert invocation(**fields).tree == tree


def test_the_constructor_raises_the_same_errors() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^invocation\.caller_id required$"):
        Invocation(skill_id="w")  # type: ignore[call-arg]


def test_a_call_that_reads_may_use_the_run_scopes_of_those_that_led_to_it() -> None:
    called = invocation(run_id="r-3")
    check_access(called, "run:r-1", lambda: {"r-1", "r-2", "r-3"})
    with pytest.raises(ScopeAccessError):
        check_access(called, "run:r-4", lambda: {"r-1", "r-2", "r-3"})


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({}, "'skill', 'user:ada'"),
        ({"run_id": "r-2"}, "'skill', 'user:ada', 'run:r-2', 'root_run:r-2'"),
        ({"run_id": "r-2", "root_run_id": "r-1"}, "'skill', 'user:ada', 'run:r-2', 'root_run:r-1'"),
    ],
)
@pytest.mark.parametrize("scope", ["user", "run", "mine", ""])
def test_whoever_names_no_scope_is_told_its_own(scope: str, fields: dict[str, str], own: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_access(invocation(**fields), scope)
    assert caught.value.got == scope
    assert caught.value.allowed.endswith(f"; those of this call are {own}")
