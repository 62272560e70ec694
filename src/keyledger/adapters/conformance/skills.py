"""Skills: saved, read as they are and as they were, listed, compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, TypeAlias

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.skill_steps import a_skill, ids, save
from keyledger.domain.errors import (
    InvalidArgumentError,
    LedgerClosedError,
    RevisionConflictError,
    RevisionNotFoundError,
    SkillNotFoundError,
)
from keyledger.domain.ledger import Ledger
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.skills.records import SkillRecord, SkillVersion
from keyledger.domain.skills.skills import Skills

EVERY_FIELD: dict[str, Any] = {
    "name": "Wétter",
    "description": '12 °C\n"quoted"',
    "owner": "ada",
    "system_prompt": "Tell it.",
    "model_tier": "standard:high",
    "schedule": "0 6 * * 1-5",
    "max_iterations": 5,
    "max_tool_calls": 10,
    "max_runtime": 1.5,
    "output_target": {"kind": "channel", "target": "#weather"},
    "input_schema": [{"name": "city", "type": "string", "description": "Which.", "required": True}],
    "tools": ["kv_get", "kv_set"],
    "tags": ["rain", "sun"],
    "visibility": "shared",
    "shared_with": ["bo"],
    "expose_as_chatbot_tool": True,
    "chatbot_tool_name": "weather",
    "chatbot_tool_description": "Tells it.",
    "chatbot_channel_filter": "all",
}
IDS = ["\x01", " ", "A", "a", "a@1", "skill:a", "é", "\uffee", "\U0001f600", "x" * 256]
"""In UTF-8 byte order."""

NO_ID = ["", "x" * 257, "é" * 129, "a\0b", "\ud800", None, 7, b"a", "__root_run__", "__root_run__:r-1"]
NO_ACTOR = ["", "x" * 257, "system:x", 7, "\ud800"]
NO_BYTES = [-1, 2**63, 1.0, True, "1"]
NO_FLAG = [None, 1, "yes"]
NO_TEXT = [None, 7, b"ada", "\ud800", "a\0b"]
NO_LIMIT = [0, -1, 1_001, 1.0, True, "1", None]
NO_OFFSET = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
NO_MOMENT = [-1, 2**63, 1.5, True, "1", "2026-01-01", NO_OFFSET, START.date(), START + timedelta(days=1)]

Case: TypeAlias = tuple[str, Callable[[Skills, Any], object], list[Any]]
"""A field, a call, and what it must not be called with."""

ARGUMENTS: list[Case] = [
    ("skill_id", lambda skills, bad: skills.save(bad, a_skill()), NO_ID),
    ("skill_id", lambda skills, bad: skills.get(bad), NO_ID),
    ("skill_id", lambda skills, bad: skills.get(bad, at=1), NO_ID),
    ("skill_id", lambda skills, bad: skills.history(bad), NO_ID),
    ("skill_id", lambda skills, bad: skills.diff(bad, 1), NO_ID),
    ("skill_id", lambda skills, bad: skills.archive(bad), NO_ID),
    ("skill_id", lambda skills, bad: skills.grant_quota(bad, 5), NO_ID),
    ("skill_id", lambda skills, bad: skills.grant_extended_bounds(bad), NO_ID),
    ("actor", lambda skills, bad: skills.save("weather", a_skill(name="New"), actor=bad), NO_ACTOR),
    ("actor", lambda skills, bad: skills.archive("weather", actor=bad), NO_ACTOR),
    ("actor", lambda skills, bad: skills.grant_quota("weather", 5, actor=bad), NO_ACTOR),
    ("actor", lambda skills, bad: skills.grant_extended_bounds("weather", actor=bad), NO_ACTOR),
    ("if_revision", lambda skills, bad: skills.save("weather", a_skill(), if_revision=bad), NO_BYTES),
    ("author_is_admin", lambda skills, bad: skills.save("weather", a_skill(), author_is_admin=bad), NO_FLAG),
    ("is_builtin", lambda skills, bad: skills.save("weather", a_skill(), is_builtin=bad), NO_FLAG),
    ("max_bytes", lambda skills, bad: skills.grant_quota("weather", bad), NO_BYTES),
    ("granted", lambda skills, bad: skills.grant_extended_bounds("weather", bad), NO_FLAG),
    ("at", lambda skills, bad: skills.get("weather", at=bad), NO_MOMENT),
    ("before", lambda skills, bad: skills.diff("weather", bad), [None, *NO_MOMENT]),
    ("after", lambda skills, bad: skills.diff("weather", 1, bad), NO_MOMENT),
    ("limit", lambda skills, bad: skills.list(limit=bad), NO_LIMIT),
    ("limit", lambda skills, bad: skills.history("weather", limit=bad), NO_LIMIT),
    ("before", lambda skills, bad: skills.history("weather", before=bad), NO_BYTES),
    ("owner", lambda skills, bad: skills.list(owner=bad), NO_TEXT),
    ("tag", lambda skills, bad: skills.list(tag=bad), [" ", "\n\t", *NO_TEXT]),
    ("visibility", lambda skills, bad: skills.list(visibility=bad), ["secret", "Public", " ", *NO_TEXT]),
    ("include_archived", lambda skills, bad: skills.list(include_archived=bad), NO_FLAG),
    ("after", lambda skills, bad: skills.list(after=bad), ["x" * 257, *NO_TEXT]),
]

EVERYTHING: list[Callable[[Skills], object]] = [
    lambda skills: skills.save("weather", a_skill(name="New")),
    lambda skills: skills.get("weather"),
    lambda skills: skills.get("weather", at=1),
    lambda skills: skills.list(),
    lambda skills: skills.history("weather"),
    lambda skills: skills.diff("weather", 1),
    lambda skills: skills.archive("weather"),
    lambda skills: skills.grant_quota("weather", 5),
    lambda skills: skills.grant_extended_bounds("weather"),
]


class _OwnSkill(Skill):
    extra: str = "x"


class SkillContract(Fixtures):
    """What a ledger does with skills."""

    # ---------------------------------------------------------------------------------------- save

    def test_a_skill_is_saved_with_all_that_its_author_wrote(self, skills: Skills, clock: ManualClock) -> None:
        saved = skills.save("weather", EVERY_FIELD, actor="ada")
        assert saved == SkillRecord(
            id="weather",
            skill=Skill(**EVERY_FIELD),
            revision=1,
            saved_revision=1,
            created_at=clock.now(),
            saved_at=clock.now(),
            saved_by="ada",
            trusted=False,
            tier="default",
            extended_bounds=False,
            quota_bytes=None,
            archived=False,
        )
        assert skills.get("weather") == saved
        assert saved.skill.model_dump(mode="json") == EVERY_FIELD

    def test_a_skill_that_was_never_saved_is_none(self, skills: Skills) -> None:
        assert skills.get("weather") is None
        assert skills.get("weather", at=0) is None
        assert skills.get("weather", at=START) is None

    def test_a_skill_comes_as_a_skill_or_as_a_mapping_of_its_fields(self, skills: Skills) -> None:
        plain = {"name": "Weather", "system_prompt": "Tell the weather."}
        for given in (a_skill(), plain, MappingProxyType(plain)):
            assert skills.save("weather", given).revision == 1

    @pytest.mark.parametrize("given", [None, 5, "x", [], [("name", "a")], b"{}"])
    def test_what_is_no_skill_is_refused(self, skills: Skills, given: Any) -> None:
        with pytest.raises(InvalidArgumentError) as refused:
            skills.save("weather", given)
        assert (refused.value.field, refused.value.got) == ("skill", given)

    @pytest.mark.parametrize("given", [{"nme": "Weather"}, _OwnSkill(name="Weather", system_prompt="Tell it.")])
    def test_a_field_that_no_skill_has_is_refused(self, skills: Skills, given: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="unknown field"):
            skills.save("weather", given)
        assert skills.get("weather") is None

    def test_a_skill_is_saved_as_it_is_normalised(self, skills: Skills) -> None:
        saved = save(skills, tags=(" Rain", "rain", ""), schedule=" daily ")
        assert (saved.skill.tags, saved.skill.schedule) == (("rain",), "daily")
        assert skills.get("weather") == saved

    @pytest.mark.parametrize("before", [False, True])
    def test_a_skill_that_breaks_a_rule_leaves_nothing(self, skills: Skills, *, before: bool) -> None:
        if before:
            save(skills)
        for wrong in ({"name": " "}, {"schedule": "* * * * *"}, {"max_iterations": 13}, {"tags": ["x"] * 17}):
            with pytest.raises(InvalidArgumentError) as refused:
                save(skills, **wrong)
            assert refused.value.field == next(iter(wrong))
        assert len(skills.list().items) == len(skills.history("weather").items) == before

    def test_a_skill_is_judged_by_the_ledgers_options(self, reopen: Callable[..., Ledger]) -> None:
        options = ValidateOptions(model_tiers=("local",), min_interval_minutes=60, default_max_iterations=3)
        skills = reopen(skill_options=options).skills
        assert save(skills, model_tier="local", schedule="0 * * * *", max_iterations=3).revision == 1
        for wrong in ({"max_iterations": 4}, {"schedule": "*/30 * * * *"}):
            with pytest.raises(InvalidArgumentError):
                save(skills, **wrong)

    def test_options_that_are_none_are_refused(self, reopen: Callable[..., Ledger]) -> None:
        with pytest.raises(InvalidArgumentError, match="skill_options"):
            reopen(skill_options={"model_tiers": ["local"]})

    def test_a_trusted_author_may_more_and_the_next_one_is_judged_anew(self, skills: Skills) -> None:
        much = a_skill(max_iterations=500)
        for flags in ({"author_is_admin": True}, {"is_builtin": True}):
            record = skills.save("weather", much, **flags)  # type: ignore[arg-type]  # flags are bools
            assert (record.revision, record.trusted, record.tier) == (1, True, "extended")
        with pytest.raises(InvalidArgumentError, match="max_iterations"):
            skills.save("weather", much)
        assert save(skills).tier == "default"

    def test_what_says_nothing_new_makes_no_revision(self, skills: Skills, clock: ManualClock) -> None:
        first = save(skills, tags=("rain",))
        clock.advance(5)
        assert save(skills, tags=("RAIN",)) == first
        assert len(skills.history("weather").items) == 1

    def test_each_save_is_a_revision(self, skills: Skills, clock: ManualClock) -> None:
        first = save(skills)
        clock.advance(5)
        second = skills.save("weather", a_skill(name="New"), actor="bo")
        assert (second.revision, second.saved_revision, second.saved_by) == (2, 2, "bo")
        assert (second.created_at, second.saved_at) == (first.created_at, clock.now())

    def test_a_save_can_be_bound_to_a_revision(self, skills: Skills) -> None:
        assert skills.save("weather", a_skill(), if_revision=0).revision == 1
        assert skills.save("weather", a_skill(name="New"), if_revision=1).revision == 2
        for expected in (0, 1, 3):
            with pytest.raises(RevisionConflictError) as refused:
                skills.save("weather", a_skill(name="Other"), if_revision=expected)
            assert (refused.value.key, refused.value.expected, refused.value.found) == ("weather", expected, 2)

    def test_a_skill_is_seen_by_every_ledger_on_the_database(
        self, skills: Skills, reopen: Callable[..., Ledger]
    ) -> None:
        saved, other = save(skills), reopen().skills
        assert other.get("weather") == saved
        assert save(other, name="New").revision == 2
        assert save(skills, name="Newer").revision == 3

    def test_time_never_goes_back_in_a_skill(self, skills: Skills, clock: ManualClock) -> None:
        save(skills)
        clock.advance(-3_600)
        assert save(skills, name="New").saved_at == START
        assert skills.get("weather", at=START) is not None

    # ----------------------------------------------------------------------------------- archiving

    def test_an_archived_skill_stays_readable_and_comes_back_with_a_save(self, skills: Skills) -> None:
        save(skills)
        archived = skills.archive("weather", actor="bo")
        assert (archived.archived, archived.revision, archived.saved_revision) == (True, 2, 1)
        assert skills.archive("weather") == archived == skills.get("weather")
        back = save(skills)
        assert (back.archived, back.revision, back.saved_revision) == (False, 3, 3)

    @pytest.mark.parametrize(
        "change",
        [
            lambda skills: skills.archive("weather"),
            lambda skills: skills.grant_quota("weather", 5),
            lambda skills: skills.grant_quota("weather", None),
            lambda skills: skills.grant_extended_bounds("weather"),
            lambda skills: skills.diff("weather", 0),
        ],
    )
    def test_what_was_never_saved_is_not_found(self, skills: Skills, change: Callable[[Skills], object]) -> None:
        save(skills, "other")
        with pytest.raises(SkillNotFoundError, match="'weather'") as refused:
            change(skills)
        assert refused.value.skill_id == "weather"
        assert ids(skills.list(include_archived=True)) == ["other"]

    # ---------------------------------------------------------------------------------------- list

    def test_skills_are_listed_in_byte_order_of_their_ids(self, skills: Skills) -> None:
        for skill_id in reversed(IDS):
            save(skills, skill_id)
        assert ids(skills.list()) == sorted(IDS, key=str.encode)
        assert [skills.get(skill_id) for skill_id in ids(skills.list())] == list(skills.list())

    def test_skills_come_in_pages(self, skills: Skills) -> None:
        for skill_id in ("a", "b", "c", "d", "e"):
            save(skills, skill_id)
        page = skills.list(limit=2)
        assert (ids(page), page.next) == (["a", "b"], "b")
        page = skills.list(limit=2, after="b")
        assert (ids(page), page.next) == (["c", "d"], "d")
        page = skills.list(limit=2, after="d")
        assert (ids(page), page.next) == (["e"], None)
        assert ids(skills.list(after="bb")) == ["c", "d", "e"]
        assert skills.list(limit=5).next is None

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, ["a", "b", "c"]),
            ({"owner": "ada"}, ["a", "b"]),
            ({"owner": "ad"}, []),
            ({"owner": "%"}, []),
            ({"owner": "o'hara"}, ["c"]),
            ({"tag": "rain"}, ["a", "c"]),
            ({"tag": " RAIN "}, ["a", "c"]),
            ({"tag": "rai"}, []),
            ({"tag": '"'}, ["b"]),
            ({"visibility": "public"}, ["b", "c"]),
            ({"visibility": "shared"}, []),
            ({"owner": "ada", "tag": "rain"}, ["a"]),
            ({"owner": "ada", "visibility": "public", "tag": '"'}, ["b"]),
            ({"owner": "ada", "include_archived": True}, ["a", "b", "d"]),
            ({"tag": "rain", "include_archived": True, "after": "a"}, ["c", "d"]),
            ({"tag": "rain", "limit": 1}, ["a"]),
        ],
    )
    def test_a_list_may_be_narrowed(self, skills: Skills, wanted: dict[str, Any], found: list[str]) -> None:
        save(skills, "a", owner="ada", tags=["sun", "rain"])
        save(skills, "b", owner="ada", tags=['"'], visibility="public")
        save(skills, "c", owner="o'hara", tags=["rain"], visibility="public")
        save(skills, "d", owner="ada", tags=["rain"])
        skills.archive("d")
        assert ids(skills.list(**wanted)) == found

    def test_a_list_follows_what_is_saved_anew(self, skills: Skills) -> None:
        save(skills, owner="ada", tags=["rain"])
        save(skills, owner="bo", tags=["sun"])
        assert ids(skills.list(owner="ada")) == ids(skills.list(tag="rain")) == []
        assert ids(skills.list(owner="bo", tag="sun")) == ["weather"]

    # --------------------------------------------------------------------------------------- the past

    def test_a_history_tells_each_change_newest_first(self, skills: Skills, clock: ManualClock) -> None:
        save(skills)
        clock.advance(5)
        skills.grant_quota("weather", 5, actor="bo")
        skills.grant_extended_bounds("weather")
        skills.grant_quota("weather", None)
        skills.archive("weather")
        skills.save("weather", a_skill(name="New"), author_is_admin=True)
        now = clock.now()
        assert skills.history("weather").items == (
            SkillVersion(6, "save", now, None, a_skill(name="New"), trusted=True),
            SkillVersion(5, "archive", now, None),
            SkillVersion(4, "quota", now, None),
            SkillVersion(3, "extended_bounds", now, None, extended_bounds=True),
            SkillVersion(2, "quota", now, "bo", quota_bytes=5),
            SkillVersion(1, "save", START, "ada", a_skill(), trusted=False),
        )

    def test_a_history_comes_in_pages(self, skills: Skills) -> None:
        for number in range(5):
            save(skills, name=f"n{number}")
        page = skills.history("weather", limit=2)
        assert ([each.revision for each in page], page.next) == ([5, 4], 4)
        page = skills.history("weather", limit=2, before=4)
        assert ([each.revision for each in page], page.next) == ([3, 2], 2)
        page = skills.history("weather", limit=2, before=2)
        assert ([each.revision for each in page], page.next) == ([1], None)
        assert [each.revision for each in skills.history("weather", before=99, limit=5)] == [5, 4, 3, 2, 1]
        for before in (0, 1):
            assert (skills.history("weather", before=before).items, page.next) == ((), None)
        assert skills.history("never").items == ()

    def test_each_revision_can_be_read_again(self, skills: Skills) -> None:
        told = [
            save(skills),
            skills.grant_quota("weather", 5),
            save(skills, name="New"),
            skills.archive("weather"),
        ]
        told += [skills.grant_extended_bounds("weather"), save(skills, max_iterations=13)]
        assert [skills.get("weather", at=revision) for revision in range(1, 7)] == told
        assert skills.get("weather", at=0) is None
        with pytest.raises(RevisionNotFoundError) as refused:
            skills.get("weather", at=7)
        assert (refused.value.revision, refused.value.head) == (7, 6)

    def test_each_time_can_be_read_again(self, skills: Skills, clock: ManualClock) -> None:
        clock.advance(10)
        first = save(skills)
        clock.advance(10)
        second = save(skills, name="New")
        clock.advance(10)
        at = {
            seconds: skills.get("weather", at=START + timedelta(seconds=seconds))
            for seconds in (9, 10, 19, 20, 30)
        }
        assert at == {9: None, 10: first, 19: first, 20: second, 30: second}
        elsewhere = (START + timedelta(seconds=15)).astimezone(timezone(timedelta(hours=-5)))
        assert skills.get("weather", at=elsewhere) == first

    def test_a_time_of_a_skill_that_has_not_come_is_refused(self, skills: Skills, clock: ManualClock) -> None:
        save(skills)
        with pytest.raises(InvalidArgumentError, match="a time that has come"):
            skills.get("weather", at=clock.now() + timedelta(seconds=1))

    def test_two_revisions_are_compared(self, skills: Skills) -> None:
        first = save(skills, tags=["rain"])
        second = save(skills, name="New", tags=["rain", "sun"])
        third = skills.grant_quota("weather", 5)
        found = skills.diff("weather", 1, 2)
        assert (found.before, found.after) == (first, second)
        name = {"op": "replace", "path": "/name", "value": "New"}
        tag = {"op": "add", "path": "/tags/1", "value": "sun"}
        assert sorted(found.patch, key=str) == sorted([name, tag], key=str)
        assert skills.diff("weather", 1).after == third
        assert skills.diff("weather", 2, 3).patch == ()
        assert skills.diff("weather", 2, 1).patch != ()

    def test_two_times_are_compared(self, skills: Skills, clock: ManualClock) -> None:
        save(skills)
        clock.advance(10)
        save(skills, name="New")
        patch = ({"op": "replace", "path": "/name", "value": "New"},)
        assert skills.diff("weather", START, clock.now()).patch == skills.diff("weather", START).patch == patch
        before = START - timedelta(seconds=1)
        with pytest.raises(SkillNotFoundError, match="'weather' was not saved yet at 20") as refused:
            skills.diff("weather", before)
        assert refused.value.at == before
        with pytest.raises(SkillNotFoundError, match="'weather' was not saved yet at revision 0"):
            skills.diff("weather", 1, 0)
        with pytest.raises(RevisionNotFoundError):
            skills.diff("weather", 1, 3)

    @pytest.mark.parametrize("moments", [(1, 2), (1,), (0,), (START,), (START, 1)])
    def test_a_skill_that_was_never_saved_is_not_found_by_a_comparison(
        self, skills: Skills, moments: tuple[int | datetime, ...]
    ) -> None:
        with pytest.raises(SkillNotFoundError, match="no skill 'ghost' was saved"):
            skills.diff("ghost", *moments)

    # ----------------------------------------------------------------------------------- arguments

    def test_what_is_no_moment_is_told_what_is_one(self, skills: Skills) -> None:
        with pytest.raises(InvalidArgumentError, match="at: got '1'; allowed is a revision or an aware datetime"):
            skills.get("weather", at="1")  # type: ignore[arg-type]

    def test_lists_know_the_visibilities_of_the_host(self, reopen: Callable[..., Ledger]) -> None:
        with reopen(skill_options=ValidateOptions(visibilities=("team",))) as ledger:
            save(ledger.skills, visibility="team")
            assert ids(ledger.skills.list(visibility="team")) == ["weather"]
            with pytest.raises(InvalidArgumentError, match="one of private, shared, public, team"):
                ledger.skills.list(visibility="foo")

    def test_an_id_is_any_name_of_a_partition(self, skills: Skills) -> None:
        assert [save(skills, skill_id).id for skill_id in IDS] == IDS
        assert [skills.archive(skill_id).revision for skill_id in IDS] == [2] * len(IDS)

    @pytest.mark.parametrize(
        ("field", "call", "wrong"),
        ARGUMENTS,
        ids=[f"{field}-{number}" for number, (field, _, _) in enumerate(ARGUMENTS)],
    )
    def test_an_argument_of_skills_outside_what_is_allowed_is_refused(
        self, skills: Skills, field: str, call: Callable[[Skills, Any], object], wrong: list[Any]
    ) -> None:
        before = save(skills)
        for bad in wrong:
            with pytest.raises(InvalidArgumentError) as refused:
                call(skills, bad)
            assert refused.value.field == field, bad
        assert skills.get("weather") == before

    def test_the_skills_of_a_closed_ledger_say_that_it_is_closed(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()
        skills = ledger.skills
        save(skills)
        ledger.close()
        for call in EVERYTHING:
            with pytest.raises(LedgerClosedError):
                call(skills)

    def test_a_rebuild_finds_skills_as_they_stand(self, ledger: Ledger, skills: Skills) -> None:
        for skill_id in IDS:
            save(skills, skill_id, tags=["rain"])
        skills.grant_quota("a", 5)
        skills.archive("a")
        before = skills.list(include_archived=True)
        seen: list[tuple[int, int]] = []
        report = ledger.rebuild(progress=lambda done, total: seen.append((done, total)))
        events = len(IDS) + 2 + 1
        assert (report.skills, report.partitions, report.events, report.differences) == (len(IDS), 1, events, ())
        assert seen[-1] == (events, events)
        assert skills.list(include_archived=True) == before
