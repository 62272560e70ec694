"""What is granted to skills: caps of the extended tier, and quotas, carried over to their partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.skill_steps import a_skill, carried, quota_changes, save
from keyledger.adapters.conformance.unfinished_forks import interrupted
from keyledger.domain.errors import (
    ForkIncompleteError,
    InvalidArgumentError,
    NamespaceQuotaExceededError,
    NewerLedgerError,
    StorageUnavailableError,
    UnreadableError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.skills.records import SkillRecord
from keyledger.domain.skills.skills import Skills

MIB = 1_048_576
TIERS = {"default": 10, "extended": 20}


def unavailable(*_: Any) -> NoReturn:
    """In the place of anything of a storage."""
    raise StorageUnavailableError("gone")


def grant_and_lose(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, max_bytes: int | None, skill_id: str = "weather"
) -> SkillRecord:
    """Grant a quota, and lose the storage before the partition has it."""
    with monkeypatch.context() as patched:
        patched.setattr(ledger.storage.skills, "events", unavailable)
        return ledger.skills.grant_quota(skill_id, max_bytes, actor="root")


NOT_YET = "skill:{}: its quota is not carried to its partition yet, the next sweep tries: {}"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log was told."""
    return [record.getMessage() for record in caplog.records if record.name == "keyledger"]


def failing(load: Callable[[str], Any], wrong: Mapping[str, Exception]) -> Callable[[str], Any]:
    """``load``, but for the skills with which something is wrong."""

    def instead(stream: str) -> Any:
        if error := wrong.get(stream.removeprefix("skill:")):
            raise error
        return load(stream)

    return instead


class SkillGrantContract(Fixtures):
    """What a grant does, and when."""

    # -------------------------------------------------------------------------------------- bounds

    def test_extended_bounds_let_a_skill_be_saved_with_more(self, skills: Skills) -> None:
        save(skills)
        with pytest.raises(InvalidArgumentError, match="ask an admin to grant extended_bounds"):
            save(skills, max_iterations=13)
        granted = skills.grant_extended_bounds("weather", actor="root")
        assert (granted.extended_bounds, granted.tier, granted.revision) == (True, "extended", 2)
        assert save(skills, max_iterations=13).tier == "extended"
        revoked = skills.grant_extended_bounds("weather", granted=False)
        assert (revoked.skill.max_iterations, revoked.tier, revoked.revision) == (13, "default", 4)
        with pytest.raises(InvalidArgumentError):
            save(skills, max_iterations=13, name="New")

    def test_bounds_that_are_granted_already_make_no_revision(self, skills: Skills) -> None:
        save(skills)
        for _ in range(2):
            assert skills.grant_extended_bounds("weather").revision == 2

    # --------------------------------------------------------------------------------------- quota

    def test_a_quota_reaches_the_partition_as_an_event_of_its_own(self, ledger: Ledger, skills: Skills) -> None:
        kv = ledger.partition("weather")
        kv.set("a", 1)
        save(skills)
        record = skills.grant_quota("weather", 100, actor="root")
        assert (record.quota_bytes, record.revision, kv.usage().max_bytes) == (100, 2, 100)
        (change,) = quota_changes(ledger)
        told = (change.request_id, change.max_bytes, change.changed_by, change.originator_version)
        assert told == ("skill:weather@2", 100, "root", 2)
        with pytest.raises(NamespaceQuotaExceededError) as refused:
            kv.set("b", "x" * 100)
        assert refused.value.max == 100

    @pytest.mark.parametrize("skill_id", ["a@b", "skill:a@7", "@", "é", "x" * 256])
    def test_a_skill_of_any_id_is_granted_its_quota_once(self, ledger: Ledger, skill_id: str) -> None:
        save(ledger.skills, skill_id)
        for max_bytes in (100, 200):
            ledger.skills.grant_quota(skill_id, max_bytes)
            assert ledger.partition(skill_id).usage().max_bytes == max_bytes
        assert ledger.sweep().grants_carried == 0
        told = [(f"skill:{skill_id}@2", 100), (f"skill:{skill_id}@3", 200)]
        assert carried(ledger, skill_id) == told

    def test_a_quota_of_nothing_lets_nothing_in(self, ledger: Ledger, skills: Skills) -> None:
        save(skills)
        skills.grant_quota("weather", 0)
        with pytest.raises(NamespaceQuotaExceededError):
            ledger.partition("weather").set("a", 1)

    def test_a_quota_is_carried_also_where_it_changes_nothing(self, ledger: Ledger, skills: Skills) -> None:
        ledger.partition("weather").set_quota(100)
        save(skills)
        skills.grant_quota("weather", 100)
        assert [change.max_bytes for change in quota_changes(ledger)] == [100, 100]
        assert ledger.sweep().grants_carried == 0

    def test_a_grant_that_is_taken_back_leaves_the_configured_quota(self, ledger: Ledger, skills: Skills) -> None:
        save(skills)
        skills.grant_quota("weather", 100)
        assert skills.grant_quota("weather", None).quota_bytes is None
        assert ledger.partition("weather").usage().max_bytes == MIB
        assert carried(ledger) == [("skill:weather@2", 100), ("skill:weather@3", None)]

    def test_a_skill_that_comes_back_has_what_was_granted_to_it(self, ledger: Ledger, skills: Skills) -> None:
        save(skills)
        skills.grant_quota("weather", 100)
        skills.grant_extended_bounds("weather")
        skills.archive("weather")
        back = save(skills, max_iterations=13)
        assert (back.archived, back.quota_bytes, back.extended_bounds, back.tier) == (False, 100, True, "extended")
        assert skills.get("weather") == back
        assert ledger.partition("weather").usage().max_bytes == 100
        assert ledger.rebuild().differences == ()

    def test_an_archived_skill_keeps_its_quota(self, ledger: Ledger, skills: Skills) -> None:
        save(skills)
        skills.grant_quota("weather", 100)
        skills.archive("weather")
        assert ledger.partition("weather").usage().max_bytes == 100
        assert skills.grant_quota("weather", 200).archived
        assert ledger.partition("weather").usage().max_bytes == 200

    def test_a_quota_outlives_the_partitions_entries(self, ledger: Ledger, skills: Skills) -> None:
        kv = ledger.partition("weather")
        kv.set("a", 1)
        save(skills)
        ledger.delete_partition("weather")
        skills.grant_quota("weather", 100)
        kv.set("a", 1)
        ledger.delete_partition("weather")
        assert kv.usage().max_bytes == 100
        assert ledger.sweep().grants_carried == 0

    # ------------------------------------------------------------------------------------ by hand

    def test_a_quota_set_by_hand_after_a_grant_stays(self, ledger: Ledger, skills: Skills) -> None:
        kv = ledger.partition("weather")
        save(skills)
        skills.grant_quota("weather", 100)
        for by_hand in (50, None, 60):
            kv.set_quota(by_hand)
            assert ledger.sweep().grants_carried == 0
            assert kv.usage().max_bytes == (MIB if by_hand is None else by_hand)

    def test_a_grant_said_again_goes_over_a_quota_that_was_set_by_hand(
        self, ledger: Ledger, skills: Skills
    ) -> None:
        kv = ledger.partition("weather")
        save(skills)
        skills.grant_quota("weather", 100)
        for revision, by_hand in enumerate((50, None, 60), 3):
            kv.set_quota(by_hand)
            assert skills.grant_quota("weather", 100).revision == revision
            assert kv.usage().max_bytes == 100

    def test_a_grant_that_is_taken_back_brings_no_quota_back_that_was_set_by_hand(
        self, ledger: Ledger, skills: Skills
    ) -> None:
        kv = ledger.partition("weather")
        kv.set_quota(50)
        save(skills)
        skills.grant_quota("weather", None)
        assert kv.usage().max_bytes == MIB
        kv.set_quota(60)
        skills.grant_quota("weather", 100)
        skills.grant_quota("weather", None)
        assert kv.usage().max_bytes == MIB

    def test_a_quota_set_by_hand_cannot_pass_for_a_grant(self, ledger: Ledger, kv: Partition) -> None:
        for request_id in ("skill:weather@9", "skill:", "skill:x"):
            with pytest.raises(InvalidArgumentError) as refused:
                kv.set_quota(5, request_id=request_id)
            assert refused.value.field == "request_id"
        assert kv.set_quota(5, request_id="skills:weather@9").max_bytes == 5
        save(ledger.skills)
        ledger.skills.grant_quota("weather", 100)
        assert kv.usage().max_bytes == 100

    def test_a_key_written_under_such_an_id_does_not_stand_for_a_grant(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 1, request_id="skill:weather@2")
        save(ledger.skills)
        ledger.skills.grant_quota("weather", 100)
        assert kv.usage().max_bytes == 100

    # --------------------------------------------------------------------------------- in between

    def test_a_grant_that_is_saved_and_not_carried_over_is_no_error_and_told_to_the_log(
        self,
        ledger: Ledger,
        reopen: Callable[..., Ledger],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        save(ledger.skills)
        granted = grant_and_lose(ledger, monkeypatch, 100)
        assert told(caplog) == [NOT_YET.format("weather", "gone")]
        assert (granted.revision, granted.quota_bytes, quota_changes(ledger)) == (2, 100, [])
        assert ledger.skills.get("weather") == granted
        other = reopen()
        assert [other.sweep().grants_carried for _ in range(2)] == [1, 0]
        (change,) = quota_changes(ledger)
        assert (change.request_id, change.max_bytes, change.changed_by) == ("skill:weather@2", 100, "root")
        assert ledger.partition("weather").usage().max_bytes == 100

    def test_a_grant_that_was_not_carried_over_may_be_said_again(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(ledger.skills)
        grant_and_lose(ledger, monkeypatch, 100)
        assert ledger.skills.grant_quota("weather", 100).revision == 3
        assert carried(ledger) == [("skill:weather@3", 100)]
        assert ledger.sweep().grants_carried == 0

    def test_a_grant_that_cannot_be_read_holds_up_no_other(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = {"a": UnreadableError("the row", "torn"), "b": NewerLedgerError("this")}
        for skill_id in "abcd":
            save(ledger.skills, skill_id)
            grant_and_lose(ledger, monkeypatch, 100, skill_id)
        caplog.clear()
        with monkeypatch.context() as patched:
            load = ledger.storage.skills.load
            patched.setattr(ledger.storage.skills, "load", failing(load, wrong))
            assert ledger.sweep().grants_carried == 2
        assert told(caplog) == [NOT_YET.format(skill_id, wrong[skill_id]) for skill_id in wrong]
        assert [ledger.partition(skill_id).usage().max_bytes for skill_id in "abcd"] == [MIB, MIB, 100, 100]
        assert ledger.sweep().grants_carried == 2

    @pytest.mark.parametrize("revision", [1, 3, 9])
    def test_a_row_that_names_another_event_as_its_grant_is_told_and_skipped(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, revision: int
    ) -> None:
        save(ledger.skills)
        grant_and_lose(ledger, monkeypatch, 100)
        save(ledger.skills, name="New")
        caplog.clear()
        damaged = ledger.storage.skills.load("skill:weather")._replace(quota_revision=revision)
        with monkeypatch.context() as patched:
            patched.setattr(ledger.storage.skills, "load", lambda _: damaged)
            assert ledger.sweep().grants_carried == 0
        (line,) = told(caplog)
        assert f"the row of 'skill:weather' cannot be read (revision {revision} grants no quota)" in line
        assert ledger.sweep().grants_carried == 1

    def test_a_sweep_stops_where_the_storage_is_gone(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(ledger.skills)
        grant_and_lose(ledger, monkeypatch, 100)
        monkeypatch.setattr(ledger.storage.skills, "load", unavailable)
        with pytest.raises(StorageUnavailableError):
            ledger.sweep()

    def test_of_several_grants_that_were_left_the_last_one_is_carried(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(ledger.skills)
        for max_bytes in (100, None, 300):
            grant_and_lose(ledger, monkeypatch, max_bytes)
        assert ledger.sweep().grants_carried == 1
        assert carried(ledger) == [("skill:weather@4", 300)]

    def test_a_sweep_carries_up_to_its_limit(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        skills = ledger.skills
        names = [f"s{number:03}" for number in range(103)]
        for name in names:
            save(skills, name)
            grant_and_lose(ledger, monkeypatch, 7, name)
        skills.archive("s000")
        done = [
            (report.grants_carried, report.complete)
            for report in (ledger.sweep(limit=101), ledger.sweep(limit=101))
        ]
        assert done == [(101, False), (2, True)]
        assert {ledger.partition(name).usage().max_bytes for name in names} == {7}

    def test_a_fork_that_is_not_finished_gets_its_grant_when_it_is(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        source = ledger.partition("source")
        source.set("a", 1)
        save(ledger.skills)
        interrupted(source, "weather", ledger, monkeypatch, commits=1)
        assert ledger.skills.grant_quota("weather", 100).quota_bytes == 100
        assert (ledger.sweep().grants_carried, quota_changes(ledger)) == (0, [])
        assert told(caplog) == [NOT_YET.format("weather", ForkIncompleteError("weather"))] * 2
        fork = source.fork("weather")
        assert ledger.sweep().grants_carried == 1
        assert fork.usage().max_bytes == 100

    # --------------------------------------------------------------------------------------- tiers

    def test_a_quota_is_the_granted_one_else_the_tiers_else_the_configured_one(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledger = reopen(tier_quotas=TIERS, quota=15)
        kv, skills = ledger.partition("weather"), ledger.skills

        def in_force() -> list[int | None]:
            (listed,) = [each.usage.max_bytes for each in ledger.partitions() if each.id == "weather"] or [None]
            with pytest.raises(NamespaceQuotaExceededError) as refused:
                kv.set("big", "x" * 1_000)
            assert refused.value.max == kv.usage().max_bytes
            return [refused.value.max, kv.at().usage().max_bytes, listed]

        kv.set("a", 1)
        assert in_force() == [15, 15, 15]
        save(skills)
        assert in_force() == [10, 10, 10]
        skills.grant_extended_bounds("weather")
        assert in_force() == [20, 20, 20]
        skills.grant_quota("weather", 5)
        assert in_force() == [5, 5, 5]
        skills.grant_quota("weather", None)
        assert in_force() == [20, 20, 20]
        skills.grant_extended_bounds("weather", granted=False)
        assert in_force() == [10, 10, 10]
        skills.save("weather", a_skill(), is_builtin=True)
        assert in_force() == [20, 20, 20]

    def test_a_tier_that_is_left_out_has_the_configured_quota(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(tier_quotas={"extended": 20}, quota=15)
        save(ledger.skills)
        assert ledger.partition("weather").usage().max_bytes == 15
        ledger.skills.grant_extended_bounds("weather")
        assert ledger.partition("weather").usage().max_bytes == 20

    def test_a_tier_is_looked_up_for_each_write(self, ledger: Ledger, reopen: Callable[..., Ledger]) -> None:
        save(ledger.skills)
        kv = reopen(tier_quotas=TIERS).partition("weather")
        kv.set("a", "x" * 8)
        with pytest.raises(NamespaceQuotaExceededError), kv.batch() as batch:
            batch.set("b", 1)
        ledger.skills.grant_extended_bounds("weather")
        with kv.batch() as batch:
            batch.set("b", "x" * 8)
        with pytest.raises(NamespaceQuotaExceededError) as refused:
            kv.increment("n")
        assert refused.value.max == 20
        assert kv.set("shared", "x" * 100, scope="root_run:r-0").revision == 1

    def test_what_stands_in_the_way_of_the_lookup_is_told_as_such(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = reopen(tier_quotas=TIERS)
        kv = ledger.partition("weather")
        monkeypatch.setattr(ledger.storage.skills, "tier", unavailable)
        with pytest.raises(StorageUnavailableError) as refused:
            kv.set("a", 1)
        assert refused.value.during == "quota lookup"
        assert kv.get("a") is None

    def test_a_dry_run_has_the_tiers_that_are_here_until_it_has_its_own(
        self, ledger: Ledger, reopen: Callable[..., Ledger]
    ) -> None:
        save(ledger.skills)
        with reopen(tier_quotas=TIERS).dry_run() as dry:
            kv = dry.partition("weather")
            assert kv.usage().max_bytes == 10
            dry.skills.grant_extended_bounds("weather")
            assert kv.usage().max_bytes == 20
            assert dry.partition("ghost").usage().max_bytes == MIB

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            (5, "tier_quotas"),
            ([("default", 5)], "tier_quotas"),
            ({"gold": 5}, "tier_quotas"),
            ({"default": -1}, "tier_quotas.default"),
            ({"extended": None}, "tier_quotas.extended"),
            ({"default": True}, "tier_quotas.default"),
        ],
    )
    def test_quotas_of_tiers_that_are_none_are_refused(
        self, reopen: Callable[..., Ledger], wrong: Any, field: str
    ) -> None:
        with pytest.raises(InvalidArgumentError) as refused:
            reopen(tier_quotas=wrong)
        assert refused.value.field == field

    # ------------------------------------------------------------------------------------ dry runs

    def test_a_dry_run_has_the_skills_that_are_here_and_keeps_its_own(
        self, ledger: Ledger, skills: Skills, clock: ManualClock
    ) -> None:
        first = save(skills)
        second = save(skills, "news", tags=["rain"])
        with ledger.dry_run() as dry:
            assert dry.skills.get("weather") == first
            assert list(dry.skills.list()) == [second, first]
            assert list(dry.skills.list(tag="rain")) == [second]
            assert dry.skills.history("weather") == skills.history("weather")
            clock.advance(5)
            assert save(dry.skills, name="New").revision == 2
            assert save(dry.skills, "fares").revision == 1
            dry.skills.archive("news")
            assert dry.skills.grant_quota("weather", 100).revision == 3
            assert dry.partition("weather").usage().max_bytes == 100
            assert [record.id for record in dry.skills.list()] == ["fares", "weather"]
            assert dry.rebuild().differences == ()
        assert list(skills.list()) == [second, first]
        assert ledger.partition("weather").usage().max_bytes == MIB

    def test_whatever_is_done_first_with_a_skill_in_a_dry_run_finds_it(
        self, ledger: Ledger, skills: Skills
    ) -> None:
        save(skills)
        touches: list[tuple[Callable[[Skills], Any], Any]] = [
            (lambda dry: dry.get("weather"), skills.get("weather")),
            (lambda dry: dry.get("weather", at=1), skills.get("weather")),
            (lambda dry: len(dry.list().items), 1),
            (lambda dry: len(dry.history("weather").items), 1),
            (lambda dry: dry.diff("weather", 1).patch, ()),
            (lambda dry: save(dry, name="New").revision, 2),
            (lambda dry: dry.archive("weather").revision, 2),
            (lambda dry: dry.grant_quota("weather", 5).revision, 2),
            (lambda dry: dry.grant_extended_bounds("weather").revision, 2),
        ]
        for touch, found in touches:
            with ledger.dry_run() as dry:
                assert touch(dry.skills) == found
        assert len(skills.history("weather").items) == 1

    def test_a_dry_run_keeps_to_the_quotas_of_tiers(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(tier_quotas=TIERS)
        save(ledger.skills)
        with ledger.dry_run() as dry:
            kv = dry.partition("weather")
            with pytest.raises(NamespaceQuotaExceededError) as refused:
                kv.set("a", "x" * 15)
            assert refused.value.max == 10
            dry.skills.grant_extended_bounds("weather")
            assert kv.set("a", "x" * 15).revision
        assert ledger.partition("weather").usage().max_bytes == 10

    def test_a_dry_run_carries_no_grant_anew(self, ledger: Ledger, skills: Skills) -> None:
        save(skills)
        skills.grant_quota("weather", 100)
        ledger.partition("weather").set_quota(50)
        with ledger.dry_run() as dry:
            assert dry.partition("weather").usage().max_bytes == 50
            assert dry.sweep().grants_carried == 0
            assert dry.skills.grant_quota("weather", 100).revision == 3
            assert dry.partition("weather").usage().max_bytes == 100
            assert dry.rebuild().differences == ()
        assert ledger.partition("weather").usage().max_bytes == 50
